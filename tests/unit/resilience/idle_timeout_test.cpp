#include "weir/resilience/idle_timeout.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

class IdleTimeoutTest : public ::testing::Test {
  protected:
    // Closes at these ages, a second apart.
    void closed(std::initializer_list<Duration> ages) {
        for (const Duration age : ages)
            timeout.closed(age, now += 1s);
    }

    IdleTimeout timeout;
    TimePoint now{1h};
};

TEST_F(IdleTimeoutTest, LearnsFromThreeClosesThatAgree) {
    closed({5010ms, 5000ms});
    EXPECT_FALSE(timeout.learned());
    closed({5020ms});
    EXPECT_EQ(timeout.learned(), Duration{5000ms});
}

TEST_F(IdleTimeoutTest, LearnsNothingFromOneOffCloses) {
    closed({100ms, 9s, 1s, 30s, 200ms, 4s});
    EXPECT_FALSE(timeout.learned());
}

TEST_F(IdleTimeoutTest, ARestartIsOneEvent) {
    for (int connection = 0; connection < 300; ++connection)
        timeout.closed(2s + std::chrono::milliseconds{connection % 10}, now + connection * 50us);
    EXPECT_FALSE(timeout.learned());
}

TEST_F(IdleTimeoutTest, ARestartDoesNotChangeWhatIsKnown) {
    closed({5s, 5s, 5s});
    for (int connection = 0; connection < 300; ++connection)
        timeout.closed(connection * 10ms, now + 1s + connection * 50us);
    EXPECT_EQ(timeout.learned(), Duration{5s});
    closed({100ms, 3s});
    EXPECT_EQ(timeout.learned(), Duration{5s});
}

TEST_F(IdleTimeoutTest, TakesTheLowEndOfASweepingOrigin) {
    closed({230ms, 215ms, 240ms, 205ms, 250ms, 245ms});
    ASSERT_TRUE(timeout.learned());
    EXPECT_GE(*timeout.learned(), 205ms);
    EXPECT_LE(*timeout.learned(), 215ms);
}

TEST_F(IdleTimeoutTest, FollowsAnOriginThatClosesSoonerNow) {
    closed({5s, 5s, 5s, 200ms, 210ms, 205ms});
    EXPECT_EQ(timeout.learned(), Duration{200ms});
}

TEST_F(IdleTimeoutTest, RisesWhereConnectionsAreOpenBeyondIt) {
    closed({200ms, 200ms, 200ms});
    timeout.open_after(250ms);
    EXPECT_EQ(timeout.learned(), Duration{200ms}) << "the origin may be a little late";
    timeout.open_after(300ms);
    EXPECT_EQ(timeout.learned(), Duration{300ms});
    timeout.open_after(450ms);
    EXPECT_EQ(timeout.learned(), Duration{450ms});
}

TEST_F(IdleTimeoutTest, StopsReusingBeforeTheClose) {
    EXPECT_EQ(timeout.good_for(0s, 1ms), Duration::max());
    closed({5s, 5s, 5s});
    EXPECT_EQ(timeout.good_for(0s, 1ms), 5s - 625ms) << "an eighth before";
    EXPECT_EQ(timeout.good_for(0s, 1s), 5s - 2020ms) << "or what a request needs to get there";
    EXPECT_EQ(timeout.good_for(0s, 10s), 2500ms) << "but half of it is used";
    EXPECT_EQ(timeout.good_for(4s, 1ms), 3500ms) << "a shorter promise counts";
    EXPECT_EQ(timeout.good_for(60s, 1ms), 5s - 625ms) << "a longer one does not";
}

TEST_F(IdleTimeoutTest, IsMoreCarefulWithWhatMustNotRunTwice) {
    EXPECT_EQ(timeout.good_without_repeat(0s), 50ms) << "nothing is known";
    EXPECT_EQ(timeout.good_without_repeat(4s), 2s) << "a promise";
    timeout.open_after(10s);
    EXPECT_EQ(timeout.good_without_repeat(0s), 5s) << "half of what was survived";
    closed({1s});
    EXPECT_EQ(timeout.good_without_repeat(0s), 500ms) << "one close is enough to be careful";
    closed({5s, 5s, 5s});
    EXPECT_EQ(timeout.good_without_repeat(0s), 2500ms);
}

// Any origin: whatever timeout it changes to, what is learned follows, and neither restarts nor
// sweeping move it by more than a quarter.
TEST_F(IdleTimeoutTest, ConvergesForRandomOriginsWithRestarts) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        IdleTimeout learning;
        Random random(seed);
        for (int phase = 0; phase < 4; ++phase) {
            const Duration real = 20ms + random.below(10'000) * 1ms;
            for (int i = 0; i < 60; ++i) {
                now += 30ms + random.below(500) * 1ms;
                if (random.below(10) == 0) {
                    learning.closed(real * random.below(1000) / 1000, now);
                    continue;
                }
                // A connection that is watched: closed by the origin, or still there.
                const Duration late = real * random.below(100) / 1000;
                const auto known = learning.learned();
                const Duration until = known ? *known * 3 / 2 : Duration::max();
                if (until < real) {
                    learning.open_after(until);
                } else {
                    learning.closed(real + late, now);
                }
            }
            ASSERT_TRUE(learning.learned());
            EXPECT_GT(*learning.learned(), real * 3 / 4) << "seed " << seed;
            EXPECT_LT(*learning.learned(), real * 4 / 3) << "seed " << seed;
            EXPECT_LE(learning.good_without_repeat(0s), real * 2 / 3);
        }
    }
}

}  // namespace
}  // namespace weir::resilience
