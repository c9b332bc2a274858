#include "route/condition.hpp"

#include <algorithm>
#include <array>

namespace weir::route {
namespace {

using Kind = config::Matcher::Kind;

constexpr std::int64_t kMostRegexMemory = 1 << 20;  // RE2 refuses what would need more

RE2::Options options() {
    RE2::Options chosen(RE2::Quiet);
    chosen.set_max_mem(kMostRegexMemory);
    return chosen;
}

re2::StringPiece piece(std::string_view text) {
    return {text.data(), text.size()};
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// The next character of a query's name or value: "+" is a blank, "%41" an A, a broken escape
// itself.
char take_decoded(std::string_view& text) {
    const char c = text.front();
    if (c == '%' && text.size() > 2 && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
        const int byte = hex_digit(text[1]) * 16 + hex_digit(text[2]);
        text.remove_prefix(3);
        return static_cast<char>(byte);
    }
    text.remove_prefix(1);
    return c == '+' ? ' ' : c;
}

bool equals_decoded(std::string_view encoded, std::string_view plain) {
    while (!encoded.empty() && !plain.empty()) {
        if (take_decoded(encoded) != plain.front()) return false;
        plain.remove_prefix(1);
    }
    return encoded.empty() && plain.empty();
}

std::string describe(const char* what,
                     const std::string& name,
                     Kind kind,
                     const std::string& value) {
    std::string text = std::string(what) + " " + name;
    switch (kind) {
        case Kind::present:
            return text + " is missing";
        case Kind::exact:
            return text + " is not '" + value + "'";
        case Kind::regex:
            return text + " does not match " + value;
    }
    return text;
}

}  // namespace

std::optional<std::string> Condition::problem(const config::Matcher& matcher) {
    if (matcher.kind != Kind::regex) return std::nullopt;
    const RE2 expression(matcher.value, options());
    if (expression.ok()) return std::nullopt;
    return expression.error();
}

Condition::Condition(const config::Route& route)
    : takes_any_(route.methods.empty() && route.headers.empty() && route.query.empty()),
      headers_(compile(route.headers)),
      query_(compile(route.query)) {
    for (const std::string& text : route.methods) {
        const http::Method method = http::method_from(text);
        if (method == http::Method::other) {
            other_methods_.push_back(text);
        } else {
            methods_ |= 1U << static_cast<unsigned>(method);
        }
        if (!methods_text_.empty()) methods_text_ += ", ";
        methods_text_ += text;
    }
}

std::vector<Condition::Field> Condition::compile(const std::vector<config::Matcher>& matchers) {
    std::vector<Field> fields;
    for (const config::Matcher& matcher : matchers) {
        Field& field = fields.emplace_back();
        field.name = matcher.name;
        field.id = http::header_id(matcher.name);
        field.kind = matcher.kind;
        field.value = matcher.value;
        if (matcher.kind == Kind::regex) {
            field.expression = std::make_unique<const RE2>(matcher.value, options());
        }
    }
    return fields;
}

bool Condition::Field::takes(std::string_view value_received) const {
    switch (kind) {
        case Kind::present:
            return true;
        case Kind::exact:
            return value_received == value;
        case Kind::regex:
            return RE2::FullMatch(piece(value_received), *expression);
    }
    return false;
}

bool Condition::method_holds(const http::RequestHead& head) const {
    if (methods_ == 0 && other_methods_.empty()) return true;
    if (head.method != http::Method::other) {
        return (methods_ >> static_cast<unsigned>(head.method) & 1U) != 0;
    }
    return std::find(other_methods_.begin(), other_methods_.end(), head.method_text) !=
           other_methods_.end();
}

bool Condition::header_holds(const Field& field, const http::RequestHead& head) {
    for (const http::HeaderField& received : head.headers) {
        if (field.id != received.id) continue;
        // Several names share the ids `other` and `weir_internal`.
        if (http::equals_ignoring_case(received.name, field.name) && field.takes(received.value)) {
            return true;
        }
    }
    return false;
}

bool Condition::query_holds(const Field& field, std::string_view query) {
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
        const std::size_t equals = pair.find('=');
        if (pair.empty() || !equals_decoded(pair.substr(0, equals), field.name)) continue;
        const std::string_view value =
            equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
        if (field.kind == Kind::exact ? equals_decoded(value, field.value) : field.takes(value)) {
            return true;
        }
    }
    return false;
}

bool Condition::holds(const http::RequestHead& head) const {
    if (takes_any_) return true;
    if (!method_holds(head)) return false;
    return std::all_of(headers_.begin(), headers_.end(),
                       [&](const Field& field) { return header_holds(field, head); }) &&
           std::all_of(query_.begin(), query_.end(),
                       [&](const Field& field) { return query_holds(field, head.query); });
}

std::string Condition::why_not(const http::RequestHead& head) const {
    if (!method_holds(head)) {
        return "method " + std::string(head.method_text) + " is not " + methods_text_;
    }
    for (const Field& field : headers_) {
        if (!header_holds(field, head))
            return describe("header", field.name, field.kind, field.value);
    }
    for (const Field& field : query_) {
        if (!query_holds(field, head.query)) {
            return describe("query parameter", field.name, field.kind, field.value);
        }
    }
    return {};
}

}  // namespace weir::route
