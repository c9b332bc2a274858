#include "weir/resilience/circuit_breaker.hpp"

#include "machine_fixture.hpp"

#include <set>
#include <string>
#include <utility>

namespace weir::resilience {
namespace {

class ForcedTest : public MachineTest {};

TEST_F(ForcedTest, OpenRefusesAllUntilItsTimeAndThenProbes) {
    machine->force(State::open, now + 10min, now);
    expect_open();
    expect_reason(TripReason::forced);
    EXPECT_TRUE(machine->is_forced());
    advance(10min - 1ns);
    EXPECT_FALSE(machine->wants_probe(now));
    expect_refused();
    EXPECT_EQ(machine->acquire(now).retry_after, 1ns);
    advance(1ns);
    const Permit probe = take();
    EXPECT_TRUE(probe.is_probe);
    EXPECT_FALSE(machine->is_forced());
    finish(probe, Outcome::ok);
    ok();
    expect_closed();
}

TEST_F(ForcedTest, ClosedAdmitsAllWhateverFails) {
    machine->force(State::closed, now + 10min, now);
    fail(200);
    expect_closed();
    EXPECT_EQ(machine->counts(now).fail, 200U);
    EXPECT_TRUE(machine->acquire(now).is_admitted);
}

TEST_F(ForcedTest, ClosedEndsAfterItsTimeAndTheRulesHoldAgain) {
    machine->force(State::closed, now + 1s, now);
    fail(10);
    now = kStart + 1s;
    expect_closed();
    fail();
    EXPECT_FALSE(machine->is_forced());
    expect_open();
    expect_reason(TripReason::consecutive);
}

TEST_F(ForcedTest, ClosedEndsAtAnAcquireToo) {
    machine->force(State::closed, now + 1s, now);
    advance(1s);
    EXPECT_FALSE(take().is_probe);
    EXPECT_FALSE(machine->is_forced());
}

TEST_F(ForcedTest, ClosesAnOpenOne) {
    trip();
    machine->force(State::closed, now + 1min, now);
    expect_closed();
    ok();
    EXPECT_EQ(machine->counts(now).ok, 1U);
}

TEST_F(ForcedTest, TakesAProbeThatIsOutAlong) {
    trip();
    wait_for_probe();
    const Permit probe = take();
    machine->force(State::open, now + 1min, now);
    finish(probe, Outcome::ok);
    advance(10s);
    machine->tick(now);
    expect_open();
    EXPECT_EQ(machine->snapshot(now).probes, 0U);
}

TEST_F(ForcedTest, KeepsAnOpenOneOpenForLongerWithoutATransition) {
    trip();
    const auto before = sink.transitions.size();
    machine->force(State::open, now + 1h, now);
    EXPECT_EQ(sink.transitions.size(), before);
    advance(59min);
    expect_refused();
    EXPECT_FALSE(machine->wants_probe(now));
}

TEST_F(ForcedTest, IsTakenBackToHalfOpenOrClosed) {
    machine->force(State::open, now + 1h, now);
    machine->unforce(now);
    expect_half_open();
    EXPECT_TRUE(machine->wants_probe(now));
    machine->force(State::closed, now + 1h, now);
    machine->unforce(now);
    expect_closed();
    EXPECT_FALSE(machine->is_forced());
    const auto transitions = sink.transitions.size();
    machine->unforce(now);
    EXPECT_EQ(sink.transitions.size(), transitions) << "twice is once";
}

TEST_F(ForcedTest, CanBeRepeatedWithAnotherTime) {
    machine->force(State::open, now + 1min, now);
    machine->force(State::open, now + 1h, now);
    advance(2min);
    expect_refused();
    machine->force(State::closed, now + 1min, now);
    expect_closed();
    EXPECT_EQ(machine->snapshot(now).forced_until, now + 1min);
}

TEST_F(ForcedTest, DoesNotMakeTheBackOffLonger) {
    for (int i = 0; i < 5; ++i) {
        machine->force(State::open, now + 1s, now);
        machine->force(State::closed, now + 1s, now);
    }
    machine->unforce(now);
    trip();
    EXPECT_TRUE(is_wait(machine->next_probe_at() - now, 500ms));
}

TEST_F(ForcedTest, MayLastForEver) {
    make(Options::outlier());
    machine->force(State::open, TimePoint::max(), now);
    advance(24h * 365);
    machine->tick(now);
    expect_refused();
    machine->force(State::closed, TimePoint::max(), now);
    fail(50);
    expect_closed();
}

TEST_F(ForcedTest, IsNotReleasedEarly) {
    machine->force(State::open, now + 1h, now);
    machine->release_early();
    machine->tick(now);
    expect_open();
    EXPECT_FALSE(machine->wants_probe(now));
}

TEST_F(ForcedTest, HoldsWhateverTheMode) {
    for (const Mode mode : {Mode::shadow, Mode::off}) {
        auto options = Options::breaker();
        options.mode = mode;
        make(options);
        machine->force(State::open, now + 1min, now);
        expect_open();
        expect_refused();
        advance(1min);
        EXPECT_TRUE(machine->acquire(now).is_admitted);
        EXPECT_FALSE(machine->is_forced());
    }
}

TEST_F(ForcedTest, LeavesOneThatIsOffClosedAndDeafToFailures) {
    auto options = Options::breaker();
    options.mode = Mode::off;
    make(options);
    machine->force(State::closed, now + 1s, now);
    const Permit during = take();
    machine->force(State::open, now + 1s, now);
    advance(1s);
    machine->tick(now);
    expect_closed();
    expect_reason(TripReason::forced);
    for (int i = 0; i < 50; ++i)
        finish(during, Outcome::failure);
    fail(50);
    expect_closed();
    EXPECT_EQ(machine->counts(now).fail, 0U);
}

class EarlyReleaseTest : public MachineTest {};

TEST_F(EarlyReleaseTest, SendsAnOpenOneToHalfOpenAtTheNextCall) {
    trip();
    machine->release_early();
    EXPECT_TRUE(machine->is_released_early());
    EXPECT_TRUE(machine->wants_probe(now));
    EXPECT_TRUE(take().is_probe);
    expect_reason(TripReason::floor);
    EXPECT_FALSE(machine->is_released_early());
}

TEST_F(EarlyReleaseTest, IsForgottenWhenTheProbeFails) {
    trip();
    machine->release_early();
    machine->tick(now);
    fail();
    expect_open();
    expect_refused();
}

TEST_F(EarlyReleaseTest, SaysElapsedWhenTheTimeWasUpAnyway) {
    trip();
    machine->release_early();
    advance(10s);
    machine->tick(now);
    expect_reason(TripReason::elapsed);
}

class SnapshotTest : public MachineTest {};

TEST_F(SnapshotTest, TellsAClosedMachine) {
    fail(3);
    ok();
    fail(2);
    const auto snapshot = machine->snapshot(now);
    EXPECT_EQ(snapshot.state, State::closed);
    EXPECT_EQ(snapshot.mode, Mode::enforce);
    EXPECT_EQ(snapshot.reason, TripReason::none);
    EXPECT_EQ(snapshot.since, kStart);
    EXPECT_EQ(snapshot.opens_total, 0U);
    EXPECT_FALSE(snapshot.next_probe_at.has_value());
    EXPECT_FALSE(snapshot.forced_until.has_value());
    EXPECT_EQ(snapshot.fail_run, 2U);
    EXPECT_EQ(snapshot.window.fail, 5U);
    EXPECT_EQ(snapshot.window.ok, 1U);
    EXPECT_TRUE(snapshot.history.empty());
}

TEST_F(SnapshotTest, TellsAnOpenMachine) {
    trip();
    const auto snapshot = machine->snapshot(now);
    EXPECT_EQ(snapshot.state, State::open);
    EXPECT_EQ(snapshot.since, now);
    EXPECT_EQ(snapshot.opens_total, 1U);
    EXPECT_EQ(snapshot.trips, 1U);
    EXPECT_EQ(snapshot.next_probe_at, machine->next_probe_at());
}

TEST_F(SnapshotTest, TellsWhatItSawWhenItTripped) {
    ok(3);
    trip();
    ASSERT_EQ(sink.transitions.size(), 1U);
    const Transition& transition = sink.transitions[0];
    EXPECT_EQ(transition.from, State::closed);
    EXPECT_EQ(transition.to, State::open);
    EXPECT_EQ(transition.reason, TripReason::consecutive);
    EXPECT_EQ(transition.at, now);
    EXPECT_EQ(transition.run, 5U);
    EXPECT_EQ(transition.seen.ok, 3U);
    EXPECT_EQ(transition.seen.fail, 5U);
    EXPECT_TRUE(is_wait(transition.open_for, 500ms));
}

TEST_F(SnapshotTest, TellsTheSinkEachTransitionOnceAndInOrder) {
    trip();
    wait_for_probe();
    fail();
    wait_for_probe();
    ok(2);
    ASSERT_EQ(sink.transitions.size(), 5U);
    State state = State::closed;
    for (std::size_t i = 0; i < sink.transitions.size(); ++i) {
        EXPECT_EQ(sink.transitions[i].from, state);
        EXPECT_NE(sink.transitions[i].to, state);
        EXPECT_EQ(sink.transitions[i].epoch, i + 2);
        state = sink.transitions[i].to;
    }
    EXPECT_EQ(state, State::closed);
    EXPECT_EQ(machine->snapshot(now).history.size(), 5U);
}

TEST_F(SnapshotTest, KeepsTheLastHundredTransitions) {
    trip();
    for (int i = 0; i < 100; ++i) {
        wait_for_probe();
        fail();
    }
    const auto history = machine->snapshot(now).history;
    ASSERT_EQ(history.size(), 100U);
    EXPECT_EQ(history.back().epoch, machine->snapshot(now).epoch);
    EXPECT_EQ(history.front().epoch + 99, history.back().epoch);
    EXPECT_EQ(machine->snapshot(now).opens_total, 101U);
}

// A sink that asks back: it is told outside the lock.
class CuriousSink final : public TransitionSink {
  public:
    void on_transition(const Transition& transition) override {
        EXPECT_EQ(machine->state(), transition.to);
        opens = machine->snapshot(transition.at).opens_total;
    }
    CircuitBreaker* machine = nullptr;
    std::uint64_t opens = 0;
};

TEST_F(SnapshotTest, IsThereForASinkThatAsksBack) {
    CuriousSink curious;
    CircuitBreaker other(Options::breaker(), 1, now, nullptr, &curious);
    curious.machine = &other;
    other.force(State::open, now + 1s, now);
    EXPECT_EQ(curious.opens, 1U);
}

class PermitGuardTest : public MachineTest {
  protected:
    PermitGuardTest() {
        trip();
        wait_for_probe();
    }
    [[nodiscard]] PermitGuard guard() { return {*machine, take()}; }
    [[nodiscard]] std::uint32_t probes() const { return machine->snapshot(now).probes; }
};

TEST_F(PermitGuardTest, GivesThePermitBackWhenItGoes) {
    {
        const PermitGuard held = guard();
        EXPECT_TRUE(held.is_held());
        EXPECT_TRUE(held.is_probe());
        EXPECT_EQ(probes(), 1U);
    }
    EXPECT_EQ(probes(), 0U);
    expect_half_open();
}

TEST_F(PermitGuardTest, ReportsOnce) {
    PermitGuard held = guard();
    held.complete(verdict_of(Outcome::ok), now, 0);
    EXPECT_FALSE(held.is_held());
    EXPECT_FALSE(held.is_probe());
    held.complete(verdict_of(Outcome::failure), now, 0);
    held.release();
    expect_half_open();
}

TEST_F(PermitGuardTest, MovesThePermit) {
    PermitGuard a = guard();
    PermitGuard b = std::move(a);
    EXPECT_TRUE(b.is_held());
    EXPECT_EQ(probes(), 1U);
    PermitGuard c;
    EXPECT_FALSE(c.is_held());
    c = std::move(b);
    EXPECT_EQ(probes(), 1U);
    c.headers_ok(now);
    EXPECT_EQ(probes(), 0U);
    c = PermitGuard{};
    EXPECT_FALSE(c.is_held());
    c.headers_ok(now);
    expect_half_open();
}

TEST_F(PermitGuardTest, GivesBackTheOneItHeldWhenAnotherMovesIn) {
    Options options;
    options.half_open_requests = 2;
    make(options);
    trip();
    wait_for_probe();
    PermitGuard a = guard();
    PermitGuard b = guard();
    EXPECT_EQ(probes(), 2U);
    a = std::move(b);
    EXPECT_EQ(probes(), 1U);
    EXPECT_TRUE(a.is_held());
}

TEST(Words, OfTheMachineAreThoseOfTheMetrics) {
    EXPECT_EQ(word(State::closed), "closed");
    EXPECT_EQ(word(State::open), "open");
    EXPECT_EQ(word(State::half_open), "half_open");
    EXPECT_EQ(word(Mode::enforce), "enforce");
    EXPECT_EQ(word(Mode::shadow), "shadow");
    EXPECT_EQ(word(Mode::off), "off");
    EXPECT_EQ(word(TripReason::consecutive), "consecutive");
    EXPECT_EQ(word(TripReason::consecutive_local), "consecutive_local");
    EXPECT_EQ(word(TripReason::failure_rate), "failure_rate");
    EXPECT_EQ(word(TripReason::slow_rate), "slow_rate");
    EXPECT_EQ(word(TripReason::throttle_rate), "throttle_rate");
    EXPECT_EQ(word(TripReason::success_rate), "success_rate");
    EXPECT_EQ(word(TripReason::latency), "latency");
    EXPECT_EQ(word(TripReason::stall), "stall");
    EXPECT_EQ(word(TripReason::health), "health");
    EXPECT_EQ(word(TripReason::probe_failed), "probe_failed");
    EXPECT_EQ(word(TripReason::probe_timeout), "probe_timeout");
    EXPECT_EQ(word(TripReason::probe_ok), "probe_ok");
    EXPECT_EQ(word(TripReason::elapsed), "elapsed");
    EXPECT_EQ(word(TripReason::forced), "forced");
    EXPECT_EQ(word(TripReason::floor), "floor");
}

}  // namespace
}  // namespace weir::resilience
