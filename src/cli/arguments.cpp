#include "cli/arguments.hpp"

#include <CLI/CLI.hpp>

namespace weir::cli {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 success; 1 invalid configuration or failure; 2 wrong usage; 3 no Weir answers.\n"
    "Start with: weir demo, or weir run --from :8080 --to 127.0.0.1:9000";

// CLI11 writes into these while it parses.
struct Values {
    RunCommand run;
    CheckCommand check;
    DemoCommand demo;
    ExplainCommand explain;
};

CLI::App* add_run(CLI::App& app, RunCommand& run) {
    CLI::App* verb = app.add_subcommand("run", "Run the proxy (SIGHUP reloads, SIGTERM drains)");
    auto* file = verb->add_option("FILE", run.file, "configuration");
    auto* from = verb->add_option("--from", run.from, "without a file: where to listen, :8080");
    auto* to = verb->add_option("--to", run.to, "without a file: where to forward, 127.0.0.1:9000");
    from->needs(to)->excludes(file);
    to->needs(from)->excludes(file);
    verb->add_flag("--print-config", run.prints_config, "write the file --from and --to stand for")
        ->needs(from);
    verb->add_flag("--core-dumps", run.allows_core_dumps,
                   "let the process be dumped and debugged; keys may then be in the dump");
    verb->callback([&run] {
        if (run.file.empty() && run.from.empty()) {
            throw CLI::RequiredError("FILE, or --from and --to");
        }
    });
    return verb;
}

}  // namespace

Parsed parse(int argc, const char* const* argv) {
    CLI::App app{"Weir, a sidecar proxy that keeps failures from spreading", "weir"};
    app.require_subcommand(1);
    app.footer(kFooter);
    Values values;
    const CLI::App* run = add_run(app, values.run);
    CLI::App* check = app.add_subcommand("check", "Check a configuration: exit 0 if it is valid");
    check->add_option("FILE", values.check.file, "configuration")->required();
    check->add_option("--format", values.check.format, "text, json or github")
        ->check(CLI::IsMember({"text", "json", "github"}));
    CLI::App* demo = app.add_subcommand("demo", "Watch Weir protect two toy services");
    demo->add_flag("--once", values.demo.is_once, "play the story once and assert it");
    CLI::App* explain = app.add_subcommand("explain", "What a reason word or a code means");
    explain->add_option("WORD", values.explain.word, "breaker_open, W103, ...; none lists them");
    CLI::App* version = app.add_subcommand("version", "Print the version");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return {std::nullopt, app.exit(error) == 0 ? kSuccess : kUsage};
    }
    if (run->parsed()) return {values.run};
    if (check->parsed()) return {values.check};
    if (demo->parsed()) return {values.demo};
    if (explain->parsed()) return {values.explain};
    static_cast<void>(version);
    return {VersionCommand{}};
}

}  // namespace weir::cli
