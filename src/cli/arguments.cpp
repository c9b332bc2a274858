#include "cli/arguments.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <utility>

namespace weir::cli {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 success; 1 invalid configuration or failure; 2 wrong usage; 3 no Weir answers.\n"
    "Start with: weir demo, or weir run --from :8080 --to 127.0.0.1:9000";
constexpr const char* kDocuments = "Documents";
constexpr const char* kConfiguration = "Configuration";

// The verbs, what they write into while CLI11 parses, and the command each makes.
struct CommandLine {
    CLI::App app{"Weir, a sidecar proxy that keeps failures from spreading", "weir"};
    RunCommand run;
    CheckCommand check;
    DemoCommand demo;
    ExplainCommand explain;
    ConfigDumpCommand dump;
    ConfigExplainCommand explain_key;
    ConfigDiffCommand diff;
    InitCommand init;
    FormatCommand format;
    ReferenceCommand reference;
    CompletionCommand completion;
    SchemaCommand schema;
    ManCommand man;
    VersionCommand version;
    std::vector<std::pair<const CLI::App*, std::function<Command()>>> commands;

    CommandLine();

    // A verb that makes this command.
    template <typename T>
    CLI::App* add(CLI::App& to, const char* name, const char* description, const T& command) {
        CLI::App* verb = to.add_subcommand(name, description);
        commands.emplace_back(verb, [&command] { return Command(command); });
        return verb;
    }
};

void add_run(CommandLine& line) {
    RunCommand& run = line.run;
    CLI::App* verb =
        line.add(line.app, "run", "Run the proxy (SIGHUP reloads, SIGTERM drains)", run);
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
}

void add_config(CommandLine& line) {
    CLI::App* config = line.app.add_subcommand("config", "What a configuration says, and where");
    config->require_subcommand(1)->group(kConfiguration);
    CLI::App* dump =
        line.add(*config, "dump", "Write the configuration out: what is in force", line.dump);
    dump->add_option("FILE", line.dump.file, "configuration");
    dump->add_flag("--origin", line.dump.has_origins, "say where each value comes from");
    dump->add_flag("--defaults", line.dump.has_defaults, "built-in values, too");
    dump->add_option("-o,--output", line.dump.output, "how it is written")
        ->check(CLI::IsMember({"yaml", "json"}));
    CLI::App* explain = line.add(*config, "explain", "A value, where it comes from, what it hides",
                                 line.explain_key);
    explain->add_option("PATH", line.explain_key.path, "clusters.orders.timeout.request")
        ->required();
    explain->add_option("-f,--file", line.explain_key.file, "configuration");
    CLI::App* diff =
        line.add(*config, "diff", "What a reload from one to the other changes", line.diff);
    diff->add_option("OLD", line.diff.from, "configuration")->required();
    diff->add_option("NEW", line.diff.to, "configuration")->required();
}

void add_writers(CommandLine& line) {
    CLI::App* init =
        line.add(line.app, "init", "Write a first configuration, with comments", line.init);
    init->group(kConfiguration);
    init->add_option("--from", line.init.from, "where to listen, :8080");
    init->add_option("--to", line.init.to, "where to forward, 127.0.0.1:9000");
    init->add_option("-o,--output", line.init.file, "the file; - is standard output")
        ->capture_default_str();
    init->add_flag("--force", line.init.is_forced, "write over a file that is there");
    CLI::App* format =
        line.add(line.app, "fmt", "Indent a configuration and mend what YAML refuses", line.format);
    format->group(kConfiguration);
    format->add_option("FILE", line.format.file, "configuration; - is standard input")->required();
    auto* write = format->add_flag("--write", line.format.writes, "change the file");
    format->add_flag("--check", line.format.checks, "exit 1 if it would be changed")
        ->excludes(write);
}

void add_documents(CommandLine& line) {
    line.add(line.app, "schema", "JSON Schema of the configuration, for editors", line.schema)
        ->group(kDocuments);
    CLI::App* reference =
        line.add(line.app, "reference", "The reference pages, as Markdown", line.reference);
    reference->group(kDocuments);
    reference->add_option("PAGE", line.reference.page, "which one")
        ->check(CLI::IsMember({"config", "metrics", "errors"}))
        ->capture_default_str();
    line.add(line.app, "man", "The manual page, for man -l -", line.man)->group(kDocuments);
    CLI::App* completion =
        line.add(line.app, "completion", "Completion for a shell, to be sourced", line.completion);
    completion->group(kDocuments);
    completion->add_option("SHELL", line.completion.shell, "which one")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

CommandLine::CommandLine() {
    app.require_subcommand(1);
    app.footer(kFooter);
    add_run(*this);
    CLI::App* verb = add(app, "check", "Check a configuration: exit 0 if it is valid", check);
    verb->add_option("FILE", check.file, "configuration")->required();
    verb->add_option("--format", check.format, "text, json or github")
        ->check(CLI::IsMember({"text", "json", "github"}));
    verb = add(app, "demo", "Watch Weir protect two toy services", demo);
    verb->add_flag("--once", demo.is_once, "play the story once and assert it");
    add_writers(*this);
    add_config(*this);
    verb = add(app, "explain", "What a reason word or a code means", explain);
    verb->group(kDocuments);
    verb->add_option("WORD", explain.word, "breaker_open, W103, ...; none lists them");
    add_documents(*this);
    add(app, "version", "Print the version", version)->group(kDocuments);
}

// "TEXT:{a,b}" of an option that takes one of a few words.
std::vector<std::string> words_of(const std::string& type) {
    std::vector<std::string> words;
    const auto begin = type.find('{');
    if (begin == std::string::npos) return words;
    std::string word;
    for (const char c : type.substr(begin + 1)) {
        if (c == ',' || c == '}') {
            words.push_back(std::exchange(word, {}));
            if (c == '}') break;
        } else {
            word += c;
        }
    }
    return words;
}

void collect(const CLI::App& app, const std::string& prefix, std::vector<manual::Verb>& into) {
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
        const auto name = prefix.empty() ? sub->get_name() : prefix + " " + sub->get_name();
        if (!sub->get_subcommands([](const CLI::App*) { return true; }).empty()) {
            collect(*sub, name, into);
            continue;
        }
        manual::Verb verb{name, sub->get_description(), sub->get_group(), {}};
        for (const CLI::Option* option : sub->get_options()) {
            verb.options.push_back(
                {.names = option->get_name(option->get_positional(), !option->get_positional()),
                 .description = option->get_description(),
                 .words = words_of(option->get_type_name()),
                 .takes_value = option->get_items_expected_max() > 0,
                 .is_positional = option->get_positional(),
                 .is_required = option->get_required()});
        }
        into.push_back(std::move(verb));
    }
}

}  // namespace

Parsed parse(int argc, const char* const* argv) {
    CommandLine line;
    try {
        line.app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return {std::nullopt, line.app.exit(error) == 0 ? kSuccess : kUsage};
    }
    for (const auto& [verb, command] : line.commands) {
        if (verb->parsed()) return {command()};
    }
    return {VersionCommand{}};
}

std::vector<manual::Verb> verbs() {
    const CommandLine line;
    std::vector<manual::Verb> out;
    collect(line.app, "", out);
    return out;
}

}  // namespace weir::cli
