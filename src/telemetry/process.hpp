#pragma once

#include "weir/telemetry/families.hpp"

#include <utility>
#include <vector>

namespace weir::telemetry {

// The present values of the process_* families, from /proc; what cannot be read is left out.
// Some ten system calls and, for the descriptors, one directory.
[[nodiscard]] std::vector<std::pair<Family, double>> read_process();

}  // namespace weir::telemetry
