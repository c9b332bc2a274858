#include "weir/simulate/run.hpp"

#include "weir/simulate/report.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace weir::simulate {
namespace {

using namespace std::chrono_literals;

// The parts, one after the other.
Scenario scenario(std::initializer_list<std::string_view> parts) {
    std::string text;
    for (const std::string_view part : parts)
        text += part;
    ScenarioResult result = read_scenario(text, "test.yaml");
    EXPECT_TRUE(result.scenario) << config::render(result.report, result.sources);
    return result.scenario ? std::move(*result.scenario) : Scenario{};
}

std::vector<Outcome> play(const Scenario& scenario) {
    std::vector<Outcome> outcomes;
    for (const Policy& policy : scenario.policies)
        outcomes.push_back(run(scenario, policy));
    return outcomes;
}

constexpr const char* kOneDead =
    "duration: 10s\narrivals: 400/s\nendpoints: {count: 3, latency: 2ms}\n"
    "faults: [{kind: refuse, endpoints: 1, from: 2s, to: 6s}]\n";

TEST(Simulation, AQuietDayLosesNobody) {
    const Scenario quiet =
        scenario({"duration: 10s\narrivals: 500/s\nendpoints: {latency: 3ms}\n"});
    const Outcome outcome = run(quiet, quiet.policies[0]);
    EXPECT_NEAR(static_cast<double>(outcome.requests), 5000, 300);
    EXPECT_EQ(outcome.failed, 0U);
    EXPECT_EQ(outcome.attempts, outcome.requests);
    EXPECT_TRUE(outcome.changes.empty());
    EXPECT_NEAR(static_cast<double>(outcome.latency.quantile(0.5).count()), 3e6, 2e5);
}

TEST(Simulation, TheSameSeedGivesTheSameCourseAndAnotherOneAnother) {
    Scenario one = scenario({kOneDead});
    const auto report = [&] { return render_json(one, play(one)); };
    const std::string first = report();
    EXPECT_EQ(first, report());
    one.seed = 2;
    EXPECT_NE(first, report());
}

TEST(Simulation, ADeadEndpointIsEjectedAndReturns) {
    const Scenario dead = scenario({kOneDead});
    const Outcome outcome = run(dead, dead.policies[0]);
    EXPECT_EQ(outcome.failed, 0U);
    EXPECT_GE(outcome.ejections, 1U);
    EXPECT_LE(outcome.wasted, 15U);
    ASSERT_FALSE(outcome.changes.empty());
    EXPECT_EQ(outcome.changes.front().reason, "consecutive_local");
    EXPECT_EQ(outcome.changes.front().endpoint, 0U);
    EXPECT_EQ(outcome.changes.back().to, resilience::State::closed);
    EXPECT_GT(outcome.changes.back().at, 6s);
    EXPECT_LT(outcome.changes.back().at, 8500ms);
}

TEST(Simulation, WithItsRulesOffTheDeadEndpointStays) {
    const Scenario dead =
        scenario({kOneDead, "cluster: {outlier: off, breaker: off, retry: off}\n"});
    const Outcome outcome = run(dead, dead.policies[0]);
    EXPECT_GT(outcome.failed, 15U);
    EXPECT_TRUE(outcome.changes.empty());
}

TEST(Simulation, AHungEndpointIsOutWithinTwoSecondsAndItsRequestsAreRescued) {
    const std::string_view text =
        "duration: 20s\narrivals: 400/s\nclients: {timeout: 5s, posts: 0%}\n"
        "endpoints: {count: 3, latency: 2ms}\nfaults: [{kind: hang, endpoints: 1, from: 5s, to: "
        "15s}]\n";
    const Scenario hung = scenario({text});
    const Outcome outcome = run(hung, hung.policies[0]);
    ASSERT_FALSE(outcome.changes.empty());
    EXPECT_EQ(outcome.changes.front().reason, "stall");
    EXPECT_LT(outcome.changes.front().at, 7s);
    EXPECT_EQ(outcome.failed, 0U);

    const Scenario off =
        scenario({text, "cluster: {outlier: {stall_after: off}, breaker: {stall_after: off}}\n"});
    const Outcome without = run(off, off.policies[0]);
    EXPECT_GT(without.failed, 0U);
}

TEST(Simulation, EnvoyEjectsNobodyUnderTenHosts) {
    const Scenario few = scenario({kOneDead, "policies: [envoy]\n"});
    EXPECT_EQ(run(few, few.policies[0]).ejections, 0U);
    const Scenario ten =
        scenario({"duration: 60s\narrivals: 400/s\nendpoints: {count: 10, latency: 2ms}\n"
                  "faults: [{kind: error, endpoints: 1, from: 2s, to: 4s}]\npolicies: [envoy]\n"});
    const Outcome outcome = run(ten, ten.policies[0]);
    ASSERT_EQ(outcome.ejections, 1U);
    // 30 s, rounded up to the next sweep.
    EXPECT_GE(outcome.changes.back().at, 32s);
    EXPECT_LE(outcome.changes.back().at, 50s);
}

TEST(Simulation, LinkerdsUsersGoOnFailingAfterAnOutage) {
    const Scenario outage =
        scenario({"duration: 60s\narrivals: 400/s\nendpoints: {count: 3, latency: 2ms}\n"
                  "faults: [{kind: error, from: 10s, to: 20s}]\npolicies: [weir, linkerd]\n"});
    const auto outcomes = play(outage);
    EXPECT_LE(outcomes[0].unwell, 1500ms);
    EXPECT_GE(outcomes[1].unwell, 3s);
    EXPECT_GT(outcomes[0].saved, 0U);
    EXPECT_GT(outcomes[0].openings, 0U);
}

TEST(Simulation, ThreeHopsMultiplyNothingAndWithoutBudgetAndDepthTheyDo) {
    const std::string_view text =
        "duration: 20s\narrivals: 200/s\nhops: 3\nendpoints: {count: 3, latency: 2ms}\n"
        "faults: [{kind: error, from: 2s, to: 18s}]\n"
        "cluster: {breaker: off, outlier: off}\n";
    const Scenario guarded = scenario({text});
    EXPECT_LE(run(guarded, guarded.policies[0]).amplification(), 1.75);
    const Scenario storm = scenario({text,
                                     "policies: [{name: storm, cluster: {retry: {budget: 100%, "
                                     "budget_min: 100000/s, max_depth: 10}}}]\n"});
    EXPECT_GT(run(storm, storm.policies[0]).amplification(), 5.0);
}

TEST(Simulation, NoRequestIsLostOrCountedTwice) {
    for (const char* const kind :
         {"refuse", "hang", "error", "delay, by: 900ms", "cut", "reset", "throttle"}) {
        const Scenario one = scenario(
            {"duration: 10s\narrivals: 300/s\nhops: 2\nproxies: 2\nendpoints: {count: 4, latency: "
             "{p50: 2ms, p99: 20ms}}\n"
             "clients: {timeout: 2s}\n"
             "faults: [{kind: ",
             kind,
             ", endpoints: 2, from: 2s, to: 6s}]\n"
             "cluster: {retry: {hedge_after: 10ms}}\npolicies: [weir, envoy, linkerd]\n"});
        for (const Outcome& outcome : play(one)) {
            EXPECT_EQ(outcome.latency.count() + outcome.failed, outcome.requests) << kind;
            std::uint64_t sliced = 0;
            for (const Outcome::Slice& slice : outcome.slices)
                sliced += slice.requests;
            EXPECT_EQ(sliced, outcome.requests);
            EXPECT_EQ(std::accumulate(outcome.attempts_on.begin(), outcome.attempts_on.end(),
                                      std::uint64_t{0}),
                      outcome.attempts);
        }
    }
}

TEST(Simulation, EndpointsWithFewWorkersQueueUp) {
    const Scenario busy = scenario(
        {"duration: 10s\narrivals: 150/s\nendpoints: {count: 1, concurrency: 1, latency: 10ms}\n"
         "clients: {timeout: 1s}\ncluster: {breaker: off, outlier: off, retry: off}\n"});
    const Outcome outcome = run(busy, busy.policies[0]);
    EXPECT_GT(outcome.failed, outcome.requests / 4);  // 100/s is what it can do
    EXPECT_GT(outcome.latency.quantile(0.99), 500ms);
}

TEST(Report, ThePageAsksForNothingElse) {
    const Scenario dead = scenario({kOneDead, "policies: [weir, envoy]\n"});
    const std::string page = render_html(dead, play(dead));
    EXPECT_NE(page.find("<svg"), std::string::npos);
    EXPECT_NE(page.find("prefers-color-scheme"), std::string::npos);
    EXPECT_EQ(page.find("src="), std::string::npos);
    EXPECT_EQ(page.find("href="), std::string::npos);
    EXPECT_EQ(page.find("@import"), std::string::npos);
    EXPECT_LT(page.size(), 400'000U);
}

TEST(Report, ThereIsAPlotOfEachKind) {
    const Scenario dead = scenario({kOneDead, "policies: [weir, envoy]\n"});
    const auto plots = render_svg(dead, play(dead));
    ASSERT_EQ(plots.size(), 6U);
    EXPECT_EQ(plots[0].first, "success");
    EXPECT_EQ(plots[2].first, "states-weir");
    EXPECT_NE(plots[2].second.find("class=\"open\""), std::string::npos);
}

TEST(Histogram, QuantilesAreWithinSixPercent) {
    Histogram histogram;
    for (int i = 1; i <= 10'000; ++i)
        histogram.add(i * 10us);
    EXPECT_NEAR(static_cast<double>(histogram.quantile(0.5).count()), 50e6, 3e6);
    EXPECT_NEAR(static_cast<double>(histogram.quantile(0.99).count()), 99e6, 6e6);
}

}  // namespace
}  // namespace weir::simulate
