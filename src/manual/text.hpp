#pragma once

#include <string>
#include <string_view>

namespace weir::manual {

// For a cell of a Markdown table.
[[nodiscard]] std::string cell(std::string_view text);
// In backticks; nothing of nothing.
[[nodiscard]] std::string code(std::string_view text);

// For a line of man(7).
[[nodiscard]] std::string roff(std::string_view text);

}  // namespace weir::manual
