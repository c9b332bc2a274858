#include "weir/resilience/outlier_guard.hpp"

#include "weir/resilience/outlier_detector.hpp"

#include "machine_fixture.hpp"

#include <memory>
#include <vector>

namespace weir::resilience {
namespace {

struct FloorRow {
    std::uint32_t n;
    double max_ejected;
    std::uint32_t min_ready;
    std::uint32_t floor;
};

TEST(EjectionFloor, IsByTheTable) {
    const std::vector<FloorRow> rows = {
        {0, 0.5, 1, 1},  {1, 0.5, 1, 1},  {2, 0.5, 1, 1},   {3, 0.5, 1, 2},    {4, 0.5, 1, 2},
        {5, 0.5, 1, 3},  {10, 0.5, 1, 5}, {30, 0.5, 1, 15}, {10, 0.7, 1, 3},   {10, 0.3, 1, 7},
        {10, 1.0, 1, 1}, {10, 1.0, 0, 1}, {10, 0.0, 1, 10}, {2, 0.1, 1, 1},    {2, 0.0, 1, 1},
        {2, 0.5, 2, 2},  {10, 0.5, 8, 8}, {3, 0.34, 1, 2},  {100, 0.1, 1, 90}, {1000, 0.1, 1, 900},
    };
    for (const FloorRow& row : rows) {
        EXPECT_EQ(ejection_floor(row.n, row.max_ejected, row.min_ready), row.floor)
            << row.n << " endpoints, " << row.max_ejected << ", " << row.min_ready;
    }
}

class DetectorGroupTest : public ::testing::Test {
  protected:
    DetectorGroupTest() { make(0); }

    void make(std::size_t n, const DetectorGroup::Options& options = {}) {
        detectors.clear();
        group = std::make_shared<DetectorGroup>(options);
        for (std::size_t i = 0; i < n; ++i)
            add();
    }
    void add() {
        detectors.push_back(std::make_unique<OutlierDetector>(OutlierDetector::Options{},
                                                              detectors.size(), now, group));
    }
    // As many answers in a row, long enough to trip.
    void answer(std::size_t i, Outcome outcome, int times = 5) {
        for (int k = 0; k < times; ++k) {
            now += 30ms;
            const auto admission = detectors[i]->acquire(now, {});
            if (admission.is_admitted) {
                detectors[i]->complete(admission.permit, verdict_of(outcome), now, 0);
            }
        }
    }
    void kill(std::size_t i) { answer(i, Outcome::failure); }
    void revive(std::size_t i) {
        now += 2s;
        answer(i, Outcome::ok, 2);
        ASSERT_EQ(state(i), State::closed);
    }
    [[nodiscard]] State state(std::size_t i) const { return detectors[i]->machine().state(); }
    [[nodiscard]] bool is_penalized(std::size_t i) const {
        return detectors[i]->machine().is_penalized();
    }
    [[nodiscard]] std::size_t ejected() const {
        std::size_t count = 0;
        for (const auto& each : detectors)
            count += each->is_selectable() ? 0U : 1U;
        return count;
    }
    void expect_size(std::uint32_t endpoints, std::uint32_t ready) const {
        EXPECT_EQ(group->size().endpoints, endpoints);
        EXPECT_EQ(group->size().ready, ready);
    }

