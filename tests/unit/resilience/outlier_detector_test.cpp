#include "weir/resilience/outlier_detector.hpp"

#include "machine_fixture.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace weir::resilience {
namespace {

class OutlierDetectorTest : public ::testing::Test {
  protected:
    OutlierDetectorTest() { make(10); }

    void make(std::size_t n, Duration ramp = 10s) {
        detectors.clear();
        group = std::make_shared<DetectorGroup>(DetectorGroup::Options{});
        OutlierDetector::Options options;
        options.ramp = ramp;
        for (std::size_t i = 0; i < n; ++i) {
            detectors.push_back(std::make_unique<OutlierDetector>(options, i, now, group, &sink));
        }
    }
    [[nodiscard]] OutlierDetector& first() { return *detectors[0]; }

    void answer(Outcome outcome, int times = 1, std::size_t index = 0) {
        for (int i = 0; i < times; ++i) {
            const auto admission = detectors[index]->acquire(now, {});
            ASSERT_TRUE(admission.is_admitted);
            detectors[index]->complete(admission.permit, verdict_of(outcome), now, 0);
        }
    }
    void eject(std::size_t index = 0) {
        for (int i = 0; i < 5; ++i, now += 30ms)
            answer(Outcome::failure, 1, index);
        ASSERT_FALSE(detectors[index]->is_selectable());
    }
    void bring_back(std::size_t index = 0) {
        now += 2s;
        answer(Outcome::ok, 2, index);
        ASSERT_TRUE(detectors[index]->is_selectable());
    }
    [[nodiscard]] std::uint32_t weight() const { return detectors[0]->weight_permille(now); }

