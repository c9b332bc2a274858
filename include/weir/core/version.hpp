#pragma once

#include <string_view>

namespace weir {

// The version of CMakeLists.txt (a test compares them): `weir version`, status, weir_build_info.
inline constexpr std::string_view kVersion = "0.1.0";

// What it was built from, where the build says so.
#ifdef WEIR_COMMIT
inline constexpr std::string_view kCommit = WEIR_COMMIT;
#else
inline constexpr std::string_view kCommit = "unknown";
#endif

}  // namespace weir
