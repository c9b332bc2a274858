#pragma once

#include "cli/commands.hpp"

#include <optional>

namespace weir::cli {

// The command line as a command; or none, when help was asked for or it is wrong: then what is to
// be said has been said.
struct Parsed {
    std::optional<Command> command;
    int exit_code = kSuccess;
};

[[nodiscard]] Parsed parse(int argc, const char* const* argv);

}  // namespace weir::cli
