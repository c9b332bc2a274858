// Whole clusters on simulated time: breaker, detectors, guard and budget as they act together.
#include "cluster_fixture.hpp"

#include <algorithm>
#include <set>
#include <vector>

namespace weir::resilience {
namespace {

using Options = SimulatedCluster::Options;

Options of(std::size_t endpoints, std::uint64_t seed = 1) {
    Options options;
    options.endpoints = endpoints;
    options.seed = seed;
    return options;
}

// Endpoints below `bad` answer so, the others well.
std::function<Outcome(std::size_t)> first_ones(std::size_t bad, Outcome outcome) {
    return [bad, outcome](std::size_t i) { return i < bad ? outcome : Outcome::ok; };
}

struct SickRow {
    std::size_t endpoints;
    std::size_t sick;
};

class SickClusterTest : public ::testing::TestWithParam<SickRow> {};

TEST_P(SickClusterTest, KeepsItsBreakerClosedWhileAFifthIsWell) {
    for (const Outcome outcome : {Outcome::failure, Outcome::local_failure}) {
        SimulatedCluster cluster(of(GetParam().endpoints));
        cluster.run(5s, 400);
        cluster.answers = first_ones(GetParam().sick, outcome);
        cluster.run(60s, 400);
        EXPECT_EQ(cluster.breaker_opens(), 0U) << word(outcome);
    }
}

INSTANTIATE_TEST_SUITE_P(OneAndTwoOfThreeAndTwentyOfThirty,
                         SickClusterTest,
                         ::testing::Values(SickRow{3, 1},
                                           SickRow{3, 2},
                                           SickRow{30, 20},
                                           SickRow{2, 1},
                                           SickRow{10, 8}));

class DeadClusterTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(DeadClusterTest, OpensItsBreakerWhenAllEndpointsFail) {
    SimulatedCluster cluster(of(GetParam()));
    cluster.run(5s, 400);
    cluster.answers = [](std::size_t) { return Outcome::failure; };
    // Their good answers must first leave the window, unless the detectors are done sooner.
    cluster.run(11s, 400);
    EXPECT_GT(cluster.breaker_opens(), 0U);
    EXPECT_GE(cluster.group->size().ready, cluster.group->size().floor);
}

INSTANTIATE_TEST_SUITE_P(OneTwoThreeAndTen, DeadClusterTest, ::testing::Values(1U, 2U, 3U, 10U));

// However many good answers the windows of the penalized still hold.
TEST(Outage, OpensTheBreakerWithinASecondWhenAllEndpointsDieAtOnce) {
    for (const std::size_t n : {1U, 2U, 3U, 10U}) {
        for (const Outcome outcome : {Outcome::failure, Outcome::local_failure}) {
            SimulatedCluster cluster(of(n));
            cluster.run(30s, 400);
            cluster.answers = [outcome](std::size_t) { return outcome; };
            cluster.run(1s, 400);
            EXPECT_GT(cluster.breaker_opens(), 0U) << n << " endpoints, " << word(outcome);
        }
    }
}

TEST(Outage, EjectsThreeOfTenThatDieAtOnceAndLosesHardlyAnybody) {
    SimulatedCluster cluster(of(10));
    cluster.run(5s, 400);
    cluster.answers = first_ones(3, Outcome::local_failure);
    const int good = cluster.run(10s, 400);
    EXPECT_GE(good, 4000 * 99 / 100);
    EXPECT_EQ(cluster.breaker_opens(), 0U);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_GT(cluster.detectors[i]->machine().snapshot(cluster.now).opens_total, 0U);
        EXPECT_LE(cluster.attempts_on[i], 400U + 5U * 60U);
    }
}

TEST(Outage, LosesNobodyToOneOfThreeThatRefusesAndSoonSendsItNoMoreThanAProbeASecond) {
    SimulatedCluster cluster(of(3));
    cluster.run(5s, 400);
    const auto before = cluster.attempts_on[0];
    cluster.answers = first_ones(1, Outcome::local_failure);
    EXPECT_EQ(cluster.run(10s, 400), 4000);
    EXPECT_LE(cluster.attempts_on[0] - before, 30U) << "a hundred milliseconds and the probes";
    const auto after_ten = cluster.attempts_on[0];
    cluster.run(10s, 400);
    EXPECT_LE(cluster.attempts_on[0] - after_ten, 10U);
}

// How long after the end of an outage the first request is served again.
Duration time_back(std::size_t endpoints, Duration outage, std::uint64_t seed, std::size_t sick) {
    Options options = of(endpoints, seed);
    SimulatedCluster cluster(options);
    cluster.run(10s, 400);
    cluster.answers = first_ones(sick, Outcome::local_failure);
    cluster.run(outage, 400);
    cluster.answers = [](std::size_t) { return Outcome::ok; };
    const TimePoint ended = cluster.now;
    while (cluster.now - ended < 60s) {
        (void)cluster.request();
        const bool is_back = sick == endpoints ? cluster.breaker.state() == State::closed
                                               : cluster.detectors[0]->is_selectable();
        if (is_back) return cluster.now - ended;
        cluster.now += 2500us;
    }
    return 60s;
}

Duration median_time_back(std::size_t endpoints, Duration outage, std::size_t sick) {
    std::vector<Duration> times;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        times.push_back(time_back(endpoints, outage, seed, sick));
    }
    std::nth_element(times.begin(), times.begin() + 10, times.end());
    return times[10];
}

