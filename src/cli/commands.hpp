#pragma once

#include "weir/intercept/rules.hpp"

#include "cli/ask.hpp"

#include <cstdint>
#include <string>
#include <variant>

// What `weir <verb>` does. Each verb returns the exit code, and writes what people asked for to
// stdout, what went wrong to stderr. Thread: main.
namespace weir::cli {

inline constexpr int kSuccess = 0;
inline constexpr int kFailure =
    1;                            // a configuration with errors, a port in use, a failed assertion
inline constexpr int kUsage = 2;  // wrong arguments
inline constexpr int kUnanswered = 3;  // no Weir answers the verb that asks one

struct RunCommand {
    std::string file;  // or from and to
    std::string from;
    std::string to;
    bool prints_config = false;
    bool allows_core_dumps = false;
    int companion = 0;  // ends when that process has ended; 0: none
};
struct CheckCommand {
    std::string file;
    std::string format = "text";    // json, github
    bool shows_difference = false;  // to the Weir that runs
    AskOptions ask;
};
struct DemoCommand {
    bool is_once = false;
};
struct ExplainCommand {
    std::string word;  // empty: all of them
};
struct VersionCommand {};
struct ConfigDumpCommand {
    std::string file;  // empty: of the Weir that runs
    bool has_origins = false;
    bool has_defaults = false;
    std::string output = "yaml";  // or json
    AskOptions ask;
};
struct ConfigExplainCommand {
    std::string path;
    std::string file;  // empty: of the Weir that runs
    AskOptions ask;
};
struct ConfigDiffCommand {
    std::string from;
    std::string to;
};
struct InitCommand {
    std::string from;
    std::string to;
    std::string file = "weir.yaml";
    bool is_forced = false;
};
struct FormatCommand {
    std::string file;
    bool writes = false;
    bool checks = false;
};
struct SimulateCommand {
    std::string scenario;  // empty: only a trace
    std::string file;      // configuration; empty: the defaults
    std::string cluster;   // of the file; empty: its only one
    std::string trace;
    std::string output = "text";  // or json
    std::string html;             // file to write
    std::string svg;              // folder to write to
    std::uint64_t seed = 0;       // 0: the scenario's
    std::string duration;         // empty: the scenario's
};
struct RedirectCommand {
    enum class Verb : std::uint8_t { apply, clean, show };
    Verb verb = Verb::show;
    intercept::Redirect rules{};
    std::string skip_inbound{};
    std::string skip_outbound{};
    std::string tool = "auto";
    bool only_prints = false;
};
struct InjectCommand {
    std::string file;  // - is standard input
    std::string image{};
    bool shows_difference = false;
    bool removes = false;
};
struct InjectorCommand {
    std::string listen = ":8443";
    std::string telemetry = ":9348";
    std::string cert{};
    std::string key{};
    std::string image{};
};
struct SchemaCommand {};
struct OpenapiCommand {};
struct ReferenceCommand {
    std::string page = "config";
};
struct ManCommand {};
struct CompletionCommand {
    std::string shell;
};

using Command = std::variant<RunCommand,
                             CheckCommand,
                             DemoCommand,
                             ExplainCommand,
                             VersionCommand,
                             ConfigDumpCommand,
                             ConfigExplainCommand,
                             ConfigDiffCommand,
                             InitCommand,
                             FormatCommand,
                             SimulateCommand,
                             RedirectCommand,
                             InjectCommand,
                             InjectorCommand,
                             SchemaCommand,
                             OpenapiCommand,
                             ReferenceCommand,
                             ManCommand,
                             CompletionCommand,
                             AskCommand>;

int run(const RunCommand& command);
int check(const CheckCommand& command);
int demo(const DemoCommand& command);
int explain(const ExplainCommand& command);
int version();
int config_dump(const ConfigDumpCommand& command);
int config_explain(const ConfigExplainCommand& command);
int config_diff(const ConfigDiffCommand& command);
int init(const InitCommand& command);
int format(const FormatCommand& command);
int simulate(const SimulateCommand& command);
int redirect(const RedirectCommand& command);
int inject(const InjectCommand& command);
int injector(const InjectorCommand& command);
int schema();
int openapi();
int reference(const ReferenceCommand& command);
int man();
int completion(const CompletionCommand& command);

int perform(const Command& command);

}  // namespace weir::cli
