#pragma once

#include "weir/config/config.hpp"
#include "weir/core/log.hpp"
#include "weir/telemetry/access_log.hpp"

namespace weir::runtime {

// From the configuration's words to the options of the logs. With a screen the access log tells
// what happens, and the diagnostic log adds what is wrong.
[[nodiscard]] log::Options log_options(const config::Log& log, bool has_screen);
[[nodiscard]] telemetry::AccessLog::Options log_options(const config::AccessLog& log);

}  // namespace weir::runtime
