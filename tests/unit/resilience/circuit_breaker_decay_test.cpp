// How the machine forgets its trips.
#include "weir/resilience/circuit_breaker.hpp"

#include "machine_fixture.hpp"

namespace weir::resilience {
namespace {

class BackoffDecayTest : public MachineTest {
  protected:
    BackoffDecayTest() {
        Options options = Options::outlier();
        options.max_open_for = 60s;
        make(options);
        trip();
        for (int i = 0; i < 2; ++i) {
            wait_for_probe();
            fail();
        }
        wait_for_probe();
        ok(2);
        expect_closed();
        EXPECT_EQ(trips(), 3U);
    }
    [[nodiscard]] std::uint32_t trips() const { return machine->snapshot(now).trips; }
};

TEST_F(BackoffDecayTest, ForgetsATripAfterThirtySecondsAndTenOk) {
    ok(10);
    now = machine->snapshot(now).since + 30s - 1ns;
    machine->tick(now);
    EXPECT_EQ(trips(), 3U);
    advance(1ns);
    machine->tick(now);
    EXPECT_EQ(trips(), 2U);
}

TEST_F(BackoffDecayTest, ForgetsNothingByTheClockAlone) {
    ok(9);
    advance(1h);
    machine->tick(now);
    EXPECT_EQ(trips(), 3U);
    ok(1);
    machine->tick(now);
    EXPECT_EQ(trips(), 2U);
}

TEST_F(BackoffDecayTest, ForgetsOneTripAfterTheOther) {
    gap = 1s;
    for (int i = 0; i < 3; ++i) {
        ok(30);
        machine->tick(now);
        EXPECT_EQ(trips(), 2U - static_cast<std::uint32_t>(i));
    }
    ok(300);
    machine->tick(now);
    EXPECT_EQ(trips(), 0U);
}

TEST_F(BackoffDecayTest, ForgetsAsMuchWithoutAnyTick) {
    gap = 1s;
    ok(95);
    gap = 30ms;
    trip();
    EXPECT_TRUE(is_wait(machine->next_probe_at() - now, 1s));
}

TEST_F(BackoffDecayTest, WaitsLongerWhenItTripsAgainSoon) {
    gap = 1s;
    ok(20);
    gap = 30ms;
    trip();
    EXPECT_TRUE(is_wait(machine->next_probe_at() - now, 8s));
}

TEST_F(BackoffDecayTest, RemembersALongOutageNoLongerThanAShortOne) {
    make(Options::outlier());
    trip();
    for (int i = 0; i < 100; ++i) {
        wait_for_probe();
        fail();
    }
    wait_for_probe();
    ok(2);
    gap = 1s;
    ok(30);
    machine->tick(now);
    EXPECT_EQ(trips(), 0U);
    gap = 30ms;
    trip();
    EXPECT_TRUE(is_wait(machine->next_probe_at() - now, 1s));
}

}  // namespace
}  // namespace weir::resilience
