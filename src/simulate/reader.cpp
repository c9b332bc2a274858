#include "reader.hpp"

#include "weir/decode/suggest.hpp"

#include <algorithm>

namespace weir::simulate {
namespace {

std::string quoted(std::string_view text) {
    return "'" + std::string(text) + "'";
}

std::string perhaps(std::string_view word, const std::vector<std::string_view>& known) {
    const std::string_view near = config::nearest(word, known);
    return near.empty() ? std::string() : "did you mean '" + std::string(near) + "'?";
}

}  // namespace

void Reader::complain(const config::Node& node, config::Complaint complaint) {
    report_.add({.code = complaint.code,
                 .place = node.place,
                 .what = std::move(complaint.what),
                 .note = std::move(complaint.note),
                 .help = std::move(complaint.help),
                 .width = node.width});
}

void Reader::map(const config::Node& node, std::string_view path, const std::vector<Key>& keys) {
    const std::string where = path.empty() ? "a scenario" : std::string(path);
    if (node.kind != config::Node::Kind::map) {
        complain(node, {.code = 108, .what = where + " takes a map of settings"});
        return;
    }
    std::vector<std::string_view> known;
    for (const Key& key : keys)
        known.push_back(key.name);
    std::vector<std::string_view> seen;
    for (const config::Entry& entry : node.entries) {
        const auto found = std::find(known.begin(), known.end(), entry.key);
        const bool is_known = found != known.end();
        const bool is_second = std::find(seen.begin(), seen.end(), entry.key) != seen.end();
        seen.push_back(entry.key);
        if (is_known && !is_second) {
            keys[static_cast<std::size_t>(found - known.begin())].take(entry.value);
            continue;
        }
        config::Problem problem{.code = 102,
                                .place = entry.place,
                                .what = quoted(entry.key) + " is given twice in " + where,
                                .width = entry.width};
        if (!is_known) {
            problem.code = 101;
            problem.what = "unknown key " + quoted(entry.key) + " in " + where;
            problem.note = perhaps(entry.key, known);
            problem.help = "keys here: " + config::joined(known);
        }
        report_.add(std::move(problem));
    }
}

void Reader::list(const config::Node& node, const std::function<void(const config::Node&)>& take) {
    if (node.kind != config::Node::Kind::list) return take(node);
    for (const config::Node& item : node.items)
        take(item);
}

bool Reader::is_scalar(const config::Node& node, std::string_view type) {
    if (node.kind == config::Node::Kind::scalar) return true;
    complain(node, {.code = 108, .what = "this takes " + std::string(type)});
    return false;
}

template <typename T>
bool Reader::take(const config::Node& node,
                  std::string_view type,
                  config::Read<T> (*read)(std::string_view),
                  T& into) {
    if (!is_scalar(node, type)) return false;
    auto result = read(node.text);
    if (auto* const complaint = std::get_if<config::Complaint>(&result)) {
        complain(node, std::move(*complaint));
        return false;
    }
    into = std::get<T>(result);
    return true;
}

void Reader::duration(const config::Node& node, Duration& into, bool may_be_zero) {
    Duration value{0};
    if (!take(node, "a duration, as 250ms", &config::read_duration, value)) return;
    if (value <= Duration{0} && !may_be_zero) {
        return complain(node, {.code = 117, .what = "this must be longer than 0"});
    }
    into = value;
}

void Reader::rate(const config::Node& node, double& into) {
    take(node, "a rate, as 400/s", &config::read_rate, into);
}

void Reader::percent(const config::Node& node, double& into) {
    take(node, "a percentage, as 20%", &config::read_percent, into);
}

void Reader::number(const config::Node& node, std::uint64_t& into) {
    take(node, "a number", &config::read_integer, into);
}

void Reader::number(const config::Node& node,
                    std::uint32_t& into,
                    std::uint64_t least,
                    std::uint64_t most) {
    std::uint64_t value = 0;
    if (!take(node, "a number", &config::read_integer, value)) return;
    if (value < least || value > most) {
        return complain(node, {.code = 117,
                               .what = node.text + " is out of range",
                               .note = std::to_string(least) + " to " + std::to_string(most)});
    }
    into = static_cast<std::uint32_t>(value);
}

void Reader::text(const config::Node& node, std::string& into) {
    if (is_scalar(node, "a text")) into = node.text;
}

std::size_t Reader::word(const config::Node& node, const std::vector<std::string_view>& words) {
    if (!is_scalar(node, "a word")) return words.size();
    const auto found = std::find(words.begin(), words.end(), node.text);
    if (found == words.end()) {
        complain(node, {.code = 105,
                        .what = "unknown word " + quoted(node.text),
                        .note = perhaps(node.text, words),
                        .help = "one of: " + config::joined(words)});
    }
    return static_cast<std::size_t>(found - words.begin());
}

}  // namespace weir::simulate