    TimePoint now = kStart;
    std::shared_ptr<DetectorGroup> group;
    std::vector<std::unique_ptr<OutlierDetector>> detectors;
};

TEST_F(DetectorGroupTest, NeverEjectsTheOnlyEndpointButPenalizesIt) {
    make(1);
    kill(0);
    EXPECT_EQ(state(0), State::closed);
    EXPECT_TRUE(detectors[0]->is_selectable());
    EXPECT_TRUE(is_penalized(0));
}

TEST_F(DetectorGroupTest, EjectsOneOfTwoAndNeverTheLast) {
    make(2);
    kill(0);
    EXPECT_EQ(state(0), State::open);
    kill(1);
    EXPECT_EQ(state(1), State::closed);
    EXPECT_TRUE(is_penalized(1));
    expect_size(2, 1);
}

TEST_F(DetectorGroupTest, EjectsOneOfTwoWhateverTheShare) {
    make(2, {.max_ejected = 0.1});
    kill(0);
    EXPECT_EQ(state(0), State::open);
}

TEST_F(DetectorGroupTest, EjectsOneOfThreeAndPenalizesTheSecond) {
    make(3);
    kill(0);
    kill(1);
    EXPECT_EQ(state(0), State::open);
    EXPECT_EQ(state(1), State::closed);
    EXPECT_TRUE(is_penalized(1));
    EXPECT_FALSE(is_penalized(2));
    expect_size(3, 2);
}

TEST_F(DetectorGroupTest, EjectsThreeOfTenThatAreDeadAtOnce) {
    make(10);
    for (int round = 0; round < 5; ++round) {
        for (std::size_t i = 0; i < 3; ++i)
            answer(i, Outcome::failure, 1);
    }
    EXPECT_EQ(ejected(), 3U);
    expect_size(10, 7);
}

TEST_F(DetectorGroupTest, EjectsDownToTheFloor) {
    make(10);
    for (std::size_t i = 0; i < 10; ++i)
        kill(i);
    EXPECT_EQ(ejected(), 5U);
    expect_size(10, 5);
    EXPECT_EQ(group->size().floor, 5U);
}

TEST_F(DetectorGroupTest, KeepsMinReady) {
    make(4, {.max_ejected = 1.0, .min_ready = 3});
    for (std::size_t i = 0; i < 4; ++i)
        kill(i);
    EXPECT_EQ(ejected(), 1U);
}

TEST_F(DetectorGroupTest, KeepsTheLastEvenIfAllMayGo) {
    make(4, {.max_ejected = 1.0, .min_ready = 0});
    for (std::size_t i = 0; i < 4; ++i)
        kill(i);
    EXPECT_EQ(ejected(), 3U);
}

TEST_F(DetectorGroupTest, EjectsThePenalizedWhenAnotherIsBack) {
    make(3);
    kill(0);
    kill(1);
    revive(0);
    expect_size(3, 3);
    kill(1);
    EXPECT_EQ(state(1), State::open);
    EXPECT_FALSE(is_penalized(1));
}

TEST_F(DetectorGroupTest, CountsHalfOpenEndpointsAsOut) {
    make(3);
    kill(0);
    now += 2s;
    detectors[0]->tick(now);
    EXPECT_EQ(state(0), State::half_open);
    expect_size(3, 2);
    kill(1);
    EXPECT_EQ(state(1), State::closed);
}

TEST_F(DetectorGroupTest, DoesNotCountUnavailableEndpointsAsReady) {
    make(4);
    detectors[0]->set_available(false);
    detectors[1]->set_available(false);
    expect_size(4, 2);
    kill(2);
    EXPECT_EQ(state(2), State::closed) << "two of four must stay";
    detectors[0]->set_available(true);
    kill(2);
    EXPECT_EQ(state(2), State::open);
}

TEST_F(DetectorGroupTest, EjectsAnUnavailableEndpointFreely) {
    make(2);
    detectors[0]->set_available(false);
    detectors[0]->set_available(false);
    expect_size(2, 1);
    kill(0);
    EXPECT_EQ(state(0), State::open);
    expect_size(2, 1);
    detectors[0]->set_available(true);
    expect_size(2, 1);
}

TEST_F(DetectorGroupTest, DoesNotCountThoseForcedOutAsReady) {
    make(3);
    detectors[0]->machine().force(State::open, now + 1h, now);
    expect_size(3, 2);
    kill(1);
    EXPECT_EQ(state(1), State::closed);
    detectors[0]->machine().force(State::closed, now + 1h, now);
    expect_size(3, 3);
}

TEST_F(DetectorGroupTest, LetsAnOperatorForceOutEvenTheLast) {
    make(1);
    detectors[0]->machine().force(State::open, now + 1h, now);
    EXPECT_FALSE(detectors[0]->is_selectable());
    expect_size(1, 0);
}

TEST_F(DetectorGroupTest, CountsTheShadowsDecisionsButServesAll) {
    OutlierDetector::Options options;
    options.machine.mode = Mode::shadow;
    std::vector<std::unique_ptr<OutlierDetector>> shadows;
    for (std::uint64_t i = 0; i < 3; ++i) {
        shadows.push_back(std::make_unique<OutlierDetector>(options, i, now, group));
    }
    for (int i = 0; i < 5; ++i) {
        now += 30ms;
        const auto admission = shadows[0]->acquire(now, {});
        shadows[0]->complete(admission.permit, verdict_of(Outcome::failure), now, 0);
    }
    EXPECT_EQ(shadows[0]->machine().state(), State::open);
    EXPECT_TRUE(shadows[0]->is_selectable());
    EXPECT_FALSE(shadows[0]->wants_probe(now + 10s));
    EXPECT_EQ(shadows[0]->weight_permille(now), 1000U);
    expect_size(3, 2);
}

// --- membership ---

TEST_F(DetectorGroupTest, ForgetsAnEndpointRemovedInEachState) {
    for (const State wanted : {State::closed, State::open, State::half_open}) {
        make(10);
        if (wanted != State::closed) kill(0);
        if (wanted == State::half_open) {
            now += 2s;
            ASSERT_TRUE(detectors[0]->acquire(now, {}).is_admitted);
        }
        ASSERT_EQ(state(0), wanted);
        detectors.erase(detectors.begin());
        expect_size(9, 9);
        for (std::size_t i = 0; i < 9; ++i)
            kill(i);
        EXPECT_EQ(ejected(), 4U) << word(wanted);
    }
}

TEST_F(DetectorGroupTest, ForgetsAPenalizedEndpointThatIsRemoved) {
    make(1);
    kill(0);
    detectors.clear();
    expect_size(0, 0);
}

TEST_F(DetectorGroupTest, LetsAnAttemptEndAfterItsEndpointHasLeft) {
    make(3);
    const auto admission = detectors[0]->acquire(now, {});
    detectors[0]->leave();
    detectors[0]->leave();
    detectors[0]->complete(admission.permit, verdict_of(Outcome::failure), now, 0);
    kill(0);
    EXPECT_EQ(state(0), State::open) << "nobody is left without it";
    expect_size(2, 2);
}

TEST_F(DetectorGroupTest, TakesItsStateBackWithAnEndpointThatReturns) {
    make(3);
    kill(0);
    detectors[0]->leave();
    expect_size(2, 2);
    detectors[0]->rejoin();
    detectors[0]->rejoin();
    expect_size(3, 2);
    EXPECT_EQ(state(0), State::open);
    detectors[1]->set_available(false);
    detectors[1]->leave();
    detectors[1]->rejoin();
    expect_size(3, 1);
}

TEST_F(DetectorGroupTest, ReleasesTheEarliestWhenDiscoveryShrinksBelowTheFloor) {
    make(10);
    for (std::size_t i = 0; i < 5; ++i)
        kill(i);
    ASSERT_EQ(ejected(), 5U);
    std::size_t earliest = 0;
    for (std::size_t i = 1; i < 5; ++i) {
        const auto at = detectors[i]->machine().next_probe_at();
        if (at < detectors[earliest]->machine().next_probe_at()) earliest = i;
    }
    detectors[9]->leave();  // nine: five must be ready, four are
    for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_EQ(detectors[i]->machine().is_released_early(), i == earliest) << i;
    }
    detectors[earliest]->tick(now);
    EXPECT_EQ(state(earliest), State::half_open);
    EXPECT_EQ(detectors[earliest]->machine().snapshot(now).reason, TripReason::floor);
}

TEST_F(DetectorGroupTest, ReleasesNobodyWhileTheFloorHolds) {
    make(10);
    for (std::size_t i = 0; i < 3; ++i)
        kill(i);
    detectors[9]->leave();
    detectors[8]->leave();
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_FALSE(detectors[i]->machine().is_released_early());
}

TEST_F(DetectorGroupTest, CountsThoseOnTheirWayBackBeforeItReleasesMore) {
    make(10);
    for (std::size_t i = 0; i < 5; ++i)
        kill(i);
    detectors[9]->leave();
    detectors[8]->leave();  // eight: four must be ready; three are, and one is on its way
    std::size_t released = 0;
    for (std::size_t i = 0; i < 5; ++i) {
        released += detectors[i]->machine().is_released_early() ? 1U : 0U;
    }
    EXPECT_EQ(released, 1U);
}

TEST_F(DetectorGroupTest, ReleasesNoneOfThoseForcedOut) {
    make(2);
    detectors[0]->machine().force(State::open, now + 1h, now);
    detectors[1]->leave();
    EXPECT_FALSE(detectors[0]->machine().is_released_early());
}

TEST_F(DetectorGroupTest, ReleasesWhenHealthTakesTheRest) {
    make(2);
    kill(0);
    detectors[1]->set_available(false);
    EXPECT_TRUE(detectors[0]->machine().is_released_early());
}

TEST_F(DetectorGroupTest, HoldsTenThousandEndpointsThatFlap) {
    make(10000);
    for (int round = 0; round < 3; ++round) {
        for (auto& each : detectors)
            each->leave();
        expect_size(0, 0);
        for (auto& each : detectors)
            each->rejoin();
        expect_size(10000, 10000);
    }
}

// What a transition costs does not grow with the number of endpoints: with ten thousand of them
// flapping, and the breaker asking, as many members are looked at as with a thousand.
TEST_F(DetectorGroupTest, TenThousandEndpointsFlappingRebuildNoTable) {
    std::vector<std::uint64_t> looks;
    for (const std::size_t n : {1000U, 10000U}) {
        make(n);
        const std::uint64_t before = group->looks();
        for (std::size_t i = 0; i < 300; ++i) {
            kill(i);
            ASSERT_EQ(state(i), State::open);
            (void)group->may_trip(TripReason::consecutive, now);
        }
        now += 2s;
        for (std::size_t i = 0; i < 300; ++i) {
            answer(i, Outcome::ok, 2);
            ASSERT_EQ(state(i), State::closed);
        }
        looks.push_back(group->looks() - before);
    }
    EXPECT_LE(looks[0], 300 * DetectorGroup::kSample);
    EXPECT_EQ(looks[0], looks[1]);
}

TEST_F(DetectorGroupTest, LooksOnlyAtThoseItReleasesWhenDiscoveryShrinks) {
    make(10000, {.max_ejected = 0.5});
    for (std::size_t i = 0; i < 5000; ++i)
        kill(i);
    ASSERT_EQ(ejected(), 5000U);
    const std::uint64_t before = group->looks();
    for (std::size_t i = 9000; i < 10000; ++i)
        detectors[i]->leave();
    EXPECT_EQ(group->looks() - before, 500U);  // floor 4500, ready 4000
}

TEST_F(DetectorGroupTest, ReleasesOnceWhenTheSameOneIsForcedMeanwhile) {
    make(4);
    kill(0);
    kill(1);
    detectors[0]->machine().force(State::open, now + 1h, now);
    detectors[2]->leave();
    detectors[3]->leave();
    EXPECT_FALSE(detectors[0]->machine().is_released_early());
    EXPECT_TRUE(detectors[1]->machine().is_released_early());
}

// --- the breaker's gate ---

TEST_F(DetectorGroupTest, LetsTheBreakerOfASingleEndpointTrip) {
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::trip);
    make(1);
    answer(0, Outcome::ok);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::trip);
}

