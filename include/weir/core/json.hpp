#pragma once

#include <cstdint>
#include <string>
#include <string_view>

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

}  // namespace weir
