#pragma once

#include "weir/config/config.hpp"
#include "weir/http/message.hpp"

#include "route/expression.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::route {

// What a route asks beside host and path: method, headers, query, and whether it is a call of gRPC.
// The preflight of a request (CORS) comes in its place: a route that answers those takes one by the
// method it asks for, whatever headers the request will have. Thread: any (immutable).
class Condition {
  public:
    // What is wrong with a regular expression of the route, if anything.
    [[nodiscard]] static std::optional<std::string> problem(const config::Matcher& matcher);

    explicit Condition(const config::Route& route);

    // No allocation, but what RE2 does for regular expressions.
    [[nodiscard]] bool holds(const http::RequestHead& head) const;

    // Why it does not hold; empty if it does.
    [[nodiscard]] std::string why_not(const http::RequestHead& head) const;

  private:
    struct Field {
        std::string name;
        http::HeaderId id = http::HeaderId::other;
        config::Matcher::Kind kind = config::Matcher::Kind::exact;
        std::string value;
        Expression expression;

        [[nodiscard]] bool takes(std::string_view value_received) const;
    };

    [[nodiscard]] static std::vector<Field> compile(const std::vector<config::Matcher>& matchers);
    [[nodiscard]] bool method_holds(http::Method method, std::string_view text) const;
    // The method that counts: of a preflight, the one it asks for.
    [[nodiscard]] std::string_view method_of(const http::RequestHead& head) const;
    [[nodiscard]] static bool header_holds(const Field& field, const http::RequestHead& head);
    [[nodiscard]] static bool query_holds(const Field& field, std::string_view query);

    bool takes_any_;
    bool is_grpc_;
    bool answers_preflights_;
    std::uint32_t methods_ = 0;  // a bit a http::Method but `other`
    std::vector<std::string> other_methods_;
    std::vector<Field> headers_;
    std::vector<Field> query_;
    std::string methods_text_;
};

}  // namespace weir::route