TEST_F(DetectorGroupTest, HoldsNoBreakerThatIsSlowOrStalled) {
    make(3);
    for (std::size_t i = 0; i < 3; ++i)
        answer(i, Outcome::ok);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::hold);
    EXPECT_EQ(group->may_trip(TripReason::failure_rate, now), TripGate::Answer::hold);
    EXPECT_EQ(group->may_trip(TripReason::slow_rate, now), TripGate::Answer::trip);
    EXPECT_EQ(group->may_trip(TripReason::stall, now), TripGate::Answer::trip);
}

TEST_F(DetectorGroupTest, TellsTheShareOfTheWellAmongManyByASample) {
    make(1000, {.max_ejected = 1.0});
    for (std::size_t i = 0; i < 1000; i += 4)
        answer(i, Outcome::ok, 1);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::hold);
    make(1000, {.max_ejected = 1.0});
    for (std::size_t i = 0; i < 1000; i += 10)
        answer(i, Outcome::ok, 1);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::trip);
}

TEST_F(DetectorGroupTest, HoldsTheBreakerWhileAFifthIsWell) {
    make(10);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::trip)
        << "none has an ok yet";
    answer(0, Outcome::ok, 1);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::trip);
    answer(1, Outcome::ok, 1);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::hold);
}

TEST_F(DetectorGroupTest, HoldsTheBreakerWhileOneOfThreeIsWell) {
    make(3);
    answer(2, Outcome::ok, 1);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::hold);
    now += 10s;
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::trip)
        << "its ok is out of the window";
}

