#pragma once

#include <string_view>

namespace weir::runtime {

inline constexpr std::string_view kVersion = "0.1.0";
#ifdef WEIR_COMMIT
inline constexpr std::string_view kCommit = WEIR_COMMIT;
#else
inline constexpr std::string_view kCommit = "unknown";
#endif

}  // namespace weir::runtime
