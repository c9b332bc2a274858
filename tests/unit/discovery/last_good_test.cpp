#include "discovery/last_good.hpp"

#include <gtest/gtest.h>

namespace weir::discovery {
namespace {

using namespace std::chrono_literals;
using Items = std::vector<int>;

constexpr TimePoint kStart{1h};

TEST(LastGood, BelievesAnAnswerAtOnce) {
    LastGood<int> last({});
    last.answered({1, 2}, kStart);
    EXPECT_EQ(last.items(), (Items{1, 2}));
    last.answered({3}, kStart);
    EXPECT_EQ(last.items(), Items{3});
    EXPECT_EQ(last.recheck_at(), std::nullopt);
}

TEST(LastGood, HoldsAnEmptyAnswerBackUntilItHasStoodLongEnough) {
    LastGood<int> last({.keep_last = true, .empty_hold = 10s});
    last.answered({1}, kStart);
    last.answered({}, kStart + 1s);
    EXPECT_EQ(last.items(), Items{1});
    EXPECT_EQ(last.recheck_at(), kStart + 11s);
    last.answered({}, kStart + 11s - 1ms);
    EXPECT_EQ(last.items(), Items{1});
    last.answered({}, kStart + 11s);
    EXPECT_EQ(last.items(), Items{});
    EXPECT_EQ(last.recheck_at(), std::nullopt);
}

TEST(LastGood, ForgetsAnEmptyAnswerThatIsRefuted) {
    LastGood<int> last({.keep_last = true, .empty_hold = 10s});
    last.answered({1}, kStart);
    last.answered({}, kStart);
    last.answered({1}, kStart + 5s);
    last.answered({}, kStart + 10s);
    EXPECT_EQ(last.items(), Items{1});
    EXPECT_EQ(last.recheck_at(), kStart + 20s);
}

TEST(LastGood, HasNothingToHoldWhenTheFirstAnswerIsEmpty) {
    LastGood<int> last({});
    last.answered({}, kStart);
    EXPECT_EQ(last.items(), Items{});
    EXPECT_EQ(last.recheck_at(), std::nullopt);
}

TEST(LastGood, KeepsTheLastThroughFailuresHoweverLong) {
    LastGood<int> last({});
    last.answered({1}, kStart);
    for (int i = 0; i < 1000; ++i)
        last.failed();
    EXPECT_EQ(last.items(), Items{1});
}

TEST(LastGood, AFailureNeitherConfirmsNorRefutesAnEmptyAnswer) {
    LastGood<int> last({.keep_last = true, .empty_hold = 10s});
    last.answered({1}, kStart);
    last.answered({}, kStart);
    last.failed();
    EXPECT_EQ(last.items(), Items{1});
    EXPECT_EQ(last.recheck_at(), kStart + 10s);
    last.answered({}, kStart + 10s);
    EXPECT_EQ(last.items(), Items{});
}

TEST(LastGood, DropsEverythingOnAFailureIfToldNotToKeepIt) {
    LastGood<int> last({.keep_last = false, .empty_hold = 10s});
    last.answered({1}, kStart);
    last.answered({}, kStart);
    last.failed();
    EXPECT_EQ(last.items(), Items{});
    EXPECT_EQ(last.recheck_at(), std::nullopt);
}

TEST(LastGood, BelievesAnEmptyAnswerAtOnceWithoutAHold) {
    LastGood<int> last({.keep_last = true, .empty_hold = 0s});
    last.answered({1}, kStart);
    last.answered({}, kStart);
    EXPECT_EQ(last.items(), Items{});
}

}  // namespace
}  // namespace weir::discovery
