#pragma once

#include "weir/telemetry/events.hpp"

#include <string>

namespace weir::runtime {

// An event as a line of a terminal: "●  breaker legacy  closed → open  (5 failures in a row; next
// try in 0.50s)".
[[nodiscard]] std::string terminal_line(const telemetry::Event& event);

}  // namespace weir::runtime
