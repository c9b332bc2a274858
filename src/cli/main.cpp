#include "weir/core/clock.hpp"

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/process.hpp"

#include <cstdio>
#include <exception>
#include <variant>

int main(int argc, char** argv) {
    weir::cli::open_standard_streams();
    weir::Clock::refresh();
    const weir::cli::Parsed parsed = weir::cli::parse(argc, argv);
    if (!parsed.command) return parsed.exit_code;
    try {
        const int result = weir::cli::perform(*parsed.command);
        const bool writes = !std::holds_alternative<weir::cli::RunCommand>(*parsed.command) &&
                            !std::holds_alternative<weir::cli::DemoCommand>(*parsed.command);
        if (!writes || weir::cli::flush_output()) return result;
        std::fputs("weir: cannot write to standard output\n", stderr);
        return result == weir::cli::kSuccess ? weir::cli::kFailure : result;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "weir: %s\n", error.what());
        return weir::cli::kFailure;
    }
}
