#include "weir/describe/vocabulary.hpp"

#include "decode/table.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::describe {
namespace {

struct Off {
    std::string_view block;
    OffMeaning meaning;
};
constexpr std::array kOff{Off{"retry", {"attempts", "0"}}, Off{"breaker", {"mode", "off"}},
                          Off{"outlier", {"mode", "off"}}, Off{"access_log", {"to", "off"}}};

// Words that stand in the column of defaults for what is no value of the type.
constexpr std::array<std::string_view, 16> kWords{
    "endpoint's",     "",          "-",   "required", "inherits",     "on",      "hostname",
    "listen address", "generated", "any", "keep",     "cluster name", "by mode", "host",
    "by client_ca",   "by rate"};
constexpr std::array<std::string_view, 3> kMoreWords{"system", "from endpoints", "none"};

std::string child_of(const config::KeyInfo& info,
                     std::string_view name,
                     const std::map<std::string, std::vector<Row>, std::less<>>& blocks) {
    const std::string own(name);
    std::vector<std::string> candidates;
    if (info.type.find("object") != std::string_view::npos)
        candidates = {info.path, own, "clusters{}." + own};
    if (info.type.find("list") != std::string_view::npos)
        candidates = {info.path + "[]", own + "[]"};
    if (info.type.starts_with("map")) candidates = {info.path + "{}"};
    for (auto& candidate : candidates) {
        if (blocks.contains(candidate)) return std::move(candidate);
    }
    return {};
}

}  // namespace

Vocabulary::Vocabulary() : keys_(config::keys()) {
    for (const auto& key : keys_) {
        const auto dot = key.path.rfind('.');
        const auto block = dot == std::string::npos ? std::string() : key.path.substr(0, dot);
        const auto name = std::string_view(key.path).substr(dot == std::string::npos ? 0 : dot + 1);
        if (!blocks_.contains(block)) order_.push_back(block);
        blocks_[block].push_back({&key, name, {}});
    }
    for (auto& [block, rows] : blocks_) {
        for (auto& row : rows)
            row.child = child_of(*row.info, row.name, blocks_);
    }
}

const std::vector<Row>& Vocabulary::rows(std::string_view block) const {
    static const std::vector<Row> kNone;
    const auto found = blocks_.find(block);
    return found == blocks_.end() ? kNone : found->second;
}

const Row* Vocabulary::find(std::string_view block, std::string_view name) const {
    const auto& all = rows(block);
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Row& row) { return row.name == name; });
    return found == all.end() ? nullptr : &*found;
}

const OffMeaning* Vocabulary::off(std::string_view block) {
    const auto found =
        std::find_if(kOff.begin(), kOff.end(), [&](const Off& off) { return off.block == block; });
    return found == kOff.end() ? nullptr : &found->meaning;
}

bool Vocabulary::is_meant(std::string_view type, std::string_view key) {
    return config::is_key_of_discovery(type, key);
}

bool is_value(const config::KeyInfo& row) {
    if (std::find(kWords.begin(), kWords.end(), row.fallback) != kWords.end()) return false;
    const bool is_word =
        std::find(kMoreWords.begin(), kMoreWords.end(), row.fallback) != kMoreWords.end();
    // "duration|none" takes its word, a plain type does not.
    return !is_word || row.type.find("|" + std::string(row.fallback)) != std::string_view::npos;
}

}  // namespace weir::describe
