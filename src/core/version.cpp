#include "weir/core/version.hpp"

#ifndef WEIR_COMMIT
#define WEIR_COMMIT "unknown"
#endif

namespace weir {

const std::string_view kVersion = WEIR_VERSION;
const std::string_view kCommit = WEIR_COMMIT;

}  // namespace weir