    TimePoint now = kStart;
    RecordingSink sink;
    std::shared_ptr<DetectorGroup> group;
    std::vector<std::unique_ptr<OutlierDetector>> detectors;
};

TEST_F(OutlierDetectorTest, ServesInFullAtFirst) {
    EXPECT_TRUE(first().is_selectable());
    EXPECT_EQ(weight(), 1000U);
    EXPECT_EQ(first().weight(now), 1.0);
    EXPECT_FALSE(first().wants_probe(now));
    EXPECT_FALSE(first().is_ramping(now));
}

TEST_F(OutlierDetectorTest, IsLeftOutWhileEjectedAndThenWantsAProbe) {
    eject();
    EXPECT_FALSE(first().acquire(now, {}).is_admitted);
    EXPECT_FALSE(first().wants_probe(now));
    now = first().machine().next_probe_at();
    EXPECT_TRUE(first().wants_probe(now));
    EXPECT_FALSE(first().wants_probe(now, false));
    EXPECT_FALSE(first().is_selectable());
    const auto probe = first().acquire(now, {});
    EXPECT_TRUE(probe.permit.is_probe);
    EXPECT_FALSE(first().wants_probe(now));
    first().release(probe.permit);
    EXPECT_TRUE(first().wants_probe(now));
}

TEST_F(OutlierDetectorTest, IsLeftOutByForceWhateverTheMode) {
    for (const Mode mode : {Mode::enforce, Mode::shadow, Mode::off}) {
        OutlierDetector::Options options;
        options.machine.mode = mode;
        OutlierDetector detector(options, 1, now, group, &sink);
        detector.machine().force(State::open, now + 1min, now);
        EXPECT_FALSE(detector.is_selectable());
        EXPECT_FALSE(detector.wants_probe(now));
        detector.tick(now + 1min);
        const bool is_on_trial = mode == Mode::enforce;
        EXPECT_EQ(detector.is_selectable(), !is_on_trial);
        EXPECT_EQ(detector.wants_probe(now + 1min), is_on_trial);
    }
}

TEST_F(OutlierDetectorTest, ServesAtATenthWhilePenalized) {
    make(1);
    for (int i = 0; i < 5; ++i, now += 30ms)
        answer(Outcome::failure);
    EXPECT_TRUE(first().is_selectable());
    EXPECT_EQ(weight(), 100U);
    EXPECT_EQ(sink.penalties, (std::vector{true}));
    now += 1h;
    EXPECT_EQ(weight(), 100U) << "not by the clock";
    answer(Outcome::ok);
    EXPECT_EQ(weight(), 100U);
    answer(Outcome::ok);
    EXPECT_EQ(weight(), 1000U);
}

TEST_F(OutlierDetectorTest, RampsFromATenthDoublingEachHalfSecond) {
    eject();
    bring_back();
    const TimePoint back = now;
    const std::vector<std::pair<Duration, std::uint32_t>> rows = {
        {0ms, 100},    {499ms, 100},  {500ms, 200},   {999ms, 200}, {1000ms, 400},
        {1500ms, 800}, {1999ms, 800}, {2000ms, 1000}, {1h, 1000},
    };
    for (const auto& [after, expected] : rows) {
        now = back + after;
        EXPECT_EQ(weight(), expected)
            << std::chrono::duration_cast<std::chrono::milliseconds>(after).count();
        EXPECT_EQ(first().is_ramping(now), expected < 1000);
    }
}

TEST_F(OutlierDetectorTest, HoldsTheRampWhileItFails) {
    eject();
    bring_back();
    const TimePoint back = now;
    for (int i = 0; i < 20; ++i) {
        now += 200ms;
        answer(Outcome::failure);
        answer(Outcome::ok, 2);
        EXPECT_EQ(weight(), 100U);
    }
    now += 499ms;
    EXPECT_EQ(weight(), 100U);
    now += 1ms;
    EXPECT_EQ(weight(), 200U);
    EXPECT_LT(now, back + 10s);
}

TEST_F(OutlierDetectorTest, HoldsTheStepItIsAt) {
    eject();
    bring_back();
    now += 1100ms;
    EXPECT_EQ(weight(), 400U);
    answer(Outcome::failure);
    EXPECT_EQ(weight(), 400U);
    now += 499ms;
    EXPECT_EQ(weight(), 400U);
    now += 1ms;
    EXPECT_EQ(weight(), 800U);
}

TEST_F(OutlierDetectorTest, DoesNotHoldTheRampForThrottledOrStaleAnswers) {
    eject();
    bring_back();
    now += 400ms;
    answer(Outcome::throttled);
    answer(Outcome::stale);
    answer(Outcome::ignored);
    now += 100ms;
    EXPECT_EQ(weight(), 200U);
}

TEST_F(OutlierDetectorTest, HoldsTheRampWhileItIsSlowerThanItsPeers) {
    eject();
    bring_back();
    const TimePoint back = now;
    for (; now < back + 3s; now += 50ms)
        first().observe(100ms, 10ms, now, 0);
    EXPECT_EQ(weight(), 100U) << "a cold one stays at the share it can bear";
    const TimePoint warm = now;
    for (; now < warm + 4s; now += 50ms)
        first().observe(10ms, 10ms, now, 0);
    EXPECT_EQ(weight(), 1000U);
}

TEST_F(OutlierDetectorTest, DoublesEachHalfSecondWhileItIsLikeItsPeers) {
    eject();
    bring_back();
    const TimePoint back = now;
    for (; now < back + 2s; now += 50ms)
        first().observe(14ms, 10ms, now, 0);
    EXPECT_EQ(weight(), 1000U);
}

TEST_F(OutlierDetectorTest, DoesNotHoldTheRampForOneSlowAnswer) {
    eject();
    bring_back();
    const TimePoint back = now;
    for (; now < back + 2s; now += 50ms)
        first().observe(now == back + 700ms ? 60ms : 10ms, 10ms, now, 0);
    EXPECT_EQ(weight(), 1000U);
}

TEST_F(OutlierDetectorTest, HoldsNoRampWhereNobodyKnowsWhatIsUsual) {
    eject();
    bring_back();
    const TimePoint back = now;
    for (; now < back + 2s; now += 50ms)
        first().observe(1s, 0s, now, 0);
    EXPECT_EQ(weight(), 1000U);
}

TEST_F(OutlierDetectorTest, HoldsTheRampOfASlowOneNoLongerThanItMay) {
    make(10, 3s);
    eject();
    bring_back();
    const TimePoint back = now;
    for (; now < back + 3s; now += 50ms)
        first().observe(1s, 10ms, now, 0);
    EXPECT_EQ(weight(), 1000U);
}

TEST_F(OutlierDetectorTest, RampsNoLongerThanItMay) {
    eject();
    bring_back();
    const TimePoint back = now;
    while (now < back + 10s) {
        EXPECT_EQ(weight(), 100U);
        answer(Outcome::failure);
        answer(Outcome::ok, 2);
        now += 250ms;
    }
    EXPECT_EQ(weight(), 1000U);
}

TEST_F(OutlierDetectorTest, DoesNotRampIfTheRampIsOff) {
    make(10, 0s);
    eject();
    bring_back();
    EXPECT_EQ(weight(), 1000U);
    first().start_ramp(now);
    EXPECT_EQ(weight(), 1000U);
}

TEST_F(OutlierDetectorTest, EndsAShortRampInTime) {
    make(10, 600ms);
    eject();
    bring_back();
    now += 599ms;
    EXPECT_EQ(weight(), 200U);
    now += 1ms;
    EXPECT_EQ(weight(), 1000U);
}

TEST_F(OutlierDetectorTest, RampsAgainAfterEachReturn) {
    eject();
    bring_back();
    now += 5s;
    eject();
    bring_back();
    EXPECT_EQ(weight(), 100U);
}

TEST_F(OutlierDetectorTest, RampsANewcomerIfTold) {
    first().start_ramp(now);
    EXPECT_EQ(weight(), 100U);
    now += 2s;
    EXPECT_EQ(weight(), 1000U);
}

TEST_F(OutlierDetectorTest, DoesNotRampWhenAnOperatorTookItBack) {
    first().machine().force(State::open, now + 1h, now);
    first().machine().force(State::closed, now + 1s, now);
    EXPECT_EQ(weight(), 1000U);
}

// A deploy replaces all endpoints.
TEST_F(OutlierDetectorTest, RampsNobodyWhileMoreThanAThirdWould) {
    for (std::size_t i = 0; i < 3; ++i)
        detectors[i]->start_ramp(now);
    EXPECT_EQ(weight(), 100U) << "three of ten";
    detectors[3]->start_ramp(now);
    for (std::size_t i = 0; i < 4; ++i)
        EXPECT_EQ(detectors[i]->weight_permille(now), 1000U);
    now += 2s;
    detectors[0]->start_ramp(now);
    EXPECT_EQ(weight(), 100U) << "the deploy is over";
}

TEST_F(OutlierDetectorTest, DoesNotRampOneOfTwo) {
    make(2);
    eject();
    bring_back();
    EXPECT_EQ(weight(), 1000U);
}

TEST_F(OutlierDetectorTest, RampsOneOfThree) {
    make(3);
    eject();
    bring_back();
    EXPECT_EQ(weight(), 100U);
}

TEST_F(OutlierDetectorTest, IsNotHeldByAnAnswerFromBeforeItWasEjected) {
    const auto old = first().acquire(now, {});
    eject();
    first().complete(old.permit, verdict_of(Outcome::ok), now, 0);
    EXPECT_FALSE(first().is_selectable());
    first().tick(now + 2s);
    first().complete(old.permit, verdict_of(Outcome::failure), now + 2s, 0);
    EXPECT_EQ(first().machine().state(), State::half_open);
}

TEST_F(OutlierDetectorTest, EndsItsProbeAtGoodHeaders) {
    eject();
    now += 2s;
    for (int i = 0; i < 2; ++i) {
        auto admission = first().acquire(now, {});
        ASSERT_TRUE(admission.permit.is_probe);
        first().headers_ok(admission.permit, now);
    }
    EXPECT_TRUE(first().is_selectable());
}

TEST_F(OutlierDetectorTest, OutlivesTheClustersHoldOnItsGroup) {
    std::weak_ptr<DetectorGroup> watched = group;
    group.reset();
    EXPECT_FALSE(watched.expired());
    eject();
    detectors.clear();
    EXPECT_TRUE(watched.expired());
}

TEST_F(OutlierDetectorTest, TellsItsSinkOfEjectionAndReturn) {
    eject();
    bring_back();
    ASSERT_EQ(sink.transitions.size(), 3U);
    EXPECT_EQ(sink.transitions[0].reason, TripReason::consecutive);
    EXPECT_EQ(sink.transitions[1].reason, TripReason::elapsed);
    EXPECT_EQ(sink.transitions[2].reason, TripReason::probe_ok);
}

}  // namespace
}  // namespace weir::resilience
