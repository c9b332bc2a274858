#include "weir/resilience/circuit_breaker.hpp"

#include "weir/core/error.hpp"

#include <algorithm>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

// Back-off decays on good traffic: so long closed, with so many good answers.
constexpr Duration kDecayAfter = 30s;
constexpr std::uint64_t kDecayOk = 10;

// An ordinary request may probe when no replay-safe one came for so long.
constexpr Duration kWaitForReplaySafe = 1s;

constexpr double kJitter = 0.3;

// Doubling probes stop growing here; far above any sensible successes_to_close.
constexpr std::uint32_t kMostDoublings = 10;

Duration::rep count_of(TimePoint at) {
    return at.time_since_epoch().count();
}

}  // namespace

CircuitBreaker::Options CircuitBreaker::Options::outlier() {
    Options options;
    options.are_locals_apart = true;
    options.is_of_endpoint = true;
    options.open_for = 1s;
    options.max_open_for = 1500ms;
    options.do_probes_double = false;
    options.are_probes_replayed = true;
    options.throttle_rate = 0.5;
    return options;
}

CircuitBreaker::CircuitBreaker(
    const Options& options, std::uint64_t seed, TimePoint now, TripGate* gate, TransitionSink* sink)
    : options_(options),
      gate_(gate),
      sink_(sink),
      window_(options.window, options.shards),
      random_(seed),
      since_(now),
      decay_since_(now) {
    store_word(1, State::closed);
}

bool CircuitBreaker::is_due(TimePoint now, bool is_replay_safe) const {
    const bool is_time = count_of(now) >= wake_at_.load(std::memory_order_acquire);
    if (!is_time && !(is_released_early() && state() == State::open)) return false;
    return is_replay_safe || !options_.are_probes_replayed ||
           count_of(now) >= ordinary_at_.load(std::memory_order_relaxed);
}

bool CircuitBreaker::wants_probe(TimePoint now, bool is_replay_safe) const {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    if (state_of(word) == State::closed || (word & kForced) != 0) return false;
    return is_due(now, is_replay_safe);
}

CircuitBreaker::Admission CircuitBreaker::acquire(TimePoint now, const AcquireOptions& options) {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    const bool is_forced = (word & kForced) != 0;
    if (options_.mode == Mode::off && !is_forced) return {.is_admitted = true};
    if (state_of(word) == State::closed && !is_forced) {
        return {.is_admitted = true, .permit = {.epoch = word >> kEpochShift, .since = now}};
    }
    Admission admission = acquire_shut(now, options);
    if (options_.mode == Mode::off) admission.permit = {};
    if (admission.is_admitted || options_.mode == Mode::enforce || is_forced) return admission;
    // Shadow: what enforce would have kept away goes, and the machine does not hear how it ended.
    return {.is_admitted = true, .would_refuse = true, .retry_after = admission.retry_after};
}

CircuitBreaker::Admission CircuitBreaker::acquire_shut(TimePoint now,
                                                       const AcquireOptions& options) {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    const bool is_closed = state_of(word) == State::closed;  // by force
    if (!is_due(now, options.is_replay_safe || is_closed)) {
        if (!is_closed) return refusal(now, options.is_replay_safe);
        return {.is_admitted = true, .permit = {.epoch = word >> kEpochShift, .since = now}};
    }
    Notices notices;
    Admission admission;
    {
        const std::lock_guard lock(mutex_);
        if (options.is_check && !forced_ && state() == State::open && now >= open_until_)
            enter(State::half_open, TripReason::health, now, notices);
        advance(now, notices);
        admission = acquire_probe(now, options);
    }
    tell(notices);
    return admission;
}

// mutex_ is held, and what was due is done.
CircuitBreaker::Admission CircuitBreaker::acquire_probe(TimePoint now,
                                                        const AcquireOptions& options) {
    if (state() == State::closed) {
        return {.is_admitted = true, .permit = {.epoch = epoch(), .since = now}};
    }
    const bool is_free = state() == State::half_open && leases_.size() < probes_allowed();
    if (!is_free || !is_due(now, options.is_replay_safe)) {
        return refusal(now, options.is_replay_safe);
    }
    if (!options.is_replay_safe) {
        ordinary_at_.store(count_of(now + last_open_for_), std::memory_order_relaxed);
    }
    const Duration lease =
        options.probe_timeout > 0ns ? options.probe_timeout : options_.probe_timeout;
    leases_.push_back({++last_lease_, now + lease});
    publish_wake(state());
    const Permit permit{.epoch = epoch(),
                        .since = now,
                        .is_probe = true,
                        .may_close = !options.is_check,
                        .lease = last_lease_,
                        .lease_end = now + lease};
    return {.is_admitted = true, .permit = permit};
}

