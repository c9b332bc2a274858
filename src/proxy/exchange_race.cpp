#include "exchange.hpp"
#include "lone_attempts.hpp"

#include <algorithm>

// A second attempt beside the first: for one that is slower than retry.hedge_after, one that hangs
// as an endpoint's probe, and one whose endpoint was ejected for a stall.
namespace weir::proxy {
namespace {

// A probe that has no answer for so long, at least, makes nobody wait.
constexpr Duration kProbePatience = std::chrono::milliseconds{50};
telemetry::AttemptRole role_of(telemetry::Second kind) {
    switch (kind) {
        case telemetry::Second::hedge:
            return telemetry::AttemptRole::hedge;
        case telemetry::Second::rescue:
            return telemetry::AttemptRole::rescue;
        default:
            return telemetry::AttemptRole::probe_replay;
    }
}

}  // namespace

Duration Exchange::median_latency(TimePoint now) const {
    const upstream::RouteLatency& known = target_->route->latency(context_.upstream.worker, now);
    return known.is_known() ? known.median : cluster().latency();
}

Duration Exchange::p99_latency(TimePoint now) const {
    const upstream::RouteLatency& known = target_->route->latency(context_.upstream.worker, now);
    return known.is_known() ? known.p99 : cluster().latency();
}

// Arms the timer after which the attempt that has just begun gets a rival.
void Exchange::watch_first() {
    const upstream::Attempt& first = tries_.lead();
    const auto& hedge_after = target_->config->retry.hedge_after;
    const bool is_queued = first.endpoint() == nullptr;
    const bool may_probe = is_queued || first.was_endpoint_probe();
    if (!may_probe && !hedge_after) return;
    if (!first.is_running() || tries_.is_racing() || !is_replay_safe()) return;
    const TimePoint now = Clock::now();
    Duration wait = hedge_after.value_or(Duration::max());
    if (first.was_endpoint_probe() || (is_queued && !cluster().cluster().roster()->is_plain()))
        wait = std::min(wait, std::max(kProbePatience, 2 * p99_latency(now)));
    if (wait == Duration::max()) return;
    context_.loop.timers().arm(second_timer_, now + wait);
}

void Exchange::on_second_timer() {
    if (state_ != State::attempting || tries_.is_racing()) return;
    const upstream::Attempt& first = tries_.lead();
    if (first.endpoint() == nullptr) return watch_first();
    if (first.was_endpoint_probe()) return start_second(telemetry::Second::probe);
    if (target_->config->retry.hedge_after) start_second(telemetry::Second::hedge);
}

void Exchange::on_attempt_stuck(upstream::Attempt& attempt) {
    if (!target_->config->retry.rescue || !is_replay_safe()) return;
    if (state_ != State::attempting || tries_.is_racing() || !tries_.is_lead(attempt)) return;
    start_second(telemetry::Second::rescue);
}

// Hedges are charged like retries. The other kinds are few by themselves (half_open_requests, and
// what one endpoint had in flight): they are counted, and never refused.
void Exchange::start_second(telemetry::Second kind) {
    const TimePoint now = Clock::now();
    std::optional<resilience::RetryBudget::Charge> charge;
    if (kind == telemetry::Second::hedge) {
        charge = charge_hedge(now);
        if (!charge) return;
    }
    if (kind != telemetry::Second::probe && is_only_shadow()) return;
    auto request = attempt_request(tries_.lead().endpoint());
    request.is_second = true;
    request.retry_depth = static_cast<std::uint8_t>(retry_depth_ + 1);
    request.attempt = attempts_ + 1;
    request.role = role_of(kind);
    tries_.begin_race(kind).start(snapshot_->clusters[target_->cluster], request);
    if (!tries_.is_racing()) return;  // no other endpoint is well: refunded
    ++attempts_;
    flags_ |= static_cast<std::uint8_t>(telemetry::Flag::hedged);
    if (charge) {
        charge->sent();
    } else {
        cluster().cluster().budget().charge_always(now);
    }
}

std::optional<resilience::RetryBudget::Charge> Exchange::charge_hedge(TimePoint now) {
    const Duration remaining =
        request_due_ != TimePoint::max() ? request_deadline_ - now : Duration::max();
    if (retry_depth_ >= target_->retry.max_depth) {
        note_refusal(resilience::RetryRefusal::depth);
        return std::nullopt;
    }
    if (remaining < median_latency(now)) {
        note_refusal(resilience::RetryRefusal::deadline);
        return std::nullopt;
    }
    auto charge = cluster().cluster().budget().try_charge(now);
    if (!charge) note_refusal(resilience::RetryRefusal::budget);
    return charge;
}

// Two are under way and this one has the head of an answer: is it the one for the client?
bool Exchange::is_first_to_answer(upstream::Attempt& attempt) {
    if (attempt.verdict().outcome != resilience::Outcome::ok) {
        attempt.cancel_answered();
        drop_out(attempt);
        return false;
    }
    const bool has_second_won = !tries_.is_lead(attempt);
    context_.shard.add(cluster().cluster().metrics().of(tries_.kind(), has_second_won));
    tries_.win(attempt);
    if (tries_.rival().was_endpoint_probe() && context_.has_room_for_probe()) {
        let_probe_go_on(tries_.take_rival());
    } else {
        tries_.rival().cancel_lost();
        note_attempt(tries_.rival());
    }
    return true;
}

// One of two has ended, and badly: the other goes on alone.
void Exchange::drop_out(upstream::Attempt& attempt) {
    const bool was_first = tries_.is_lead(attempt);
    // A rival that got nowhere was none.
    if (was_first || attempt.endpoint() != nullptr)
        context_.shard.add(cluster().cluster().metrics().of(tries_.kind(), was_first));
    note_attempt(attempt);
    tries_.drop(attempt);
}

// The client's answer needs the head and body no longer: they are the probe's.
void Exchange::let_probe_go_on(std::unique_ptr<upstream::Attempt> probe) {
    const TimePoint now = Clock::now();
    const Duration lease =
        target_->route->probe_lease(context_.upstream.worker, now, request_timeout());
    context_.probes.keep(std::make_unique<LoneProbe>(
        context_, snapshot_, std::move(probe),
        LoneProbe::Request{std::move(upstream_head_), std::move(body_), std::move(trailers_)},
        now + lease));
    upstream_head_ = {};
    body_ = {};
    trailers_ = {};
}

}  // namespace weir::proxy
