// The machine's side for operators: forcing, snapshot, words; and the permit's guard.
#include "weir/core/error.hpp"
#include "weir/resilience/circuit_breaker.hpp"

#include <array>
#include <cstddef>
#include <utility>

namespace weir::resilience {
namespace {

constexpr std::array<std::string_view, 3> kStates = {"closed", "open", "half_open"};
constexpr std::array<std::string_view, 3> kModes = {"enforce", "shadow", "off"};
constexpr std::array<std::string_view, kTripReasons> kReasons = {
    "none",         "consecutive",   "consecutive_local",
    "failure_rate", "slow_rate",     "throttle_rate",
    "success_rate", "latency",       "stall",
    "probe_failed", "probe_timeout", "probe_ok",
    "health",       "elapsed",       "forced",
    "floor"};

}  // namespace

std::string_view word(State state) {
    return kStates[static_cast<std::size_t>(state)];
}
std::string_view word(Mode mode) {
    return kModes[static_cast<std::size_t>(mode)];
}
std::string_view word(TripReason reason) {
    return kReasons[static_cast<std::size_t>(reason)];
}

// Any mixing that spreads small numbers will do (the finalizer of splitmix64).
FailureKey FailureKey::of(std::uint64_t endpoint, std::uint64_t turn) {
    std::uint64_t mixed = (endpoint + 1) * 0x9e3779b97f4a7c15U ^ turn;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    mixed ^= mixed >> 31;
    return {mixed == 0 ? 1 : mixed};
}

void CircuitBreaker::tick(TimePoint now) {
    if (options_.mode == Mode::off && !is_forced()) return;
    Notices notices;
    {
        const std::lock_guard lock(mutex_);
        advance(now, notices);
    }
    tell(notices);
}

bool CircuitBreaker::trip(TripReason reason, TimePoint now, Duration hint) {
    if (options_.mode == Mode::off) return false;
    Notices notices;
    bool is_open = false;
    {
        const std::lock_guard lock(mutex_);
        advance(now, notices);
        if (state() == State::closed && !forced_) {
            try_trip(reason, now, hint, notices);
            is_open = state() == State::open;
        }
    }
    tell(notices);
    return is_open;
}

// A check that finds the time over before anybody else does is the reason. It counts as a good
// probe, but never as the one that closes.
void CircuitBreaker::health_passed(TimePoint now) {
    if (state() == State::closed || is_forced()) return;
    Notices notices;
    {
        const std::lock_guard lock(mutex_);
        if (!forced_ && state() == State::open && now >= open_until_) {
            enter(State::half_open, TripReason::health, now, notices);
        }
        advance(now, notices);
        const bool is_last = ok_run_ + 1 >= options_.successes_to_close;
        if (!forced_ && state() == State::half_open && !is_last) {
            ++ok_run_;
            publish_wake(state());
        }
    }
    tell(notices);
}

void CircuitBreaker::force(State forced, TimePoint until, TimePoint now) {
    WEIR_ASSERT(forced != State::half_open);
    Notices notices;
    {
        const std::lock_guard lock(mutex_);
        advance(now, notices);
        forced_ = true;
        forced_until_ = until;
        if (forced == State::open) open_until_ = until;
        if (state() == forced) {
            store_word(epoch(), forced);
            if (gate_ != nullptr) gate_->entered(forced, TripReason::forced, now);
        } else {
            enter(forced, TripReason::forced, now, notices);
        }
    }
    tell(notices);
}

void CircuitBreaker::unforce(TimePoint now) {
    Notices notices;
    {
        const std::lock_guard lock(mutex_);
        advance(now, notices);
        if (forced_) end_force(now, notices);
    }
    tell(notices);
}

// From a forced open the way back is through probes, as from any other; but one that is off has
// none.
void CircuitBreaker::end_force(TimePoint at, Notices& notices) {
    forced_ = false;
    if (state() == State::open) {
        const State next = options_.mode == Mode::off ? State::closed : State::half_open;
        enter(next, TripReason::forced, at, notices);
    } else {
        store_word(epoch(), state());
    }
}

void CircuitBreaker::tell(const Notices& notices) const {
    if (sink_ == nullptr) return;
    if (notices.penalty) sink_->on_penalty(*notices.penalty, notices.penalty_at);
    for (const Transition& transition : notices.transitions)
        sink_->on_transition(transition);
}

TimePoint CircuitBreaker::next_probe_at() const {
    return TimePoint{Duration{wake_at_.load(std::memory_order_acquire)}};
}

SuccessWindow::Counts CircuitBreaker::counts(TimePoint now) const {
    return window_.sum(word_.load(std::memory_order_acquire) >> kEpochShift, now);
}

TripReason CircuitBreaker::reason() const {
    const std::lock_guard lock(mutex_);
    return reason_;
}

CircuitBreaker::Snapshot CircuitBreaker::snapshot(TimePoint now) const {
    const std::lock_guard lock(mutex_);
    Snapshot snapshot;
    snapshot.state = state();
    snapshot.mode = options_.mode;
    snapshot.reason = reason_;
    snapshot.since = since_;
    snapshot.epoch = epoch();
    snapshot.opens_total = opens_total_;
    snapshot.penalties_total = penalties_total_;
    snapshot.trips = trips_;
    if (state() == State::open) snapshot.next_probe_at = open_until_;
    if (forced_) snapshot.forced_until = forced_until_;
    snapshot.is_penalized = is_penalized();
    snapshot.probes = static_cast<std::uint32_t>(leases_.size());
    snapshot.fail_run = fail_run_.length;
    snapshot.local_run = local_run_.length;
    if (fail_run_.length > 0) snapshot.fail_run_for = now - fail_run_.since;
    if (local_run_.length > 0) snapshot.local_run_for = now - local_run_.since;
    snapshot.ok_run = ok_run_;
    snapshot.penalty_reason = penalty() == TripReason::floor ? penalty_reason_ : penalty();
    for (const Lease& lease : leases_) {
        if (!snapshot.lease_ends_at || lease.deadline < *snapshot.lease_ends_at)
            snapshot.lease_ends_at = lease.deadline;
    }
    snapshot.window = window_.sum(epoch(), now);
    snapshot.history.assign(history_.begin(), history_.end());
    return snapshot;
}

PermitGuard& PermitGuard::operator=(PermitGuard&& other) noexcept {
    if (this == &other) return *this;
    release();
    breaker_ = std::exchange(other.breaker_, nullptr);
    permit_ = other.permit_;
    return *this;
}

void PermitGuard::complete(const Verdict& verdict,
                           TimePoint now,
                           std::uint32_t shard,
                           FailureKey key) {
    CircuitBreaker* const breaker = std::exchange(breaker_, nullptr);
    if (breaker != nullptr) breaker->complete(permit_, verdict, now, shard, key);
}

void PermitGuard::release() {
    CircuitBreaker* const breaker = std::exchange(breaker_, nullptr);
    if (breaker != nullptr) breaker->release(permit_);
}

}  // namespace weir::resilience
