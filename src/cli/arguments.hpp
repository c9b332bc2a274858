#pragma once

#include "weir/manual/command_line.hpp"

#include "cli/commands.hpp"

#include <optional>
#include <vector>

namespace weir::cli {

// The command line as a command; or none, when help was asked for or it is wrong: then what is to
// be said has been said.
struct Parsed {
    std::optional<Command> command;
    int exit_code = kSuccess;
};

[[nodiscard]] Parsed parse(int argc, const char* const* argv);

// Every verb with its options, as --help knows them.
[[nodiscard]] std::vector<manual::Verb> verbs();

}  // namespace weir::cli
