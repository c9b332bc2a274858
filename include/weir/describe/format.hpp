#pragma once

#include <string>
#include <string_view>

namespace weir::describe {

// A configuration as `weir fmt` writes it, line by line, so that comments and blank lines stay:
// tabs become spaces, nesting is two spaces a level, blanks at line ends go, unquoted IPv6
// addresses get their quotes, and the last line ends. The lines of a text that spans several are
// only moved as a whole. What it says does not change, and formatting again changes nothing.
[[nodiscard]] std::string format(std::string_view text);

}  // namespace weir::describe
