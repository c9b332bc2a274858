#include "weir/core/clock.hpp"

#include "support/clock.hpp"
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

namespace weir {
namespace {

using namespace std::chrono_literals;

TEST(Clock, SaysTheSameUntilItIsRefreshed) {
    Clock::refresh();
    const TimePoint first = Clock::now();
    for (int i = 0; i < 1'000'000; ++i)
        ASSERT_EQ(Clock::now(), first);
    EXPECT_GT(Clock::refresh(), first);
    EXPECT_GT(Clock::now(), first);
}

TEST(Clock, IsReadOnFirstUseByEachThread) {
    const TimePoint here = Clock::refresh();
    TimePoint there;
    std::thread([&] { there = Clock::now(); }).join();
    EXPECT_GE(there, here);
    EXPECT_LT(there - here, 1min);
}

TEST(Clock, ShowsSimulatedTimeToEveryThreadAndRealTimeAfterwards) {
    const TimePoint real = Clock::refresh();
    {
        test::SimulatedClock clock(TimePoint{42h});
        EXPECT_EQ(Clock::now(), TimePoint{42h});
        EXPECT_EQ(clock.advance(10s), TimePoint{42h + 10s});
        EXPECT_EQ(Clock::now(), TimePoint{42h + 10s});
        std::thread([] { EXPECT_EQ(Clock::now(), TimePoint{42h + 10s}); }).join();
    }
    EXPECT_GE(Clock::now(), real);
    EXPECT_LT(Clock::now() - real, 1min);
}

TEST(Clock, WallTimeIsTheSystems) {
    Clock::refresh();
    const auto difference = Clock::wall() - std::chrono::system_clock::now();
    EXPECT_LT(std::chrono::abs(difference), 1min);
}

TEST(Clock, WallTimeGoesOnWithSimulatedTime) {
    test::SimulatedClock clock;
    const WallTime before = Clock::wall();
    clock.advance(10ms);
    EXPECT_EQ(Clock::wall() - before, 10ms);
}

}  // namespace
}  // namespace weir
