#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

// Writes JSON (RFC 8259) into a string the caller owns. Commas are its matter; nesting is checked
// by assertion. Strings are escaped, and bytes that are no UTF-8 become U+FFFD, so that what it
// writes always parses. Thread: its owner's.
//
//     JsonWriter json(out);
//     json.begin_object().field("name",
//     name).key("list").begin_array().value(1).end_array().end_object();
class JsonWriter {
  public:
    explicit JsonWriter(std::string& out) : out_(out) {}

    JsonWriter& begin_object();
    JsonWriter& end_object();
    JsonWriter& begin_array();
    JsonWriter& end_array();
    JsonWriter& key(std::string_view name);

    JsonWriter& value(std::string_view text);
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
    JsonWriter& value(bool flag);
    JsonWriter& value(double number);  // null for what JSON cannot say (NaN, infinity)
    JsonWriter& value(std::uint64_t number);
    JsonWriter& value(std::int64_t number);
    JsonWriter& value(std::uint32_t number) { return value(std::uint64_t{number}); }
    JsonWriter& value(std::int32_t number) { return value(std::int64_t{number}); }
    JsonWriter& null();

    template <typename T>
    JsonWriter& field(std::string_view name, const T& content) {
        return key(name).value(content);
    }

  private:
    void separate();

    std::string& out_;
    std::uint64_t has_items_ = 0;  // a bit a level
    unsigned depth_ = 0;
    bool after_key_ = false;
};

// Appends text as the inside of a JSON string, without the quotes.
void append_json_escaped(std::string& out, std::string_view text);

// What a JSON text says (RFC 8259), to be read. Looking for what is not there gives null, so that a
// reader goes as deep as it likes and asks once: value["config"]["hash"].text(). A value.
class JsonValue {
  public:
    enum class Kind : std::uint8_t { null, boolean, number, string, array, object };
    using Member = std::pair<std::string, JsonValue>;

    JsonValue() = default;

    // Nothing if it is not JSON, is nested deeper than 32 or is followed by more than blanks.
    [[nodiscard]] static std::optional<JsonValue> parse(std::string_view text);
    // Likewise, and nothing if an object in it has two members of one name: readers differ on which
    // of them counts.
    [[nodiscard]] static std::optional<JsonValue> parse_unique(std::string_view text);

    [[nodiscard]] Kind kind() const { return kind_; }
    [[nodiscard]] bool is_null() const { return kind_ == Kind::null; }
    [[nodiscard]] bool is_string() const { return kind_ == Kind::string; }
    [[nodiscard]] bool is_array() const { return kind_ == Kind::array; }
    [[nodiscard]] bool is_object() const { return kind_ == Kind::object; }

    // Null if this is no object, or has no such member; of two of a name, the last counts.
    [[nodiscard]] const JsonValue& operator[](std::string_view key) const;
    [[nodiscard]] const std::vector<JsonValue>& items() const { return items_; }   // of an array
    [[nodiscard]] const std::vector<Member>& members() const { return members_; }  // of an object

    // A string's; a number and a boolean as they are written; else empty.
    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] std::optional<double> number() const;
    [[nodiscard]] std::optional<std::uint64_t> integer() const;  // exact, not negative
    [[nodiscard]] std::optional<bool> boolean() const;

  private:
    friend struct JsonReader;

    Kind kind_ = Kind::null;
    std::string text_;
    std::vector<JsonValue> items_;
    std::vector<Member> members_;
};

}  // namespace weir
