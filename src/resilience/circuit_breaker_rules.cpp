// The machine's judgement: runs, rules, probes.
#include "weir/resilience/circuit_breaker.hpp"

#include <algorithm>
#include <utility>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

// A gate that said no is not asked for each further failure: the answer may cost a look at every
// endpoint of the cluster.
constexpr Duration kAskGateAgain = 10ms;

// Answers under a penalty for throttling that tell whether it helps.
constexpr std::uint32_t kPenaltyAnswers = 5;

}  // namespace

void CircuitBreaker::judge_closed(
    const Permit& permit, const Verdict& verdict, TimePoint now, FailureKey key, Notices& notices) {
    if (options_.throttle_rate > 0) judge_throttling(permit, verdict, now, notices);
    if (verdict.outcome == Outcome::throttled || state() != State::closed) return;
    if (verdict.outcome == Outcome::ok) {
        end_runs();
        if (is_penalized() && ++ok_run_ >= options_.successes_to_close) {
            set_penalty(TripReason::none, now, notices);
        }
    } else {
        extend_run(permit, verdict, now, key);
        ok_run_ = 0;
    }
    // An ok that is not slow makes no rule true, but for the count it adds: the next failure sees
    // it.
    if (verdict.outcome == Outcome::ok && !is_bad(verdict)) return;
    const TripReason reason = rule(now);
    if (reason != TripReason::none) try_trip(reason, now, verdict.hint, notices);
}

// A share of its weight less may be all that it needs; who still throttles then, alone among its
// peers, goes. When all throttle, ejecting one would only load the others more.
void CircuitBreaker::judge_throttling(const Permit& permit,
                                      const Verdict& verdict,
                                      TimePoint now,
                                      Notices& notices) {
    const bool is_throttled = verdict.outcome == Outcome::throttled;
    if (is_throttled) ok_run_ = 0;
    if (gate_ == nullptr || forced_) return;
    if (penalty() == TripReason::throttle_rate) {
        if (permit.since < penalized_at_) return;
        ++seen_under_penalty_;
        throttled_under_penalty_ += is_throttled ? 1U : 0U;
        if (seen_under_penalty_ < kPenaltyAnswers) return;
        const bool still_holds =
            throttled_under_penalty_ >= options_.throttle_rate * seen_under_penalty_;
        seen_under_penalty_ = throttled_under_penalty_ = 0;
        if (still_holds && gate_->do_peers_throttle_less(options_.throttle_rate / 2, now)) {
            try_trip(TripReason::throttle_rate, now, verdict.hint, notices);
        }
        return;
    }
    if (!is_throttled || is_penalized() || !may_ask(ask_peers_at_, now)) return;
    if (!is_throttling(now)) return;
    if (gate_->do_peers_throttle_less(options_.throttle_rate / 2, now)) {
        set_penalty(TripReason::throttle_rate, now, notices);
    } else {
        ask_peers_at_ = now + kAskGateAgain;
    }
}

// Over the window, or over the answers since a throttled one: an endpoint that begins to throttle
// would else be hidden by the good answers of the whole window.
bool CircuitBreaker::is_throttling(TimePoint now) {
    const std::uint64_t enough = std::max(options_.min_requests, 1U);
    const auto holds = [&](std::uint64_t throttled, std::uint64_t n) {
        return n >= enough &&
               static_cast<double>(throttled) >= options_.throttle_rate * static_cast<double>(n);
    };
    const SuccessWindow::Counts seen = window_.sum(epoch(), now);
    if (holds(seen.throttled, seen.total())) return true;

    if (batch_throttled_ == 0 || now - batch_since_ >= options_.window) {
        batch_throttled_ = 0;
        batch_ok_base_ = window_.ok_total();
        batch_since_ = now;
    }
    ++batch_throttled_;
    const std::uint64_t n = batch_throttled_ + (window_.ok_total() - batch_ok_base_);
    if (n < enough) return false;
    return holds(std::exchange(batch_throttled_, 0), n);
}

void CircuitBreaker::judge_probe(const Permit& permit,
                                 const Verdict& verdict,
                                 TimePoint now,
                                 Notices& notices) {
    if (is_bad(verdict)) {
        open(TripReason::probe_failed, now, verdict.hint, notices);
    } else if (!permit.is_settled) {
        drop_lease(permit.lease);
        // The last good one is a real request's: there is room for its probe now.
        const bool is_last = ok_run_ + 1 >= options_.successes_to_close;
        permit.may_close || !is_last ? probe_succeeded(now, notices) : publish_wake(state());
    }
}

// The body of a probe whose headers have closed the machine. Cut within the lease, it says that the
// probe was none; later it is an answer like others.
void CircuitBreaker::judge_late(const Permit& permit,
                                const Verdict& verdict,
                                TimePoint now,
                                std::uint32_t shard,
                                FailureKey key,
                                Notices& notices) {
    if (verdict.outcome != Outcome::failure && verdict.outcome != Outcome::local_failure) return;
    window_.add(shard, epoch(), verdict.outcome, is_slow(verdict), now);
    if (now < permit.lease_end && !forced_) {
        try_trip(TripReason::probe_failed, now, verdict.hint, notices);
    } else {
        judge_closed(permit, verdict, now, key, notices);
    }
}