// While a probe is out nobody knows when it ends; its lease would be a poor guess.
CircuitBreaker::Admission CircuitBreaker::refusal(TimePoint now, bool is_replay_safe) const {
    Duration::rep wake = wake_at_.load(std::memory_order_acquire);
    if (!is_replay_safe && options_.are_probes_replayed) {
        wake = std::max(wake, ordinary_at_.load(std::memory_order_relaxed));
    }
    Duration wait = std::max(Duration{wake - count_of(now)}, Duration{0});
    if (state() == State::half_open) wait = std::min(wait, options_.open_for);
    return {.retry_after = wait};
}

void CircuitBreaker::headers_ok(Permit& permit, TimePoint now, const Verdict& verdict) {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    if (permit.epoch != word >> kEpochShift || permit.is_settled) return;
    if (!permit.is_probe && !has_run_.load(std::memory_order_relaxed)) return;
    if (permit.is_probe && is_bad(verdict)) return;

    Notices notices;
    {
        const std::lock_guard lock(mutex_);
        advance(now, notices);
        if (permit.epoch == epoch() && state() == State::half_open) {
            permit.is_settled = true;
            drop_lease(permit.lease);
            probe_succeeded(now, notices);
        } else if (permit.epoch == epoch() && fail_run_.length + local_run_.length > 0) {
            // Should this very answer break off, its headers were no good news: the run goes on.
            permit.ended_run = fail_run_.length;
            permit.ended_since = fail_run_.since;
            end_runs();
        }
    }
    tell(notices);
}

void CircuitBreaker::complete(const Permit& permit,
                              const Verdict& verdict,
                              TimePoint now,
                              std::uint32_t shard,
                              FailureKey key) {
    if (permit.epoch == 0) return;
    if (verdict.outcome == Outcome::ignored || verdict.outcome == Outcome::stale) {
        release(permit);
        return;
    }
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    if (!permit.is_probe) {
        if (permit.epoch != word >> kEpochShift) return;
        window_.add(shard, permit.epoch, verdict.outcome, is_slow(verdict), now);
        const bool is_good = verdict.outcome == Outcome::ok && !is_bad(verdict);
        if (is_good && !has_run_.load(std::memory_order_relaxed)) return;
        if (verdict.outcome == Outcome::throttled && options_.throttle_rate <= 0) return;
    }
    complete_slowly(permit, verdict, now, shard, key);
}

void CircuitBreaker::complete_slowly(const Permit& permit,
                                     const Verdict& verdict,
                                     TimePoint now,
                                     std::uint32_t shard,
                                     FailureKey key) {
    Notices notices;
    {
        const std::lock_guard lock(mutex_);
        advance(now, notices);
        const std::uint64_t current = epoch();
        if (permit.epoch == current && state() == State::closed) {
            judge_closed(permit, verdict, now, key, notices);
        } else if (permit.epoch == current && state() == State::half_open) {
            judge_probe(permit, verdict, now, notices);
        } else if (permit.is_settled && permit.epoch + 1 == current && state() == State::closed) {
            judge_late(permit, verdict, now, shard, key, notices);
        }
    }
    tell(notices);
}

void CircuitBreaker::release(const Permit& permit) {
    if (!permit.is_probe || permit.is_settled) return;
    const std::lock_guard lock(mutex_);
    if (permit.epoch != epoch()) return;
    drop_lease(permit.lease);
    publish_wake(state());
}

// Does what is due, at the time it was due: a machine nobody asked for a minute is where it would
// be had it been asked all the while.
void CircuitBreaker::advance(TimePoint now, Notices& notices) {
    if (forced_) {
        if (now < forced_until_) return;
        end_force(forced_until_, notices);
    }
    if (state() == State::half_open) {
        const auto first = std::min_element(
            leases_.begin(), leases_.end(),
            [](const Lease& a, const Lease& b) { return a.deadline < b.deadline; });
        if (first != leases_.end() && first->deadline <= now) {
            open(TripReason::probe_timeout, first->deadline, Duration{0}, notices);
        }
    }
    if (state() == State::open) {
        if (now >= open_until_) {
            enter(State::half_open, TripReason::elapsed, open_until_, notices);
        } else if (is_released_early()) {
            enter(State::half_open, TripReason::floor, now, notices);
        }
    }
    if (state() == State::closed) decay_backoff(now);
}

