#include "weir/balance/chooser.hpp"

#include "fixture.hpp"

#include <algorithm>
#include <numeric>

namespace weir::balance {
namespace {

using namespace std::chrono_literals;
using resilience::Outcome;
using Condition = Standing::Condition;

class ChooserTest : public ::testing::Test {
  protected:
    void make(std::size_t count,
              NoneReady none_ready = NoneReady::least_bad,
              config::Policy policy = config::Policy::p2c_ewma) {
        fleet.add_many(count);
        chooser = std::make_unique<Chooser>(policy, none_ready, fleet.roster);
        chooser->set(fleet.candidates());
    }
    Choice choose(bool is_replay_safe = true, const Standing* avoid = nullptr) {
        return chooser->choose({.now = fleet.now, .is_replay_safe = is_replay_safe, .avoid = avoid},
                               random);
    }
    Condition condition(std::size_t index) { return fleet.members[index]->standing.condition(); }
    Standing& standing(std::size_t index) { return fleet.members[index]->standing; }
    // Fails all of them, over and over, until the guard lets no more go.
    void fail_all() {
        for (std::size_t i = 0; i < fleet.members.size(); ++i)
            fleet.fail(i);
    }

    Fleet fleet{{.max_ejected = 0.5}};
    Random random{3};
    std::unique_ptr<Chooser> chooser;
};

TEST_F(ChooserTest, AllReadyIsPlain) {
    make(3);
    EXPECT_TRUE(fleet.roster->is_plain());
    EXPECT_EQ(fleet.roster->ready(), 3U);
    EXPECT_FALSE(choose().is_none_ready);
}

TEST_F(ChooserTest, AnotherOneIsReadyAndNoProbeOrNone) {
    make(3);
    fleet.fail(1);
    fleet.now += 10s;  // it wants a probe
    ASSERT_EQ(choose().index, 1U);
    for (int i = 0; i < 200; ++i) {
        const Choice other =
            chooser->choose_other({.now = fleet.now, .avoid = &standing(0)}, random);
        ASSERT_EQ(other.index, 2U);
    }
}

TEST_F(ChooserTest, WhereThereIsNoOtherNoneIsChosen) {
    make(1);
    EXPECT_EQ(chooser->choose_other({.now = fleet.now, .avoid = &standing(0)}, random).index,
              Choice::kNone);
    EXPECT_EQ(choose(true, &standing(0)).index, 0U);
}

TEST_F(ChooserTest, AnEmptyClusterHasNoChoice) {
    make(0);
    EXPECT_EQ(choose().index, Choice::kNone);
}

TEST_F(ChooserTest, AnEjectedOneIsNotChosenUntilItsTimeIsUp) {
    make(3);
    fleet.fail(1);
    ASSERT_EQ(condition(1), Condition::ejected);
    for (int i = 0; i < 1000; ++i)
        ASSERT_NE(choose().index, 1U);
}

TEST_F(ChooserTest, TheNextReplaySafeRequestIsOfferedTheHalfOpenOne) {
    make(3);
    fleet.fail(1);
    fleet.now += 2s;
    EXPECT_EQ(choose().index, 1U);
    fleet.ok(1);
    fleet.now += 5ms;
    EXPECT_EQ(choose().index, 1U);
    fleet.ok(1);
    EXPECT_EQ(condition(1), Condition::ready);
}

TEST_F(ChooserTest, AnOrdinaryRequestIsOfferedItOnlyAfterASecondWithoutReplaySafeOnes) {
    make(3);
    fleet.fail(1);
    fleet.now += 1300ms;  // on trial since 0 to 300 ms
    for (int i = 0; i < 600; ++i) {
        ASSERT_NE(choose(false).index, 1U);
        fleet.now += 1ms;
    }
    fleet.now += 500ms;
    EXPECT_EQ(choose(false).index, 1U);
}

TEST_F(ChooserTest, ManyOrdinaryRequestsHideNoProbeFromAReplaySafeOne) {
    make(3);
    fleet.fail(1);
    fleet.now += 1600ms;
    for (int i = 0; i < 1000; ++i)
        (void)choose(false);
    EXPECT_EQ(choose(true).index, 1U);
}

TEST_F(ChooserTest, ARetryIsNotTheProbeOfWhereItFailed) {
    make(3);
    fleet.fail(1);
    fleet.now += 2s;
    EXPECT_NE(choose(true, &standing(1)).index, 1U);
    fleet.now += 5ms;
    EXPECT_EQ(choose(true).index, 1U);
}

TEST_F(ChooserTest, EachOfManyGetsItsProbe) {
    make(40);
    for (std::size_t i = 0; i < 20; ++i)
        fleet.fail(i);
    ASSERT_EQ(condition(19), Condition::ejected);
    fleet.now += 2s;
    std::vector<bool> probed(40);
    for (int i = 0; i < 20; ++i)
        probed.at(choose().index) = true;
    EXPECT_EQ(std::count(probed.begin(), probed.begin() + 20, true), 20);
}

TEST_F(ChooserTest, OneReleasedByTheFloorIsOfferedAtOnce) {
    make(4);
    fleet.fail(0);
    fleet.fail(1);
    ASSERT_EQ(condition(1), Condition::ejected);
    // Discovery takes away a ready one: 1 of 3 is below the floor of 2.
    fleet.members[3]->detector.leave();
    fleet.members[3]->standing.leave();
    chooser->set(
        {&fleet.members[0]->candidate, &fleet.members[1]->candidate, &fleet.members[2]->candidate});
    EXPECT_LT(choose().index, 2U);
}

TEST_F(ChooserTest, OneThatLeftIsNeverOffered) {
    make(3);
    fleet.fail(1);
    fleet.members[1]->detector.leave();
    fleet.members[1]->standing.leave();
    chooser->set({&fleet.members[0]->candidate, &fleet.members[2]->candidate});
    fleet.now += 2s;
    EXPECT_EQ(fleet.roster->next_probe(fleet.now, true, nullptr), nullptr);
    EXPECT_TRUE(fleet.roster->is_plain());
}

TEST_F(ChooserTest, OneThatComesBackIsOfferedAgain) {
    make(3);
    fleet.fail(1);
    fleet.members[1]->standing.leave();
    fleet.now += 2s;
    fleet.members[1]->standing.rejoin(fleet.now);
    EXPECT_EQ(choose().index, 1U);
}

// ---- when none is ready

TEST_F(ChooserTest, LeastBadPrefersThePenalizedThatFailsLess) {
    make(4);
    for (const std::size_t i : {0U, 1U})
        for (int n = 0; n < 100; ++n)
            fleet.ok(i);
    for (const std::size_t i : {2U, 3U, 0U, 1U})
        fleet.fail(i);
    for (int n = 0; n < 100; ++n)
        fleet.answer(1, Outcome::failure);
    ASSERT_EQ(condition(0), Condition::penalized);
    ASSERT_EQ(condition(1), Condition::penalized);
    ASSERT_EQ(fleet.roster->ready(), 0U);
    std::vector<int> counts(4);
    for (int i = 0; i < 1000; ++i) {
        const Choice choice = choose();
        ASSERT_TRUE(choice.is_none_ready);
        ++counts.at(choice.index);
    }
    EXPECT_GE(counts[0], 900);
    EXPECT_GE(counts[1], 20);  // its trickle
    EXPECT_EQ(counts[2] + counts[3], 0);
}

TEST_F(ChooserTest, LeastBadDoesNotSendAllToTheBest) {
    make(4);
    fail_all();
    std::vector<int> counts(4);
    for (int i = 0; i < 1000; ++i) {
        const std::size_t index = choose().index;
        ++counts.at(index);
        fleet.members[index]->candidate.request_began();
    }
    EXPECT_EQ(std::count_if(counts.begin(), counts.end(), [](int n) { return n > 300; }), 2);
}

TEST_F(ChooserTest, LeastBadTakesTheEjectedWhoseTimeIsUpNext) {
    make(6);
    fleet.fail(1);
    fleet.now += 900ms;
    fleet.fail(3);
    for (const std::size_t i : {0U, 2U, 4U, 5U})
        standing(i).hold(Hold::drained, true, fleet.now);
    ASSERT_EQ(condition(1), Condition::ejected);
    ASSERT_EQ(condition(3), Condition::ejected);
    const Choice choice = choose();
    EXPECT_EQ(choice.index, 1U);
    EXPECT_TRUE(choice.is_none_ready);
}

TEST_F(ChooserTest, FailTakesNoneButForTheTrickle) {
    make(2, NoneReady::fail);
    fail_all();
    const Choice trickle = choose();
    ASSERT_NE(trickle.index, Choice::kNone);
    EXPECT_TRUE(trickle.is_none_ready);
    EXPECT_EQ(condition(trickle.index), Condition::penalized);
    fleet.members[trickle.index]->candidate.request_began();
    const Choice refused = choose();
    EXPECT_EQ(refused.index, Choice::kNone);
    EXPECT_TRUE(refused.is_none_ready);
}

TEST_F(ChooserTest, AllSpreadsOverThemAll) {
    make(4, NoneReady::all);
    fail_all();
    std::vector<int> counts(4);
    for (int i = 0; i < 4000; ++i)
        ++counts.at(choose().index);
    for (const int count : counts)
        EXPECT_NEAR(count, 1000, 150);
}

TEST_F(ChooserTest, NothingGoesToOneThatAnOperatorTookOut) {
    make(2);
    standing(0).hold(Hold::drained, true, fleet.now);
    fleet.force_out(1);
    EXPECT_EQ(choose().index, Choice::kNone);
}

TEST_F(ChooserTest, AnUnhealthyOneIsTakenOnlyWhenThereIsNoOther) {
    make(2);
    standing(0).hold(Hold::unhealthy, true, fleet.now);
    for (int i = 0; i < 100; ++i)
        ASSERT_EQ(choose().index, 1U);
    standing(1).hold(Hold::drained, true, fleet.now);
    const Choice choice = choose();
    EXPECT_EQ(choice.index, 0U);
    EXPECT_TRUE(choice.is_none_ready);
}

// ---- what is usual

TEST_F(ChooserTest, LearnsTheMedianOfThePeersAverages) {
    make(5);
    const Duration latencies[] = {1ms, 2ms, 3ms, 400ms, 500ms};
    for (std::size_t i = 0; i < 5; ++i) {
        fleet.members[i]->candidate.observe(latencies[i], fleet.now);
    }
    chooser->observe(1ms);
    EXPECT_EQ(chooser->peers().median, 3ms);
}

TEST_F(ChooserTest, LearnsTheNinetyFifthOfTheAnswers) {
    make(1);
    for (int i = 0; i < 200'000; ++i)
        chooser->observe(Duration{1ms} + random.below(1000) * Duration{9us});
    EXPECT_NEAR(static_cast<double>(chooser->peers().p95.count()), 9.55e6, 5e5);
}

// ---- what it costs, counted in what is touched

// However many flap, a transition and a choice look at a bounded number of endpoints: a thousand
// choices among ten thousand of which half are out take no longer than a scan of a few of them.
TEST(Roster, TenThousandEndpointsFlappingKeepNothingThatGrows) {
    Fleet fleet{{.max_ejected = 1.0}};
    fleet.add_many(10'000);
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = 0; i + 1 < 10'000; i += 2) {
            fleet.members[i]->detector.machine().force(resilience::State::open, fleet.now + 1s,
                                                       fleet.now);
            fleet.members[i]->detector.machine().force(resilience::State::closed, fleet.now,
                                                       fleet.now);
            fleet.members[i]->detector.machine().unforce(fleet.now);
        }
    }
    EXPECT_EQ(fleet.roster->ready(), 10'000U);
    fleet.now += 2s;
    for (int i = 0; i < 15'000; ++i)
        EXPECT_EQ(fleet.roster->next_probe(fleet.now, true, nullptr), nullptr);
    EXPECT_TRUE(fleet.roster->is_plain());
}

}  // namespace
}  // namespace weir::balance
