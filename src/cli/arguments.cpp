#include "cli/arguments.hpp"

#include "weir/decode/suggest.hpp"

#include "cli/display.hpp"
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <utility>

namespace weir::cli {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 success; 1 invalid configuration or failure; 2 wrong usage; 3 no Weir answers.\n"
    "Start with: weir demo, or weir run --from :8080 --to 127.0.0.1:9000";
constexpr const char* kDocuments = "Documents";
constexpr const char* kConfiguration = "Configuration";
constexpr const char* kServing = "Run";
constexpr const char* kKubernetes = "Kubernetes";
constexpr const char* kRunning = "Ask a running Weir";

// The verbs, what they write into while CLI11 parses, and the command each makes.
struct CommandLine {
    CLI::App app{"Weir, a sidecar proxy that keeps failures from spreading", "weir"};
    RunCommand run;
    CheckCommand check;
    DemoCommand demo;
    ExplainCommand explain;
    SimulateCommand simulate;
    RedirectCommand redirect_apply{.verb = RedirectCommand::Verb::apply};
    RedirectCommand redirect_clean{.verb = RedirectCommand::Verb::clean};
    RedirectCommand redirect_show{.verb = RedirectCommand::Verb::show};
    ConfigDumpCommand dump;
    ConfigExplainCommand explain_key;
    ConfigDiffCommand diff;
    InitCommand init;
    FormatCommand format;
    ReferenceCommand reference;
    CompletionCommand completion;
    InjectCommand inject;
    InjectorCommand injector;
    SchemaCommand schema;
    OpenapiCommand openapi;
    ManCommand man;
    VersionCommand version;
    Asking asking;
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
    verb->group(kServing);
    auto* file = verb->add_option("FILE", run.file, "configuration");
    auto* from = verb->add_option("--from", run.from, "without a file: where to listen, :8080");
    auto* to = verb->add_option("--to", run.to, "without a file: where to forward, 127.0.0.1:9000");
    from->needs(to)->excludes(file);
    to->needs(from)->excludes(file);
    verb->add_flag("--print-config", run.prints_config, "write the file --from and --to stand for")
        ->needs(from);
    verb->add_flag("--core-dumps", run.allows_core_dumps,
                   "let the process be dumped and debugged; keys may then be in the dump");
    verb->add_option("--exit-with", run.companion,
                     "drain and end when this process ends: beside a job")
        ->type_name("PID")
        ->check(CLI::PositiveNumber);
    verb->callback([&run] {
        if (run.file.empty() && run.from.empty()) {
            throw CLI::RequiredError("FILE, or --from and --to");
        }
    });
}

void add_applying(CommandLine& line, CLI::App& config);
void add_connection(CLI::App* verb, AskOptions& options);

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
    add_connection(dump, line.dump.ask);
    add_connection(explain, line.explain_key.ask);
    add_applying(line, *config);
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
    line.add(line.app, "openapi", "OpenAPI description of the admin API", line.openapi)
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

// ---- verbs that ask a running Weir

std::string duration_problem(const std::string& text) {
    if (parse_duration(text)) return {};
    return "no duration: " + text + "; write 30s, 5m or 1h30m";
}

std::string module_problem(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos && equals != 0 && equals + 1 < text.size()) return {};
    return "no module and level: " + text + "; write upstream=debug";
}

std::string header_problem(const std::string& text) {
    const std::size_t colon = text.find(':');
    if (colon != std::string::npos && colon != 0) return {};
    return "no header: " + text + "; write 'name: value'";
}

CLI::Option* add_duration(CLI::App* verb, const char* name, std::string& to, const char* what) {
    return verb->add_option(name, to, what)->check(CLI::Validator(duration_problem, "DURATION"));
}

// Whom to ask, and how.
void add_connection(CLI::App* verb, AskOptions& options) {
    verb->add_option("--admin", options.admin,
                     "its admin port: 127.0.0.1:9347, unix:/run/weir/admin.sock; or WEIR_ADMIN");
    verb->add_option("--token-file", options.token_file, "holds the admin token; or WEIR_TOKEN");
    add_duration(verb, "--timeout", options.timeout, "how long to wait for the answer");
}

