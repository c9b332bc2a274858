#include "weir/upstream/route_target.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace weir::upstream {
namespace {

using namespace std::chrono_literals;

const RouteTarget::Section kSection{"in", "default", {}};

struct RouteTargetTest : testing::Test {
    void answer(int times, Duration latency, unsigned worker = 0) {
        for (int i = 0; i < times; ++i)
            target.observe(worker, latency, now);
    }

    RouteTarget target{kSection, 2};
    TimePoint now{1h};
};

TEST_F(RouteTargetTest, KnowsTheLatenciesThatAllWorkersSaw) {
    answer(98, 10ms, 0);
    answer(2, 1s, 1);
    const RouteLatency& seen = target.latency(0, now);
    EXPECT_EQ(seen.samples, 100U);
    EXPECT_TRUE(seen.is_known());
    EXPECT_NEAR(static_cast<double>(seen.median.count()), 10e6, 1e6);
    EXPECT_NEAR(static_cast<double>(seen.p99.count()), 1e9, 1e8);
}

TEST_F(RouteTargetTest, IsMeasuredAnewAfterATenthOfASecondOnly) {
    EXPECT_EQ(target.latency(0, now).samples, 0U);
    answer(5, 10ms);
    EXPECT_EQ(target.latency(0, now + 99ms).samples, 0U);
    EXPECT_EQ(target.latency(0, now + 100ms).samples, 5U);
}

TEST_F(RouteTargetTest, RemembersWhatItKnewWhenTheAnswersStop) {
    answer(100, 10ms);
    EXPECT_TRUE(target.latency(0, now).is_known());
    now += 5min;
    EXPECT_EQ(target.measure(now).samples, 0U);
    EXPECT_TRUE(target.latency(0, now).is_known());
    now += 5min;
    EXPECT_FALSE(target.latency(0, now).is_known());
}

TEST_F(RouteTargetTest, PatienceIsHalfTheTimeoutUntilEnoughIsKnown) {
    answer(99, 200ms);
    EXPECT_EQ(target.patience(0, now, 15s), 7500ms);
    answer(1, 200ms);
    now += 1s;
    EXPECT_NEAR(static_cast<double>(target.patience(0, now, 15s).count()), 2e9, 2e8);
}

TEST_F(RouteTargetTest, PatienceIsASecondAtLeast) {
    answer(100, 1ms);
    EXPECT_EQ(target.patience(0, now, 15s), 1s);
}

TEST_F(RouteTargetTest, AProbeHasFiveSecondsOrThreeTimesTheUsual) {
    EXPECT_EQ(target.probe_lease(0, now, 15s), 5s);
    answer(100, 3s);
    now += 1s;
    EXPECT_NEAR(static_cast<double>(target.probe_lease(0, now, 15s).count()), 9e9, 9e8);
    EXPECT_EQ(target.probe_lease(0, now, 2s), 2s);
    EXPECT_GT(target.probe_lease(0, now, std::nullopt), 8s);
}

TEST(RouteTargets, AReloadWithTheSameSectionKeepsTheObject) {
    RouteTargets targets(1);
    const auto before = targets.take(kSection);
    EXPECT_EQ(targets.take(kSection), before);
    EXPECT_NE(targets.take({"in", "other", {}}), before);
}

TEST(RouteTargets, AReloadWithAnotherSectionGoesOnWithTheLatencies) {
    RouteTargets targets(1);
    const auto before = targets.take(kSection);
    before->observe(0, 10ms, TimePoint{1h});
    RouteTarget::Section section = kSection;
    section.breaker.min_requests = 7;
    const auto after = targets.take(section);
    EXPECT_NE(after, before);
    EXPECT_EQ(after->measure(TimePoint{1h}).samples, 1U);
    // A reload that fails gives up what it made: the one in use is found again.
    EXPECT_EQ(targets.take(kSection), before);
}

TEST(RouteTargets, ATargetThatNobodyHoldsIsForgotten) {
    RouteTargets targets(1);
    targets.take(kSection)->observe(0, 10ms, TimePoint{1h});
    EXPECT_EQ(targets.take(kSection)->measure(TimePoint{1h}).samples, 0U);
}

}  // namespace
}  // namespace weir::upstream
