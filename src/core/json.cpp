#include "weir/core/json.hpp"

#include "weir/core/error.hpp"

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <array>
#include <charconv>
#include <cmath>

namespace weir {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// The length of the valid UTF-8 sequence (RFC 3629) at the front of text, 0 if there is none.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto follows = [&](std::size_t i) {
        return i < text.size() && (byte(i) & 0xc0U) == 0x80;
    };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if (!follows(1) || !follows(2)) return 0;
        if (first == 0xe0 && byte(1) < 0xa0) return 0;   // overlong
        if (first == 0xed && byte(1) >= 0xa0) return 0;  // surrogates
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (!follows(1) || !follows(2) || !follows(3)) return 0;
        if (first == 0xf0 && byte(1) < 0x90) return 0;
        if (first == 0xf4 && byte(1) >= 0x90) return 0;
        return 4;
    }
    return 0;
}

bool is_plain(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

void append_escape(std::string& out, char c) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            break;
    }
    out += "\\u00";
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
}

template <typename Number>
void append_number(std::string& out, Number number) {
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    out.append(text.data(), end);
}

}  // namespace

// From Boost's values to ours, once.
struct JsonReader {
    static JsonValue read(const boost::json::value& from) {
        using BoostKind = boost::json::kind;
        JsonValue to;
        switch (from.kind()) {
            case BoostKind::null:
                break;
            case BoostKind::bool_:
                to.kind_ = JsonValue::Kind::boolean;
                to.text_ = from.get_bool() ? "true" : "false";
                break;
            case BoostKind::int64:
                return number(from.get_int64());
            case BoostKind::uint64:
                return number(from.get_uint64());
            case BoostKind::double_:
                return number(from.get_double());
            case BoostKind::string:
                to.kind_ = JsonValue::Kind::string;
                to.text_.assign(from.get_string().data(), from.get_string().size());
                break;
            case BoostKind::array:
                to.kind_ = JsonValue::Kind::array;
                to.items_.reserve(from.get_array().size());
                for (const auto& item : from.get_array())
                    to.items_.push_back(read(item));
                break;
            case BoostKind::object:
                to.kind_ = JsonValue::Kind::object;
                to.members_.reserve(from.get_object().size());
                for (const auto& member : from.get_object())
                    to.members_.emplace_back(std::string(member.key()), read(member.value()));
                break;
        }
        return to;
    }

    template <typename Number>
    static JsonValue number(Number value) {
        JsonValue to;
        to.kind_ = JsonValue::Kind::number;
        append_number(to.text_, value);
        return to;
    }
};

std::optional<JsonValue> JsonValue::parse(std::string_view text) {
    boost::json::monotonic_resource memory;
    boost::system::error_code ec;
    const boost::json::value value =
        boost::json::parse({text.data(), text.size()}, ec, &memory, {.max_depth = 32});
    if (ec) return std::nullopt;
    return JsonReader::read(value);
}

namespace {

// Of a JSON text: each member has one colon outside of strings.
std::size_t members_written(std::string_view text) {
    std::size_t colons = 0;
    bool is_inside = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') is_inside = !is_inside;
        if (text[i] == '\\') ++i;
        if (i < text.size() && text[i] == ':' && !is_inside) ++colons;
    }
    return colons;
}

std::size_t members_read(const JsonValue& value) {
    std::size_t members = value.members().size();
    for (const auto& [name, member] : value.members())
        members += members_read(member);
    for (const JsonValue& item : value.items())
        members += members_read(item);
    return members;
}

}  // namespace

// The parser keeps one of two members of a name, so that fewer are read than were written.
std::optional<JsonValue> JsonValue::parse_unique(std::string_view text) {
    auto value = parse(text);
    if (value && members_written(text) != members_read(*value)) return std::nullopt;
    return value;
}

const JsonValue& JsonValue::operator[](std::string_view key) const {
    static const JsonValue kNull;
    for (const auto& [name, value] : members_) {
        if (name == key) return value;
    }
    return kNull;
}

std::optional<double> JsonValue::number() const {
    if (kind_ != Kind::number) return std::nullopt;
    double value = 0;
    std::from_chars(text_.data(), text_.data() + text_.size(), value);
    return value;
}

std::optional<std::uint64_t> JsonValue::integer() const {
    if (kind_ != Kind::number) return std::nullopt;
    std::uint64_t value = 0;
    const char* const end = text_.data() + text_.size();
    const auto [stop, ec] = std::from_chars(text_.data(), end, value);
    if (ec != std::errc{} || stop != end) return std::nullopt;
    return value;
}

std::optional<bool> JsonValue::boolean() const {
    if (kind_ != Kind::boolean) return std::nullopt;
    return text_ == "true";
}

void append_json_escaped(std::string& out, std::string_view text) {
    while (!text.empty()) {
        std::size_t plain = 0;
        while (plain < text.size() && is_plain(text[plain]))
            ++plain;
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) return;
        const std::size_t length = utf8_length(text);
        if (length > 1) {
            out.append(text.substr(0, length));
        } else if (length == 0) {
            out += kReplacement;
        } else {
            append_escape(out, text[0]);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
}

void JsonWriter::separate() {
    if (after_key_) {
        after_key_ = false;
        return;
    }
    const std::uint64_t bit = std::uint64_t{1} << depth_;
    if ((has_items_ & bit) != 0) out_ += ',';
    has_items_ |= bit;
}

JsonWriter& JsonWriter::begin_object() {
    separate();
    out_ += '{';
    WEIR_ASSERT(depth_ < 63);
    has_items_ &= ~(std::uint64_t{1} << ++depth_);
    return *this;
}

JsonWriter& JsonWriter::end_object() {
    WEIR_ASSERT(depth_ > 0);
    --depth_;
    out_ += '}';
    return *this;
}

JsonWriter& JsonWriter::begin_array() {
    separate();
    out_ += '[';
    WEIR_ASSERT(depth_ < 63);
    has_items_ &= ~(std::uint64_t{1} << ++depth_);
    return *this;
}

JsonWriter& JsonWriter::end_array() {
    WEIR_ASSERT(depth_ > 0);
    --depth_;
    out_ += ']';
    return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
    separate();
    out_ += '"';
    append_json_escaped(out_, name);
    out_ += "\":";
    after_key_ = true;
    return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
    separate();
    out_ += '"';
    append_json_escaped(out_, text);
    out_ += '"';
    return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
    separate();
    out_ += flag ? "true" : "false";
    return *this;
}

JsonWriter& JsonWriter::value(double number) {
    if (!std::isfinite(number)) return null();
    separate();
    append_number(out_, number);
    return *this;
}

JsonWriter& JsonWriter::value(std::uint64_t number) {
    separate();
    append_number(out_, number);
    return *this;
}

JsonWriter& JsonWriter::value(std::int64_t number) {
    separate();
    append_number(out_, number);
    return *this;
}

JsonWriter& JsonWriter::null() {
    separate();
    out_ += "null";
    return *this;
}

}  // namespace weir