template <typename Verb>
CLI::App* add_asking(
    CommandLine& line, CLI::App& to, const char* name, const char* description, const Verb& verb) {
    CLI::App* sub = to.add_subcommand(name, description)->group(kRunning);
    line.commands.emplace_back(sub, [&line, &verb] {
        return Command(AskCommand{line.asking.options, verb});
    });
    AskOptions& options = line.asking.options;
    add_connection(sub, options);
    sub->add_option("-o,--output", options.output, "how it is written")
        ->check(CLI::IsMember({"table", "wide", "json"}))
        ->capture_default_str();
    return sub;
}

CLI::Option* add_watch(CLI::App* verb, AskOptions& options) {
    return verb->add_flag("-w,--watch", options.watches, "again each second, until Ctrl-C");
}

void add_looking(CommandLine& line) {
    Asking& asking = line.asking;
    AskOptions& options = asking.options;
    CLI::App* status = add_asking(line, line.app, "status",
                                  "How it does: process, listeners, clusters", asking.status);
    auto* watches = add_watch(status, options);
    auto* ready = status->add_flag("--ready", asking.status.asks_ready,
                                   "exit 0 if it takes traffic, 1 if it does not (yet)");
    ready->excludes(watches);
    add_duration(status, "--wait", asking.status.wait, "for it to be ready, so long")->needs(ready);

    CLI::App* get = add_asking(line, line.app, "get",
                               "Show things: listeners, routes, clusters, ...", asking.get);
    get->add_option("WHAT", asking.get.what, "what to show")
        ->required()
        ->check(CLI::IsMember({"listeners", "routes", "clusters", "breakers", "certs", "config",
                               "discovery", "events", "log", "memory", "ratelimits"}));
    get->add_option("NAME", asking.get.name, "of one cluster, with its settings");
    add_watch(get, options);
    get->callback([&asking] {
        if (!asking.get.name.empty() && asking.get.what != "clusters") {
            throw CLI::ValidationError("NAME", "only clusters have names here");
        }
    });

    CLI::App* discovery =
        add_asking(line, line.app, "discovery", "Where endpoints come from, and how that goes",
                   asking.discovery);
    add_watch(discovery, options);
    add_watch(
        add_asking(line, line.app, "certs", "Certificates in use, and until when", asking.certs),
        options);

    CLI::App* route =
        add_asking(line, line.app, "route",
                   "Which route a request takes, and why not each earlier one", asking.route);
    route->add_option("METHOD", asking.route.method, "GET, POST, ...")->required();
    route->add_option("URL", asking.route.url, "http://shop/orders/1, or /orders/1")->required();
    route->add_option("-H,--header", asking.route.headers, "'name: value', as often as needed")
        ->check(CLI::Validator(header_problem, "HEADER"))
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    route->add_option("--listener", asking.route.listener, "that the request comes to; else any");

    CLI::App* events = add_asking(line, line.app, "events",
                                  "Breakers, ejections, discovery, reloads", asking.events);
    events->add_flag("-f,--follow", asking.events.follows, "go on as they come, until Ctrl-C");
    events->add_option("-n", asking.events.count, "so many of the newest")->capture_default_str();
    events->add_option("--cluster", asking.events.cluster, "of one cluster");
}

void add_failures(CommandLine& line) {
    Asking& asking = line.asking;
    FailuresVerb& verb = asking.failures;
    CLI::App* failures = add_asking(line, line.app, "failures",
                                    "The last failed requests, each with its story", verb);
    auto* id = failures->add_option("ID", verb.id, "of a request: its story in full");
    failures->add_option("-n", verb.count, "so many of the newest")->capture_default_str();
    failures->add_option("--cluster", verb.cluster, "of one cluster");
    failures->add_option("--route", verb.route, "of one route");
    failures->add_option("--reason", verb.reason, "with this weir-error");
    add_watch(failures, asking.options)->excludes(id);

    TraceVerb& trace = asking.trace;
    CLI::App* record = add_asking(line, line.app, "trace-export",
                                  "Record each attempt, a JSON object a line, to simulate", trace);
    add_duration(record, "--for", trace.lasting, "for so long")->capture_default_str();
    record->add_option("-n", trace.count, "at most so many; 0 for all")->capture_default_str();
    record->add_option("--cluster", trace.cluster, "of one cluster");
}

