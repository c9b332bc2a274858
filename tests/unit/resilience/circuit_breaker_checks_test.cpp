#include "machine_fixture.hpp"

namespace weir::resilience {
namespace {

// What active checks may do to a machine that is not closed.
class ActiveChecks : public MachineTest {
  protected:
    // A check as a probe, and whether there was room for it.
    bool check(Outcome outcome) {
        advance(gap);
        const auto admission = machine->acquire(now, {.is_check = true});
        if (admission) finish(admission.permit, outcome);
        return admission.is_admitted;
    }
};

TEST_F(ActiveChecks, MoveAnOpenMachineToHalfOpenAtMost) {
    trip();
    now = machine->next_probe_at();
    EXPECT_TRUE(check(Outcome::ok));
    expect_half_open();
    expect_reason(TripReason::health);
    for (int i = 0; i < 100; ++i)
        check(Outcome::ok);
    expect_half_open();
}

// The same oks of requests close it.
TEST_F(ActiveChecks, WouldCloseItWereTheyRequests) {
    trip();
    now = machine->next_probe_at();
    ok(2);
    expect_closed();
}

TEST_F(ActiveChecks, NeverShortenTheBackOff) {
    trip();
    const TimePoint due = machine->next_probe_at();
    while (now + gap < due)
        EXPECT_FALSE(check(Outcome::ok));
    expect_open();
    EXPECT_EQ(machine->next_probe_at(), due);
}

TEST_F(ActiveChecks, CountAsAnyGoodProbeButTheLast) {
    Options options;
    options.successes_to_close = 3;
    make(options);
    trip();
    wait_for_probe();
    for (int i = 0; i < 5; ++i)
        check(Outcome::ok);
    expect_half_open();
    ok();
    expect_closed();
    expect_reason(TripReason::probe_ok);
}

TEST_F(ActiveChecks, OpenItAgainWhenTheyFailAsProbes) {
    trip();
    wait_for_probe();
    check(Outcome::local_failure);
    expect_open();
    expect_reason(TripReason::probe_failed);
    EXPECT_EQ(machine->snapshot(now).opens_total, 2U);
}

TEST_F(ActiveChecks, LeaveTheRoomTheyTookToRequests) {
    trip();
    wait_for_probe();
    check(Outcome::ok);
    check(Outcome::ok);
    const Permit probe = take();
    EXPECT_TRUE(probe.is_probe);
    EXPECT_TRUE(probe.may_close);
}

TEST_F(ActiveChecks, ChangeNothingThatAnOperatorForced) {
    machine->force(State::open, now + 1h, now);
    advance(30min);
    EXPECT_FALSE(check(Outcome::ok));
    expect_open();
}

}  // namespace
}  // namespace weir::resilience
