#include "describe/canonical.hpp"

#include "weir/config/values.hpp"
#include "weir/core/address.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <utility>
#include <vector>

namespace weir::describe {
namespace {

using config::Entry;
using config::Node;

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    return out;
}

// ---- scalars

// The shortest text that reads back as the same number.
std::string number_text(double value) {
    std::array<char, 64> buffer{};
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed)
            .ptr;
    return {buffer.data(), end};
}

std::string duration_text(const std::string& text) {
    const auto read = config::read_duration(text);
    const auto* value = std::get_if<Duration>(&read);
    return value == nullptr ? text : config::to_text(*value);
}

std::string size_text(const std::string& text) {
    const auto read = config::read_size(text);
    const auto* value = std::get_if<std::uint64_t>(&read);
    return value == nullptr ? text : config::size_to_text(*value);
}

std::string percent_text(const std::string& text) {
    double value = 0;
    const auto read = config::read_percent(text);
    if (!std::holds_alternative<double>(read)) return text;
    std::from_chars(text.data(), text.data() + text.size() - 1, value);  // 33.3% stays 33.3%
    return number_text(value) + "%";
}

std::string rate_text(const std::string& text) {
    const auto read = config::read_rate(text);
    const auto* value = std::get_if<double>(&read);
    if (value == nullptr) return text;
    auto candidate = number_text(*value) + "/s";
    const auto again = config::read_rate(candidate);
    const auto* same = std::get_if<double>(&again);
    return same != nullptr && *same == *value && candidate.size() < 20 ? candidate : text;
}

std::string integer_text(const std::string& text) {
    const auto read = config::read_integer(text);
    const auto* value = std::get_if<std::uint64_t>(&read);
    return value == nullptr ? text : std::to_string(*value);
}

struct Spelling {
    std::string_view type;
    std::string (*text)(const std::string&);
};
constexpr std::array kSpellings{Spelling{"duration", duration_text}, Spelling{"size", size_text},
                                Spelling{"percent", percent_text}, Spelling{"rate", rate_text},
                                Spelling{"int", integer_text}};

std::string route_path(const std::string& text) {
    if (text.starts_with('~'))
        return "~ " + text.substr(std::min(text.find_first_not_of(' ', 1), text.size()));
    return text.ends_with("/*") ? text.substr(0, text.size() - 1) : text;
}
std::string server(const std::string& text) {
    const auto address = Address::from_ip(text, 53);
    return address ? address->to_string() : text;
}
std::string condition(const std::string& text) {
    constexpr std::string_view kSlow = "slow>";
    return text.starts_with(kSlow) ? std::string(kSlow) + duration_text(text.substr(kSlow.size()))
                                   : text;
}
std::string log_source(const std::string& text) {
    const bool is_header = text.starts_with("header:") || text.starts_with("response_header:");
    return is_header ? lower(text) : text;
}
// "3.0x" is 3x.
std::string factor(const std::string& text) {
    double value = 0;
    const auto end = text.data() + text.size();
    const auto [at, ec] = std::from_chars(text.data(), end, value);
    return ec == std::errc{} && at + 1 == end && *at == 'x' ? number_text(value) + "x" : text;
}
// "200-204,301" of any spelling of the same codes; what is none stays.
std::string statuses(const std::string& text) {
    std::bitset<600> all;
    const char* at = text.data();
    const char* const end = at + text.size();
    const auto number = [&](unsigned& into) {
        while (at != end && *at == ' ')
            ++at;
        const auto [next, ec] = std::from_chars(at, end, into);
        if (ec != std::errc{} || into >= all.size()) return false;
        for (at = next; at != end && *at == ' ';)
            ++at;
        return true;
    };
    for (bool has_more = true; has_more; has_more = at != end && *at++ == ',') {
        unsigned first = 0;
        if (!number(first)) return text;
        unsigned last = first;
        if (at != end && *at == '-' && (++at, !number(last))) return text;
        for (unsigned code = first; code <= last; ++code)
            all.set(code);
    }
    std::string out;
    for (unsigned code = 0; code < all.size(); ++code) {
        if (!all.test(code) || (code > 0 && all.test(code - 1))) continue;
        unsigned last = code;
        while (last + 1 < all.size() && all.test(last + 1))
            ++last;
        out += (out.empty() ? "" : ",") + std::to_string(code);
        if (last > code) out += "-" + std::to_string(last);
    }
    return out;
}
std::string as_written(const std::string& text) {
    return text;
}
std::string lower_text(const std::string& text) {
    return lower(text);
}