TEST_F(DetectorGroupTest, DoesNotCallAnEndpointWellThatFailsHalfTheTime) {
    make(2);
    answer(0, Outcome::ok, 1);
    answer(0, Outcome::failure, 1);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::trip);
    answer(0, Outcome::ok, 1);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::hold);
}

TEST_F(DetectorGroupTest, DoesNotCallAPenalizedEndpointWellForItsOldGoodAnswers) {
    make(2);
    kill(0);
    answer(1, Outcome::ok, 50);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::hold);
    kill(1);
    ASSERT_TRUE(is_penalized(1));
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::trip);
    answer(1, Outcome::ok, 2);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::hold);
}

TEST_F(DetectorGroupTest, DoesNotCallAnEndpointWellAmidARunThatIsLongEnough) {
    make(2);
    answer(0, Outcome::ok, 50);
    answer(0, Outcome::local_failure, 2);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::hold);
    answer(0, Outcome::local_failure, 1);
    ASSERT_TRUE(detectors[0]->is_selectable());
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::trip);
    answer(0, Outcome::ok, 1);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::hold);
    answer(0, Outcome::failure, 5);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::trip);
}

TEST_F(DetectorGroupTest, DoesNotCallAnEjectedEndpointWell) {
    make(2);
    answer(0, Outcome::ok, 20);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::hold);
    detectors[0]->machine().force(State::open, now + 1h, now);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::trip);
}

TEST_F(DetectorGroupTest, JudgesByHalfWhenTheRateRuleIsOff) {
    make(2, {.failure_rate = 0});
    answer(0, Outcome::ok, 1);
    EXPECT_EQ(group->may_trip(TripReason::consecutive, now), TripGate::Answer::hold);
}

}  // namespace
}  // namespace weir::resilience
