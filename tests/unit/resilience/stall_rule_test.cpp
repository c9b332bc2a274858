#include "weir/resilience/stall_rule.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};
constexpr RoutePace kFast{1000, 10ms, 20ms, 15s};

TEST(StallAfter, IsEightTimesTheP95OfTheRouteAndAtLeastASecond) {
    EXPECT_EQ(stall_after({}, kFast), 1s);
    EXPECT_EQ(stall_after({}, {1000, 125ms, 300ms, 15s}), 1s);
    EXPECT_EQ(stall_after({}, {1000, 200ms, 300ms, 15s}), 1600ms);
}

TEST(StallAfter, OfAClusterIsTenTimesTheP99AndAtLeastASecond) {
    EXPECT_EQ(cluster_stall_after({}, kFast), 1s);
    EXPECT_EQ(cluster_stall_after({}, {1000, 200ms, 300ms, 15s}), 3s);
}

TEST(StallAfter, IsOffUntilAHundredAnswersOnTheRoute) {
    EXPECT_EQ(stall_after({}, {99, 10ms, 20ms, 15s}), std::nullopt);
    EXPECT_EQ(cluster_stall_after({}, {99, 10ms, 20ms, 15s}), std::nullopt);
    EXPECT_TRUE(stall_after({}, {100, 10ms, 20ms, 15s}));
}

TEST(StallAfter, IsOffWhereTheRouteIsSlowByNature) {
    EXPECT_TRUE(stall_after({}, {1000, 3750ms, 4s, 15s}));
    EXPECT_EQ(stall_after({}, {1000, 3751ms, 4s, 15s}), std::nullopt);
    EXPECT_EQ(cluster_stall_after({}, {1000, 3751ms, 4s, 15s}), std::nullopt);
}

TEST(StallAfter, IsOffForRoutesWithoutARequestTimeout) {
    EXPECT_EQ(stall_after({}, {1000, 10ms, 20ms, std::nullopt}), std::nullopt);
    const StallOptions given{StallOptions::Kind::after, 3s};
    EXPECT_EQ(stall_after(given, {1000, 10ms, 20ms, std::nullopt}), std::nullopt);
}

TEST(StallAfter, IsWhatTheUserSaysWithoutAskingWhatIsUsual) {
    const StallOptions given{StallOptions::Kind::after, 300ms};
    EXPECT_EQ(stall_after(given, {0, 0ms, 0ms, 15s}), 300ms);
    EXPECT_EQ(cluster_stall_after(given, {0, 0ms, 0ms, 15s}), 300ms);
    EXPECT_EQ(stall_after({StallOptions::Kind::off, 300ms}, kFast), std::nullopt);
}

struct StalledRow {
    const char* what;
    Duration waited;
    Duration silent;  // of the endpoint; negative: it never answered
    Duration mean_gap;
    bool is_stalled;
};

TEST(StallRule, CountsARequestByTheTable) {
    const std::vector<StalledRow> rows = {
        {"both for a second", 1s, 1s, 10ms, true},
        {"it has not waited long enough", 999ms, 5s, 10ms, false},
        {"another one was answered", 5s, 999ms, 10ms, false},
        {"silence is usual there", 5s, 5s, 501ms, false},
        {"silence is ten times as long as usual", 5s, 5s, 500ms, true},
        {"it has never answered", 1s, -1s, 0s, true},
        {"the mean gap is not known yet", 1s, 1s, 0s, true},
    };
    for (const StalledRow& row : rows) {
        const TimePoint last = row.silent < 0s ? TimePoint{} : kStart - row.silent;
        EXPECT_EQ(is_stalled(kStart - row.waited, 1s, {last, row.mean_gap}, kStart), row.is_stalled)
            << row.what;
    }
}

TEST(StallRule, FindsAClusterStalledWhenTwentyWaitAndNothingIsAnswered) {
    EXPECT_TRUE(is_cluster_stalled(20, kStart - 1s, 1s, kStart - 1s, kStart));
    EXPECT_FALSE(is_cluster_stalled(19, kStart - 1s, 1s, kStart - 1s, kStart));
    EXPECT_FALSE(is_cluster_stalled(20, kStart - 1s, 1s, kStart - 999ms, kStart));
}

TEST(StallRule, TakesAPauseBeforeABurstForNoStall) {
    EXPECT_FALSE(is_cluster_stalled(500, kStart - 10ms, 1s, kStart - 1h, kStart));
}

TEST(MeanGap, FollowsTheAnswers) {
    Duration gap{0};
    gap = next_gap(gap, 100ms);
    EXPECT_EQ(gap, 100ms);
    for (int i = 0; i < 60; ++i)
        gap = next_gap(gap, 20ms);
    EXPECT_LT(gap, 21ms);
}

TEST(MeanGap, ForgetsAQuietNightWithinAFewAnswers) {
    Duration gap = 50ms;
    gap = next_gap(gap, 8h);
    EXPECT_LT(gap, 1500ms);
    for (int i = 0; i < 25; ++i)
        gap = next_gap(gap, 50ms);
    EXPECT_LT(10 * gap, 1s);
}

}  // namespace
}  // namespace weir::resilience
