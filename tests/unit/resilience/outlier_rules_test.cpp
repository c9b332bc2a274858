// The detector's rules about throttled and slow answers, in a cluster with peers.
#include "cluster_fixture.hpp"

#include <algorithm>

namespace weir::resilience {
namespace {

SimulatedCluster::Options three() {
    SimulatedCluster::Options options;
    options.group.max_ejected = 0.5;
    return options;
}

Outcome first_throttles(std::size_t i) {
    return i == 0 ? Outcome::throttled : Outcome::ok;
}

TEST(ThrottleRule, EjectsOneOfThreeThatAnswers429AfterAPenalty) {
    SimulatedCluster cluster(three());
    cluster.answers = first_throttles;
    cluster.run(5s, 400);
    ASSERT_FALSE(cluster.sink.penalties.empty());
    EXPECT_TRUE(cluster.sink.penalties.front());
    ASSERT_FALSE(cluster.sink.transitions.empty());
    EXPECT_EQ(cluster.sink.transitions.front().reason, TripReason::throttle_rate);
    EXPECT_EQ(cluster.count(State::closed), 2U);
    // Twenty before the penalty, five under it, one a probe.
    EXPECT_LE(cluster.attempts_on[0], 32U);
}

// Ten seconds of good answers, half of which the window would want to see followed by as many 429.
TEST(ThrottleRule, EjectsAtOnceOneThatBeginsToAnswer429) {
    SimulatedCluster cluster(three());
    cluster.answers = [](std::size_t) { return Outcome::ok; };
    cluster.run(10s, 400);
    const std::size_t before = cluster.attempts_on[0];
    cluster.answers = first_throttles;
    cluster.run(2s, 400);
    EXPECT_EQ(cluster.count(State::closed), 2U);
    EXPECT_LE(cluster.attempts_on[0] - before, 32U);
}

TEST(ThrottleRule, LosesAThirdToOneOfThreeThatAnswers429WhenItIsOff) {
    SimulatedCluster::Options options = three();
    options.detector.machine.throttle_rate = 0;
    SimulatedCluster cluster(options);
    cluster.answers = first_throttles;
    cluster.run(5s, 400);
    EXPECT_TRUE(cluster.sink.penalties.empty());
    EXPECT_TRUE(cluster.sink.transitions.empty());
    EXPECT_GT(cluster.attempts_on[0], 500U);
}

// An endpoint that bears 60 requests a second: at a tenth of its share it has enough.
TEST(ThrottleRule, EjectsNobodyWhomThePenaltyHelps) {
    SimulatedCluster cluster(three());
    double tokens = 1;
    TimePoint last = cluster.now;
    cluster.answers = [&](std::size_t i) {
        if (i != 0) return Outcome::ok;
        tokens =
            std::min(10.0, tokens + 60 * std::chrono::duration<double>(cluster.now - last).count());
        last = cluster.now;
        if (tokens < 1) return Outcome::throttled;
        tokens -= 1;
        return Outcome::ok;
    };
    cluster.run(30s, 400);
    EXPECT_FALSE(cluster.sink.penalties.empty());
    EXPECT_EQ(cluster.ejections_for(TripReason::throttle_rate), 0U);
}

TEST(ThrottleRule, AllPeersShedLoadNobodyIsEjectedFor429) {
    for (const double share : {0.55, 0.8, 1.0}) {
        SimulatedCluster cluster(three());
        Random random(3);
        cluster.answers = [&](std::size_t) {
            return random.uniform() < share ? Outcome::throttled : Outcome::ok;
        };
        cluster.run(30s, 400);
        EXPECT_TRUE(cluster.sink.transitions.empty());
        EXPECT_TRUE(cluster.sink.penalties.empty());
        EXPECT_EQ(cluster.breaker_opens(), 0U);
    }
}

// The same trace to a machine whose gate sees no peers that shed load.
TEST(ThrottleRule, WouldEjectThoseWithoutALookAtTheirPeers) {
    class Alone final : public TripGate {
      public:
        Answer may_trip(TripReason, TimePoint) override { return Answer::trip; }
        bool do_peers_throttle_less(double, TimePoint) override { return true; }
    } alone;
    CircuitBreaker machine(CircuitBreaker::Options::outlier(), 1, kStart, &alone);
    TimePoint now = kStart;
    for (int i = 0; i < 40; ++i, now += 10ms) {
        const auto admission = machine.acquire(now);
        if (admission) machine.complete(admission.permit, verdict_of(Outcome::throttled), now, 0);
    }
    EXPECT_EQ(machine.state(), State::open);
    EXPECT_EQ(machine.snapshot(now).reason, TripReason::throttle_rate);
}

TEST(ThrottleRule, SaysNothingWhereTwoOfThreeShedLoad) {
    SimulatedCluster cluster(three());
    cluster.answers = [](std::size_t i) { return i < 2 ? Outcome::throttled : Outcome::ok; };
    cluster.run(10s, 400);
    EXPECT_TRUE(cluster.sink.transitions.empty());
}

// In a large cluster the peers are asked by a sample, and not for each answer.
TEST(ThrottleRule, HoldsAmongHundredsWithoutALookAtEachOfThem) {
    for (const bool are_all_sick : {false, true}) {
        SimulatedCluster::Options options = three();
        options.endpoints = 300;
        SimulatedCluster cluster(options);
        cluster.answers = [&](std::size_t i) {
            return i == 0 || are_all_sick ? Outcome::throttled : Outcome::ok;
        };
        cluster.run(10s, 4000);
        EXPECT_EQ(cluster.ejections_for(TripReason::throttle_rate), are_all_sick ? 0U : 1U);
        EXPECT_LE(cluster.group->looks(), 10'000 / 50 * DetectorGroup::kSample);
    }
}

TEST(ThrottleRule, IsNeverTheBreakers) {
    SimulatedCluster::Options options = three();
    options.endpoints = 1;
    SimulatedCluster cluster(options);
    cluster.answers = [](std::size_t) { return Outcome::throttled; };
    cluster.run(10s, 400);
    EXPECT_EQ(cluster.breaker_opens(), 0U);
    EXPECT_EQ(cluster.count(State::closed), 1U);
}

TEST(ThrottleRule, NeedsMinRequestsAndItsRate) {
    SimulatedCluster cluster(three());
    int n = 0;
    cluster.answers = [&](std::size_t i) {
        return i == 0 && ++n % 5 < 2 ? Outcome::throttled : Outcome::ok;  // 40 %
    };
    cluster.run(10s, 400);
    EXPECT_TRUE(cluster.sink.penalties.empty());
}

TEST(ThrottleRule, CountsOnlyAnswersToRequestsThatBeganUnderThePenalty) {
    const auto group = std::make_shared<DetectorGroup>(DetectorGroup::Options{});
    OutlierDetector sick({}, 1, kStart, group);
    OutlierDetector well({}, 2, kStart, group);
    OutlierDetector other({}, 3, kStart, group);
    TimePoint now = kStart;
    const auto answer = [&](OutlierDetector& on, Outcome outcome) {
        now += 1ms;
        const auto admission = on.acquire(now, {});
        on.complete(admission.permit, verdict_of(outcome), now, 0);
    };
    std::vector<Permit> under_way;
    for (int i = 0; i < 50; ++i)
        under_way.push_back(sick.acquire(now, {}).permit);
    for (int i = 0; i < 10; ++i) {
        answer(well, Outcome::ok);
        answer(other, Outcome::ok);
    }
    for (int i = 0; i < 20; ++i)
        answer(sick, Outcome::throttled);
    ASSERT_EQ(sick.machine().penalty(), TripReason::throttle_rate);
    EXPECT_EQ(sick.weight_permille(now), 100U);
    for (const Permit& permit : under_way)
        sick.complete(permit, verdict_of(Outcome::throttled), now, 0);
    EXPECT_EQ(sick.machine().state(), State::closed);
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(sick.machine().state(), State::closed);
        answer(sick, Outcome::throttled);
    }
    EXPECT_EQ(sick.machine().state(), State::open);
}

TEST(ThrottleRule, EndsThePenaltyAfterTwoGoodAnswersInARow) {
    SimulatedCluster cluster(three());
    bool is_sick = true;
    cluster.answers = [&](std::size_t i) {
        return i == 0 && is_sick ? Outcome::throttled : Outcome::ok;
    };
    while (!cluster.detectors[0]->machine().is_penalized())
        cluster.run(10ms, 400);
    is_sick = false;
    cluster.run(1s, 400);
    EXPECT_FALSE(cluster.detectors[0]->machine().is_penalized());
    EXPECT_TRUE(cluster.sink.transitions.empty());
}

// --- slow calls ---

SimulatedCluster::Options with_slow_calls(std::size_t n) {
    SimulatedCluster::Options options;
    options.endpoints = n;
    options.detector.machine.slow_rate = 0.8;
    return options;
}

Duration first_is_slow(std::size_t i) {
    return i == 0 ? Duration{2s} : Duration{10ms};
}

TEST(SlowRule, EjectsOneOfThreeThatIsSlow) {
    SimulatedCluster cluster(with_slow_calls(3));
    cluster.waits = first_is_slow;
    cluster.run(3s, 100);
    EXPECT_EQ(cluster.ejections_for(TripReason::slow_rate), 1U);
    EXPECT_FALSE(cluster.detectors[0]->is_selectable());
    EXPECT_EQ(cluster.breaker_opens(), 0U);
}

TEST(SlowRule, MindsNobodyWhenItIsOff) {
    SimulatedCluster::Options options = with_slow_calls(3);
    options.detector.machine.slow_rate = 0;
    SimulatedCluster cluster(options);
    cluster.waits = first_is_slow;
    cluster.run(3s, 100);
    EXPECT_TRUE(cluster.sink.transitions.empty());
}

TEST(SlowRule, TakesASlowProbeForAFailure) {
    SimulatedCluster cluster(with_slow_calls(3));
    cluster.waits = first_is_slow;
    cluster.run(20s, 100);
    EXPECT_EQ(cluster.detectors[0]->machine().snapshot(cluster.now).reason, [&] {
        const State state = cluster.detectors[0]->machine().state();
        return state == State::open ? TripReason::probe_failed : TripReason::elapsed;
    }());
    EXPECT_EQ(cluster.ejections_for(TripReason::slow_rate), 1U) << "it never came back";
}

// Slow endpoints are well in the eyes of the rules about failures: the gate must not hold this one.
TEST(SlowRule, OpensTheBreakerOfAClusterThatIsSlowAsAWhole) {
    SimulatedCluster::Options options;
    options.breaker.slow_rate = 0.8;
    SimulatedCluster cluster(options);
    cluster.waits = [](std::size_t) { return Duration{2s}; };
    cluster.run(1s, 100);
    EXPECT_GE(cluster.breaker_opens(), 1U);
    EXPECT_EQ(cluster.breaker.snapshot(cluster.now).history.front().reason, TripReason::slow_rate);

    options.breaker.slow_rate = 0;
    SimulatedCluster off(options);
    off.waits = cluster.waits;
    off.run(1s, 100);
    EXPECT_EQ(off.breaker_opens(), 0U);
}

TEST(SlowRule, DoesNotSettleAProbeByHeadersThatCameSlowly) {
    CircuitBreaker::Options options = CircuitBreaker::Options::outlier();
    options.slow_rate = 0.8;
    CircuitBreaker machine(options, 1, kStart);
    machine.trip(TripReason::stall, kStart);
    const TimePoint now = machine.next_probe_at();
    auto admission = machine.acquire(now);
    ASSERT_TRUE(admission.permit.is_probe);
    const Verdict slow{.is_slow_at_endpoint = true};
    machine.headers_ok(admission.permit, now + 2s, slow);
    EXPECT_FALSE(admission.permit.is_settled);
    machine.complete(admission.permit, slow, now + 2s, 0);
    EXPECT_EQ(machine.state(), State::open);
}

}  // namespace
}  // namespace weir::resilience
