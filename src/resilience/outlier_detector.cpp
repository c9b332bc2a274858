#include "weir/resilience/outlier_detector.hpp"

#include <algorithm>
#include <utility>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kPenaltyPermille = 100;
constexpr std::uint32_t kRampStart = 100;
constexpr Duration kRampStep = 500ms;
constexpr Duration::rep kRampSteps = 4;  // 10, 20, 40, 80, then 100 %

// An average within twice the usual latency, or this much above it, is like the peers'.
constexpr Duration kRampSlack = 5ms;

}  // namespace

OutlierDetector::OutlierDetector(const Options& options,
                                 std::uint64_t seed,
                                 TimePoint now,
                                 std::shared_ptr<DetectorGroup> group,
                                 TransitionSink* sink)
    : ramp_(options.ramp),
      group_(std::move(group)),
      machine_(options.machine, seed, now, this, sink) {
    for (std::uint32_t i = 0; options.has_latencies && i < std::max(options.machine.shards, 1U);
         ++i) {
        sketches_.push_back(std::make_unique<LatencySketch>(options.machine.window));
    }
    group_->add(*this);
}

OutlierDetector::~OutlierDetector() {
    group_->remove(*this);
}

void OutlierDetector::leave() {
    group_->remove(*this);
}
void OutlierDetector::rejoin() {
    group_->add(*this);
}
void OutlierDetector::set_available(bool is_available) {
    group_->set_available(*this, is_available);
}

bool OutlierDetector::is_selectable() const {
    if (machine_.state() == State::closed) return true;
    return machine_.options().mode != Mode::enforce && !machine_.is_forced();
}

bool OutlierDetector::wants_probe(TimePoint now, bool is_replay_safe) const {
    return machine_.options().mode == Mode::enforce && machine_.wants_probe(now, is_replay_safe);
}

std::uint32_t OutlierDetector::weight_permille(TimePoint now) const {
    if (machine_.options().mode != Mode::enforce) return kFullWeight;
    const std::uint32_t penalty = machine_.is_penalized() ? kPenaltyPermille : kFullWeight;
    return std::min(penalty, ramp_permille(now));
}

bool OutlierDetector::would_ramp(TimePoint now) const {
    const Duration::rep since = ramp_since_.load(std::memory_order_relaxed);
    if (since == kNever) return false;
    const Duration::rep at = now.time_since_epoch().count();
    return at < ramp_end_.load(std::memory_order_relaxed) &&
           (at - since) / kRampStep.count() < kRampSteps;
}

bool OutlierDetector::is_ramping(TimePoint now) const {
    return would_ramp(now) && !group_->is_ramp_off(now);
}

std::uint32_t OutlierDetector::ramp_permille(TimePoint now) const {
    if (!is_ramping(now)) return kFullWeight;
    const Duration::rep since = ramp_since_.load(std::memory_order_relaxed);
    const Duration::rep passed = now.time_since_epoch().count() - since;
    const Duration::rep steps =
        std::clamp<Duration::rep>(passed / kRampStep.count(), 0, kRampSteps);
    return std::min(kRampStart << steps, kFullWeight);
}

void OutlierDetector::start_ramp(TimePoint now) {
    if (ramp_ <= Duration{0}) return;
    ramp_average_.store(0, std::memory_order_relaxed);
    ramp_end_.store((now + ramp_).time_since_epoch().count(), std::memory_order_relaxed);
    ramp_since_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    group_->note_ramp(now, kRampSteps * kRampStep);
}

// The step it is at begins again. A race with another failure moves it once: both say the same.
void OutlierDetector::hold_ramp(TimePoint now) {
    if (!would_ramp(now)) return;
    Duration::rep since = ramp_since_.load(std::memory_order_relaxed);
    const Duration::rep at = now.time_since_epoch().count();
    const Duration::rep in_step = (at - since) % kRampStep.count();
    if (in_step > 0)
        ramp_since_.compare_exchange_strong(since, since + in_step, std::memory_order_relaxed);
}

// Two workers at once may lose one of two answers: the next one comes soon.
void OutlierDetector::observe_ramp(Duration latency, Duration usual, TimePoint now) {
    if (usual <= Duration{0}) return;
    Duration::rep average = ramp_average_.load(std::memory_order_relaxed);
    average = average == 0 ? latency.count() : average + (latency.count() - average) / 8;
    ramp_average_.store(average, std::memory_order_relaxed);
    if (Duration{average} > 2 * usual && Duration{average} > usual + kRampSlack) hold_ramp(now);
}

LatencySketch::View OutlierDetector::latencies(TimePoint now) const {
    LatencySketch::View view;
    for (const auto& sketch : sketches_)
        view.add(*sketch, now);
    return view;
}

CircuitBreaker::Admission OutlierDetector::acquire(TimePoint now,
                                                   const CircuitBreaker::AcquireOptions& options) {
    return machine_.acquire(now, options);
}

void OutlierDetector::complete(const Permit& permit,
                               const Verdict& verdict,
                               TimePoint now,
                               std::uint32_t shard) {
    machine_.complete(permit, verdict, now, shard);
    if (verdict.outcome == Outcome::failure || verdict.outcome == Outcome::local_failure) {
        hold_ramp(now);
    }
}

TripGate::Answer OutlierDetector::may_trip(TripReason, TimePoint) {
    return group_->try_eject(*this) ? Answer::trip : Answer::penalize;
}

bool OutlierDetector::do_peers_throttle_less(double share, TimePoint now) {
    return group_->do_peers_throttle_less(*this, share, now);
}

void OutlierDetector::entered(State state, TripReason reason, TimePoint now) {
    group_->moved(*this);
    if (state == State::closed && reason != TripReason::forced) {
        for (const auto& sketch : sketches_)
            sketch->forget();
    }
    if (reason == TripReason::probe_ok) start_ramp(now);
}

}  // namespace weir::resilience
