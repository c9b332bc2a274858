#include "finders/etcd_messages.hpp"

#include "weir/crypto/base64.hpp"

#include <charconv>
#include <utility>

namespace weir::finders::etcd {
namespace {

constexpr std::uint64_t kMostWeight = 65535;
constexpr std::uint64_t kMostPriority = 255;
constexpr std::size_t kMostShown = 80;

// etcd leaves out what is empty.
std::optional<KeyValue> read_pair(const JsonValue& from) {
    auto key = crypto::decode_base64(from["key"].text());
    auto value = crypto::decode_base64(from["value"].text());
    if (!key || key->empty() || !value) return std::nullopt;
    const std::string& lease = from["lease"].text();
    return KeyValue{.key = std::move(*key),
                    .value = std::move(*value),
                    .lease = lease == "0" ? std::string() : lease};
}

std::string shown(std::string_view text) {
    return "'" + std::string(text.substr(0, kMostShown)) + (text.size() > kMostShown ? "..." : "") +
           "'";
}

std::optional<Address> address_of(std::string_view text) {
    auto address = Address::parse(text);
    if (text.starts_with(':') || (address && !address->is_unix() && address->port() == 0))
        return std::nullopt;
    return address;
}

}  // namespace

std::string end_of_prefix(std::string prefix) {
    while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff)
        prefix.pop_back();
    if (prefix.empty()) return std::string(1, '\0');  // to the end of all
    prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
    return prefix;
}

std::string range_request(std::string_view from,
                          std::string_view end,
                          std::uint64_t most,
                          std::uint64_t revision) {
    std::string body;
    JsonWriter json(body);
    json.begin_object().field("key", crypto::encode_base64(from));
    json.field("range_end", crypto::encode_base64(end)).field("limit", std::to_string(most));
    if (revision > 0) json.field("revision", std::to_string(revision));
    json.end_object();
    return body;
}

std::string watch_request(std::string_view from, std::string_view end, std::uint64_t revision) {
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("create_request").begin_object();
    json.field("key", crypto::encode_base64(from)).field("range_end", crypto::encode_base64(end));
    json.field("start_revision", std::to_string(revision)).field("progress_notify", true);
    json.end_object().end_object();
    return body;
}

std::uint64_t number(const JsonValue& value) {
    const std::string& text = value.text();
    std::uint64_t read = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), read);
    return ec == std::errc() && end == text.data() + text.size() ? read : 0;
}

std::optional<RangeAnswer> read_range(std::string_view body) {
    const auto json = JsonValue::parse(body);
    if (!json || !json->is_object()) return std::nullopt;
    RangeAnswer answer{.revision = number((*json)["header"]["revision"]),
                       .has_more = (*json)["more"].boolean().value_or(false),
                       .pairs = {}};
    if (answer.revision == 0) return std::nullopt;
    for (const JsonValue& from : (*json)["kvs"].items()) {
        auto pair = read_pair(from);
        if (!pair) return std::nullopt;
        answer.pairs.push_back(std::move(*pair));
    }
    return answer;
}

std::optional<WatchAnswer> read_watch(std::string_view line) {
    const auto json = JsonValue::parse(line);
    if (!json || !json->is_object()) return std::nullopt;
    const JsonValue& result = (*json)["result"];
    WatchAnswer answer;
    if (!result.is_object()) {
        answer.kind = WatchAnswer::Kind::refused;
        answer.error = read_error(line);
        if (answer.error.empty()) return std::nullopt;
        return answer;
    }
    answer.revision = number(result["header"]["revision"]);
    if (result["canceled"].boolean().value_or(false)) {
        const bool is_compacted = number(result["compact_revision"]) > 0;
        answer.kind = is_compacted ? WatchAnswer::Kind::compacted : WatchAnswer::Kind::refused;
        answer.error = result["cancel_reason"].text();
        if (answer.error.empty()) answer.error = "the watch was cancelled";
        return answer;
    }
    for (const JsonValue& event : result["events"].items()) {
        auto pair = read_pair(event["kv"]);
        if (!pair) return std::nullopt;
        pair->is_gone = event["type"].text() == "DELETE";
        answer.events.push_back(std::move(*pair));
    }
    return answer;
}

std::string read_error(std::string_view body) {
    const auto json = JsonValue::parse(body);
    if (!json) return {};
    const JsonValue& error = (*json)["error"];
    if (error.is_object()) return error["message"].text();
    return error.is_string() ? error.text() : (*json)["message"].text();
}

std::optional<Found> read_endpoint(std::string_view key_after_prefix,
                                   std::string_view value,
                                   std::string& wrong) {
    Found found;
    std::string text(value.empty() ? key_after_prefix : value);
    if (text.starts_with('{')) {
        const auto json = JsonValue::parse(text);
        if (!json) {
            wrong = shown(value) + " is no JSON";
            return std::nullopt;
        }
        const JsonValue& weight = (*json)["weight"];
        const JsonValue& priority = (*json)["priority"];
        const auto is_odd = [](const JsonValue& each, std::uint64_t least, std::uint64_t most) {
            const auto read = each.integer();
            return !each.is_null() && (!read || *read < least || *read > most);
        };
        if (is_odd(weight, 1, kMostWeight) || is_odd(priority, 0, kMostPriority)) {
            wrong = "weight is 1 to 65535, priority 0 to 255, not as in " + shown(value);
            return std::nullopt;
        }
        found.weight = static_cast<std::uint32_t>(weight.integer().value_or(found.weight));
        found.priority = static_cast<std::uint8_t>(priority.integer().value_or(0));
        found.zone = (*json)["zone"].text();
        text = (*json)["address"].text();
        if (text.empty()) text = (*json)["Addr"].text();
        if (text.empty()) text = key_after_prefix;
    }
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.pop_back();
    const auto address = address_of(text);
    if (!address) {
        wrong = shown(text) + " is no address";
        return std::nullopt;
    }
    found.address = *address;
    found.name = address->to_string();
    return found;
}

}  // namespace weir::finders::etcd
