#include "balance/balancer.hpp"

#include "fixture.hpp"

namespace weir::balance {
namespace {

using namespace std::chrono_literals;
using config::Policy;

constexpr Policy kPolicies[] = {Policy::round_robin, Policy::random, Policy::least_request,
                                Policy::p2c_ewma};

class BalancerTest : public ::testing::TestWithParam<Policy> {
  protected:
    void add(const std::vector<std::uint32_t>& weights) {
        for (const std::uint32_t weight : weights)
            fleet.add(weight);
        candidates = fleet.candidates();
        balancer = make_balancer(GetParam());
        balancer->on_change(candidates);
    }
    std::size_t pick(const Standing* avoid = nullptr) {
        const Field field{.candidates = candidates,
                          .peers = peers,
                          .now = fleet.now,
                          .is_plain = fleet.roster->is_plain(),
                          .least_ramp = fleet.roster->least_ramp(fleet.now),
                          .avoid = avoid};
        return balancer->pick(field, random);
    }
    std::vector<int> picks(int times) {
        std::vector<int> counts(candidates.size());
        for (int i = 0; i < times; ++i)
            ++counts.at(pick());
        return counts;
    }
    Candidate& candidate(std::size_t index) { return *candidates[index]; }
    void eject(std::size_t index) {
        fleet.force_out(index);
        ASSERT_FALSE(candidate(index).standing().is_selectable());
    }