// Keys whose type alone does not tell how two spellings are one value; for lists and maps of each
// of their scalars.
constexpr std::array kOfKeys{Spelling{"rate_limits{}.rate", as_written},  // its unit counts
                             Spelling{"routes[].path", route_path},
                             Spelling{"routes[].host", lower_text},
                             Spelling{"routes[].headers.remove", lower_text},
                             Spelling{"routes[].response_headers.remove", lower_text},
                             Spelling{"routes[].cors.origins", lower_text},
                             Spelling{"routes[].cors.headers", lower_text},
                             Spelling{"routes[].cors.expose", lower_text},
                             Spelling{"clusters{}.lb.key", log_source},
                             Spelling{"clusters{}.discovery.servers", server},
                             Spelling{"telemetry.buckets", duration_text},
                             Spelling{"access_log.only", condition},
                             Spelling{"access_log.redact", lower_text},
                             Spelling{"outlier.latency_factor", factor},
                             Spelling{"clusters{}.health.expect", statuses},
                             Spelling{"access_log.fields", log_source}};

std::string spelled(const config::KeyInfo& row, const std::string& text) {
    for (const auto& of : kOfKeys) {
        if (of.type == row.path) return of.text(text);
    }
    for (const auto& of : kSpellings) {
        if (row.type == of.type || row.type.starts_with(std::string(of.type) + "|"))
            return of.text(text);
    }
    return text;
}

// ---- lists and maps

// Words whose order says nothing: those of the default first, then by name, each once.
void sort_words(const config::KeyInfo& row, std::vector<Node>& items) {
    if (row.path != "retry.on" && row.path != "access_log.only" && row.path != "breaker.failure_on")
        return;
    const auto rank = [&](const Node& item) {
        const auto at = row.fallback.find(item.text);
        return std::pair(at == std::string_view::npos ? row.fallback.size() : at, item.text);
    };
    std::sort(items.begin(), items.end(),
              [&](const Node& a, const Node& b) { return rank(a) < rank(b); });
    items.erase(std::unique(items.begin(), items.end(),
                            [](const Node& a, const Node& b) { return a.text == b.text; }),
                items.end());
}

// {address: a:80} is a:80; the weight is left out where it is the default.
Node endpoint(const Node& node) {
    constexpr std::string_view kWeight = "100";
    Node out = node;
    if (node.kind != Node::Kind::map) return out;
    std::erase_if(out.entries, [&](const Entry& entry) {
        return entry.key == "weight" && integer_text(entry.value.text) == kWeight;
    });
    std::sort(out.entries.begin(), out.entries.end(),
              [](const Entry& a, const Entry& b) { return a.key < b.key; });
    for (auto& entry : out.entries) {
        if (entry.key == "weight") entry.value.text = integer_text(entry.value.text);
    }
    if (out.entries.size() == 1 && out.entries.front().key == "address")
        return Node(std::move(out.entries.front().value));
    return out;
}

// Addresses of a list are one cluster that comes after the named ones.
Node target(const Node& node, const IsCluster& is_cluster) {
    Node out = node;
    if (out.kind == Node::Kind::list) {
        std::stable_partition(out.items.begin(), out.items.end(),
                              [&](const Node& item) { return is_cluster(item.text); });
        if (out.items.size() == 1) return Node(std::move(out.items.front()));
    }
    for (auto& entry : out.entries)
        entry.value.text = percent_text(entry.value.text);
    return out;
}

