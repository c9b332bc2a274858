// What others tell the machine: rules judged elsewhere, and health checks.
#include "machine_fixture.hpp"

namespace weir::resilience {
namespace {

class CircuitBreakerOutside : public MachineTest {};

TEST_F(CircuitBreakerOutside, TripsForARuleThatIsJudgedElsewhere) {
    EXPECT_TRUE(machine->trip(TripReason::stall, now));
    expect_open();
    expect_reason(TripReason::stall);
    expect_refused();
    ASSERT_EQ(sink.transitions.size(), 1U);
    EXPECT_TRUE(is_wait(sink.transitions[0].open_for, 500ms));
}

TEST_F(CircuitBreakerOutside, TripsByOthersOnlyWhenItIsClosedAndNotForced) {
    trip();
    const auto before = machine->snapshot(now).epoch;
    EXPECT_FALSE(machine->trip(TripReason::stall, now));
    wait_for_probe();
    EXPECT_FALSE(machine->trip(TripReason::stall, now));
    EXPECT_EQ(machine->snapshot(now).epoch, before + 1);

    make(Options::breaker());
    machine->force(State::closed, now + 1min, now);
    EXPECT_FALSE(machine->trip(TripReason::stall, now));
    expect_closed();
}

TEST_F(CircuitBreakerOutside, DoesNotTripForOthersWhenItIsOff) {
    Options options = Options::breaker();
    options.mode = Mode::off;
    make(options);
    EXPECT_FALSE(machine->trip(TripReason::stall, now));
    expect_closed();
}

TEST_F(CircuitBreakerOutside, AsksTheGateAlsoForOthers) {
    class Gate final : public TripGate {
      public:
        Answer may_trip(TripReason, TimePoint) override { return Answer::penalize; }
    } gate;
    make(Options::outlier(), 7, &gate);
    EXPECT_FALSE(machine->trip(TripReason::success_rate, now));
    expect_closed();
    EXPECT_TRUE(machine->is_penalized());
}

TEST_F(CircuitBreakerOutside, GoesToHalfOpenByAHealthCheckButNoSooner) {
    trip();
    machine->health_passed(now);
    expect_open();
    now = machine->next_probe_at() - 1ns;
    machine->health_passed(now);
    expect_open();
    now += 1ns;
    machine->health_passed(now);
    expect_half_open();
    expect_reason(TripReason::health);
}

TEST_F(CircuitBreakerOutside, CountsAHealthCheckAsAnyGoodProbeButTheLast) {
    trip();
    wait_for_probe();
    for (int i = 0; i < 10; ++i) {
        advance(1s);
        machine->health_passed(now);
    }
    expect_half_open();
    ok();
    expect_closed();
    expect_reason(TripReason::probe_ok);
}

TEST_F(CircuitBreakerOutside, IsClosedByRequestsAloneWithoutHealthChecks) {
    trip();
    wait_for_probe();
    ok();
    expect_half_open();
    ok();
    expect_closed();
}

TEST_F(CircuitBreakerOutside, HearsNothingFromAHealthCheckWhileForcedOrClosed) {
    machine->health_passed(now);
    expect_closed();
    machine->force(State::open, now + 1min, now);
    advance(30s);
    machine->health_passed(now);
    expect_open();
}

}  // namespace
}  // namespace weir::resilience
