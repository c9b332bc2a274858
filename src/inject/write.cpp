#include "inject/value.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace weir::inject {
namespace {

// ---- JSON

bool is_number(std::string_view text) {
    const auto parsed = JsonValue::parse(text);
    return parsed && parsed->kind() == JsonValue::Kind::number;
}

bool is_literal(const Value& value) {
    return value.text == "true" || value.text == "false" || is_number(value.text);
}

void append_scalar(std::string& out, const Value& value) {
    if (value.is_null()) {
        out += "null";
    } else if (value.kind == Value::Kind::plain && is_literal(value)) {
        out += value.text;
    } else {
        out += '"';
        append_json_escaped(out, value.text);
        out += '"';
    }
}

// `indent` below 0: one line.
void append_json(std::string& out, const Value& value, int indent) {
    if (value.is_scalar()) return append_scalar(out, value);
    const bool is_pretty = indent >= 0;
    const int inner = is_pretty ? indent + 4 : indent;
    const auto new_line = [&](int depth) {
        if (is_pretty) out.append("\n").append(static_cast<std::size_t>(depth), ' ');
    };
    const bool is_list = value.is_array();
    out += is_list ? '[' : '{';
    bool is_first = true;
    const auto begin = [&] {
        if (!std::exchange(is_first, false)) out += ',';
        new_line(inner);
    };
    for (const Value& item : value.items) {
        begin();
        append_json(out, item, inner);
    }
    for (const auto& [key, member] : value.members) {
        begin();
        out += '"';
        append_json_escaped(out, key);
        out += is_pretty ? "\": " : "\":";
        append_json(out, member, inner);
    }
    if (!is_first) new_line(indent);
    out += is_list ? ']' : '}';
}

// ---- YAML

constexpr std::array<std::string_view, 9> kWords{"true", "false", "yes", "no", "on",
                                                 "off",  "null",  "y",   "n"};

// A text that no reader of YAML 1.1 or 1.2 takes for anything but itself.
bool is_safe(std::string_view text) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_-:@+";
    if (text.empty() || text.find_first_not_of(kPlain) != std::string_view::npos) return false;
    const char first = text.front();
    const bool is_word = std::isalpha(static_cast<unsigned char>(first)) != 0 || first == '/';
    if (!is_word || text.ends_with(':')) return false;
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return std::find(kWords.begin(), kWords.end(), lower) == kWords.end();
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    append_json_escaped(out, text);
    return out + '"';
}

// Lines that may stand in a block as they are.
bool fits_block(std::string_view text) {
    if (text.find('\n') == std::string_view::npos || text.front() == '\n') return false;
    if (text.front() == ' ' || text.find_first_not_of('\n') == std::string_view::npos) return false;
    if (text.find(" \n") != std::string_view::npos || text.back() == ' ') return false;
    return std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return c == '\n' || (c >= 0x20 && c < 0x7F); });
}

void append_block(std::string& out, std::string_view text, std::size_t indent) {
    std::string_view body = text;
    while (body.ends_with('\n'))
        body.remove_suffix(1);
    const std::size_t ends = text.size() - body.size();
    out += ends == 0 ? "|-" : ends == 1 ? "|" : "|+";
    while (!body.empty()) {
        const std::size_t end = std::min(body.find('\n'), body.size());
        out += '\n';
        if (end > 0) out.append(indent, ' ').append(body.substr(0, end));
        body.remove_prefix(std::min(end + 1, body.size()));
    }
    out.append(ends == 0 ? 1 : ends, '\n');
}

class YamlWriter {
  public:
    explicit YamlWriter(std::string& out) : out_(out) {}

    // What stands behind "key:", "-" or at the beginning; it ends its line.
    void put(const Value& value, std::size_t indent) {
        if (value.is_object() && !value.members.empty()) {
            put_members(value, indent);
        } else if (value.is_array() && !value.items.empty()) {
            put_items(value, indent);
        } else {
            put_scalar(value, indent);
        }
    }

  private:
    void put_scalar(const Value& value, std::size_t indent) {
        if (value.is_object()) {
            out_ += "{}\n";
        } else if (value.is_array()) {
            out_ += "[]\n";
        } else if (value.kind == Value::Kind::plain) {
            out_.append(value.text.empty() ? "null" : value.text).append("\n");
        } else if (fits_block(value.text)) {
            append_block(out_, value.text, indent);
        } else {
            out_.append(is_safe(value.text) ? value.text : quoted(value.text)).append("\n");
        }
    }

    void put_members(const Value& value, std::size_t indent) {
        bool is_first = true;
        for (const auto& [key, member] : value.members) {
            if (!std::exchange(is_first, false)) out_.append(indent, ' ');
            out_.append(is_safe(key) ? key : quoted(key)).append(":");
            const bool nests = !member.members.empty() || !member.items.empty();
            if (!nests) {
                out_ += ' ';
                put(member, indent + 2);
                continue;
            }
            const std::size_t inner = member.is_array() ? indent : indent + 2;
            out_.append("\n").append(inner, ' ');
            put(member, inner);
        }
    }

    void put_items(const Value& value, std::size_t indent) {
        bool is_first = true;
        for (const Value& item : value.items) {
            if (!std::exchange(is_first, false)) out_.append(indent, ' ');
            out_ += "- ";
            put(item, indent + 2);
        }
    }

    std::string& out_;
};

}  // namespace

std::string to_json(const Value& value) {
    std::string out;
    append_json(out, value, -1);
    return out;
}

std::string to_pretty_json(const Value& value) {
    std::string out;
    append_json(out, value, 0);
    return out + '\n';
}

std::string to_yaml(const Value& value) {
    std::string out;
    YamlWriter(out).put(value, 0);
    return out;
}

}  // namespace weir::inject