Node list(const config::KeyInfo& row, const Node& node) {
    Node out = node;
    if (out.kind == Node::Kind::scalar) {
        Node only = std::move(out);
        out = Node();
        out.kind = Node::Kind::list;
        out.items.push_back(std::move(only));
    }
    for (auto& item : out.items) {
        if (row.path == "clusters{}.endpoints") item = endpoint(item);
        item.text = spelled(row, item.text);
    }
    sort_words(row, out.items);
    const bool may_be_one = row.type != "list";
    if (may_be_one && out.items.size() == 1) return Node(std::move(out.items.front()));
    return out;
}

Node map(const config::KeyInfo& row, const Node& node) {
    Node out = node;
    for (auto& entry : out.entries) {
        const bool is_header = row.path == "routes[].header" ||
                               row.path == "routes[].headers.set" ||
                               row.path == "routes[].response_headers.set";
        if (is_header) entry.key = lower(entry.key);
        entry.value.text = spelled(row, entry.value.text);
    }
    return out;
}

// ---- as YAML

bool is_plain(std::string_view text, bool is_in_flow) {
    constexpr std::string_view kTaken =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:%+*<>@=$;()^";
    constexpr std::string_view kFirst =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._";
    constexpr std::array<std::string_view, 4> kNull{"null", "Null", "NULL", "~"};
    if (text.empty() || text.find_first_not_of(kTaken) != std::string_view::npos) return false;
    const bool is_address = !is_in_flow && text.front() == ':' && text.size() > 1;
    if (kFirst.find(text.front()) == std::string_view::npos && !is_address) return false;
    return text.back() != ':' && text != "." && !text.starts_with("---") &&
           !text.starts_with("...") && std::find(kNull.begin(), kNull.end(), text) == kNull.end();
}

std::string in_quotes(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\x";
            out += kDigits[byte >> 4U];
            out += kDigits[byte & 0xfU];
        } else {
            out += c;
        }
    }
    return out + "\"";
}

std::string flow(const Node& node, bool is_inner) {
    switch (node.kind) {
        case Node::Kind::null:
            return "~";
        case Node::Kind::scalar:
            return quoted_if_needed(node.text, is_inner);
        case Node::Kind::list:
            break;
        case Node::Kind::map:
            break;
    }
    std::string out;
    for (const auto& item : node.items)
        out += (out.empty() ? "" : ", ") + flow(item, true);
    for (const auto& entry : node.entries) {
        out += (out.empty() ? "" : ", ") + quoted_if_needed(entry.key, true) + ": " +
               flow(entry.value, true);
    }
    return node.kind == Node::Kind::list ? "[" + out + "]" : "{" + out + "}";
}

}  // namespace

Node scalar(std::string_view text) {
    Node node;
    node.kind = Node::Kind::scalar;
    node.text = text;
    return node;
}

Node node_of(std::string_view text) {
    if (text == "{}") {
        Node node;
        node.kind = Node::Kind::map;
        return node;
    }
    if (!text.starts_with('[')) return scalar(text == "\"\"" ? std::string_view() : text);
    Node node;
    node.kind = Node::Kind::list;
    text = text.substr(1, text.size() - 2);
    while (!text.empty()) {
        const auto end = std::min(text.find(", "), text.size());
        auto item = text.substr(0, end);
        if (item.size() > 1 && item.front() == '"') item = item.substr(1, item.size() - 2);
        node.items.push_back(scalar(item));
        text.remove_prefix(std::min(end + 2, text.size()));
    }
    return node;
}

Node canonical(const config::KeyInfo& row, const Node& node, const IsCluster& is_cluster) {
    if (row.type.starts_with("secret")) return scalar("***");
    if (row.type == "target") return target(node, is_cluster);
    if (row.type.find("list") != std::string_view::npos) return list(row, node);
    if (row.type == "map") return map(row, node);
    Node out = node;
    if (out.kind == Node::Kind::scalar) out.text = spelled(row, out.text);
    return out;
}

std::string quoted_if_needed(std::string_view text, bool is_in_flow) {
    return is_plain(text, is_in_flow) ? std::string(text) : in_quotes(text);
}

std::string flow_text(const Node& node) {
    return flow(node, false);
}

}  // namespace weir::describe
