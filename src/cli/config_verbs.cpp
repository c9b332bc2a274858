#include "weir/config/document.hpp"
#include "weir/describe/effective.hpp"
#include "weir/describe/format.hpp"
#include "weir/manual/first_config.hpp"
#include "weir/manual/pages.hpp"
#include "weir/transport/certificates.hpp"

#include "cli/commands.hpp"
#include "cli/configuration.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace weir::cli {
namespace {

config::LoadResult checked(config::LoadResult loaded) {
    transport::check_all(loaded);
    return loaded;
}

struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

void print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
}

int fail(const std::string& what) {
    std::fprintf(stderr, "weir: %s\n", what.c_str());
    return kFailure;
}
int misuse(const std::string& what) {
    std::fprintf(stderr, "weir: %s\n", what.c_str());
    return kUsage;
}

// A valid configuration, or none and its problems are printed.
config::LoadResult valid(const std::string& file) {
    config::LoadResult loaded = load(file);
    if (!loaded) print_problems(loaded);
    return loaded;
}

std::string origin_of(const config::Document& document, const describe::Setting& setting) {
    std::string text = describe::origin_text(document, setting);
    const bool is_shared = setting.layer == "defaults" && !setting.place.is_built_in();
    return is_shared ? text + " (defaults)" : text;
}

// ---- fmt

std::optional<std::string> read_all(const std::string& path) {
    std::string text;
    std::array<char, 16384> chunk{};
    const bool is_stdin = path == "-";
    File opened(is_stdin ? nullptr : std::fopen(path.c_str(), "rb"));
    std::FILE* file = is_stdin ? stdin : opened.get();
    if (file == nullptr) return std::nullopt;
    for (std::size_t count = 0; (count = std::fread(chunk.data(), 1, chunk.size(), file)) > 0;)
        text.append(chunk.data(), count);
    if (std::ferror(file) != 0) return std::nullopt;
    return text;
}

bool write_all(std::FILE* file, const std::string& text) {
    return std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0;
}

bool copy_mode(const std::string& path, int descriptor) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && ::fchmod(descriptor, status.st_mode & 07777U) == 0;
}

// A new file that takes the place of the old one, with its rights: readers see one or the other. Of
// a link, the file it leads to is replaced.
int replace(const std::string& given, const std::string& text) {
    std::error_code failed;
    const auto target = std::filesystem::canonical(given, failed);
    const std::string path = failed ? given : target.string();
    const std::string fresh = path + ".weir-fmt";
    File file(std::fopen(fresh.c_str(), "wbx"));
    if (!file) return fail("cannot write " + fresh + ": " + std::strerror(errno));
    const bool is_written = write_all(file.get(), text) && copy_mode(path, ::fileno(file.get()));
    file.reset();
    if (is_written && std::rename(fresh.c_str(), path.c_str()) == 0) return kSuccess;
    const std::string why = std::strerror(errno);
    std::remove(fresh.c_str());
    return fail("cannot write " + path + ": " + why);
}

// ---- init

// The answer, or what is suggested; nothing at the end of input.
std::optional<std::string> ask_for(const char* question, const std::string& suggestion) {
    std::fprintf(stderr, "%s [%s]: ", question, suggestion.c_str());
    std::fflush(stderr);
    std::array<char, 512> line{};
    if (std::fgets(line.data(), line.size(), stdin) == nullptr) return std::nullopt;
    std::string answer(line.data());
    while (!answer.empty() && (answer.back() == '\n' || answer.back() == ' '))
        answer.pop_back();
    return answer.empty() ? suggestion : answer;
}

