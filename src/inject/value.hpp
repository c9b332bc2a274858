#pragma once

#include "weir/core/json.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::inject {

// A node of a Kubernetes object. Order is kept, and so is how a scalar is written: a plain one is a
// number, a boolean, null or a word of YAML, whatever its reader makes of it, and goes out as it
// came in. A value.
struct Value {
    enum class Kind : std::uint8_t { plain, string, array, object };
    using Member = std::pair<std::string, Value>;

    Kind kind = Kind::plain;
    std::string text = "null";
    std::vector<Value> items{};
    std::vector<Member> members{};

    [[nodiscard]] static Value plain(std::string text);
    [[nodiscard]] static Value number(std::int64_t number) { return plain(std::to_string(number)); }
    [[nodiscard]] static Value boolean(bool flag) { return plain(flag ? "true" : "false"); }
    [[nodiscard]] static Value string(std::string text);
    [[nodiscard]] static Value array(std::vector<Value> items = {});
    [[nodiscard]] static Value object(std::vector<Member> members = {});

    [[nodiscard]] bool is_object() const { return kind == Kind::object; }
    [[nodiscard]] bool is_array() const { return kind == Kind::array; }
    [[nodiscard]] bool is_scalar() const { return kind == Kind::plain || kind == Kind::string; }
    [[nodiscard]] bool is_null() const;
    [[nodiscard]] bool is_true() const { return kind == Kind::plain && text == "true"; }
    [[nodiscard]] std::optional<std::int64_t> integer() const;

    // Of an object, or null.
    [[nodiscard]] const Value* find(std::string_view key) const;
    [[nodiscard]] Value* find(std::string_view key);
    // Along several keys; null if one of them is missing.
    [[nodiscard]] const Value* at(std::initializer_list<std::string_view> path) const;
    // The text of a scalar member; empty if there is none.
    [[nodiscard]] std::string_view text_of(std::string_view key) const;
    // In the place of what was there, or behind the last. What is no object becomes one.
    Value& set(std::string_view key, Value value);
    // The member, made if it is missing or null, of the wanted kind.
    Value& ensure(std::string_view key, Kind kind);
    void erase(std::string_view key);

    // As JSON has it: 1 is not "1", and the order of members does not count.
    friend bool same(const Value& a, const Value& b);
};

// Numbers, booleans and null become plain.
[[nodiscard]] Value from_json(const JsonValue& json);
// One line. What is plain and neither number, boolean nor null is a string there.
[[nodiscard]] std::string to_json(const Value& value);
// Many lines, of four blanks a level, as kubectl writes them.
[[nodiscard]] std::string to_pretty_json(const Value& value);
// YAML in blocks of two blanks a level, lists as far left as their key. What it writes reads as
// what was given, and is then written the same.
[[nodiscard]] std::string to_yaml(const Value& value);

// A YAML text of one document; or what is wrong with it.
struct Read {
    std::optional<Value> value;
    std::string problem{};
};
[[nodiscard]] Read from_yaml(std::string_view text);

}  // namespace weir::inject