void add_log(CommandLine& line) {
    Asking& asking = line.asking;
    CLI::App* log =
        add_asking(line, line.app, "log", "How much it logs; more, for a time", asking.log);
    log->add_option("LEVEL", asking.log.level,
                    "reset: as configured; reopen: the files, after they were moved")
        ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "reset", "reopen"}));
    log->add_option("--module", asking.log.modules, "upstream=debug, as often as needed")
        ->check(CLI::Validator(module_problem, "MODULE=LEVEL"))
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    add_duration(log, "--for", asking.log.lasting, "then as configured again");
    log->callback([&asking] {
        const LogVerb& verb = asking.log;
        const bool is_word = verb.level == "reset" || verb.level == "reopen";
        if (is_word && !(verb.modules.empty() && verb.lasting.empty())) {
            throw CLI::ValidationError(verb.level, "takes neither --module nor --for");
        }
        if (verb.level.empty() && verb.modules.empty() && !verb.lasting.empty()) {
            throw CLI::RequiredError("LEVEL or --module");
        }
    });
}

void add_steering(CommandLine& line) {
    Asking& asking = line.asking;
    CLI::App* endpoints =
        add_asking(line, line.app, "endpoints", "Endpoints and their state; drain, eject and back",
                   asking.endpoints);
    endpoints->add_option("CLUSTER", asking.endpoints.cluster, "of one cluster; else of all");
    auto* action = endpoints->add_option("ACTION", asking.endpoints.action, "what to do with one")
                       ->check(CLI::IsMember({"drain", "undrain", "eject", "uneject"}));
    auto* address = endpoints->add_option("ADDRESS", asking.endpoints.address, "of that endpoint");
    action->needs(address);
    add_duration(endpoints, "--for", asking.endpoints.lasting, "then it is over by itself")
        ->needs(action);
    endpoints->add_option("--reason", asking.endpoints.reason, "shown to others")->needs(action);
    endpoints->add_flag("--force", asking.endpoints.is_forced, "also the last one")->needs(action);
    add_watch(endpoints, asking.options)->excludes(action);

    CLI::App* breakers =
        add_asking(line, line.app, "breakers", "Circuit breakers and their state", asking.breakers);
    add_watch(breakers, asking.options);

    CLI::App* breaker =
        add_asking(line, line.app, "breaker", "One breaker: its history; force it", asking.breaker);
    breaker->add_option("NAME", asking.breaker.name, "of its cluster, or CLUSTER@ROUTE")
        ->required();
    action = breaker->add_option("ACTION", asking.breaker.action, "hold it, or let it decide again")
                 ->check(CLI::IsMember({"open", "close", "auto"}));
    add_duration(breaker, "--for", asking.breaker.lasting, "then it decides again; 10m if not said")
        ->needs(action);
    breaker->add_option("--reason", asking.breaker.reason, "shown to others")->needs(action);
    add_watch(breaker, asking.options)->excludes(action);
    breaker->callback([&asking] {
        const BreakerVerb& verb = asking.breaker;
        if (verb.action == "auto" && !(verb.lasting.empty() && verb.reason.empty())) {
            throw CLI::ValidationError("auto", "takes neither --for nor --reason");
        }
    });
}

void add_fault(CommandLine& line) {
    FaultVerb& verb = line.asking.fault;
    CLI::App* fault =
        add_asking(line, line.app, "fault", "Faults injected on purpose: list, add, remove", verb);
    CLI::Option* action = fault->add_option("ACTION", verb.action, "none lists them")
                              ->check(CLI::IsMember({"add", "remove"}));
    fault->add_option("NAME", verb.name, "the cluster; to remove: the id")->needs(action);
    fault->add_option("--route", verb.order.route, "only requests of that route")->needs(action);
    add_duration(fault, "--delay,--latency", verb.order.delay, "requests wait so long")
        ->needs(action);
    fault->add_option("--abort", verb.order.abort, "requests are answered with this status")
        ->needs(action)
        ->check(CLI::Range(200, 599));
    fault->add_option("--percent", verb.order.percent, "of the requests; all if not said")
        ->needs(action);
    add_duration(fault, "--for", verb.order.lasting, "then it ends by itself; 5m if not said")
        ->needs(action);
    fault->add_option("--reason", verb.order.reason, "shown to others")->needs(action);
    fault->callback([&verb] {
        const bool is_add = verb.action == "add";
        if (verb.action == "remove" && verb.name.empty())
            throw CLI::ValidationError("remove", "needs the ID of a fault");
        if (is_add && verb.name.empty() && verb.order.route.empty())
            throw CLI::ValidationError("add", "needs a cluster, or --route");
        if (is_add && verb.order.delay.empty() && verb.order.abort.empty())
            throw CLI::ValidationError("add", "needs --delay or --abort");
    });
}

