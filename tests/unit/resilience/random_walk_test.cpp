// A seeded random walk of a million steps over a group of detectors and a breaker, checked against
// what must hold after each of them.
#include "weir/core/random.hpp"
#include "weir/resilience/outlier_detector.hpp"
#include "weir/resilience/peer_comparison.hpp"

#include "machine_fixture.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

namespace weir::resilience {
namespace {

constexpr Duration kLease = 5s;

// Checks each transition: one of the five arrows, epochs one by one, no ejection below the floor.
class Judge final : public TransitionSink {
  public:
    void on_transition(const Transition& transition) override {
        EXPECT_EQ(transition.from, state);
        EXPECT_NE(transition.from, transition.to);
        EXPECT_EQ(transition.epoch, epoch + 1);
        EXPECT_GE(transition.at, at);
        if (transition.reason != TripReason::forced) check_arrow(transition);
        state = transition.to;
        epoch = transition.epoch;
        at = transition.at;
    }

    State state = State::closed;
    std::uint64_t epoch = 1;
    TimePoint at{};
    int ejections = 0;
    int closings = 0;
    std::array<int, kTripReasons> reasons{};
    DetectorGroup* group = nullptr;
    bool is_available = true;
    bool is_member = true;

  private:
    void check_arrow(const Transition& transition) {
        switch (transition.from) {
            case State::closed: {
                EXPECT_EQ(transition.to, State::open);
                EXPECT_GT(transition.open_for, 0s);
                ++ejections;
                ++reasons[static_cast<std::size_t>(transition.reason)];
                if (group == nullptr || !is_available || !is_member) return;
                EXPECT_GE(group->size().ready, group->size().floor);
                return;
            }
            case State::open:
                EXPECT_EQ(transition.to, State::half_open);
                EXPECT_TRUE(transition.reason == TripReason::elapsed ||
                            transition.reason == TripReason::floor ||
                            transition.reason == TripReason::health);
                return;
            case State::half_open:
                EXPECT_EQ(transition.to == State::closed,
                          transition.reason == TripReason::probe_ok);
                closings += transition.to == State::closed ? 1 : 0;
                return;
        }
    }
};

struct Held {
    std::size_t endpoint;
    Permit permit;
};

class RandomWalkTest : public ::testing::TestWithParam<std::uint64_t> {
  protected:
    RandomWalkTest()
        : random(GetParam()),
          judges(kEndpoints),
          sickness(kEndpoints, 0.1),
          throttling(kEndpoints, 0.0),
          slowness(kEndpoints, 0.0) {
        OutlierDetector::Options options;
        options.machine.half_open_requests = 2;
        options.machine.probe_timeout = kLease;
        options.machine.slow_rate = 0.8;
        options.has_latencies = true;
        options.machine.min_requests = 10;
        for (std::size_t i = 0; i < kEndpoints; ++i) {
            judges[i].group = group.get();
            detectors.push_back(
                std::make_unique<OutlierDetector>(options, GetParam() + i, now, group, &judges[i]));
            all.push_back(detectors.back().get());
        }
    }

    [[nodiscard]] std::size_t any() { return random.below(kEndpoints); }
    [[nodiscard]] CircuitBreaker& machine(std::size_t i) { return detectors[i]->machine(); }

    void step() {
        now += Duration{static_cast<Duration::rep>(random.below(30'000'000))};
        const std::uint32_t what = random.below(1000);
        if (what < 480) {
            begin();
        } else if (what < 960) {
            end();
        } else if (what < 970) {
            detectors[any()]->tick(now);
        } else if (what < 980) {
            change_membership();
        } else if (what < 982) {
            operate();
        } else if (what < 984) {
            detectors[any()]->trip(TripReason::stall, now);
        } else if (what < 986) {
            detectors[any()]->health_passed(now);
        } else if (what < 987) {
            peers.run(all, now);
        } else if (what < 990) {
            now += Duration{1s} * random.below(12);
        } else {
            const double levels[] = {0.0, 0.1, 0.5, 0.9, 1.0};
            sickness[any()] = levels[random.below(5)];
            throttling[any()] = levels[random.below(5)];
            slowness[any()] = levels[random.below(5)];
        }
    }

    void begin() {
        const std::size_t i = any();
        if (held.size() > 64) return;
        CircuitBreaker::AcquireOptions options;
        options.is_replay_safe = random.below(4) != 0;
        // A lease that has run out opens it: only then is an offer refused.
        const bool has_lease = machine(i).snapshot(now).probes > 0;
        const bool wanted = !has_lease && detectors[i]->wants_probe(now, options.is_replay_safe);
        const auto admission = detectors[i]->acquire(now, options);
        if (wanted) {
            EXPECT_TRUE(admission.is_admitted) << "offered, and then refused";
        }
        if (!admission.is_admitted) {
            EXPECT_GE(admission.retry_after, 0s);
            return;
        }
        EXPECT_EQ(admission.permit.is_probe, machine(i).state() == State::half_open);
        held.push_back({i, admission.permit});
    }

