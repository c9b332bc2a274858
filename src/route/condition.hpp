#pragma once

#include "weir/config/config.hpp"
#include "weir/http/message.hpp"

#include <re2/re2.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::route {

// What a route asks beside host and path: method, headers, query. Thread: any (immutable).
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
        std::unique_ptr<const RE2> expression;

        [[nodiscard]] bool takes(std::string_view value_received) const;
    };

    [[nodiscard]] static std::vector<Field> compile(const std::vector<config::Matcher>& matchers);
    [[nodiscard]] bool method_holds(const http::RequestHead& head) const;
    [[nodiscard]] static bool header_holds(const Field& field, const http::RequestHead& head);
    [[nodiscard]] static bool query_holds(const Field& field, std::string_view query);

    bool takes_any_;
    std::uint32_t methods_ = 0;  // a bit a http::Method but `other`
    std::vector<std::string> other_methods_;
    std::vector<Field> headers_;
    std::vector<Field> query_;
    std::string methods_text_;
};

}  // namespace weir::route