void CircuitBreaker::open(TripReason reason, TimePoint at, Duration hint, Notices& notices) {
    const Duration longest = std::max(options_.max_open_for, options_.open_for);
    Duration wait = options_.open_for;
    for (std::uint32_t k = 0; k < trips_ && wait < longest; ++k) {
        wait = wait > longest / 2 ? longest : wait * 2;
    }
    // k grows no further than it matters: else a long outage took as long to be forgotten.
    if (wait < longest || trips_ == 0) ++trips_;
    if (hint > Duration{0}) wait = std::clamp(std::max(wait, hint), options_.open_for, longest);

    const double jitter = kJitter * random_.uniform() * static_cast<double>(wait.count());
    last_open_for_ = wait + Duration{static_cast<Duration::rep>(jitter)};
    open_until_ = at + last_open_for_;
    enter(State::open, reason, at, notices);
}

void CircuitBreaker::enter(State next, TripReason reason, TimePoint at, Notices& notices) {
    Transition transition{
        .epoch = epoch() + 1, .at = at, .from = state(), .to = next, .reason = reason};
    if (transition.from == State::closed) {
        const Run& run = fail_run_.length >= local_run_.length ? fail_run_ : local_run_;
        transition.run = run.length;
        if (run.length > 0) transition.run_for = at - run.since;
        transition.seen = window_.sum(epoch(), at);
    }
    if (next == State::open) {
        transition.open_for = open_until_ - at;
        ++opens_total_;
    }
    set_penalty(TripReason::none, at, notices);
    end_runs();
    ok_run_ = 0;
    leases_.clear();
    keys_.fill(0);
    since_ = at;
    reason_ = reason;
    decay_since_ = at;
    decay_ok_base_ = window_.ok_total();
    ask_gate_at_ = ask_peers_at_ = {};
    release_early_.store(false, std::memory_order_relaxed);
    const TimePoint due = next == State::open ? open_until_ : at;
    const TimePoint ordinary = std::min(due, TimePoint::max() - kWaitForReplaySafe);
    ordinary_at_.store(count_of(ordinary + kWaitForReplaySafe), std::memory_order_relaxed);
    store_word(transition.epoch, next);
    if (gate_ != nullptr) gate_->entered(next, reason, at);

    if (history_.size() == kHistory) history_.pop_front();
    history_.push_back(transition);
    if (sink_ != nullptr) notices.transitions.push_back(transition);
}

std::size_t CircuitBreaker::probes_allowed() const {
    const std::uint32_t doublings =
        options_.do_probes_double ? std::min(ok_run_, kMostDoublings) : 0;
    return std::size_t{std::max(options_.half_open_requests, 1U)} << doublings;
}

void CircuitBreaker::drop_lease(std::uint32_t id) {
    std::erase_if(leases_, [id](const Lease& lease) { return lease.id == id; });
}

void CircuitBreaker::decay_backoff(TimePoint now) {
    if (trips_ == 0 || now - decay_since_ < kDecayAfter) return;
    const std::uint64_t total = window_.ok_total();
    const std::uint64_t by_ok = (total - decay_ok_base_) / kDecayOk;
    if (by_ok == 0) return;
    const auto by_time = static_cast<std::uint64_t>((now - decay_since_) / kDecayAfter);
    trips_ -= static_cast<std::uint32_t>(std::min({by_ok, by_time, std::uint64_t{trips_}}));
    decay_since_ = now;
    decay_ok_base_ = total;
}

// wake_at_ goes first: with either word it sends a reader to the lock at worst.
void CircuitBreaker::store_word(std::uint64_t epoch, State state) {
    const std::uint64_t forced = forced_ ? kForced : 0;
    publish_wake(state);
    word_.store(epoch << kEpochShift | forced | static_cast<std::uint64_t>(state),
                std::memory_order_release);
}

void CircuitBreaker::publish_wake(State state) {
    TimePoint wake{};  // always due
    if (forced_) {
        wake = forced_until_;
    } else if (state == State::open) {
        wake = open_until_;
    } else if (state == State::half_open && leases_.size() >= probes_allowed()) {
        wake = TimePoint::max();
        for (const Lease& lease : leases_)
            wake = std::min(wake, lease.deadline);
    }
    wake_at_.store(count_of(wake), std::memory_order_release);
}

}  // namespace weir::resilience
