#pragma once

#include "config/tree.hpp"
#include "decode/decode.hpp"

#include <string_view>
#include <vector>

namespace weir::config {

// Reads the files that `include` of the root names, in the order of their names, and merges what
// they say into it: maps by key, `listeners` one after another; {name, routes} are more routes of a
// listener that there is. What is defined twice is an error that names both places. Each file
// becomes one of `sources`, whose first is the file that includes. False if one of them is no YAML,
// and there is no whole tree.
[[nodiscard]] bool include_files(Context& ctx,
                                 Node& root,
                                 std::vector<SourceText>& sources,
                                 Allowance& allowance);

// A text without the mark some editors begin it with.
[[nodiscard]] std::string_view without_bom(std::string_view text);

}  // namespace weir::config