TEST(Outage, IsBackWithinASecondAfterTenSecondsAndTwoMinutesForABreaker) {
    EXPECT_LE(median_time_back(1, 10s, 1), 1s);
    EXPECT_LE(median_time_back(1, 120s, 1), 1s);
}

TEST(Outage, IsBackWithinTwoAndAHalfSecondsForAnEndpoint) {
    EXPECT_LE(median_time_back(3, 10s, 1), 2500ms);
    EXPECT_LE(median_time_back(3, 120s, 1), 2500ms);
}

TEST(Outage, SendsFewAttemptsToASingleServiceThatFails) {
    SimulatedCluster cluster(of(1));
    cluster.run(10s, 400);
    const auto before = cluster.attempts;
    cluster.answers = [](std::size_t) { return Outcome::failure; };
    cluster.run(10s, 400);
    EXPECT_LE(cluster.attempts - before, 120U);
}

TEST(Outage, AmplifiesATotalOutageByTheBudgetAtMost) {
    Options options = of(3);
    options.breaker.mode = Mode::off;
    options.detector.machine.mode = Mode::off;
    SimulatedCluster cluster(options);
    cluster.answers = [](std::size_t) { return Outcome::failure; };
    cluster.run(60s, 400);
    const double requests = 60 * 400;
    EXPECT_LE(static_cast<double>(cluster.attempts), requests * 1.2 + 60 * 3 + 30);
    EXPECT_GE(static_cast<double>(cluster.attempts), requests * 1.15) << "the budget was the limit";
}

TEST(Outage, HardlySendsAnythingWithBreakersOn) {
    SimulatedCluster cluster(of(3));
    cluster.answers = [](std::size_t) { return Outcome::failure; };
    cluster.run(60s, 400);
    EXPECT_LE(static_cast<double>(cluster.attempts), 60 * 400 * 0.02);
}

// Three hops, each a cluster of the next; the last one's endpoint is down.
TEST(Outage, AmplifiesATotalOutageOverThreeHopsByNoMore) {
    SimulatedCluster last(of(1));
    SimulatedCluster middle(of(1));
    SimulatedCluster first(of(1));
    last.answers = [](std::size_t) { return Outcome::failure; };
    middle.answers = [&](std::size_t) {
        last.now = first.now;
        return last.request() ? Outcome::ok : Outcome::failure;
    };
    first.answers = [&](std::size_t) {
        middle.now = first.now;
        return middle.request() ? Outcome::ok : Outcome::failure;
    };
    first.run(60s, 400);
    EXPECT_LE(static_cast<double>(last.attempts), 60 * 400 * 1.2 + 60 * 3);
    EXPECT_GT(last.attempts, 50U);
}

TEST(Outage, AStormOf429EjectsNobody) {
    for (const std::size_t n : {1U, 3U}) {
        SimulatedCluster cluster(of(n));
        cluster.answers = [](std::size_t) { return Outcome::throttled; };
        cluster.run(30s, 1000);
        EXPECT_EQ(cluster.count(State::closed), n);
        EXPECT_EQ(cluster.breaker_opens(), 0U);
        EXPECT_TRUE(cluster.sink.penalties.empty());
    }
}

