#include "weir/route/route_table.hpp"

#include "cli/configuration.hpp"

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace weir::cli {
namespace {

config::LoadResult checked(config::LoadResult loaded) {
    if (!loaded) return loaded;
    route::check(*loaded.config, loaded.report);
    if (loaded.report.has_errors()) loaded.config = nullptr;
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
    const config::LoadResult loaded = load(command.file);
    print_problems(loaded);
    if (!loaded) return kFailure;
    std::printf("%s: ok\n", command.file.c_str());
    return kSuccess;
}

}  // namespace weir::cli