void CircuitBreaker::probe_succeeded(TimePoint now, Notices& notices) {
    if (++ok_run_ >= options_.successes_to_close) {
        enter(State::closed, TripReason::probe_ok, now, notices);
    } else {
        publish_wake(state());
    }
}

bool CircuitBreaker::is_bad(const Verdict& verdict) const {
    return verdict.outcome != Outcome::ok || (options_.slow_rate > 0 && is_slow(verdict));
}

void CircuitBreaker::end_runs() {
    fail_run_ = {};
    local_run_ = {};
    suspect_.store(false, std::memory_order_relaxed);
    has_run_.store(is_penalized(), std::memory_order_relaxed);
}

void CircuitBreaker::extend_run(const Permit& permit,
                                const Verdict& verdict,
                                TimePoint now,
                                FailureKey key) {
    if (permit.ended_run > 0) {
        fail_run_.length = std::max(fail_run_.length, permit.ended_run);
        fail_run_.since = permit.ended_since;
    }
    if (is_repeated(key)) return;
    const bool is_local = verdict.outcome == Outcome::local_failure && options_.are_locals_apart;
    Run& run = is_local ? local_run_ : fail_run_;
    if (run.length == 0) run.since = now;
    ++run.length;
    const std::uint32_t threshold =
        is_local ? options_.consecutive_local : options_.consecutive_failures;
    if (threshold > 0 && run.length >= threshold) suspect_.store(true, std::memory_order_relaxed);
    has_run_.store(true, std::memory_order_relaxed);
}

bool CircuitBreaker::is_repeated(FailureKey key) {
    if (key.value == 0) return false;
    if (std::find(keys_.begin(), keys_.end(), key.value) != keys_.end()) return true;
    keys_[next_key_++ % keys_.size()] = key.value;
    return false;
}

// Count alone would open a busy machine on chance: at 1000 requests/s with 20 % failures a run of
// five comes every few seconds, but does not last.
bool CircuitBreaker::is_certain(const Run& run, std::uint32_t threshold, TimePoint now) const {
    if (threshold == 0 || run.length < threshold) return false;
    return run.length >= kCertainRun || now - run.since >= options_.consecutive_for;
}

TripReason CircuitBreaker::rule(TimePoint now) const {
    if (forced_) return TripReason::none;
    if (is_certain(fail_run_, options_.consecutive_failures, now)) return TripReason::consecutive;
    if (is_certain(local_run_, options_.consecutive_local, now)) {
        return TripReason::consecutive_local;
    }
    if (options_.failure_rate <= 0 && options_.slow_rate <= 0) return TripReason::none;

    const SuccessWindow::Counts seen = window_.sum(epoch(), now);
    const std::uint64_t n = seen.total();
    if (n < std::max(options_.min_requests, 1U)) return TripReason::none;
    if (options_.failure_rate > 0 && seen.failure_rate() >= options_.failure_rate) {
        return TripReason::failure_rate;
    }
    const double slow = static_cast<double>(seen.slow) / static_cast<double>(n);
    const bool is_slow = options_.slow_rate > 0 && slow >= options_.slow_rate;
    return is_slow ? TripReason::slow_rate : TripReason::none;
}

void CircuitBreaker::try_trip(TripReason reason, TimePoint now, Duration hint, Notices& notices) {
    if (gate_ != nullptr) {
        if (!may_ask(ask_gate_at_, now)) return;
        const TripGate::Answer answer = gate_->may_trip(reason, now);
        if (answer != TripGate::Answer::trip) {
            ask_gate_at_ = now + kAskGateAgain;
            if (answer == TripGate::Answer::penalize) {
                set_penalty(TripReason::floor, now, notices);
                penalty_reason_ = reason;
            }
            return;
        }
    }
    open(reason, now, hint, notices);
}

// The second half: a clock that was set back must not silence the gate for good.
bool CircuitBreaker::may_ask(TimePoint again_at, TimePoint now) {
    return now >= again_at || again_at - now > kAskGateAgain;
}

void CircuitBreaker::set_penalty(TripReason penalty, TimePoint now, Notices& notices) {
    const bool is_penalized = penalty != TripReason::none;
    const bool was_penalized = this->is_penalized();
    penalty_.store(penalty, std::memory_order_relaxed);
    if (is_penalized == was_penalized) return;
    ok_run_ = 0;
    penalized_at_ = now;
    seen_under_penalty_ = throttled_under_penalty_ = 0;
    if (is_penalized) ++penalties_total_;
    const bool has_run = fail_run_.length + local_run_.length > 0;
    has_run_.store(is_penalized || has_run, std::memory_order_relaxed);
    notices.penalty = is_penalized;
    notices.penalty_at = now;
}

}  // namespace weir::resilience