void add_registry(CommandLine& line) {
    RegistryVerb& verb = line.asking.registry;
    CLI::App* registry =
        add_asking(line, line.app, "registry",
                   "Endpoints that registered themselves: list, put, remove", verb);
    CLI::Option* action = registry->add_option("ACTION", verb.action, "none lists them")
                              ->check(CLI::IsMember({"put", "remove"}));
    registry->add_option("SERVICE", verb.service, "as discovery.name has it")->needs(action);
    registry->add_option("ADDRESS", verb.address, "10.0.0.1:80")->needs(action);
    add_duration(registry, "--ttl", verb.lease.ttl, "its lease; 30s if not said")->needs(action);
    registry->add_option("--weight", verb.lease.weight, "against others; 100 if not said")
        ->needs(action)
        ->check(CLI::Range(1, 65535));
    registry->add_option("--zone", verb.lease.zone, "where it is")->needs(action);
    registry->callback([&verb] {
        if (!verb.action.empty() && verb.address.empty())
            throw CLI::ValidationError(verb.action, "needs a SERVICE and an ADDRESS");
    });
}

void add_ending(CommandLine& line) {
    Asking& asking = line.asking;
    CLI::App* drain = add_asking(line, line.app, "drain",
                                 "Not ready from now on; requests are still served", asking.drain);
    drain->add_flag("--exit", asking.drain.exits, "and end when the last one is done");
    add_asking(line, line.app, "reload", "Read the configuration file again", asking.reload);
}

// Those of `weir config` that change what runs.
void add_applying(CommandLine& line, CLI::App& config) {
    ApplyVerb& apply = line.asking.apply;
    CLI::App* verb =
        add_asking(line, config, "apply", "Let a running Weir run this configuration", apply);
    verb->group("");
    verb->add_option("FILE", apply.file, "configuration; - is standard input")->required();
    verb->add_flag("--persist", apply.is_persistent,
                   "write it to its file, too; else in memory only");
    verb->add_option("--if-match", apply.if_match, "only if this is the hash of what runs");
}

void add_check(CommandLine& line) {
    CLI::App* verb =
        line.add(line.app, "check", "Check a configuration: exit 0 if it is valid", line.check);
    verb->group(kConfiguration);
    verb->add_option("FILE", line.check.file, "configuration")->required();
    auto* format = verb->add_option("--format", line.check.format, "text, json or github")
                       ->check(CLI::IsMember({"text", "json", "github"}));
    verb->add_flag("--diff", line.check.shows_difference,
                   "what it would change of the Weir that runs, which is asked")
        ->excludes(format);
    add_connection(verb, line.check.ask);
}

void add_simulate(CommandLine& line) {
    CLI::App* verb =
        line.add(line.app, "simulate", "Play a scenario, or a recorded trace, on simulated time",
                 line.simulate);
    verb->group(kConfiguration);
    auto* scenario = verb->add_option("SCENARIO", line.simulate.scenario,
                                      "as those in config/simulate; - is standard input");
    verb->add_option("-f,--file", line.simulate.file,
                     "the configuration that decides; else the defaults");
    verb->add_option("--cluster", line.simulate.cluster, "of the configuration, if it has several");
    verb->add_option("--trace", line.simulate.trace,
                     "replay a trace export or a JSON access log instead")
        ->excludes(scenario);
    verb->add_option("-o,--output", line.simulate.output, "text or json")
        ->check(CLI::IsMember({"text", "json"}));
    verb->add_option("--html", line.simulate.html, "write a report with plots to this file");
    verb->add_option("--svg", line.simulate.svg, "write the plots to files in this folder");
    verb->add_option("--seed", line.simulate.seed, "another course of chance");
    verb->add_option("--for", line.simulate.duration, "another duration, as 10s");
}

