#include "admin/share.hpp"

#include <gtest/gtest.h>

namespace weir::admin {
namespace {

using namespace std::chrono_literals;

TEST(Share, LetsABurstThroughAndThenAFifth) {
    TimePoint now{1h};
    Share share;
    EXPECT_EQ(share.delay(now), 0s);
    share.charge(Share::kBurst - 1ms, now);
    EXPECT_EQ(share.delay(now), 0s);
    share.charge(11ms, now);
    const Duration delay = share.delay(now);
    EXPECT_GE(delay, 50ms);
    EXPECT_LE(delay, 51ms);
    EXPECT_GT(share.delay(now + delay / 2), 0s);
    EXPECT_EQ(share.delay(now + delay + 1us), 0s);
}

TEST(Share, NeverTakesMoreThanAFifthOfALongTime) {
    TimePoint now{1h};
    const TimePoint start = now;
    Share share;
    Duration used{0};
    while (now - start < 60s) {
        if (const Duration delay = share.delay(now); delay > 0s) {
            now += delay;
            continue;
        }
        now += 3ms;
        used += 3ms;
        share.charge(3ms, now);
    }
    EXPECT_LE(used, 12s + Share::kBurst + 3ms);
    EXPECT_GE(used, 11s) << "and not much less";
}

TEST(Share, DoesNotShutThePortForWhatTookVeryLong) {
    const TimePoint now{1h};
    Share share;
    share.charge(10min, now);
    EXPECT_GT(share.delay(now), 4s);
    EXPECT_LE(share.delay(now), 5s + 1us);
}

TEST(Share, IsFullAgainAfterARest) {
    TimePoint now{1h};
    Share share;
    share.charge(1s, now);
    EXPECT_GT(share.delay(now + 3s), 0s);
    now += 6s;
    EXPECT_EQ(share.delay(now), 0s);
    share.charge(Share::kBurst + 1ms, now + 1h);
    EXPECT_GT(share.delay(now + 1h), 0s) << "rest is not saved up";
}

}  // namespace
}  // namespace weir::admin
