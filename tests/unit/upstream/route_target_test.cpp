#include "weir/upstream/route_target.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace weir::upstream {
namespace {

using namespace std::chrono_literals;

const RouteTarget::Section kSection{.listener = "in", .route = "default"};

struct RouteTargetTest : testing::Test {
    void answer(int times, Duration latency, unsigned worker = 0) {
        for (int i = 0; i < times; ++i)
            target.observe(worker, latency, now);
    }

    RouteTarget target{kSection, 2, nullptr};
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

using Section = RouteTarget::Section;

struct RouteTargetsTest : testing::Test {
    // Failures in a row, each of another endpoint, that would trip any breaker.
    static void fail(RouteTarget& target, TimePoint now, resilience::FailureKind kind) {
        for (std::uint64_t i = 1; i <= 20; ++i) {
            const resilience::Verdict verdict{resilience::Outcome::failure, kind};
            target.failed_without(verdict, now, 0, resilience::FailureKey::of(i, i));
        }
    }
    static Section section(Section::Has has, std::string route = "default") {
        return {.listener = "in", .route = std::move(route), .has = has};
    }

    telemetry::Registry registry;
    telemetry::EventLog events;
    const TimePoint now{1h};
    RouteTargets targets{"app",
                         {.registry = registry, .events = events},
                         std::make_shared<PeersGate>(std::make_shared<resilience::DetectorGroup>(
                             resilience::DetectorGroup::Options{}))};
};

TEST_F(RouteTargetsTest, AReloadWithTheSameSectionKeepsTheObject) {
    const auto before = targets.take(kSection, now);
    EXPECT_EQ(targets.take(kSection, now), before);
    EXPECT_NE(targets.take({.listener = "in", .route = "other"}, now), before);
}

TEST_F(RouteTargetsTest, AReloadWithAnotherSectionGoesOnWithTheLatencies) {
    const auto before = targets.take(kSection, now);
    before->observe(0, 10ms, now);
    Section section = kSection;
    section.judge.min_requests = 7;
    const auto after = targets.take(section, now);
    EXPECT_NE(after, before);
    EXPECT_EQ(after->measure(now).samples, 1U);
    // A reload that fails gives up what it made: the one in use is found again.
    EXPECT_EQ(targets.take(kSection, now), before);
}

TEST_F(RouteTargetsTest, ATargetThatNobodyHoldsIsForgotten) {
    targets.take(kSection, now)->observe(0, 10ms, now);
    EXPECT_EQ(targets.take(kSection, now)->measure(now).samples, 0U);
}

TEST_F(RouteTargetsTest, ABreakerIsMadeByTheFirstFailureThatIsTheRoutesOwn) {
    const auto target = targets.take(section(Section::Has::when_needed), now);
    EXPECT_EQ(target->breaker(), nullptr);
    fail(*target, now, resilience::FailureKind::status_503);
    EXPECT_EQ(target->breaker(), nullptr);
    fail(*target, now, resilience::FailureKind::status_500);
    ASSERT_NE(target->breaker(), nullptr);
    EXPECT_EQ(target->breaker()->machine().state(), resilience::State::open);
    ASSERT_EQ(targets.breakers().size(), 1U);
    EXPECT_EQ(targets.breakers().front()->id(), "app@default");
}

TEST_F(RouteTargetsTest, ARouteThatMayHaveNoBreakerGetsNone) {
    const auto target = targets.take(section(Section::Has::none), now);
    fail(*target, now, resilience::FailureKind::status_500);
    EXPECT_EQ(target->breaker(), nullptr);
}

TEST_F(RouteTargetsTest, ABreakerThatWasAskedForIsThereFromTheStart) {
    const auto target = targets.take(section(Section::Has::always), now);
    ASSERT_NE(target->breaker(), nullptr);
    const resilience::Verdict late{resilience::Outcome::failure, resilience::FailureKind::timeout};
    EXPECT_EQ(target->for_route(late, false).outcome, resilience::Outcome::failure);
}

TEST_F(RouteTargetsTest, ABreakerSurvivesAReloadThatLeavesItsSection) {
    auto target = targets.take(section(Section::Has::when_needed), now);
    fail(*target, now, resilience::FailureKind::status_500);
    Breaker* const breaker = target->breaker();
    Section changed = section(Section::Has::when_needed);
    changed.endpoint_slow_call = 1s;
    const auto after = targets.take(changed, now);
    target.reset();
    EXPECT_EQ(after->breaker(), breaker);
    EXPECT_EQ(after->breaker()->machine().state(), resilience::State::open);
    changed.judge.min_requests = 7;
    EXPECT_EQ(targets.take(changed, now)->breaker(), nullptr);
}

TEST_F(RouteTargetsTest, AnOperatorsOrderStandsThoughTheRulesChange) {
    const auto before = targets.take(section(Section::Has::when_needed), now);
    fail(*before, now, resilience::FailureKind::status_500);
    before->breaker()->force(resilience::State::open, {.until = now + 1h, .by = "me"}, now);
    Section changed = section(Section::Has::when_needed);
    changed.judge.min_requests = 7;
    const auto after = targets.take(changed, now);
    ASSERT_NE(after->breaker(), nullptr);
    EXPECT_TRUE(after->breaker()->machine().is_forced());
    EXPECT_EQ(after->breaker()->order()->by, "me");
    ASSERT_EQ(targets.breakers().size(), 1U);
    EXPECT_EQ(targets.breakers().front().get(), after->breaker());
}

TEST_F(RouteTargetsTest, RoutesOfOneNameInTwoListenersShareABreaker) {
    const auto a = targets.take(section(Section::Has::always), now);
    Section other = section(Section::Has::always);
    other.listener = "tls";
    const auto b = targets.take(other, now);
    EXPECT_NE(a, b);
    EXPECT_EQ(a->breaker(), b->breaker());
}

}  // namespace
}  // namespace weir::upstream