void add_redirect(CommandLine& line) {
    CLI::App* group = line.app.add_subcommand(
        "redirect", "Send the connections of this pod (network namespace) through Weir");
    group->group(kServing);
    group->require_subcommand(1);
    const auto add_tool = [](CLI::App* verb, RedirectCommand& command) {
        verb->add_option("--tool", command.tool, "auto, nft or iptables; auto prefers nft")
            ->check(CLI::IsMember({"auto", "nft", "iptables"}));
    };
    RedirectCommand& apply = line.redirect_apply;
    CLI::App* verb =
        line.add(*group, "apply", "Set the rules, in place of those set before", apply);
    verb->add_option("--inbound-port", apply.rules.inbound,
                     "where connections to the pod go; 0: they are left alone");
    verb->add_option("--outbound-port", apply.rules.outbound,
                     "where connections of the pod go; 0: they are left alone");
    verb->add_option("--skip-inbound-ports", apply.skip_inbound, "as 22,5000-5010");
    verb->add_option("--skip-outbound-ports", apply.skip_outbound, "as 22,5000-5010");
    verb->add_option("--uid", apply.rules.uid, "of Weir, whose own connections go out as they are");
    verb->add_flag("--print", apply.only_prints, "print the rules and change nothing");
    add_tool(verb, apply);
    add_tool(line.add(*group, "clean", "Take all rules away", line.redirect_clean),
             line.redirect_clean);
    add_tool(line.add(*group, "show", "Print the rules that are set", line.redirect_show),
             line.redirect_show);
}

void add_inject(CommandLine& line) {
    InjectCommand& inject = line.inject;
    CLI::App* verb = line.add(line.app, "inject", "Add a Weir to the pods of manifests", inject);
    verb->group(kKubernetes);
    verb->add_option("-f,--file", inject.file, "YAML or JSON; - is standard input")->required();
    verb->add_option("--image", inject.image, "of the sidecar");
    verb->add_flag("--diff", inject.shows_difference, "print what changes, not the objects");
    verb->add_flag("--uninject", inject.removes, "take away what was added");
    InjectorCommand& injector = line.injector;
    verb = line.add(line.app, "injector", "Serve the webhook that adds a Weir to pods", injector);
    verb->group(kKubernetes);
    verb->add_option("--cert", injector.cert, "PEM; read again when it changes")->required();
    verb->add_option("--key", injector.key, "of the certificate")->required();
    verb->add_option("--image", injector.image, "of the sidecars");
    verb->add_option("--listen", injector.listen, "HTTPS, for the API server; :8443");
    verb->add_option("--telemetry", injector.telemetry, "/readyz and /metrics, in clear; :9348");
}

CommandLine::CommandLine() {
    app.require_subcommand(1);
    app.footer(kFooter);
    add_run(*this);
    CLI::App* verb = add(app, "demo", "Watch Weir protect two toy services", demo);
    verb->group(kServing);
    verb->add_flag("--once", demo.is_once, "play the story once and assert it");
    add_redirect(*this);
    add_inject(*this);
    add_looking(*this);
    add_failures(*this);
    add_steering(*this);
    add_log(*this);
    add_fault(*this);
    add_registry(*this);
    add_ending(*this);
    add_check(*this);
    add_simulate(*this);
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

// The first word that names no verb where one is due, with what was perhaps meant. CLI11 would only
// say that a verb is missing.
std::string unknown_verb(const CLI::App& line, int argc, const char* const* argv) {
    const CLI::App* app = &line;
    for (int i = 1; i < argc && argv[i][0] != '-'; ++i) {
        const auto verbs = app->get_subcommands([](const CLI::App*) { return true; });
        if (verbs.empty()) break;
        const auto named = std::find_if(verbs.begin(), verbs.end(), [&](const CLI::App* verb) {
            return verb->get_name() == argv[i];
        });
        if (named != verbs.end()) {
            app = *named;
            continue;
        }
        std::vector<std::string_view> words;
        for (const CLI::App* verb : verbs)
            words.push_back(verb->get_name());
        const auto meant = config::nearest(argv[i], words);
        std::string text = "no command '" + printable(argv[i]) + "'";
        if (!meant.empty()) text += "; did you mean '" + std::string(meant) + "'?";
        return text;
    }
    return {};
}

}  // namespace

Parsed parse(int argc, const char* const* argv) {
    CommandLine line;
    if (const auto unknown = unknown_verb(line.app, argc, argv); !unknown.empty()) {
        std::fprintf(stderr, "weir: %s\nRun with --help for more information.\n", unknown.c_str());
        return {std::nullopt, kUsage};
    }
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
