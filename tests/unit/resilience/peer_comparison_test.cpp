#include "weir/resilience/peer_comparison.hpp"

#include "cluster_fixture.hpp"

#include <vector>

namespace weir::resilience {
namespace {

using Compare = PeerComparison::Compare;

std::vector<std::size_t> low(const std::vector<double>& rates,
                             Compare compare = Compare::mad,
                             double gap = 0.05) {
    return PeerComparison::low(rates, {.compare = compare, .compare_gap = gap});
}

// So many hosts, the first of which succeed at that rate and the others always.
std::vector<double> hosts(std::size_t n, std::size_t bad, double rate) {
    std::vector<double> rates(n, 1.0);
    std::fill_n(rates.begin(), bad, rate);
    return rates;
}

TEST(PeersByMad, DoNotEject99PerCentAmong100PerCentHosts) {
    EXPECT_TRUE(low(hosts(10, 1, 0.99)).empty());
    EXPECT_TRUE(low(hosts(100, 1, 0.99)).empty());
}

TEST(PeersByStdev, Eject99PerCentAmong100PerCentHosts) {
    EXPECT_EQ(low(hosts(10, 1, 0.99), Compare::stdev), std::vector<std::size_t>{0});
    EXPECT_EQ(low(hosts(100, 1, 0.99), Compare::stdev), std::vector<std::size_t>{0});
}

TEST(PeersByStdev, AreBlindWhen22OfAHundredFailAlike) {
    EXPECT_EQ(low(hosts(100, 21, 0.0), Compare::stdev).size(), 21U);
    EXPECT_TRUE(low(hosts(100, 22, 0.0), Compare::stdev).empty());
    // 21.7 % to the host.
    EXPECT_EQ(low(hosts(1000, 216, 0.0), Compare::stdev).size(), 216U);
    EXPECT_TRUE(low(hosts(1000, 217, 0.0), Compare::stdev).empty());
}

TEST(PeersByMad, SeeAlmostHalfThatFailAlike) {
    EXPECT_EQ(low(hosts(100, 22, 0.0)).size(), 22U);
    EXPECT_EQ(low(hosts(100, 49, 0.5)).size(), 49U);
    EXPECT_TRUE(low(hosts(100, 50, 0.5)).empty()) << "half against half says nothing";
}

TEST(PeersByMad, NeedBothTheSpreadAndTheGap) {
    EXPECT_EQ(low(hosts(10, 1, 0.95)).size(), 1U);
    EXPECT_TRUE(low(hosts(10, 1, 0.96)).empty()) << "4 % below the median";
    EXPECT_EQ(low(hosts(10, 1, 0.96), Compare::mad, 0.04).size(), 1U);
    // Rates that spread widely: 10 % below the median is usual there.
    const std::vector<double> wide = {0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 1.0};
    EXPECT_TRUE(low(wide).empty());
}

TEST(PeersByMad, NameTheWorstFirst) {
    EXPECT_EQ(low({1, 1, 0.5, 1, 0.2, 1, 0.7, 1, 1}), (std::vector<std::size_t>{4, 2, 6}));
}

TEST(Peers, AreNotComparedWhenThatIsOff) {
    EXPECT_TRUE(low(hosts(10, 1, 0.0), Compare::off).empty());
    EXPECT_TRUE(low({}).empty());
}

TEST(PeersLatency, FindsThoseSlowerThanTheFactorTimesTheMedianOfTheP95) {
    const std::vector<Duration> p95 = {20ms, 61ms, 20ms, 59ms, 20ms, 200ms, 20ms};
    EXPECT_EQ(PeerComparison::slow(p95, 3), (std::vector<std::size_t>{5, 1}));
    EXPECT_TRUE(PeerComparison::slow(p95, 0).empty());
    EXPECT_TRUE(PeerComparison::slow({}, 3).empty());
}

TEST(PeersLatency, MindsNobodyBelowFiftyMilliseconds) {
    const std::vector<Duration> p95 = {1ms, 1ms, 50ms, 1ms};
    EXPECT_TRUE(PeerComparison::slow(p95, 3).empty());
    EXPECT_EQ(PeerComparison::slow(std::vector<Duration>{1ms, 1ms, 51ms, 1ms}, 3).size(), 1U);
}

// A cluster of ten under load, compared each tenth of a second as the server ticks.
class PeersTest : public ::testing::Test {
  protected:
    PeersTest() { make({}); }

