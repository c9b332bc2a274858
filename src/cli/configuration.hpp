#pragma once

#include "weir/decode/load.hpp"

#include "cli/commands.hpp"

namespace weir::cli {

// Loaded and checked by every module that checks; no configuration if one of them finds an error.
[[nodiscard]] config::LoadResult load(const std::string& file);
[[nodiscard]] config::LoadResult load_text(const std::string& text, const std::string& name);

// Problems to stderr, if there are any.
void print_problems(const config::LoadResult& loaded);

}  // namespace weir::cli
