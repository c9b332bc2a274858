#include "weir/core/random.hpp"
#include "weir/resilience/circuit_breaker.hpp"

#include "machine_fixture.hpp"

#include <algorithm>
#include <vector>

namespace weir::resilience {
namespace {

// What trips the machine, and what does not.
class RulesTest : public MachineTest {
  protected:
    RulesTest() { make(only_runs()); }

    static Options only_runs() {
        Options options;
        options.failure_rate = 0;
        return options;
    }
    static Options only_rate() {
        Options options;
        options.consecutive_failures = 0;
        return options;
    }
};

// --- rule 1 ---

TEST_F(RulesTest, OpensOnTheFifthFailureInARowThatLasts) {
    fail(4);
    expect_closed();
    fail();
    expect_open();
    expect_reason(TripReason::consecutive);
}

TEST_F(RulesTest, NeedsTheRunToLastAHundredMilliseconds) {
    gap = 0ms;
    fail(5);
    expect_closed();
    advance(100ms - 1ns);
    fail();
    expect_closed();
    advance(1ns);
    fail();
    expect_open();
}

TEST_F(RulesTest, OpensOnTwentyInARowHoweverShort) {
    gap = 0ms;
    fail(19);
    expect_closed();
    fail();
    expect_open();
    expect_reason(TripReason::consecutive);
}

TEST_F(RulesTest, HoldsAThresholdAboveTwenty) {
    Options options = only_runs();
    options.consecutive_failures = 30;
    make(options);
    fail(29);
    expect_closed();
    fail();
    expect_open();
}

TEST_F(RulesTest, CountsARunFromItsFirstFailure) {
    gap = 0ms;
    fail(3);
    ok();
    advance(1s);
    fail(5);
    expect_closed();
}

TEST_F(RulesTest, EndsARunByOneOk) {
    for (int i = 0; i < 50; ++i) {
        fail(4);
        ok();
    }
    expect_closed();
}

TEST_F(RulesTest, IsOffAtZero) {
    Options options = only_runs();
    options.consecutive_failures = 0;
    make(options);
    fail(200);
    expect_closed();
}

TEST_F(RulesTest, CountsALocalFailureOfABreakerAsAFailure) {
    fail(2);
    fail_locally(3);
    expect_open();
    expect_reason(TripReason::consecutive);
}

TEST_F(RulesTest, TouchesNoRunByIgnoredStaleOrThrottled) {
    for (const Outcome outcome : {Outcome::ignored, Outcome::stale, Outcome::throttled}) {
        make(only_runs());
        fail(4);
        answer(outcome, 50);
        EXPECT_EQ(machine->snapshot(now).fail_run, 4U) << word(outcome);
        expect_closed();
        fail();
        expect_open();
    }
}

TEST_F(RulesTest, AStormOf429DoesNotTripTheRuns) {
    make(Options::outlier());
    gap = 1ms;
    throttle(20000);
    expect_closed();
    make(Options::breaker());
    throttle(20000);
    expect_closed();
    EXPECT_GT(machine->counts(now).throttled, 9000U);
}

TEST_F(RulesTest, ThreeHundredIdleConnectionsClosedByTheOriginEjectNobody) {
    make(Options::outlier());
    gap = 0ms;
    answer(Outcome::stale, 300);
    expect_closed();
    EXPECT_EQ(machine->counts(now).total(), 0U);
}

// --- rule 2 ---

TEST_F(RulesTest, EjectsOnTheThirdLocalFailureInARow) {
    make(Options::outlier());
    gap = 50ms;
    fail_locally(2);
    expect_closed();
    fail_locally();
    expect_open();
    expect_reason(TripReason::consecutive_local);
}

TEST_F(RulesTest, NeedsTheLocalRunToLastToo) {
    make(Options::outlier());
    gap = 0ms;
    fail_locally(19);
    expect_closed();
    fail_locally();
    expect_open();
}

TEST_F(RulesTest, KeepsTheTwoRunsOfADetectorApart) {
    Options options = Options::outlier();
    options.failure_rate = 0;
    make(options);
    for (int i = 0; i < 2; ++i) {
        fail(2);
        fail_locally(1);
    }
    expect_closed();
    EXPECT_EQ(machine->snapshot(now).fail_run, 4U);
    EXPECT_EQ(machine->snapshot(now).local_run, 2U);
    ok();
    EXPECT_EQ(machine->snapshot(now).fail_run, 0U);
    EXPECT_EQ(machine->snapshot(now).local_run, 0U);
}

TEST_F(RulesTest, CountsNoLocalFailureInADetectorWhoseRuleIsOff) {
    Options options = Options::outlier();
    options.consecutive_local = 0;
    options.failure_rate = 0;
    make(options);
    fail_locally(100);
    expect_closed();
}

// --- rule 3 ---

TEST_F(RulesTest, OpensWhenHalfOfTwentyFail) {
    make(only_rate());
    ok(10);
    fail(9);
    expect_closed();
    fail();
    expect_open();
    expect_reason(TripReason::failure_rate);
}

TEST_F(RulesTest, NeedsTwentyAnswers) {
    make(only_rate());
    fail(19);
    expect_closed();
    fail();
    expect_open();
}

TEST_F(RulesTest, StaysClosedBelowTheRate) {
    make(only_rate());
    gap = 10ms;
    for (int i = 0; i < 300; ++i) {
        ok(2);
        fail(1);
    }
    expect_closed();
}

TEST_F(RulesTest, CountsLocalFailuresInTheRateAlsoOfADetector) {
    Options options = Options::outlier();
    options.consecutive_local = 0;
    options.consecutive_failures = 0;
    make(options);
    ok(10);
    fail_locally(10);
    expect_open();
    expect_reason(TripReason::failure_rate);
}

TEST_F(RulesTest, ForgetsFailuresOutsideTheWindow) {
    make(only_rate());
    fail(15);
    advance(11s);
    fail(10);
    expect_closed();
    EXPECT_EQ(machine->counts(now).fail, 10U);
}

TEST_F(RulesTest, SeesAtTheNextFailureWhatAnOkMadeTrue) {
    make(only_rate());
    fail(18);
    ok(2);
    expect_closed();
    fail();
    expect_open();
}

TEST_F(RulesTest, TakesTheFirstRuleThatMatchesForTheReason) {
    make(Options::breaker());
    ok(10);
    fail(9);
    expect_open();
    expect_reason(TripReason::consecutive);
}

// --- rule 4 ---

TEST_F(RulesTest, OpensWhenTooManyAreSlowIfAskedTo) {
    Options options = only_rate();
    options.slow_rate = 0.8;
    make(options);
    const Verdict slow{Outcome::ok, FailureKind::none, true};
    for (int i = 0; i < 16; ++i)
        machine->complete(take(), slow, now, 0);
    ok(4);
    expect_closed();
    ok(1);
    machine->complete(take(), slow, now, 0);
    expect_closed();
    for (int i = 0; i < 3; ++i)
        machine->complete(take(), slow, now, 0);
    expect_open();
    expect_reason(TripReason::slow_rate);
}

TEST_F(RulesTest, TakesASlowProbeForAFailureOnlyIfTheRuleIsOn) {
    const Verdict slow{Outcome::ok, FailureKind::none, true};
    for (const double rate : {0.0, 0.8}) {
        Options options;
        options.slow_rate = rate;
        make(options);
        trip();
        wait_for_probe();
        machine->complete(take(), slow, now, 0);
        EXPECT_EQ(machine->state(), rate > 0 ? State::open : State::half_open);
    }
}

TEST_F(RulesTest, MindsNoSlowAnswersUnlessAskedTo) {
    const Verdict slow{Outcome::ok, FailureKind::none, true};
    for (int i = 0; i < 100; ++i)
        machine->complete(take(), slow, now, 0);
    expect_closed();
    EXPECT_EQ(machine->counts(now).slow, 100U);
}

// --- one death, many failures ---

TEST_F(RulesTest, CountsFailuresOfOneKeyOnceInARun) {
    const FailureKey key = FailureKey::of(3, 17);
    for (int i = 0; i < 64; ++i) {
        advance(10ms);
        machine->complete(take(), verdict_of(Outcome::failure), now, 0, key);
    }
    expect_closed();
    EXPECT_EQ(machine->snapshot(now).fail_run, 1U);
    EXPECT_EQ(machine->counts(now).fail, 64U) << "each is counted in the window";
}

TEST_F(RulesTest, CountsFailuresOfDifferentKeysEach) {
    for (std::uint64_t turn = 0; turn < 5; ++turn) {
        advance(gap);
        machine->complete(take(), verdict_of(Outcome::failure), now, 0, FailureKey::of(1, turn));
    }
    expect_open();
}

TEST_F(RulesTest, KnowsTheKeysOfSeveralDeathsAtOnce) {
    for (int i = 0; i < 30; ++i) {
        advance(10ms);
        const FailureKey key = FailureKey::of(static_cast<std::uint64_t>(i % 4), 9);
        machine->complete(take(), verdict_of(Outcome::failure), now, 0, key);
    }
    EXPECT_EQ(machine->snapshot(now).fail_run, 4U);
    expect_closed();
}

TEST_F(RulesTest, MakesKeysThatDifferAndAreNeverNone) {
    std::vector<std::uint64_t> keys;
    for (std::uint64_t endpoint = 0; endpoint < 100; ++endpoint) {
        for (std::uint64_t turn = 0; turn < 100; ++turn) {
            keys.push_back(FailureKey::of(endpoint, turn).value);
        }
    }
    std::sort(keys.begin(), keys.end());
    EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end());
    EXPECT_NE(keys.front(), 0U);
    EXPECT_EQ(FailureKey{}.value, 0U);
}

// --- good headers ---

TEST_F(RulesTest, EndsARunByGoodHeaders) {
    fail(4);
    Permit stream = take();
    machine->headers_ok(stream, now);
    EXPECT_EQ(machine->snapshot(now).fail_run, 0U);
    fail(4);
    expect_closed();
}

TEST_F(RulesTest, TakesFiveFailuresInHoursAmongAThousandOpenStreamsForNoRun) {
    std::vector<Permit> streams;
    for (int i = 0; i < 1000; ++i) {
        advance(1s);
        streams.push_back(take());
        machine->headers_ok(streams.back(), now);
    }
    for (int hour = 0; hour < 5; ++hour) {
        advance(1h);
        finish(streams[static_cast<std::size_t>(hour * 100)], Outcome::failure);
        for (int i = 0; i < 3; ++i) {
            Permit fresh = take();
            machine->headers_ok(fresh, now);
        }
    }
    expect_closed();
}

// Its headers are good each time, and each time they end the run of the answers before.
TEST_F(RulesTest, OpensForAnEndpointThatCutsEachBody) {
    for (int i = 0; i < 5; ++i) {
        expect_closed();
        advance(gap);
        Permit permit = take();
        machine->headers_ok(permit, now);
        advance(1ms);
        finish(permit, Outcome::failure);
    }
    expect_open();
    expect_reason(TripReason::consecutive);
}

TEST_F(RulesTest, LosesTheRunForGoodWhenTheAnswerThatEndedItEndsWell) {
    for (int i = 0; i < 50; ++i) {
        fail(4);
        Permit permit = take();
        machine->headers_ok(permit, now);
        finish(permit, Outcome::ok);
        Permit cut = take();
        machine->headers_ok(cut, now);
        finish(cut, Outcome::failure);
        EXPECT_EQ(machine->snapshot(now).fail_run, 1U);
        ok();
    }
    expect_closed();
}

TEST_F(RulesTest, EndsTheLocalRunForGoodByHeaders) {
    make(Options::outlier());
    fail_locally(2);
    Permit permit = take();
    machine->headers_ok(permit, now);
    finish(permit, Outcome::failure);
    EXPECT_EQ(machine->snapshot(now).local_run, 0U);
    EXPECT_EQ(machine->snapshot(now).fail_run, 1U);
}

TEST_F(RulesTest, MindsNoHeadersOfAnotherEpoch) {
    Permit old = take();
    trip();
    wait_for_probe();
    ok(2);
    fail(3);
    machine->headers_ok(old, now);
    EXPECT_EQ(machine->snapshot(now).fail_run, 3U);
}

// --- chance ---

// Failures at random, as many a second as said, for ten minutes.
int opens_by_chance(const CircuitBreaker::Options& options,
                    int rate,
                    double failing,
                    Duration length) {
    TimePoint now = kStart;
    CircuitBreaker machine(options, 1, now);
    Random random(99);
    const Duration gap = Duration{1s} / rate;
    for (const TimePoint end = now + length; now < end; now += gap) {
        const auto admission = machine.acquire(now);
        if (!admission.is_admitted) continue;
        const bool is_bad = random.uniform() < failing;
        machine.complete(admission.permit, verdict_of(is_bad ? Outcome::failure : Outcome::ok), now,
                         0);
    }
    return static_cast<int>(machine.snapshot(now).opens_total);
}

TEST_F(RulesTest, TwentyPerCentRandomFailuresAtAThousandASecondDoNotOpenItInTenMinutes) {
    EXPECT_EQ(opens_by_chance(Options::breaker(), 1000, 0.2, 10min), 0);
    EXPECT_EQ(opens_by_chance(Options::outlier(), 1000, 0.2, 10min), 0);
}

TEST_F(RulesTest, WouldOpenByChanceIfARunNeedNotLast) {
    Options options;
    options.consecutive_for = 0ms;
    EXPECT_GT(opens_by_chance(options, 1000, 0.2, 1min), 5);
}

TEST_F(RulesTest, StaysClosedAtFiftyThousandASecondWithTwentyPerCentErrors) {
    EXPECT_EQ(opens_by_chance(Options::breaker(), 50000, 0.2, 30s), 0);
}

TEST_F(RulesTest, OpensAtFiftyThousandASecondWithSixtyPerCentErrors) {
    EXPECT_GT(opens_by_chance(Options::breaker(), 50000, 0.6, 1s), 0);
}

// --- the gate ---

class Gate final : public TripGate {
  public:
    Answer may_trip(TripReason, TimePoint) override {
        ++asked;
        return answer;
    }
    void entered(State state, TripReason, TimePoint) override { states.push_back(state); }

