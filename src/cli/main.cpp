#include "weir/core/clock.hpp"

#include "cli/arguments.hpp"
#include "cli/commands.hpp"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
    weir::Clock::refresh();
    const weir::cli::Parsed parsed = weir::cli::parse(argc, argv);
    if (!parsed.command) return parsed.exit_code;
    try {
        return weir::cli::perform(*parsed.command);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "weir: %s\n", error.what());
        return weir::cli::kFailure;
    }
}