    void make(const PeerComparison::Options& options, bool has_latencies = false) {
        SimulatedCluster::Options around;
        around.endpoints = 10;
        around.detector.has_latencies = has_latencies;
        // What it is about here is the comparison: the other rules off.
        around.detector.machine.consecutive_failures = 0;
        around.detector.machine.failure_rate = 0;
        around.are_retries_on = false;
        cluster = std::make_unique<SimulatedCluster>(around);
        peers = std::make_unique<PeerComparison>(options);
        // The first comparison sees nothing yet.
        peers->run(cluster->peers(), cluster->now);
    }
    void run(Duration length, int rate = 200) {
        const TimePoint end = cluster->now + length;
        while (cluster->now < end) {
            cluster->run(100ms, rate);
            peers->run(cluster->peers(), cluster->now);
        }
    }
    void fail_on_first(double share) {
        cluster->answers = [this, share](std::size_t i) {
            return i == 0 && random.uniform() < share ? Outcome::failure : Outcome::ok;
        };
    }
    [[nodiscard]] std::size_t ejections(TripReason reason) const {
        return cluster->ejections_for(reason);
    }

    Random random{11};
    std::unique_ptr<SimulatedCluster> cluster;
    std::unique_ptr<PeerComparison> peers;
};

TEST_F(PeersTest, EjectsTheOneThatFailsMoreThanItsPeers) {
    fail_on_first(0.2);
    run(15s);
    EXPECT_EQ(ejections(TripReason::success_rate), 1U);
    EXPECT_EQ(cluster->detectors[0]->machine().snapshot(cluster->now).epoch > 1, true);
    EXPECT_EQ(cluster->breaker_opens(), 0U);
}

TEST_F(PeersTest, EjectsNobodyWhenItIsOff) {
    make({.compare = Compare::off});
    fail_on_first(0.2);
    run(15s);
    EXPECT_TRUE(cluster->sink.transitions.empty());
}

TEST_F(PeersTest, DoesNotEjectAHostOf99PerCentUnderLoadUnlessByStdev) {
    fail_on_first(0.01);
    run(60s, 2000);
    EXPECT_TRUE(cluster->sink.transitions.empty());
    make({.compare = Compare::stdev});
    fail_on_first(0.01);
    run(60s, 2000);
    EXPECT_GE(ejections(TripReason::success_rate), 1U);
}

TEST_F(PeersTest, WaitsForTheInterval) {
    fail_on_first(0.5);
    run(9s);
    EXPECT_EQ(ejections(TripReason::success_rate), 0U);
    run(2s);
    EXPECT_EQ(ejections(TripReason::success_rate), 1U);
}

TEST_F(PeersTest, NeedsPeerMinRequests) {
    fail_on_first(0.5);
    run(30s, 80);  // 80 in the window of each
    EXPECT_TRUE(cluster->sink.transitions.empty());
    make({.peer_min_requests = 50});
    fail_on_first(0.5);
    run(30s, 80);
    EXPECT_GE(ejections(TripReason::success_rate), 1U);
}

TEST_F(PeersTest, NeedsMinPeers) {
    make({.min_peers = 11});
    fail_on_first(0.5);
    run(30s);
    EXPECT_TRUE(cluster->sink.transitions.empty());
}

TEST_F(PeersTest, KeepsTheFloor) {
    cluster->answers = [&](std::size_t i) {
        const double share = i < 4 ? 0.5 : 0;
        return random.uniform() < share ? Outcome::failure : Outcome::ok;
    };
    run(10s);
    EXPECT_EQ(ejections(TripReason::success_rate), 4U);
    EXPECT_LE(cluster->count(State::open), 5U);
    EXPECT_GE(cluster->group->size().ready, cluster->group->size().floor);
}

TEST_F(PeersTest, EjectsTheOneWhoseP95IsAboveTheFactor) {
    make({.latency_factor = 3}, true);
    cluster->waits = [](std::size_t i) { return i == 0 ? Duration{200ms} : Duration{20ms}; };
    run(15s);
    EXPECT_EQ(ejections(TripReason::latency), 1U);
    EXPECT_EQ(ejections(TripReason::success_rate), 0U);
}

TEST_F(PeersTest, MindsNoLatencyUnlessAskedTo) {
    make({}, true);
    cluster->waits = [](std::size_t i) { return i == 0 ? Duration{200ms} : Duration{20ms}; };
    run(15s);
    EXPECT_TRUE(cluster->sink.transitions.empty());
}

TEST_F(PeersTest, ForgetsTheLatenciesOfBeforeAnEjection) {
    make({.latency_factor = 3}, true);
    bool is_slow = true;
    cluster->waits = [&](std::size_t i) {
        return i == 0 && is_slow ? Duration{200ms} : Duration{20ms};
    };
    run(10s);
    ASSERT_EQ(ejections(TripReason::latency), 1U);
    is_slow = false;
    run(30s);
    EXPECT_EQ(ejections(TripReason::latency), 1U);
    EXPECT_EQ(cluster->count(State::closed), 10U);
}

TEST_F(PeersTest, CompareAgainAfterTheClockWasSetBack) {
    EXPECT_FALSE(peers->is_due(cluster->now));
    EXPECT_TRUE(peers->is_due(cluster->now - 1h));
    EXPECT_TRUE(peers->is_due(cluster->now + 10s));
}

}  // namespace
}  // namespace weir::resilience
