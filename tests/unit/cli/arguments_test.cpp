#include "cli/arguments.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace weir::cli {
namespace {

Parsed parse_words(std::vector<const char*> words) {
    words.insert(words.begin(), "weir");
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Parsed parsed = parse(static_cast<int>(words.size()), words.data());
    testing::internal::GetCapturedStdout();
    testing::internal::GetCapturedStderr();
    return parsed;
}

template <typename T>
T expect(std::vector<const char*> words) {
    const Parsed parsed = parse_words(std::move(words));
    if (!parsed.command || !std::holds_alternative<T>(*parsed.command)) {
        ADD_FAILURE() << "another command";
        return {};
    }
    return std::get<T>(*parsed.command);
}

TEST(Arguments, EachVerbIsACommand) {
    EXPECT_EQ(expect<RunCommand>({"run", "weir.yaml"}).file, "weir.yaml");
    EXPECT_EQ(expect<CheckCommand>({"check", "weir.yaml"}).file, "weir.yaml");
    EXPECT_FALSE(expect<DemoCommand>({"demo"}).is_once);
    EXPECT_TRUE(expect<DemoCommand>({"demo", "--once"}).is_once);
    EXPECT_EQ(expect<ExplainCommand>({"explain", "W103"}).word, "W103");
    EXPECT_EQ(expect<ExplainCommand>({"explain"}).word, "");
    expect<VersionCommand>({"version"});
}

TEST(Arguments, NamesTheCommandThatWasPerhapsMeant) {
    const struct {
        std::vector<const char*> words;
        const char* said;
    } cases[] = {{{"weir", "chek", "x"}, "no command 'chek'; did you mean 'check'?"},
                 {{"weir", "config", "dmup"}, "no command 'dmup'; did you mean 'dump'?"},
                 {{"weir", "frobnicate"}, "no command 'frobnicate'\n"}};
    for (const auto& [words, said] : cases) {
        testing::internal::CaptureStderr();
        const Parsed parsed = parse(static_cast<int>(words.size()), words.data());
        const auto text = testing::internal::GetCapturedStderr();
        EXPECT_EQ(parsed.exit_code, kUsage) << said;
        EXPECT_NE(text.find(said), std::string::npos) << text;
    }
}

TEST(Arguments, RunTakesAFileOrFromAndTo) {
    const auto run =
        expect<RunCommand>({"run", "--from", ":8080", "--to", "127.0.0.1:9000", "--print-config"});
    EXPECT_EQ(run.from, ":8080");
    EXPECT_EQ(run.to, "127.0.0.1:9000");
    EXPECT_TRUE(run.prints_config);
    EXPECT_FALSE(run.allows_core_dumps);
    EXPECT_TRUE(expect<RunCommand>({"run", "x", "--core-dumps"}).allows_core_dumps);
}

template <typename T>
T ask_verb(std::vector<const char*> words) {
    const auto command = expect<AskCommand>(std::move(words));
    if (!std::holds_alternative<T>(command.verb)) {
        ADD_FAILURE() << "another verb";
        return {};
    }
    return std::get<T>(command.verb);
}

TEST(Arguments, VerbsThatAskARunningWeirSayWhomAndHow) {
    const auto command = expect<AskCommand>({"status", "-w", "-o", "json", "--admin", "unix:/a",
                                             "--token-file", "t", "--timeout", "30s"});
    EXPECT_EQ(command.options.admin, "unix:/a");
    EXPECT_EQ(command.options.token_file, "t");
    EXPECT_EQ(command.options.output, "json");
    EXPECT_EQ(command.options.timeout, "30s");
    EXPECT_TRUE(command.options.watches);
    EXPECT_EQ(expect<AskCommand>({"breakers"}).options.output, "table");
    EXPECT_EQ(expect<ConfigDumpCommand>({"config", "dump", "--admin", "1"}).ask.admin, "1");
    EXPECT_EQ(expect<CheckCommand>({"check", "f", "--diff", "--admin", "1"}).ask.admin, "1");
    EXPECT_TRUE(expect<CheckCommand>({"check", "f", "--diff"}).shows_difference);
}

TEST(Arguments, VerbsThatAskARunningWeirAreCommands) {
    const auto status = ask_verb<StatusVerb>({"status", "--ready", "--wait", "30s"});
    EXPECT_TRUE(status.asks_ready);
    EXPECT_EQ(status.wait, "30s");
    const auto get = ask_verb<GetVerb>({"get", "clusters", "orders"});
    EXPECT_EQ(get.what, "clusters");
    EXPECT_EQ(get.name, "orders");
    const auto drain = ask_verb<EndpointsVerb>(
        {"endpoints", "c", "drain", "a:1", "--for", "5m", "--reason", "why", "--force"});
    EXPECT_EQ(drain.cluster + " " + drain.action + " " + drain.address, "c drain a:1");
    EXPECT_EQ(drain.lasting + " " + drain.reason, "5m why");
    EXPECT_TRUE(drain.is_forced);
    EXPECT_EQ(ask_verb<EndpointsVerb>({"endpoints"}).cluster, "");
    const auto breaker = ask_verb<BreakerVerb>({"breaker", "c", "open", "--for", "1h"});
    EXPECT_EQ(breaker.name + " " + breaker.action + " " + breaker.lasting, "c open 1h");
    const auto route =
        ask_verb<RouteVerb>({"route", "GET", "/a", "-H", "a: b", "-H", "c: d", "--listener", "in"});
    EXPECT_EQ(route.method + " " + route.url, "GET /a");
    EXPECT_EQ(route.headers, (std::vector<std::string>{"a: b", "c: d"}));
    EXPECT_EQ(route.listener, "in");
    const auto log = ask_verb<LogVerb>({"log", "debug", "--module", "http=trace", "--for", "5m"});
    EXPECT_EQ(log.level, "debug");
    EXPECT_EQ(log.modules, std::vector<std::string>{"http=trace"});
    EXPECT_EQ(ask_verb<LogVerb>({"log", "reopen"}).level, "reopen");
    EXPECT_TRUE(ask_verb<DrainVerb>({"drain", "--exit"}).exits);
    ask_verb<ReloadVerb>({"reload"});
    ask_verb<BreakersVerb>({"breakers"});
    ask_verb<DiscoveryVerb>({"discovery"});
    ask_verb<CertsVerb>({"certs"});
    const auto apply =
        ask_verb<ApplyVerb>({"config", "apply", "f", "--persist", "--if-match", "41f2"});
    EXPECT_EQ(apply.file + " " + apply.if_match, "f 41f2");
    EXPECT_TRUE(apply.is_persistent);
    const auto events = ask_verb<EventsVerb>({"events", "-f", "-n", "3", "--cluster", "c"});
    EXPECT_TRUE(events.follows);
    EXPECT_EQ(events.count, 3U);
    EXPECT_EQ(events.cluster, "c");
    const auto failures = ask_verb<FailuresVerb>(
        {"failures", "-n", "3", "--cluster", "c", "--route", "r", "--reason", "breaker_open"});
    EXPECT_EQ(failures.count, 3U);
    EXPECT_EQ(failures.cluster + failures.route + failures.reason, "crbreaker_open");
    EXPECT_EQ(ask_verb<FailuresVerb>({"failures", "abc"}).id, "abc");
    const auto trace = ask_verb<TraceVerb>({"trace-export", "--for", "1m", "-n", "9"});
    EXPECT_EQ(trace.lasting, "1m");
    EXPECT_EQ(trace.count, 9U);
}

TEST(Arguments, WrongUseOfAVerbThatAsksIsExitCode2BeforeAnybodyIsAsked) {
    for (const auto& words :
         std::vector<std::vector<const char*>>{{"status", "--wait", "5s"},
                                               {"status", "--ready", "--wait", "soon"},
                                               {"status", "--ready", "-w"},
                                               {"status", "-o", "yaml"},
                                               {"status", "--timeout", "0s"},
                                               {"get"},
                                               {"get", "nonsense"},
                                               {"get", "routes", "name"},
                                               {"endpoints", "c", "drain"},
                                               {"endpoints", "c", "pause", "a:1"},
                                               {"endpoints", "c", "--for", "5m"},
                                               {"endpoints", "c", "drain", "a:1", "-w"},
                                               {"breaker"},
                                               {"breaker", "c", "half"},
                                               {"breaker", "c", "auto", "--for", "5m"},
                                               {"breaker", "c", "--reason", "x"},
                                               {"route", "GET"},
                                               {"route", "GET", "/", "-H", "nonsense"},
                                               {"log", "loud"},
                                               {"log", "--module", "http"},
                                               {"log", "--for", "5m"},
                                               {"log", "reopen", "--for", "5m"},
                                               {"log", "reset", "--module", "a=b"},
                                               {"drain", "x"},
                                               {"config", "apply"},
                                               {"check", "f", "--diff", "--format", "json"},
                                               {"events", "-n", "-1"}}) {
        const Parsed parsed = parse_words(words);
        EXPECT_FALSE(parsed.command.has_value()) << testing::PrintToString(words);
        EXPECT_EQ(parsed.exit_code, kUsage) << testing::PrintToString(words);
    }
}

TEST(Arguments, WrongUsageIsExitCode2) {
    for (const auto& words :
         std::vector<std::vector<const char*>>{{},
                                               {"nonsense"},
                                               {"run"},
                                               {"run", "--nonsense"},
                                               {"run", "a", "b"},
                                               {"run", "--from", ":80"},
                                               {"run", "--to", ":80"},
                                               {"run", "x", "--from", ":80", "--to", "a:80"},
                                               {"run", "x", "--print-config"},
                                               {"check"},
                                               {"check", "a", "b"},
                                               {"demo", "x"},
                                               {"version", "x"}}) {
        const Parsed parsed = parse_words(words);
        EXPECT_FALSE(parsed.command.has_value()) << testing::PrintToString(words);
        EXPECT_EQ(parsed.exit_code, kUsage) << testing::PrintToString(words);
    }
}

TEST(Arguments, HelpIsSuccess) {
    for (const auto& words : std::vector<std::vector<const char*>>{{"--help"}, {"run", "--help"}}) {
        const Parsed parsed = parse_words(words);
        EXPECT_FALSE(parsed.command.has_value());
        EXPECT_EQ(parsed.exit_code, kSuccess);
    }
}

}  // namespace
}  // namespace weir::cli
