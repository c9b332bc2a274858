#include "inject/value.hpp"

#include <algorithm>
#include <charconv>

namespace weir::inject {

Value Value::plain(std::string text) {
    Value value;
    value.text = std::move(text);
    return value;
}

Value Value::string(std::string text) {
    Value value;
    value.kind = Kind::string;
    value.text = std::move(text);
    return value;
}

Value Value::array(std::vector<Value> items) {
    Value value;
    value.kind = Kind::array;
    value.text.clear();
    value.items = std::move(items);
    return value;
}

Value Value::object(std::vector<Member> members) {
    Value value;
    value.kind = Kind::object;
    value.text.clear();
    value.members = std::move(members);
    return value;
}

bool Value::is_null() const {
    return kind == Kind::plain && (text.empty() || text == "null" || text == "~");
}

std::optional<std::int64_t> Value::integer() const {
    if (kind != Kind::plain) return std::nullopt;
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || at != end) return std::nullopt;
    return number;
}

const Value* Value::find(std::string_view key) const {
    const auto found = std::find_if(members.begin(), members.end(),
                                    [&](const Member& each) { return each.first == key; });
    return found == members.end() ? nullptr : &found->second;
}

Value* Value::find(std::string_view key) {
    return const_cast<Value*>(std::as_const(*this).find(key));
}

const Value* Value::at(std::initializer_list<std::string_view> path) const {
    const Value* value = this;
    for (const std::string_view key : path) {
        value = value->find(key);
        if (value == nullptr) return nullptr;
    }
    return value;
}

std::string_view Value::text_of(std::string_view key) const {
    const Value* value = find(key);
    return value != nullptr && value->is_scalar() && !value->is_null() ? value->text
                                                                       : std::string_view();
}

Value& Value::set(std::string_view key, Value value) {
    if (!is_object()) *this = object();
    if (Value* there = find(key)) return *there = std::move(value);
    return members.emplace_back(std::string(key), std::move(value)).second;
}

Value& Value::ensure(std::string_view key, Kind wanted) {
    if (Value* there = find(key); there != nullptr && there->kind == wanted) return *there;
    return set(key, wanted == Kind::array ? array() : object());
}

void Value::erase(std::string_view key) {
    std::erase_if(members, [&](const Member& each) { return each.first == key; });
}

bool same(const Value& a, const Value& b) {
    if (a.is_scalar() || b.is_scalar()) return to_json(a) == to_json(b);
    if (a.kind != b.kind || a.items.size() != b.items.size() ||
        a.members.size() != b.members.size()) {
        return false;
    }
    for (std::size_t i = 0; i < a.items.size(); ++i)
        if (!same(a.items[i], b.items[i])) return false;
    return std::all_of(a.members.begin(), a.members.end(), [&](const Value::Member& member) {
        const Value* other = b.find(member.first);
        return other != nullptr && same(member.second, *other);
    });
}

}  // namespace weir::inject
