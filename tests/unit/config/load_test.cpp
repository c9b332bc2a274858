#include "weir/decode/load.hpp"

#include "weir/core/random.hpp"

#include "support.hpp"
#include "support/source_tree.hpp"

#include <filesystem>
#include <fstream>

namespace weir::config {
namespace {

using namespace std::chrono_literals;
using test::codes;
using test::good;

constexpr const char* kMinimal =
    "version: 1\nlisteners:\n  - listen: :8080\n    to: 127.0.0.1:9000\n";

TEST(ConfigLoad, TakesTheFourLineFileWithAllDefaults) {
    const auto config = good(kMinimal);
    ASSERT_EQ(config.listeners.size(), 1U);
    const auto& listener = config.listeners[0];
    EXPECT_EQ(listener.name, ":8080");
    EXPECT_EQ(listener.mode, Mode::gateway);
    EXPECT_EQ(listener.underscores, Underscores::drop);
    EXPECT_EQ(listener.limits, Limits());
    EXPECT_EQ(config.clusters.size(), 1U);
    const auto& cluster = config.clusters.begin()->second;
    EXPECT_EQ(cluster.breaker, Breaker());
    EXPECT_EQ(cluster.outlier, Outlier());
    EXPECT_EQ(cluster.retry, Retry());
    EXPECT_EQ(cluster.timeout, Timeouts());
    EXPECT_EQ(cluster.limits, ClusterLimits());
    EXPECT_EQ(config.node_name, "test-host");
    EXPECT_EQ(config.admin_listen->text, "127.0.0.1:9347");
    EXPECT_EQ(config.telemetry_listen->text, "127.0.0.1:9348");
    EXPECT_EQ(config.drain, 30s);
    EXPECT_EQ(config.access_log.to, "stdout");
}

TEST(ConfigLoad, FromAndToStandForThatFile) {
    EXPECT_EQ(from_to(":8080", "127.0.0.1:9000"), kMinimal);
    for (const auto* from : {"[::1]:8080", "unix:/run/x.sock", "unix:@x"}) {
        const auto config = good(from_to(from, "[::1]:9000"));
        ASSERT_EQ(config.listeners.size(), 1U) << from;
        EXPECT_EQ(config.listeners[0].listen[0].text, from);
    }
    EXPECT_EQ(codes(from_to("8080", "x\"\n- y: {")), "113 113");
}

TEST(ConfigLoad, ReadsListenersByMode) {
    const auto config = good(
        "version: 1\nlisteners:\n"
        "  - {name: in, mode: inbound, listen: [\":80\", \"[::1]:81\"], to: \"h:1\", "
        "trusted_proxies: [10.0.0.0/8], limits: {body: 1MB}}\n"
        "  - {listen: \":82\", to: \"h:1\", underscores: reject}\nlimits: {headers: 7, body: "
        "2MB}\n");
    EXPECT_EQ(config.listeners[0].underscores, Underscores::allow);
    EXPECT_EQ(config.listeners[0].listen.size(), 2U);
    EXPECT_EQ(config.listeners[0].limits.body, 1'000'000U);
    EXPECT_EQ(config.listeners[0].limits.headers, 7U);
    EXPECT_EQ(config.listeners[0].routes[0].max_body, 1'000'000U);
    EXPECT_EQ(config.listeners[1].limits.body, 2'000'000U);
    EXPECT_EQ(config.listeners[1].underscores, Underscores::reject);
    EXPECT_TRUE(config.listeners[0].trusted_proxies.at(0).contains(*Address::parse("10.1.1.1:1")));
}

TEST(ConfigLoad, MergesTheAccessLogOfDefaults) {
    const auto config = good(std::string(kMinimal) +
                             "access_log: {format: json}\ndefaults: {access_log: {to: stderr}}\n");
    EXPECT_EQ(config.access_log.format, LogFormat::json);
    EXPECT_EQ(config.access_log.to, "stderr");
    EXPECT_TRUE(good(std::string(kMinimal) + "access_log: off\n").access_log.is_off());
}

TEST(ConfigLoad, RefusesWhatIsWrongAtTheTop) {
    const struct {
        const char* text;
        const char* codes;
    } cases[] = {
        {"[]", "108"},
        {"x", "108"},
        {"{}", "114 114"},
        {"version: 1\n", "114"},
        {"version: 2\nlisteners: [{listen: \":80\", to: \"h:1\"}]\n", "117"},
        {"listeners: [{listen: \":80\", to: \"h:1\"}]\n", "114"},
        {"version: 1\nlisteners: []\n", "114"},
        {"version: 1\nlisteners: {}\n", "108"},
        {"version: 1\nlisteners: [{to: \"h:1\"}]\n", "114"},
        {"version: 1\nlisteners: [{listen: \":80\"}]\n", "114"},
        {"version: 1\nlisteners: [{listen: [], to: \"h:1\"}]\n", "114"},
        {"version: 1\nlisteners: [{listen: [::1], to: \"h:1\"}]\n", "112"},
        {"version: 1\nlisteners: [{listen: \":80\", to: \"h:1\", routes: []}]\n", "115"},
        {"version: 1\nlisteners: [{listen: \":80\", routes: []}]\n", "114"},
        {"version: 1\nlisteners: [{listen: \":80\", to: \"h:1\", trusted_proxies: [x]}]\n", "113"},
        {"version: 1\nlisteners: [{name: a, listen: \":80\", to: \"h:1\"}, {name: a, listen: "
         "\":81\", to: \"h:1\"}]\n",
         "131"},
        {"version: 1\nlisteners: [{listen: [\":80\", \":80\"], to: \"h:1\"}]\n", "130"},
        {"version: 1\nlisteners: [{listen: \"127.0.0.1:0\", to: \"h:1\"}, {listen: "
         "\"127.0.0.1:0\", to: \"h:1\"}]\n",
         ""}};
    for (const auto& [text, expected] : cases)
        EXPECT_EQ(codes(text), expected) << text;
}

TEST(ConfigLoad, KeepsTheAdminPortHome) {
    EXPECT_EQ(codes(std::string(kMinimal) + "admin: {listen: \":9347\"}\n"), "150");
    EXPECT_EQ(codes(std::string(kMinimal) + "admin: {listen: \"10.0.0.1:9347\"}\n"), "150");
    EXPECT_EQ(codes(std::string(kMinimal) + "admin: {listen: \"unix:/run/x\"}\n"), "");
    EXPECT_EQ(codes(std::string(kMinimal) + "admin: {listen: \"[::1]:9347\"}\n"), "");
    EXPECT_EQ(codes(std::string(kMinimal) + "telemetry: {listen: \":9348\"}\n"), "");
    EXPECT_EQ(codes(std::string(kMinimal) + "telemetry: {listen: 127.0.0.1:9347}\n"), "130");
    EXPECT_EQ(good(std::string(kMinimal) + "admin: {listen: off}\n").admin_listen, std::nullopt);
}

TEST(ConfigLoad, ComparesWhatIsSaidNotWhereItStands) {
    const auto a = good(kMinimal);
    const auto b = good("# moved\n\n" + std::string(kMinimal));
    EXPECT_EQ(a, b);
    EXPECT_NE(a.source.hash, b.source.hash);
    EXPECT_EQ(a.source.hash.size(), 16U);
    EXPECT_NE(b.listeners[0].place.line, a.listeners[0].place.line);
    EXPECT_FALSE(a == good(std::string(kMinimal) + "drain: 5s\n"));
}

TEST(ConfigLoad, ReadsFilesAndSaysWhyItCannot) {
    const auto missing = load_file("/nonexistent/weir.yaml", test::environment());
    EXPECT_FALSE(missing);
    EXPECT_NE(test::messages(missing).find("No such file"), std::string::npos);
    EXPECT_FALSE(load_file("/", test::environment()));

    const auto path = std::filesystem::temp_directory_path() / "weir_load_test.yaml";
    std::ofstream(path, std::ios::binary) << "\xEF\xBB\xBF" << kMinimal;
    const auto result = load_file(path.string(), test::environment());
    std::filesystem::remove(path);
    ASSERT_TRUE(result) << test::messages(result);
    EXPECT_EQ(result.config->source.files.at(0), path.string());
    EXPECT_EQ(*result.config, good(kMinimal));
}

TEST(ConfigLoad, ReadsEndpointFiles) {
    const auto list =
        parse_endpoints("- a:80\n- {address: \"10.0.0.1:90\", weight: 3}\n", "eps.yaml");
    ASSERT_TRUE(list.endpoints);
    EXPECT_EQ(list.endpoints->size(), 2U);
    EXPECT_EQ(list.endpoints->at(1).weight, 3U);
    EXPECT_EQ(parse_endpoints("{\"endpoints\": [\"a:80\"]}", "eps.json").endpoints->size(), 1U);
    EXPECT_EQ(parse_endpoints("[]", "eps.yaml").endpoints->size(), 0U);
    for (const auto* text : {"", "x", "{}", "{endpoints: x}", "[a]", "{hosts: []}",
                             "- a:80\n- a:80\n", "[${X}:1]", "["}) {
        const auto result = parse_endpoints(text, "eps.yaml");
        EXPECT_FALSE(result.endpoints) << text;
        EXPECT_TRUE(result.report.has_errors()) << text;
    }
}

// Bytes changed, dropped, doubled and spliced at random: always a configuration or an error.
TEST(ConfigLoad, SurvivesRandomMutations) {
    std::vector<std::string> seeds{kMinimal};
    for (const auto* folder :
         {"config/examples", "tests/golden/config", "tests/fuzz/corpus/config"}) {
        for (const auto& entry :
             std::filesystem::directory_iterator(weir::test::source_tree() / folder)) {
            if (entry.path().extension() != ".yaml") continue;
            std::ifstream file(entry.path(), std::ios::binary);
            seeds.emplace_back(std::istreambuf_iterator<char>(file),
                               std::istreambuf_iterator<char>());
        }
    }
    Random random(7);
    constexpr std::string_view kSpice = "[]{}:,\"'#&*!|>%@`~-?$ \n\t0Aä";
    const auto below = [&](std::size_t bound) {
        return random.below(static_cast<std::uint32_t>(bound));
    };
    std::size_t loaded = 0;
    for (int round = 0; round < 3000; ++round) {
        auto text = seeds[below(seeds.size())];
        for (auto changes = below(4); changes > 0 && !text.empty(); --changes) {
            const auto at = below(text.size());
            const auto kind = below(4);
            const auto& other = seeds[below(seeds.size())];
            if (kind == 0) text[at] = kSpice[below(kSpice.size())];
            if (kind == 1) text.erase(at, 1 + below(12));
            if (kind == 2) text.insert(at, text.substr(below(text.size()), below(40)));
            if (kind == 3) text.insert(at, other.substr(below(other.size()), below(60)));
        }
        const auto result = test::load(text);
        ASSERT_NE(result.config != nullptr, result.report.has_errors()) << text;
        ASSERT_EQ(test::messages(result).empty(), result.report.sorted().empty()) << text;
        if (result) ++loaded;
    }
    EXPECT_GT(loaded, 100U);
    EXPECT_LT(loaded, 2900U);
}

}  // namespace
}  // namespace weir::config
