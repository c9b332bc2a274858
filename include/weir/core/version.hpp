#pragma once

#include <string_view>

namespace weir {

// The version of CMakeLists.txt (a test compares them): `weir version`, status, weir_build_info.
inline constexpr std::string_view kVersion = "0.1.0";

// The commit it was built from, shortened; "unknown" outside of a checkout.
extern const std::string_view kCommit;

}  // namespace weir
