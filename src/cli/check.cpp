#include "weir/transport/certificates.hpp"

#include "cli/configuration.hpp"

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace weir::cli {
namespace {

config::LoadResult checked(config::LoadResult loaded) {
    transport::check_all(loaded);
    return loaded;
}

}  // namespace

config::LoadResult load(const std::string& file) {
    return checked(config::load_file(file));
}

config::LoadResult load_text(const std::string& text, const std::string& name) {
    return checked(config::load_text(text, name));
}

void print_problems(const config::LoadResult& loaded) {
    const bool has_colour = ::isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
    const std::string text = config::render(loaded.report, loaded.sources, {}, has_colour);
    std::fputs(text.c_str(), stderr);
}

int check(const CheckCommand& command) {
    config::LoadResult loaded = load(command.file);
    if (loaded.draft) transport::check_ports(*loaded.draft, loaded.report);
    if (command.format == "json") {
        std::fputs(config::render_json(loaded.report, loaded.sources).c_str(), stdout);
    } else if (command.format == "github") {
        std::fputs(config::render_github(loaded.report, loaded.sources).c_str(), stdout);
    } else {
        print_problems(loaded);
        if (loaded) std::printf("%s: ok\n", command.file.c_str());
    }
    return loaded ? kSuccess : kFailure;
}

}  // namespace weir::cli
