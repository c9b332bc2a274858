#include "weir/simulate/scenario.hpp"

#include <gtest/gtest.h>

namespace weir::simulate {
namespace {

using namespace std::chrono_literals;

std::string refusal(std::string_view text) {
    const ScenarioResult result = read_scenario(text, "s.yaml");
    EXPECT_FALSE(result.scenario);
    return config::render(result.report, result.sources);
}

TEST(Scenario, EverythingHasADefault) {
    const ScenarioResult result = read_scenario("about: nothing\n", "dir/quiet.yaml");
    ASSERT_TRUE(result.scenario) << config::render(result.report, result.sources);
    EXPECT_EQ(result.scenario->name, "quiet");
    EXPECT_EQ(result.scenario->endpoints, 3U);
    ASSERT_EQ(result.scenario->policies.size(), 1U);
    EXPECT_EQ(result.scenario->policies[0].name, "weir");
}

TEST(Scenario, ReadsWhatIsWritten) {
    const ScenarioResult result = read_scenario(
        "duration: 2m\nseed: 7\n"
        "arrivals: [{rate: 10/s}, {from: 1m, rate: 600/m}]\n"
        "endpoints: {count: 5, name: \"app-{n}\", latency: {kind: uniform, least: 1ms, most: 3ms},"
        " concurrency: 4}\n"
        "faults:\n  - {kind: error, status: 500, rate: 20%, endpoints: 2, first: 3, from: 5s, to: "
        "9s,"
        " every: 2s, on: 500ms}\n"
        "clients: {timeout: 1s, posts: 50%}\nhops: 2\nproxies: 3\n",
        "s.yaml");
    ASSERT_TRUE(result.scenario) << config::render(result.report, result.sources);
    const Scenario& s = *result.scenario;
    EXPECT_EQ(s.duration, 2min);
    EXPECT_EQ(s.arrivals[1].rate, 10);
    EXPECT_EQ(s.label(2), "app-3");
    EXPECT_EQ(s.latency.high, 3ms);
    ASSERT_EQ(s.faults.size(), 1U);
    EXPECT_FALSE(s.faults[0].holds(1, 5s));
    EXPECT_TRUE(s.faults[0].holds(2, 5s));
    EXPECT_TRUE(s.faults[0].holds(3, 7400ms));
    EXPECT_FALSE(s.faults[0].holds(3, 5600ms));
    EXPECT_FALSE(s.faults[0].holds(4, 5s));
    EXPECT_FALSE(s.faults[0].holds(3, 9s));
    EXPECT_EQ(s.faults[0].ends(7100ms), 7500ms);
    EXPECT_EQ(s.patience, 1s);
    EXPECT_EQ(s.hops, 2U);
    EXPECT_EQ(s.proxies, 3U);
}

TEST(Scenario, APolicyIsAnOverlayOnTheClusterOfTheConfiguration) {
    const config::LoadResult loaded = config::load_text(
        "version: 1\ndefaults: {retry: {attempts: 4}}\nlisteners: [{listen: :1, to: app}]\n"
        "clusters: {app: {endpoints: [a:80], breaker: {consecutive_failures: 9}}}\n",
        "weir.yaml");
    ASSERT_TRUE(loaded) << config::render(loaded.report, loaded.sources);
    const ScenarioResult result = read_scenario(
        "cluster: {outlier: {min_ready: 2}}\n"
        "policies: [weir, {name: slow, cluster: {breaker: {open_for: 3s}}}, envoy]\n",
        "s.yaml", {loaded.document.get(), ""});
    ASSERT_TRUE(result.scenario) << config::render(result.report, result.sources);
    const auto& policies = result.scenario->policies;
    ASSERT_EQ(policies.size(), 3U);
    EXPECT_EQ(policies[0].cluster.retry.attempts, 4U);
    EXPECT_EQ(policies[0].cluster.outlier.min_ready, 2U);
    EXPECT_EQ(policies[1].cluster.breaker.consecutive_failures, 9U);
    EXPECT_EQ(policies[1].cluster.breaker.open_for, 3s);
    EXPECT_EQ(policies[0].cluster.breaker.open_for, 500ms);
    EXPECT_EQ(policies[2].kind, Policy::Kind::envoy);
}

TEST(Scenario, SaysWhereWhatIsWrongAndWhatWasMeant) {
    const std::string text = refusal("duration: 10s\narivals: 5/s\nfaults:\n  - {kind: reffuse}\n");
    EXPECT_NE(text.find("s.yaml:2:1: error[W101]: unknown key 'arivals' in a scenario"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("did you mean 'arrivals'?"), std::string::npos) << text;
    EXPECT_NE(text.find("s.yaml:4:12: error[W105]: unknown word 'reffuse'"), std::string::npos)
        << text;
    EXPECT_NE(text.find("did you mean 'refuse'?"), std::string::npos) << text;
}

TEST(Scenario, RefusesWhatMakesNoSense) {
    EXPECT_NE(refusal("duration: 10\n").find("W103"), std::string::npos);
    EXPECT_NE(refusal("seed: 1\nseed: 2\n").find("given twice"), std::string::npos);
    EXPECT_NE(refusal("faults: [{kind: hang, from: 5s, to: 4s}]\n").find("ends before it begins"),
              std::string::npos);
    EXPECT_NE(refusal("policies: [envoi]\n").find("no policy is named 'envoi'"), std::string::npos);
    EXPECT_NE(refusal("cluster: {breakr: off}\n").find("unknown key 'breakr'"), std::string::npos);
    EXPECT_NE(refusal("endpoints: 0\n").find("out of range"), std::string::npos);
}

}  // namespace
}  // namespace weir::simulate
