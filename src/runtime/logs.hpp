#pragma once

#include "weir/config/config.hpp"
#include "weir/core/log.hpp"

namespace weir::runtime {

// The diagnostic log as `log` says. With a screen the access log tells what happens, and the
// diagnostic log adds what is wrong.
[[nodiscard]] log::Options log_options(const config::Log& log, bool has_screen);

}  // namespace weir::runtime
