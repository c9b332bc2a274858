#pragma once

#include <string_view>

namespace weir {

// The version, which CMakeLists.txt alone states: `weir version`, status, weir_build_info.
extern const std::string_view kVersion;

// The commit it was built from, shortened; "unknown" outside of a checkout.
extern const std::string_view kCommit;

}  // namespace weir