    Answer answer = Answer::hold;
    int asked = 0;
    std::vector<State> states;
};

class GateTest : public MachineTest {
  protected:
    GateTest() { make(Options::breaker(), 7, &gate); }
    Gate gate;
};

TEST_F(GateTest, IsAskedOnlyWhenARuleSaysTrip) {
    fail(4);
    ok(20);
    EXPECT_EQ(gate.asked, 0);
    fail(5);
    EXPECT_EQ(gate.asked, 1);
}

TEST_F(GateTest, HoldsTheMachineClosed) {
    fail(100);
    expect_closed();
    EXPECT_EQ(gate.asked, 96);
    gate.answer = TripGate::Answer::trip;
    fail();
    expect_open();
}

TEST_F(GateTest, IsNotAskedMoreOftenThanEachTenMilliseconds) {
    fail(5);
    gap = 100us;
    fail(1000);
    EXPECT_LE(gate.asked, 11);
    EXPECT_GE(gate.asked, 10);
}

TEST_F(GateTest, IsAskedAgainAfterTheClockWasSetBack) {
    fail(5);
    advance(-30min);
    gate.answer = TripGate::Answer::trip;
    gap = 0ms;
    fail(20);
    expect_open();
}

TEST_F(GateTest, IsNotAskedWhenAProbeFails) {
    gate.answer = TripGate::Answer::trip;
    trip();
    EXPECT_EQ(gate.asked, 1);
    wait_for_probe();
    gate.answer = TripGate::Answer::hold;
    fail();
    expect_open();
    EXPECT_EQ(gate.asked, 1);
}

TEST_F(GateTest, IsToldEachState) {
    gate.answer = TripGate::Answer::trip;
    trip();
    wait_for_probe();
    ok(2);
    EXPECT_EQ(gate.states, (std::vector{State::open, State::half_open, State::closed}));
}

TEST_F(GateTest, PenalizesUntilEnoughOkInARow) {
    gate.answer = TripGate::Answer::penalize;
    fail(5);
    expect_closed();
    EXPECT_TRUE(machine->is_penalized());
    fail(5);
    EXPECT_EQ(machine->snapshot(now).penalties_total, 1U);
    ok();
    fail();
    ok();
    EXPECT_TRUE(machine->is_penalized());
    ok();
    EXPECT_FALSE(machine->is_penalized());
    EXPECT_EQ(sink.penalties, (std::vector{true, false}));
}

TEST_F(GateTest, KeepsThePenaltyWhateverTheClockSays) {
    gate.answer = TripGate::Answer::penalize;
    fail(5);
    advance(24h);
    machine->tick(now);
    EXPECT_TRUE(machine->is_penalized());
    Permit permit = take();
    machine->headers_ok(permit, now);
    EXPECT_TRUE(machine->is_penalized()) << "headers end runs, not penalties";
}

TEST_F(GateTest, TripsAPenalizedOneWhenTheGateNoLongerMinds) {
    gate.answer = TripGate::Answer::penalize;
    fail(5);
    gate.answer = TripGate::Answer::trip;
    fail();
    expect_open();
    EXPECT_FALSE(machine->is_penalized());
}

TEST_F(GateTest, GuardsTheLateBodyOfAProbeToo) {
    gate.answer = TripGate::Answer::trip;
    trip();
    wait_for_probe();
    ok();
    Permit probe = take();
    machine->headers_ok(probe, now);
    expect_closed();
    gate.answer = TripGate::Answer::penalize;
    finish(probe, Outcome::failure);
    expect_closed();
    EXPECT_TRUE(machine->is_penalized());
}

}  // namespace
}  // namespace weir::resilience
