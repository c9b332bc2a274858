#pragma once

#include <re2/re2.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

// Regular expressions of routes: RE2's, which take time linear in the text, of bounded size.
namespace weir::route {

using Expression = std::unique_ptr<const RE2>;

[[nodiscard]] std::optional<std::string> expression_problem(std::string_view text);
[[nodiscard]] Expression make_expression(std::string_view text);
// The whole of `text`.
[[nodiscard]] bool matches(const RE2& expression, std::string_view text);
// What every text that matches begins with.
[[nodiscard]] std::string literal_prefix(const RE2& expression);

}  // namespace weir::route
