#include "discovery/snapshot.hpp"

#include "weir/control/text_file.hpp"
#include "weir/core/json.hpp"

#include <array>
#include <charconv>
#include <filesystem>

namespace weir::discovery {
namespace {

constexpr std::size_t kMost = std::size_t{64} * 1024 * 1024;
constexpr std::string_view kFirstLine = "weir-discovery 1 ";

// FNV-1a: against torn and mixed-up files, not against those who may write the folder.
std::uint64_t hash_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return hash;
}

// A cluster may be called "a/b" or "10.0.0.1:80".
std::string file_name(const std::string& cluster) {
    constexpr std::string_view kHex = "0123456789abcdef";
    constexpr std::size_t kLongest = 200;
    std::string name;
    for (const char c : cluster) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '_';
        const auto byte = static_cast<unsigned char>(c);
        if (is_plain) {
            name += c;
        } else {
            name += '%';
            name += kHex[byte >> 4U];
            name += kHex[byte & 15U];
        }
    }
    if (name.size() > kLongest) {
        name.resize(kLongest);
        name += std::to_string(hash_of(cluster));
    }
    return "discovery-" + name;
}

std::string source_of(const config::Discovery& discovery) {
    std::string text = std::to_string(static_cast<int>(discovery.type)) + '|' + discovery.name +
                       '|' + std::to_string(discovery.port) + '|' + discovery.port_name + '|' +
                       discovery.zone + '|' + discovery.path;
    for (const auto& source : discovery.sources)
        text += '|' + source.endpoint.text;
    for (const auto& [option, value] : discovery.options)
        text += '|' + option + '=' + value;
    return std::to_string(hash_of(text));
}

void write(JsonWriter& json, const Found& found) {
    json.begin_object().field("address", found.address.to_string()).field("name", found.name);
    json.field("weight", found.weight).field("priority", std::uint32_t{found.priority});
    json.field("terminating", found.state == Found::State::terminating);
    json.field("h2c", found.speaks == Found::Speaks::h2c);
    json.field("zone", found.zone).field("uid", found.uid).end_object();
}

std::optional<Found> read(const JsonValue& from) {
    const auto address = Address::parse(from["address"].text());
    const auto weight = from["weight"].integer();
    const auto priority = from["priority"].integer();
    const auto is_terminating = from["terminating"].boolean();
    const auto is_h2c = from["h2c"].boolean();
    if (!address || !weight || !priority || !is_terminating || !is_h2c) return std::nullopt;
    if (*weight == 0 || *weight > 65535 || *priority > 255) return std::nullopt;
    return Found{.address = *address,
                 .name = from["name"].text(),
                 .weight = static_cast<std::uint32_t>(*weight),
                 .priority = static_cast<std::uint8_t>(*priority),
                 .state = *is_terminating ? Found::State::terminating : Found::State::serving,
                 .speaks = *is_h2c ? Found::Speaks::h2c : Found::Speaks::unknown,
                 .zone = from["zone"].text(),
                 .uid = from["uid"].text()};
}

std::string hex(std::uint64_t value) {
    std::array<char, 16> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value, 16).ptr;
    return {text.data(), end};
}

}  // namespace

SnapshotFile::SnapshotFile(const std::string& folder,
                           const std::string& cluster,
                           const config::Discovery& discovery)
    : path_((std::filesystem::path(folder) / file_name(cluster)).string()),
      source_(source_of(discovery)) {}

std::string SnapshotFile::encode(const Content& content) const {
    std::string body;
    JsonWriter json(body);
    const auto at =
        std::chrono::duration_cast<std::chrono::milliseconds>(content.at.time_since_epoch());
    json.begin_object().field("source", source_);
    json.field("at", static_cast<std::int64_t>(at.count())).key("endpoints").begin_array();
    for (const Found& found : content.endpoints)
        discovery::write(json, found);
    json.end_array().end_object();
    return std::string(kFirstLine) + std::to_string(body.size()) + ' ' + hex(hash_of(body)) + '\n' +
           body;
}

std::optional<SnapshotFile::Content> SnapshotFile::decode(std::string_view bytes,
                                                          std::string& why) const {
    const auto end = bytes.find('\n');
    const std::string_view body = end == bytes.npos ? std::string_view() : bytes.substr(end + 1);
    const std::string expected =
        std::string(kFirstLine) + std::to_string(body.size()) + ' ' + hex(hash_of(body));
    if (end == bytes.npos || bytes.substr(0, end) != expected) {
        why = "it is damaged, or of another version";
        return std::nullopt;
    }
    const auto json = JsonValue::parse(body);
    const auto at = json ? (*json)["at"].integer() : std::nullopt;
    if (!at || *at > std::uint64_t{1} << 53U || !(*json)["endpoints"].is_array()) {
        why = "it is not what a snapshot looks like";
        return std::nullopt;
    }
    if ((*json)["source"].text() != source_) {
        why = "it is of another source";
        return std::nullopt;
    }
    Content content{WallTime(std::chrono::milliseconds(*at)), {}};
    for (const JsonValue& item : (*json)["endpoints"].items()) {
        auto found = discovery::read(item);
        if (!found) {
            why = "it is not what a snapshot looks like";
            return std::nullopt;
        }
        content.endpoints.push_back(std::move(*found));
    }
    return content;
}

bool SnapshotFile::write(const Content& content) const {
    return control::replace_file(path_, encode(content));
}

std::optional<SnapshotFile::Content> SnapshotFile::read(std::string& why) const {
    std::error_code ec;
    if (!std::filesystem::exists(path_, ec)) return std::nullopt;
    const control::TextFile file = control::read_text_file(path_, kMost);
    if (!file.error.empty()) {
        why = file.error;
        return std::nullopt;
    }
    return decode(file.text, why);
}

}  // namespace weir::discovery
