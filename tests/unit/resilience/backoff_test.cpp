#include "weir/resilience/backoff.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, HasTheDefaultsOfTheReference) {
    const Backoff backoff;
    EXPECT_EQ(backoff.base, 25ms);
    EXPECT_EQ(backoff.cap, 250ms);
}

TEST(Backoff, DoublesItsCeilingUpToTheCap) {
    const Backoff backoff{25ms, 250ms};
    EXPECT_EQ(backoff.ceiling(1), 25ms);
    EXPECT_EQ(backoff.ceiling(2), 50ms);
    EXPECT_EQ(backoff.ceiling(3), 100ms);
    EXPECT_EQ(backoff.ceiling(4), 200ms);
    EXPECT_EQ(backoff.ceiling(5), 250ms);
    EXPECT_EQ(backoff.ceiling(4000000000U), 250ms);
}

TEST(Backoff, IsBoundByACapBelowItsBase) {
    const Backoff backoff{100ms, 10ms};
    EXPECT_EQ(backoff.ceiling(1), 10ms);
}

TEST(Backoff, NeverOverflows) {
    const Backoff backoff{1h, Duration::max()};
    EXPECT_EQ(backoff.ceiling(5), 16h);
    EXPECT_EQ(backoff.ceiling(1000), Duration::max());
}

TEST(Backoff, SpreadsTheWaitOverAllOfItsRange) {
    const Backoff backoff{100ms, 1s};
    Random random(3);
    Duration least = Duration::max();
    Duration most{0};
    Duration sum{0};
    for (int i = 0; i < 10000; ++i) {
        const Duration wait = backoff.wait(2, 0ns, random);
        ASSERT_GE(wait, 0ns);
        ASSERT_LT(wait, 200ms);
        least = std::min(least, wait);
        most = std::max(most, wait);
        sum += wait;
    }
    EXPECT_LT(least, 2ms);
    EXPECT_GT(most, 198ms);
    EXPECT_NEAR(static_cast<double>(sum.count()) / 10000, 100e6, 2e6);
}

TEST(Backoff, WaitsAtLeastAsLongAsTheUpstreamAsked) {
    const Backoff backoff{25ms, 250ms};
    Random random(4);
    Duration least = Duration::max();
    Duration most{0};
    for (int i = 0; i < 1000; ++i) {
        const Duration wait = backoff.wait(1, 3s, random);
        least = std::min(least, wait);
        most = std::max(most, wait);
    }
    EXPECT_GE(least, 3s);
    EXPECT_LT(most, 3s + 25ms);
    // Those who were told the same do not come back together.
    EXPECT_GT(most - least, 20ms);
}

TEST(Backoff, OfNothingIsNothing) {
    Random random(5);
    EXPECT_EQ((Backoff{0ms, 250ms}.wait(3, 0ns, random)), 0ns);
}

TEST(Backoff, IsTheSameForTheSameSeed) {
    Random a(9);
    Random b(9);
    const Backoff backoff;
    for (std::uint32_t n = 1; n < 20; ++n)
        EXPECT_EQ(backoff.wait(n, 0ns, a), backoff.wait(n, 0ns, b));
}

}  // namespace
}  // namespace weir::resilience
