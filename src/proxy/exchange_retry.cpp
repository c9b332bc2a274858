#include "exchange.hpp"
#include "session.hpp"
#include "tunnel.hpp"

// What follows an attempt that failed, and the deadlines of a request.
namespace weir::proxy {

void Exchange::on_attempt_failed(upstream::Attempt& attempt,
                                 const upstream::AttemptFailure& failure) {
    if (attempt.lost_stale_connection())
        flags_ |= static_cast<std::uint8_t>(telemetry::Flag::stale_reuse);
    if (tries_.is_racing()) return drop_out(attempt);
    if (state_ == State::responding) {
        finish(status_, failure.error.reason, telemetry::Outcome::failure);
        session_->cut_off();
        return end(false);
    }
    if (retries()) return;
    refused(failure);
}

void Exchange::refused(const upstream::AttemptFailure& failure) {
    reply(failure.error, failure.retry_after);
}

bool Exchange::retries() {
    const TimePoint now = Clock::now();
    upstream::LocalCluster& local = cluster();
    upstream::Attempt& attempt = tries_.lead();
    tries_.settle_charge();
    resilience::RetryInput input;
    attempt.describe(input);
    input.is_method_listed =
        (target_->replayable_methods >> static_cast<unsigned>(method_id_) & 1U) != 0;
    input.is_body_replayable = is_body_kept_;
    input.is_response_forwarded = state_ == State::responding;
    input.retries = retries_;
    input.depth = retry_depth_;
    if (request_timer_.is_armed()) input.remaining = request_deadline_ - now;
    input.median_latency = local.latency();
    input.wait =
        target_->retry.backoff.wait(retries_ + 1, input.verdict.hint, context_.upstream.random);
    const auto decision = resilience::decide_retry(target_->retry, input);
    if (retries_ > 0) count_retry_result(false);
    // A failed probe of an endpoint costs its user nothing: it is sent again elsewhere, at once.
    const bool is_probe =
        attempt.was_endpoint_probe() && is_replay_safe() && state_ != State::responding;
    // Nobody worked on what went to a connection that was dead already: no load is multiplied.
    const bool was_stale =
        attempt.lost_stale_connection() && decision.refusal == resilience::RetryRefusal::none;
    if (is_probe || was_stale) {
        local.cluster().budget().charge_always(now);
        input.wait = Duration::zero();
    } else if (!charges_retry(local.cluster(), decision.refusal, now)) {
        return false;
    }
    if (attempt.is_running()) attempt.cancel_answered();
    ++retries_;
    back_off(input.wait);
    return true;
}

bool Exchange::charges_retry(upstream::Cluster& cluster,
                             resilience::RetryRefusal refusal,
                             TimePoint now) {
    if (refusal == resilience::RetryRefusal::none) {
        auto charge = cluster.budget().try_charge(now);
        if (charge) {
            tries_.charge(std::move(*charge));
            return true;
        }
        refusal = resilience::RetryRefusal::budget;
    }
    if (refusal < resilience::RetryRefusal::budget) return false;
    const auto first = static_cast<unsigned>(resilience::RetryRefusal::budget);
    context_.shard.add(cluster.metrics().retries_refused[static_cast<unsigned>(refusal) - first]);
    return false;
}

void Exchange::back_off(Duration wait) {
    state_ = State::backing_off;
    status_ = 0;
    second_timer_.cancel();
    context_.loop.timers().arm(start_timer_, Clock::now() + wait);
}

void Exchange::count_retry_result(bool is_success) {
    const telemetry::ClusterMetrics& metrics = cluster().cluster().metrics();
    context_.shard.add(is_success ? metrics.retries_success : metrics.retries_failure);
}

void Exchange::note_progress() {
    last_progress_ = Clock::now();
    // Armed once a stream; it looks at last_progress_ when it fires.
    if (target_ != nullptr && !stream_timer_.is_armed()) {
        context_.loop.timers().arm(stream_timer_,
                                   last_progress_ + target_->config->timeout.stream_idle);
    }
}

void Exchange::start_request_timer() {
    const auto& request = target_->config->timeout.request;
    if (!request) return;
    request_deadline_ = Clock::now() + *request;
    context_.loop.timers().arm(request_timer_, request_deadline_);
}

void Exchange::on_request_timer() {
    time_out("timeout.request");
}

void Exchange::on_total_timer() {
    time_out("timeout.total");
}

void Exchange::on_stream_timer() {
    const TimePoint due = last_progress_ + target_->config->timeout.stream_idle;
    const bool is_streaming = state_ == State::responding || !is_request_whole_;
    if (!is_streaming) return;
    if (Clock::now() < due) return context_.loop.timers().arm(stream_timer_, due);
    time_out("timeout.stream_idle");
}

void Exchange::time_out(const char* which) {
    const bool is_clients = !is_request_whole_ && state_ != State::responding;
    const Error error{is_clients ? Reason::request_timeout : Reason::upstream_timeout,
                      is_clients ? Error::Origin::downstream : Error::Origin::upstream,
                      Error::Retry::never, which};
    tries_.cancel(error, is_clients);
    if (state_ == State::responding) {
        finish(status_, error.reason, telemetry::Outcome::failure);
        session_->cut_off();
        return end(false);
    }
    reply(error, {});
}

void Exchange::on_start_timer() {
    start_attempt();
}

}  // namespace weir::proxy
