#pragma once

#include "weir/resilience/circuit_breaker.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace weir::resilience {

using namespace std::chrono_literals;

inline constexpr TimePoint kStart{1h};

inline Verdict verdict_of(Outcome outcome, Duration hint = 0s) {
    switch (outcome) {
        case Outcome::failure:
            return {.outcome = outcome, .kind = FailureKind::status_503, .hint = hint};
        case Outcome::local_failure:
            return {.outcome = outcome, .kind = FailureKind::connect_refused, .hint = hint};
        default:
            return {.outcome = outcome, .hint = hint};
    }
}

class RecordingSink final : public TransitionSink {
  public:
    void on_transition(const Transition& transition) override { transitions.push_back(transition); }
    void on_penalty(bool is_penalized, TimePoint) override { penalties.push_back(is_penalized); }

    std::vector<Transition> transitions;
    std::vector<bool> penalties;
};

// One machine on simulated time. Answers are spaced by `gap`, so that five of them last longer than
// consecutive_for.
class MachineTest : public ::testing::Test {
  protected:
    using Options = CircuitBreaker::Options;

    MachineTest() { make(Options::breaker()); }

    void make(const Options& options, std::uint64_t seed = 7, TripGate* gate = nullptr) {
        sink = {};
        machine = std::make_unique<CircuitBreaker>(options, seed, now, gate, &sink);
    }

    void advance(Duration by) { now += by; }

    [[nodiscard]] Permit take() {
        const CircuitBreaker::Admission admission = machine->acquire(now);
        EXPECT_TRUE(admission.is_admitted);
        return admission.permit;
    }
    void finish(const Permit& permit, Outcome outcome, Duration hint = 0s) {
        machine->complete(permit, verdict_of(outcome, hint), now, 0);
    }
    // As many attempts, one after another; those refused are left out.
    void answer(Outcome outcome, int times) {
        for (int i = 0; i < times; ++i) {
            advance(gap);
            const CircuitBreaker::Admission admission = machine->acquire(now);
            if (admission.is_admitted) finish(admission.permit, outcome);
        }
    }
    void ok(int times = 1) { answer(Outcome::ok, times); }
    void fail(int times = 1) { answer(Outcome::failure, times); }
    void fail_locally(int times = 1) { answer(Outcome::local_failure, times); }
    void throttle(int times = 1) { answer(Outcome::throttled, times); }

    // To half-open and no further.
    void wait_for_probe() {
        machine->tick(now);
        ASSERT_EQ(machine->state(), State::open);
        now = machine->next_probe_at();
        machine->tick(now);
        expect_half_open();
    }
    void trip() {
        fail(5);
        expect_open();
    }

    void expect_closed() const { EXPECT_EQ(machine->state(), State::closed); }
    void expect_open() const { EXPECT_EQ(machine->state(), State::open); }
    void expect_half_open() const { EXPECT_EQ(machine->state(), State::half_open); }
    void expect_refused() { EXPECT_FALSE(machine->acquire(now).is_admitted); }
    void expect_reason(TripReason reason) const {
        EXPECT_EQ(word(machine->snapshot(now).reason), word(reason));
    }

    TimePoint now = kStart;
    Duration gap = 30ms;
    RecordingSink sink;
    std::unique_ptr<CircuitBreaker> machine;
};

// Wait without its jitter: what is between d and 1.3 d.
inline ::testing::AssertionResult is_wait(Duration wait, Duration d) {
    if (wait >= d && wait < d + d * 3 / 10 + 1ns) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << std::chrono::duration<double>(wait).count() << " s is not "
           << std::chrono::duration<double>(d).count() << " s and up to 30 % more";
}

}  // namespace weir::resilience