TEST(Outage, TwentyPerCentRandom503EjectNobodyAndAmplifyByAQuarterAtMost) {
    SimulatedCluster cluster(of(3));
    Random random(5);
    cluster.answers = [&](std::size_t) {
        return random.uniform() < 0.2 ? Outcome::failure : Outcome::ok;
    };
    cluster.run(60s, 400);
    EXPECT_EQ(cluster.sink.transitions.size(), 0U);
    EXPECT_EQ(cluster.breaker_opens(), 0U);
    EXPECT_LE(static_cast<double>(cluster.attempts), 60 * 400 * 1.25);
}

TEST(Outage, OneKilledEndpointWith64ConnectionsOpensNoBreakerOfAHundred) {
    SimulatedCluster cluster(of(100));
    cluster.run(5s, 1000);
    for (std::uint64_t connection = 0; connection < 64; ++connection) {
        const auto admission = cluster.breaker.acquire(cluster.now);
        ASSERT_TRUE(admission.is_admitted);
        cluster.breaker.complete(admission.permit, verdict_of(Outcome::failure), cluster.now, 0,
                                 FailureKey::of(7, 1234));
    }
    EXPECT_EQ(cluster.breaker.state(), State::closed);
    EXPECT_EQ(cluster.breaker.snapshot(cluster.now).fail_run, 1U);
}

// The same without an endpoint that is well and without a key would.
TEST(Outage, SixtyFourFailuresThatAreNoSingleDeathOpenABreaker) {
    SimulatedCluster cluster(of(1));
    for (int i = 0; i < 64; ++i) {
        const auto admission = cluster.breaker.acquire(cluster.now);
        if (!admission.is_admitted) break;
        cluster.breaker.complete(admission.permit, verdict_of(Outcome::failure), cluster.now, 0);
    }
    EXPECT_EQ(cluster.breaker.state(), State::open);
}

TEST(Outage, ADeployThatReplacesAllEndpointsRampsNobodyAndLosesNobody) {
    SimulatedCluster cluster(of(6));
    cluster.run(5s, 400);
    for (std::size_t i = 0; i < 6; ++i) {
        cluster.detectors[i]->leave();
        cluster.detectors[i] = std::make_unique<OutlierDetector>(
            OutlierDetector::Options{}, i, cluster.now, cluster.group, nullptr);
        cluster.detectors[i]->start_ramp(cluster.now);
    }
    EXPECT_EQ(cluster.group->size().endpoints, 6U);
    for (const auto& each : cluster.detectors) {
        EXPECT_EQ(each->weight_permille(cluster.now), 1000U);
    }
    EXPECT_EQ(cluster.run(5s, 400), 2000);
}

TEST(Outage, PostsLoseOnlyWhatNobodyMaySendAgain) {
    SimulatedCluster cluster(of(3));
    cluster.run(5s, 400);
    cluster.answers = first_ones(1, Outcome::failure);
    const int good = cluster.run(20s, 400, false);
    EXPECT_GE(good, 8000 - 5 - 5 - 2 * 20);
    EXPECT_GT(cluster.attempts_on[0], 0U);
}

TEST(Outage, HoldsAnEndpointThatFlapsEachSecondMostlyOut) {
    SimulatedCluster cluster(of(3));
    cluster.run(5s, 400);
    cluster.answers = [&](std::size_t i) {
        const bool is_bad = (cluster.now.time_since_epoch() / 1s) % 2 == 0;
        return i == 0 && is_bad ? Outcome::failure : Outcome::ok;
    };
    const int good = cluster.run(60s, 400);
    EXPECT_EQ(cluster.breaker_opens(), 0U);
    EXPECT_GE(good, 60 * 400 * 99 / 100);
}

TEST(Outage, ShadowLosesAllThatNobodyKeepsAway) {
    Options options = of(1);
    options.breaker.mode = Mode::shadow;
    options.are_retries_on = false;
    SimulatedCluster cluster(options);
    cluster.run(1s, 400);
    cluster.answers = [](std::size_t) { return Outcome::failure; };
    EXPECT_EQ(cluster.run(10s, 400), 0);
    EXPECT_EQ(cluster.attempts, 4400U);
    EXPECT_GT(cluster.breaker_opens(), 5U);
}

}  // namespace
}  // namespace weir::resilience