    void end() {
        if (held.empty()) return;
        std::swap(held[random.below(static_cast<std::uint32_t>(held.size()))], held.back());
        Held& last = held.back();
        OutlierDetector& detector = *detectors[last.endpoint];
        const bool is_bad = random.uniform() < sickness[last.endpoint];
        const std::uint32_t how = random.below(20);
        if (how == 0) return;  // it takes longer
        if (how < 4 && !is_bad) {
            detector.headers_ok(last.permit, now);
            if (random.below(2) == 0) return;
        }
        if (how == 5) {
            detector.release(last.permit);
        } else {
            Verdict verdict = verdict_of(Outcome::ok);
            if (is_bad)
                verdict = verdict_of(how % 2 == 0 ? Outcome::failure : Outcome::local_failure);
            if (how == 6 || random.uniform() < throttling[last.endpoint])
                verdict = verdict_of(Outcome::throttled, 2s);
            if (how == 7) verdict = verdict_of(Outcome::stale);
            const bool is_slow = random.uniform() < slowness[last.endpoint];
            verdict.is_slow_at_endpoint = is_slow;
            if (verdict.outcome == Outcome::ok) {
                detector.observe(is_slow ? 2s : 10ms, 10ms, now, 0);
            }
            detector.complete(last.permit, verdict, now, 0);
        }
        held.pop_back();
    }

    void change_membership() {
        const std::size_t i = any();
        judges[i].is_member = !judges[i].is_member;
        if (judges[i].is_member) {
            detectors[i]->rejoin();
        } else {
            detectors[i]->leave();
        }
        const std::size_t k = any();
        judges[k].is_available = random.below(4) != 0;
        detectors[k]->set_available(judges[k].is_available);
    }

    void operate() {
        const std::size_t i = any();
        const std::uint32_t what = random.below(3);
        if (what == 0) machine(i).force(State::open, now + 3s, now);
        if (what == 1) machine(i).force(State::closed, now + 3s, now);
        if (what == 2) machine(i).unforce(now);
    }

    void check(int step) {
        const std::size_t i = static_cast<std::size_t>(step) % kEndpoints;
        const CircuitBreaker::Snapshot snapshot = machine(i).snapshot(now);
        ASSERT_EQ(snapshot.state, judges[i].state) << step;
        ASSERT_EQ(snapshot.epoch, judges[i].epoch) << step;
        // No permit is lost, none is counted that nobody holds.
        std::uint32_t probes = 0;
        for (const Held& each : held) {
            const bool is_current = each.endpoint == i && each.permit.epoch == snapshot.epoch;
            probes += is_current && each.permit.is_probe && !each.permit.is_settled ? 1U : 0U;
        }
        ASSERT_EQ(snapshot.probes, probes) << step;
        ASSERT_LE(snapshot.probes, 2U);
        ASSERT_EQ(snapshot.state == State::half_open || probes == 0, true);
        ASSERT_EQ(snapshot.history.size(), std::min<std::uint64_t>(judges[i].epoch - 1, 100));
        const std::uint32_t weight = detectors[i]->weight_permille(now);
        ASSERT_GE(weight, 100U);
        ASSERT_LE(weight, 1000U);
        check_group();
    }

    // The counts of the group are those of its members.
    void check_group() {
        std::uint32_t endpoints = 0;
        std::uint32_t ready = 0;
        for (std::size_t i = 0; i < kEndpoints; ++i) {
            if (!judges[i].is_member) continue;
            ++endpoints;
            ready += judges[i].is_available && judges[i].state == State::closed ? 1U : 0U;
        }
        ASSERT_EQ(group->size().endpoints, endpoints);
        ASSERT_EQ(group->size().ready, ready);
    }

    // With a probe out and nobody to answer it, half-open ends within the lease.
    void check_never_stuck() {
        for (std::size_t i = 0; i < kEndpoints; ++i) {
            machine(i).unforce(now);
            now += 2s;
            machine(i).tick(now);
            if (machine(i).state() != State::half_open) continue;
            (void)detectors[i]->acquire(now, {});
            const std::uint64_t epoch = machine(i).snapshot(now).epoch;
            now += kLease;
            machine(i).tick(now);
            EXPECT_GT(machine(i).snapshot(now).epoch, epoch);
        }
    }

    static constexpr std::size_t kEndpoints = 7;
    TimePoint now = kStart;
    Random random;
    std::shared_ptr<DetectorGroup> group =
        std::make_shared<DetectorGroup>(DetectorGroup::Options{});
    std::vector<Judge> judges;
    std::vector<double> sickness;
    std::vector<double> throttling;
    std::vector<double> slowness;
    PeerComparison peers{{.compare_gap = 0.05,
                          .latency_factor = 3,
                          .interval = 1s,
                          .min_peers = 3,
                          .peer_min_requests = 5}};
    std::vector<OutlierDetector*> all;
    std::vector<std::unique_ptr<OutlierDetector>> detectors;
    std::vector<Held> held;
};

TEST_P(RandomWalkTest, KeepsTheInvariantsForAMillionSteps) {
    constexpr int kSteps = 250000;  // four seeds
    for (int i = 0; i < kSteps; ++i) {
        step();
        if (i % 5 == 0) {
            ASSERT_NO_FATAL_FAILURE(check(i / 5));
        }
        ASSERT_FALSE(HasFailure()) << "step " << i;
    }
    check_never_stuck();
    int ejections = 0;
    int closings = 0;
    std::array<int, kTripReasons> reasons{};
    for (const Judge& judge : judges) {
        ejections += judge.ejections;
        closings += judge.closings;
        for (std::size_t i = 0; i < kTripReasons; ++i)
            reasons[i] += judge.reasons[i];
    }
    EXPECT_GT(ejections, 100) << "the walk went somewhere";
    EXPECT_GT(closings, 100);
    for (const TripReason reason :
         {TripReason::consecutive, TripReason::consecutive_local, TripReason::failure_rate,
          TripReason::slow_rate, TripReason::throttle_rate, TripReason::success_rate,
          TripReason::latency, TripReason::stall}) {
        EXPECT_GT(reasons[static_cast<std::size_t>(reason)], 0) << word(reason);
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomWalkTest, ::testing::Values(1U, 22U, 333U, 4444U));

}  // namespace
}  // namespace weir::resilience