    Fleet fleet;
    Random random{2};
    Peers peers;
    Chooser::Candidates candidates;
    std::unique_ptr<Balancer> balancer;
};

TEST_P(BalancerTest, FindsNothingAmongNone) {
    add({});
    EXPECT_EQ(pick(), 0U);
}

TEST_P(BalancerTest, TakesTheOnlyOne) {
    add({100});
    EXPECT_EQ(pick(), 0U);
    EXPECT_EQ(pick(&candidate(0).standing()), 1U);  // no other
}

TEST_P(BalancerTest, SpreadsEqualWeightsEvenly) {
    add({100, 100, 100, 100});
    for (const int count : picks(40'000))
        EXPECT_NEAR(count, 10'000, 400);
}

TEST_P(BalancerTest, NeverTakesAnEjectedOneWhileAnotherIsReady) {
    add({100, 100, 100, 100, 100, 100, 100, 100, 100, 100});
    for (std::size_t i = 1; i < candidates.size(); ++i)
        eject(i);
    EXPECT_EQ(picks(1000)[0], 1000);
    eject(0);
    EXPECT_EQ(pick(), candidates.size());
}

TEST_P(BalancerTest, AvoidsWhereItWasTriedIfThereIsAnother) {
    add({100, 100, 100});
    eject(2);
    for (int i = 0; i < 1000; ++i)
        ASSERT_EQ(pick(&candidate(0).standing()), 1U);
}

// Three of six are out, two of the others ramp: alone by their weights the last would get five
// sixths.
TEST_P(BalancerTest, NoEndpointGetsOverTwiceItsFairShareBecauseOthersRamp) {
    add({100, 100, 100, 100, 100, 100});
    for (const std::size_t i : {3U, 4U, 5U})
        eject(i);
    fleet.fail(0);
    fleet.fail(1);
    // The guard kept one of them; both return as if their probes had been good.
    for (const std::size_t i : {0U, 1U}) {
        fleet.members[i]->detector.start_ramp(fleet.now);
        fleet.succeed_as_probe(i);
        fleet.ok(i);
        fleet.ok(i);
    }
    for (const std::size_t i : {0U, 1U}) {
        fleet.members[i]->detector.start_ramp(fleet.now);
        fleet.members[i]->standing.refresh(fleet.now);
        ASSERT_LE(fleet.members[i]->detector.weight_permille(fleet.now), 100U);
    }
    fleet.now += 100ms;
    const std::vector<int> counts = picks(30'000);
    EXPECT_LE(counts[2], 20'600);
    EXPECT_GE(counts[2], 10'000);
    EXPECT_GT(counts[0], 0);
    EXPECT_GT(counts[1], 0);
}

TEST_P(BalancerTest, ARampingOnesTurnsAreSpreadOverAllOthers) {
    add({100, 100, 100, 100, 100, 100, 100, 100, 100, 100});
    fleet.members[4]->detector.start_ramp(fleet.now);
    fleet.members[4]->standing.refresh(fleet.now);
    const std::vector<int> counts = picks(50'000);
    EXPECT_LE(counts[4], 1'200);
    for (std::size_t i = 0; i < counts.size(); ++i)
        EXPECT_NEAR(counts[i], i == 4 ? 600 : 5'500, 600) << i;
}

using BalancerByShareTest = BalancerTest;

TEST_P(BalancerByShareTest, SharesAreTheWeights) {
    add({300, 100, 600});
    const std::vector<int> counts = picks(100'000);
    const int off = GetParam() == Policy::round_robin ? 5 : 800;
    EXPECT_NEAR(counts[0], 30'000, off);
    EXPECT_NEAR(counts[1], 10'000, off);
    EXPECT_NEAR(counts[2], 60'000, off);
}

using BalancerByLoadTest = BalancerTest;

TEST_P(BalancerByLoadTest, PrefersWhoHasLessToDo) {
    add({100, 100});
    candidate(0).request_began();
    EXPECT_EQ(picks(1000)[1], 1000);
    candidate(0).request_ended();
    EXPECT_LT(picks(1000)[1], 1000);
}

using BalancerByLatencyTest = BalancerTest;

TEST_P(BalancerByLatencyTest, PrefersWhoAnswersFaster) {
    add({100, 100});
    candidate(0).observe(20ms, fleet.now);
    candidate(1).observe(2ms, fleet.now);
    EXPECT_EQ(picks(1000)[1], 1000);
}

TEST_P(BalancerByLatencyTest, AnUnknownAverageIsThePeersMedian) {
    add({100, 100});
    peers.median = 10ms;
    candidate(1).observe(9ms, fleet.now);
    fleet.now += 1ns;
    EXPECT_EQ(picks(1000)[1], 1000);
    candidate(1).observe(60s, fleet.now);
    EXPECT_EQ(picks(1000)[0], 1000);
}

TEST_P(BalancerByLatencyTest, AFailureCountsAtLeastAsTheClustersP95) {
    add({100, 100});
    peers.p95 = 1s;
    candidate(0).observe(2ms, fleet.now);
    candidate(0).observe_failure(fleet.now);
    candidate(1).observe(300ms, fleet.now);
    EXPECT_EQ(picks(1000)[1], 1000);
    peers.p95 = 20ms;
    EXPECT_EQ(picks(1000)[0], 1000);
}

TEST_P(BalancerByLatencyTest, AFailingOneIsAvoidedAndLookedAtAgainWithinTwoSeconds) {
    add({100, 100});
    candidate(0).observe(2ms, fleet.now);
    candidate(1).observe(2ms, fleet.now);
    candidate(0).observe_failure(fleet.now);
    EXPECT_EQ(picks(1000)[1], 1000);
    Duration waited{};
    for (; waited < 10s && picks(50)[0] < 10; waited += 10ms) {
        fleet.now += 10ms;
        candidate(1).observe(2ms, fleet.now);
    }
    EXPECT_GE(waited, 50ms);
    EXPECT_LE(waited, 2s);
}

// 400 requests a second among ten; the last is a hundred times slower, then well.
class BalancerLookTest : public BalancerTest {
  protected:
    BalancerLookTest() {
        add({100, 100, 100, 100, 100, 100, 100, 100, 100, 100});
        for (std::size_t i = 0; i < candidates.size(); ++i)
            candidate(i).observe(i == 9 ? 500ms : 5ms, fleet.now);
    }
    int requests_to_last(Duration latency, Duration length) {
        int found = 0;
        for (const TimePoint end = fleet.now + length; fleet.now < end; fleet.now += 2500us) {
            const std::size_t index = pick();
            candidate(index).observe(index == 9 ? latency : 5ms, fleet.now);
            found += index == 9 ? 1 : 0;
        }
        return found;
    }
};

TEST_P(BalancerLookTest, ASlowOneGetsLessThanOneRequestInAHundred) {
    const int found = requests_to_last(500ms, 10s);
    EXPECT_GE(found, 5);
    EXPECT_LE(found, 11);
}

TEST_P(BalancerLookTest, ASlowOneThatIsWellAgainHasItsShareWithinThreeSeconds) {
    requests_to_last(500ms, 10s);
    requests_to_last(5ms, 3s);
    EXPECT_GE(requests_to_last(5ms, 5s), 100);  // of 200
}

TEST_P(BalancerLookTest, OneThatHasYetToAnswerIsNotLookedAt) {
    candidate(9).request_began();
    EXPECT_EQ(requests_to_last(500ms, 10s), 0);
}

TEST_P(BalancerLookTest, OneOfLittleWeightIsNotLookedAt) {
    fleet.members[9]->detector.start_ramp(fleet.now);
    fleet.members[9]->standing.refresh(fleet.now);
    EXPECT_EQ(requests_to_last(500ms, 1500ms), 0);
}

INSTANTIATE_TEST_SUITE_P(Policies, BalancerLookTest, ::testing::Values(Policy::p2c_ewma));
INSTANTIATE_TEST_SUITE_P(Policies, BalancerTest, ::testing::ValuesIn(kPolicies));
INSTANTIATE_TEST_SUITE_P(Policies,
                         BalancerByShareTest,
                         ::testing::Values(Policy::round_robin, Policy::random));
INSTANTIATE_TEST_SUITE_P(Policies,
                         BalancerByLoadTest,
                         ::testing::Values(Policy::least_request, Policy::p2c_ewma));
INSTANTIATE_TEST_SUITE_P(Policies, BalancerByLatencyTest, ::testing::Values(Policy::p2c_ewma));

}  // namespace
}  // namespace weir::balance
