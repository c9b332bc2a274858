#include "logs.hpp"

#include <unistd.h>

namespace weir::runtime {

log::Options log_options(const config::Log& log, bool has_screen) {
    const bool is_terminal = log.to == "stderr" && ::isatty(STDERR_FILENO) == 1;
    log::Options options{.level = log.level, .format = log::Format::text, .to = log.to};
    if (log.format == config::LogFormat::json ||
        (log.format == config::LogFormat::automatic && !is_terminal)) {
        options.format = log::Format::json;
    }
    if (has_screen && is_terminal && log.level == log::Level::info) {
        options.level = log::Level::warn;
    }
    return options;
}

}  // namespace weir::runtime
