#include "weir/config/document.hpp"

#include "support.hpp"

// "Rules of the language", each by its number. The details of each are beside the code it is in.
namespace weir::config {
namespace {

using namespace std::chrono_literals;
using test::codes;
using test::good;
using test::with_cluster;
using test::with_route;

std::string at_top(const std::string& text) {
    return test::kListener + "clusters: {a: {endpoints: [\"10.0.0.1:80\"]}}\n" + text + "\n";
}
std::string note_of(const std::string& text) {
    const auto problems = test::load(text).report.sorted();
    return problems.empty() ? "no problem" : problems.front().note;
}

TEST(ConfigRule1, RefusesWhatItDoesNotUnderstand) {
    const struct {
        const char* text;
        const char* code;
    } cases[] = {{"drian: 5s", "101"},
                 {"drain: 5s\ndrain: 6s", "102"},
                 {"drain: [5s]", "108"},
                 {"drain: 5", "103"},
                 {"log: {level: loud}", "105"}};
    for (const auto& [text, code] : cases) {
        const auto result = test::load(at_top(text));
        EXPECT_EQ(codes(result), code) << text;
        EXPECT_FALSE(result) << text;
        EXPECT_EQ(result.report.warnings(), 0U) << text;
    }
    EXPECT_EQ(codes(with_route("{to: b}")), "110");
}

TEST(ConfigRule1, SaysAllOfItInOneRunByLine) {
    const auto result = test::load(at_top("drain: 5\nthreads: x\nlog: {level: loud, to: []}"));
    std::uint32_t line = 0;
    for (const auto& problem : result.report.sorted()) {
        EXPECT_GE(problem.place.line, line);
        line = problem.place.line;
    }
    EXPECT_EQ(codes(result), "103 104 105 108");
}

TEST(ConfigRule1, ShowsTwentyAndCountsTheRest) {
    std::string text = "clusters:\n";
    for (int i = 0; i < 25; ++i)
        text += "  c" + std::to_string(i) + ": {endpoints: [\"h:1\"], timeout: 1}\n";
    const auto printed =
        test::messages(test::load("version: 1\nlisteners: [{listen: \":80\", to: c1}]\n" + text));
    std::size_t shown = 0;
    for (auto at = printed.find("error["); at != std::string::npos;
         at = printed.find("error[", at + 1))
        ++shown;
    EXPECT_EQ(shown, 20U);
    EXPECT_NE(printed.find("... and 5 more"), std::string::npos);
    EXPECT_TRUE(printed.ends_with("weir.yaml: 25 errors\n"));
}

TEST(ConfigRule1, EndsAtASyntaxError) {
    for (const auto* text : {"\tdrain: 5", "x: [::1]:80", "x: \"y"}) {
        const auto result = test::load("drian: 5\n" + std::string(text) + "\n");
        EXPECT_EQ(result.report.errors(), 1U) << text;
        EXPECT_EQ(result.draft, nullptr) << text;
    }
}

TEST(ConfigRule2, WritesUnits) {
    const auto config =
        good(at_top("drain: 1m30s\nlimits: {body: 1MB, url: 4KiB}\n"
                    "defaults: {retry: {budget: 25%, budget_min: 600/m}}"));
    EXPECT_EQ(config.drain, 90s);
    EXPECT_EQ(config.limits.body, 1'000'000U);
    EXPECT_EQ(config.limits.url, 4096U);
    EXPECT_DOUBLE_EQ(config.clusters.at("a").retry.budget, 0.25);
    EXPECT_DOUBLE_EQ(config.clusters.at("a").retry.budget_min, 10);
    EXPECT_FALSE(good(with_cluster("    timeout: never\n")).clusters.at("a").timeout.request);
    EXPECT_EQ(good(at_top("drain: 0")).drain, 0s);
    const auto large = test::load(with_cluster("    retry: {buffer: 1GiB}\n"));
    EXPECT_EQ(large.report.sorted().at(0).what, "'buffer' must be at most 64MiB");
}

TEST(ConfigRule2, ShowsTheLikelySpellingsOfABareNumber) {
    EXPECT_EQ(note_of(at_top("drain: 5")), "write 5s, 5ms or 5m");
    EXPECT_EQ(note_of(at_top("drain: 500")), "write 500ms, 500s or 500m");
    EXPECT_EQ(note_of(at_top("limits: {body: 10}")), "write 10B, 10KiB or 10MiB");
    EXPECT_EQ(note_of(with_cluster("    retry: {budget_min: 3}\n")), "write 3/s, 3/m or 3/h");
    EXPECT_EQ(note_of(with_cluster("    retry: {budget: 20}\n")), "write 20%");
    EXPECT_EQ(note_of(at_top("drain: 1.5")), "write 1500ms if these are seconds");
    EXPECT_EQ(note_of(with_cluster("    retry: {budget: 30 %}\n")), "did you mean 30%?");
}

TEST(ConfigRule3, TakesOnlyTrueAndFalseAndReadsTheRestAsText) {
    for (const auto* word : {"yes", "on", "off", "no", "True", "1", "~"}) {
        const auto text = with_cluster("    metrics_per_endpoint: " + std::string(word) + "\n");
        EXPECT_FALSE(test::load(text)) << word;
    }
    EXPECT_EQ(note_of(with_cluster("    metrics_per_endpoint: yes\n")), "write true");
    EXPECT_EQ(note_of(with_cluster("    metrics_per_endpoint: off\n")), "write false");
    EXPECT_EQ(good(with_cluster("    retry: off\n")).clusters.at("a").retry.attempts, 0U);
    // Norway, octal ports, sexagesimal times
    const auto config =
        good(with_route("{host: no, respond: {body: no}}") + "threads: 010\nnode: {name: 1:20}\n");
    EXPECT_EQ(config.listeners[0].routes[0].hosts.at(0), "no");
    EXPECT_EQ(std::get<Respond>(config.listeners[0].routes[0].action).body, "no");
    EXPECT_EQ(config.threads, 10U);
    EXPECT_EQ(config.node_name, "1:20");
}

TEST(ConfigRule3, SaysHowAnObjectIsSwitchedOff) {
    for (const auto* key : {"breaker", "outlier", "retry", "access_log"}) {
        for (const auto* word : {"false", "no", "none"}) {
            const auto text =
                at_top("defaults: {" + std::string(key) + ": " + std::string(word) + "}");
            EXPECT_EQ(codes(text), "104") << text;
            EXPECT_EQ(note_of(text), "write off") << text;
        }
        EXPECT_TRUE(test::load(at_top("defaults: {" + std::string(key) + ": off}"))) << key;
    }
}

TEST(ConfigRule4, ListensOnTheFormsOfAnAddress) {
    for (const auto* address :
         {":8080", "127.0.0.1:8080", "\"[::1]:8080\"", "unix:/run/x.sock", "unix:@abstract"}) {
        const auto text =
            "version: 1\nlisteners: [{listen: " + std::string(address) + ", to: \"h:1\"}]\n";
        EXPECT_TRUE(test::load(text)) << address << test::messages(test::load(text));
    }
    EXPECT_EQ(codes("version: 1\nlisteners:\n  - {listen: [::1]:8080, to: \"h:1\"}\n"), "112");
    EXPECT_EQ(codes("version: 1\nlisteners:\n  - listen: [::1]:8080\n    to: h:1\n"), "112");
    EXPECT_EQ(codes("version: 1\nlisteners: [{listen: \"fd:http\", to: \"h:1\"}]\n"), "109");
}

TEST(ConfigRule5, SendsToClustersAndAddressesOnly) {
    for (const auto* to : {"a", "h:1", "[a, h:1]", "{a: 90%, h:1: 10%}"})
        EXPECT_TRUE(test::load(with_route("{to: " + std::string(to) + "}"))) << to;
    const auto word = test::load(with_route("{to: ab}"));
    EXPECT_EQ(codes(word), "110") << "never a DNS name";
    EXPECT_NE(test::messages(word).find("did you mean 'a'"), std::string::npos);
    EXPECT_EQ(codes(with_route("{to: {a: 90%}}")), "141");
}

TEST(ConfigRule6, ExpandsVariablesInValuesOnly) {
    const auto load = [](const std::string& text) {
        return load_text(text, "weir.yaml", test::environment({{"TIME", "5s"}}));
    };
    EXPECT_EQ(load(at_top("drain: ${TIME}")).config->drain, 5s);
    EXPECT_EQ(load(at_top("drain: ${NONE:-7s}")).config->drain, 7s);
    EXPECT_EQ(codes(load(at_top("drain: ${NONE}"))), "107");
    EXPECT_EQ(codes(load(at_top("${TIME}: 5s"))), "101");
    EXPECT_EQ(codes("version: ${NONE}\nlisteners: [{listen: \":80\", to: \"${NONE}\"}]\n"),
              "107 107")
        << "what refers to it is not missing as well";
    EXPECT_EQ(codes("version: 1\nlisteners: \"${NONE}\"\n"), "107");
    EXPECT_EQ(codes("version: 1\nlisteners: [{listen: \"${NONE}\", to: \"h:1\"}]\n"), "107");
    EXPECT_EQ(codes(with_route("{to: \"${NONE}\"}")), "107");
    EXPECT_EQ(codes(with_cluster("  b: {endpoints: [{address: \"${NONE}\"}]}\n")), "107");
    EXPECT_EQ(codes(with_cluster("  b: {endpoints: \"${NONE}\"}\n")), "107");
    EXPECT_EQ(codes(at_top("admin: {listen: \":1\", token: {file: \"${NONE}\"}}")), "107");
    EXPECT_EQ(codes(load(at_top("admin: {token: abc}"))), "151");
}

TEST(ConfigRule7, InheritsFromBuiltInToRoute) {
    const auto config = good(
        "version: 1\n"
        "listeners:\n"
        "  - listen: :80\n"
        "    routes:\n"
        "      - {path: /r, timeout: {total: 9s}, to: b}\n"
        "      - {to: b}\n"
        "clusters:\n"
        "  a: {endpoints: [\"h:1\"]}\n"
        "  b: {endpoints: [\"h:2\"], timeout: {request: 4s}, retry: {methods: [GET]}}\n"
        "defaults: {timeout: {connect: 2s, request: 3s}, retry: {methods: [PUT, GET]}}\n");
    const auto& a = config.clusters.at("a");
    const auto& b = config.clusters.at("b");
    EXPECT_EQ(a.timeout.idle, Timeouts().idle) << "built-in";
    EXPECT_EQ(a.timeout.request, 3s) << "defaults";
    EXPECT_EQ(b.timeout.request, 4s) << "cluster";
    EXPECT_EQ(b.timeout.connect, 2s) << "objects merge key by key";
    EXPECT_EQ(b.retry.methods, std::vector<std::string>{"GET"}) << "lists are replaced";
    const auto& route = std::get<Forward>(config.listeners[0].routes[0].action).targets[0];
    EXPECT_EQ(route.timeout.total, 9s) << "route";
    EXPECT_EQ(route.timeout.request, 4s);
}

TEST(ConfigRule8, TakesOnlyPartOfYaml) {
    EXPECT_EQ(codes(at_top("--- {}")), "116") << "a second document";
    const auto merged = test::load(with_cluster("    <<: {lb: random}\n"));
    EXPECT_EQ(codes(merged), "116");
    EXPECT_NE(test::messages(merged).find("'defaults'"), std::string::npos);
    EXPECT_EQ(good(at_top("node: {name: &n x}\nlog: {to: *n}")).log.to, "x") << "anchors";
    EXPECT_EQ(codes(at_top("log: " + std::string(100, '[') + std::string(100, ']'))), "116");
    EXPECT_EQ(codes("# " + std::string(4 * 1024 * 1024, 'x') + "\n"), "116");
    std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
    for (char name = 'b'; name < 'h'; ++name) {
        const std::string before(1, static_cast<char>(name - 1));
        bomb += std::string(1, name) + ": &" + name + " [";
        for (int i = 0; i < 10; ++i)
            bomb += "*" + before + ", ";
        bomb += "]\n";
    }
    EXPECT_EQ(codes(bomb), "116");
}

TEST(ConfigRule9, MergesIncludedFiles) {
    const test::Folder folder;
    const auto path = folder.write("weir.yaml", "include: [conf.d/*.yaml]\n" + at_top("drain: 5s"));
    folder.write("conf.d/b.yaml", "clusters: {b: {endpoints: [\"h:1\"]}}\n");
    const auto merged = load_file(path, test::environment());
    ASSERT_TRUE(merged) << test::messages(merged);
    EXPECT_TRUE(merged.config->clusters.contains("b"));
    const auto second = folder.write("conf.d/c.yaml", "clusters: {b: {endpoints: [\"h:1\"]}}\n");
    const auto twice = load_file(path, test::environment());
    EXPECT_EQ(codes(twice), "131");
    EXPECT_NE(test::messages(twice).find("conf.d/b.yaml:1"), std::string::npos);
    EXPECT_NE(test::messages(twice).find(second + ":1:12: error"), std::string::npos);
}

// The rest of the rule, the swap and what triggers it, is the runtime's.
TEST(ConfigRule10, GivesNoConfigurationToSwapToIfAnythingIsWrong) {
    const auto result = test::load(at_top("drain: 5"));
    EXPECT_FALSE(result);
    EXPECT_NE(result.draft, nullptr);
    const auto printed = render(result.report, result.sources, "nothing was changed");
    EXPECT_TRUE(printed.starts_with("weir.yaml:5:8: error[W103]")) << printed;
    EXPECT_TRUE(printed.ends_with("weir.yaml: 1 error; nothing was changed\n")) << printed;
}

}  // namespace
}  // namespace weir::config