std::optional<manual::FirstConfig> ask_all() {
    manual::FirstConfig wishes;
    const std::pair<const char*, std::string*> questions[] = {
        {"Where to listen", &wishes.from},
        {"Where to forward to, host:port", &wishes.to},
        {"In front of many services (gateway), of one app (inbound), or for its own calls "
         "(outbound)",
         &wishes.mode}};
    for (const auto& [question, answer] : questions) {
        auto said = ask_for(question, *answer);
        if (!said) return std::nullopt;
        *answer = std::move(*said);
    }
    return wishes;
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

int config_dump(const ConfigDumpCommand& command) {
    if (command.file.empty()) {
        return ask(
            {command.ask, DumpVerb{command.output, command.has_origins, command.has_defaults}});
    }
    const config::LoadResult loaded = valid(command.file);
    if (!loaded) return kFailure;
    const describe::DumpOptions options{.has_defaults = command.has_defaults,
                                        .has_origins = command.has_origins};
    print(command.output == "json"
              ? manual::indented(describe::dump_json(*loaded.document, options))
              : describe::dump(*loaded.document, options));
    return kSuccess;
}

int config_explain(const ConfigExplainCommand& command) {
    if (command.file.empty()) return ask({command.ask, ExplainVerb{command.path}});
    const config::LoadResult loaded = valid(command.file);
    if (!loaded) return kFailure;
    std::vector<std::string> nearest;
    const auto found = describe::explain(*loaded.document, command.path, &nearest);
    if (!found) {
        std::string text = command.file + " has no '" + command.path + "'";
        for (const auto& path : nearest)
            text += (&path == &nearest.front() ? "; did you mean\n  " : "\n  ") + path;
        return fail(text);
    }
    const auto& first = found->chain.front();
    print(first.path + " = " + first.value + "   " + origin_of(*loaded.document, first) + "\n");
    for (std::size_t i = 1; i < found->chain.size(); ++i) {
        const auto& hidden = found->chain[i];
        print("  hides " + hidden.value + "   " + origin_of(*loaded.document, hidden) + "\n");
    }
    if (!first.doc.empty()) print("  " + first.key + ": " + std::string(first.doc) + "\n");
    return kSuccess;
}

int config_diff(const ConfigDiffCommand& command) {
    const config::LoadResult from = valid(command.from);
    const config::LoadResult to = valid(command.to);
    if (!from || !to) return kFailure;
    const auto changes = describe::difference(*from.document, *to.document);
    for (const auto& change : changes) {
        const char sign = change.from.empty() ? '+' : change.to.empty() ? '-' : '~';
        const auto arrow = sign == '~' ? change.from + " -> " + change.to : change.from + change.to;
        print(std::string(1, sign) + " " + change.path + ": " + arrow + "\n");
    }
    if (changes.empty()) print("no difference\n");
    return kSuccess;
}

int init(const InitCommand& command) {
    manual::FirstConfig wishes;
    if (command.from.empty() && command.to.empty()) {
        if (::isatty(STDIN_FILENO) != 1)
            return misuse("no terminal to ask on; give --from :8080 --to host:port");
        auto answers = ask_all();
        if (!answers) return fail("nothing was written");
        wishes = std::move(*answers);
    } else {
        if (!command.from.empty()) wishes.from = command.from;
        if (command.to.empty()) return misuse("where to? give --to host:port, too");
        wishes.to = command.to;
    }
    const std::string text = manual::first_config(wishes);
    const config::LoadResult loaded = load_text(text, command.file);
    print_problems(loaded);
    if (!loaded) return fail("nothing was written");
    if (command.file == "-") {
        print(text);
        return kSuccess;
    }
    const File file(std::fopen(command.file.c_str(), command.is_forced ? "wb" : "wbx"));
    if (!file) {
        return fail(errno == EEXIST ? command.file + " is there already; --force writes over it"
                                    : "cannot write " + command.file + ": " + std::strerror(errno));
    }
    if (!write_all(file.get(), text))
        return fail("cannot write " + command.file + ": " + std::strerror(errno));
    std::printf(
        "%s written. Next:\n  weir schema > weir.schema.json   # completion in editors\n"
        "  weir run %s\n",
        command.file.c_str(), command.file.c_str());
    return kSuccess;
}

int format(const FormatCommand& command) {
    const auto text = read_all(command.file);
    if (!text) return fail("cannot read " + command.file + ": " + std::strerror(errno));
    const std::string formatted = describe::format(*text);
    if (command.checks) {
        if (formatted == *text) return kSuccess;
        return fail(command.file + " is not formatted; weir fmt --write " + command.file);
    }
    if (!command.writes || command.file == "-") {
        print(formatted);
        return kSuccess;
    }
    return formatted == *text ? kSuccess : replace(command.file, formatted);
}

}  // namespace weir::cli
