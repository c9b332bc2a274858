#pragma once

#include <string>
#include <string_view>

// The parameters of a query, as forms write them: "a=1&b=2", a blank as "+", any byte as "%41"; a
// broken escape is itself.
namespace weir::http {

// The next character of a name or value, which is not empty.
[[nodiscard]] char take_decoded(std::string_view& text);
[[nodiscard]] bool equals_decoded(std::string_view encoded, std::string_view plain);
[[nodiscard]] std::string decoded(std::string_view encoded);
// Letters, digits and the bytes of `plain` as they are, others as "%41": for a name, a value, or a
// segment of a path.
[[nodiscard]] std::string encoded(std::string_view text, std::string_view plain = "-._");

// The next parameter, "a=1", off the front of `query`; empty ones are parameters, too.
[[nodiscard]] std::string_view take_parameter(std::string_view& query);
// Whether that is its name, decoded.
[[nodiscard]] bool is_named(std::string_view parameter, std::string_view name);

}  // namespace weir::http
