#include "route/condition.hpp"

#include "weir/http/grpc.hpp"
#include "weir/http/query.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::route {
namespace {

using Kind = config::Matcher::Kind;

constexpr std::string_view kRequestedMethod = "access-control-request-method";

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

std::string joined(std::string_view name, const http::HeaderList& headers) {
    std::string all;
    bool is_first = true;
    for (const http::HeaderField& field : headers) {
        if (!http::equals_ignoring_case(field.name, name)) continue;
        if (!std::exchange(is_first, false)) all += ", ";
        all += field.value;
    }
    return all;
}

bool is_call(const http::RequestHead& head) {
    const http::HeaderField* const type = head.headers.find(http::HeaderId::content_type);
    return head.method == http::Method::post && type != nullptr &&
           http::grpc_kind(type->value) != http::GrpcKind::none;
}

}  // namespace

std::optional<std::string> Condition::problem(const config::Matcher& matcher) {
    if (matcher.kind != Kind::regex) return std::nullopt;
    return expression_problem(matcher.value);
}

Condition::Condition(const config::Route& route)
    : takes_any_(route.methods.empty() && route.headers.empty() && route.query.empty() &&
                 route.actions.grpc_service.empty()),
      is_grpc_(!route.actions.grpc_service.empty()),
      answers_preflights_(route.actions.cors.has_value()),
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
            field.expression = make_expression(matcher.value);
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
            return matches(*expression, value_received);
    }
    return false;
}

bool Condition::method_holds(http::Method method, std::string_view text) const {
    if (methods_ == 0 && other_methods_.empty()) return true;
    if (method != http::Method::other) {
        return (methods_ >> static_cast<unsigned>(method) & 1U) != 0;
    }
    return std::find(other_methods_.begin(), other_methods_.end(), text) != other_methods_.end();
}

// Each value of the name is looked at, and all of them as the one list that they are the same as
// (RFC 9110, 5.3): however a client splits them, what one of them says counts.
bool Condition::header_holds(const Field& field, const http::RequestHead& head) {
    std::size_t fields = 0;
    for (const http::HeaderField& received : head.headers) {
        if (field.id != received.id) continue;
        // Several names share the ids `other` and `weir_internal`.
        if (!http::equals_ignoring_case(received.name, field.name)) continue;
        if (field.takes(received.value)) return true;
        ++fields;
    }
    return fields > 1 && field.takes(joined(field.name, head.headers));
}

bool Condition::query_holds(const Field& field, std::string_view query) {
    while (!query.empty()) {
        const std::string_view pair = http::take_parameter(query);
        if (pair.empty() || !http::is_named(pair, field.name)) continue;
        const std::size_t equals = pair.find('=');
        const std::string_view value =
            equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
        // Expressions see what is meant.
        const bool does_hold = field.kind == Kind::exact ? http::equals_decoded(value, field.value)
                               : field.kind == Kind::regex ? field.takes(http::decoded(value))
                                                           : true;
        if (does_hold) return true;
    }
    return false;
}

std::string_view Condition::method_of(const http::RequestHead& head) const {
    if (!answers_preflights_ || head.method != http::Method::options) return head.method_text;
    const http::HeaderField* const wanted = head.headers.find(kRequestedMethod);
    return wanted != nullptr ? wanted->value : head.method_text;
}

bool Condition::holds(const http::RequestHead& head) const {
    if (takes_any_) return true;
    const std::string_view method = method_of(head);
    const bool is_preflight = method.data() != head.method_text.data();
    if (!method_holds(is_preflight ? http::method_from(method) : head.method, method)) return false;
    const bool has_query = std::all_of(query_.begin(), query_.end(), [&](const Field& field) {
        return query_holds(field, head.query);
    });
    if (is_preflight || !has_query) return has_query;
    if (is_grpc_ && !is_call(head)) return false;
    return std::all_of(headers_.begin(), headers_.end(),
                       [&](const Field& field) { return header_holds(field, head); });
}

std::string Condition::why_not(const http::RequestHead& head) const {
    if (holds(head)) return {};
    const std::string_view method = method_of(head);
    if (!method_holds(http::method_from(method), method))
        return "method " + std::string(method) + " is not " + methods_text_;
    for (const Field& field : query_) {
        if (!query_holds(field, head.query)) {
            return describe("query parameter", field.name, field.kind, field.value);
        }
    }
    if (is_grpc_ && !is_call(head)) return "it is no call of gRPC";
    for (const Field& field : headers_) {
        if (!header_holds(field, head))
            return describe("header", field.name, field.kind, field.value);
    }
    return {};
}

}  // namespace weir::route
