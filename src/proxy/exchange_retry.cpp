#include "downstream.hpp"
#include "exchange.hpp"
#include "local_reply.hpp"

#include <algorithm>

// What follows an attempt that failed, and the deadlines of a request.
namespace weir::proxy {
namespace {

// It found a connection, and one that was not dead already.
bool was_worked_on(const upstream::Attempt& attempt) {
    using resilience::FailureKind;
    const FailureKind kind = attempt.verdict().kind;
    const bool is_unconnected = kind == FailureKind::connect_refused ||
                                kind == FailureKind::connect_timeout || kind == FailureKind::dns ||
                                kind == FailureKind::tls;
    return attempt.endpoint() != nullptr && !is_unconnected && !attempt.lost_stale_connection();
}

}  // namespace

void Exchange::on_attempt_failed(upstream::Attempt& attempt,
                                 const upstream::AttemptFailure& failure) {
    if (relay_ && relay_->is_open) return on_relay_broken();
    if (attempt.lost_stale_connection())
        flags_ |= static_cast<std::uint8_t>(telemetry::Flag::stale_reuse);
    if (tries_.is_racing()) return drop_out(attempt);
    if (state_ == State::responding) {
        finish(status_, failure.error.reason, telemetry::Outcome::failure);
        downstream_->cut_off(false);
        return end(false);
    }
    if (failure.error.reason == Reason::breaker_open && falls_back(failure)) return;
    if (retries()) return;
    refused(failure);
}

// A further try that was refused before it reached the upstream (by a breaker that opened
// meanwhile, by a limit) answers with what the last one that did came to. Of an answer there is
// only its status left: then the words are those of the refusal.
void Exchange::refused(const upstream::AttemptFailure& failure) {
    const bool is_after_another = retries_ > 0 && failure.error.origin == Error::Origin::local;
    if (!is_after_another) return reply(failure.error, failure.retry_after);
    // Where nobody was asked, a hop above need not wait for our breaker: it may ask another.
    const Duration wait = told_retries() ? failure.retry_after : Duration::zero();
    if (last_status_ == 0) return reply(last_error_, wait);
    const bool is_call = grpc_ != http::GrpcKind::none;
    const auto code = last_grpc_ ? last_grpc_ : http::grpc_code(last_status_);
    const std::uint16_t status = last_grpc_ ? 0 : last_status_;  // 200 would be no failure
    reply(failure.error, failure.retry_after,
          {.status = status, .grpc_code = is_call ? code : std::nullopt});
}

// ---- what answers in place of an open breaker's refusal

// Only the first refusal: after an attempt that reached the upstream, its failure is the answer.
bool Exchange::falls_back(const upstream::AttemptFailure& failure) {
    const auto& fallback = target_->route->section().judge.fallback;
    if (!fallback || attempts_ != 1 || !is_body_kept_) return false;
    context_.shard.add(target_->fallback_used);
    flags_ |= static_cast<std::uint8_t>(telemetry::Flag::fallback);
    if (target_->fallback == nullptr) {
        answer_instead(*fallback, failure.retry_after);
        return true;
    }
    target_ = target_->fallback.get();
    metrics_ = target_->metrics.get();
    attempts_ = 0;
    cluster().cluster().budget().count_original(context_.upstream.worker, Clock::now());
    start_attempt();
    return true;
}

void Exchange::answer_instead(const config::Fallback& fallback, Duration retry_after) {
    const LocalReply local{
        .reason = Reason::breaker_open,
        .status = fallback.status,
        .body = fallback.body,
        .has_own_body = true,
        .request_id = request_id_,
        .retry_after = retry_after,
        .is_head = method_id_ == http::Method::head,
        .keeps_alive = downstream_->is_request_whole() && downstream_->may_keep_alive(),
        .is_h2 = downstream_->is_h2(),
        .client_minor = downstream_->client_minor(),
        // What is meant as a good answer is given as it was written.
        .grpc = fallback.status >= 400 ? grpc_ : http::GrpcKind::none,
        .grpc_code = http::grpc_code(fallback.status)};
    // Whoever gives a good status to it means that it is none of its users' failures.
    const auto outcome =
        fallback.status >= 500 ? telemetry::Outcome::failure : telemetry::Outcome::ignored;
    give(local, outcome);
}

// ---- further tries

bool Exchange::retries(bool was_retried_below) {
    const TimePoint now = Clock::now();
    upstream::Attempt& attempt = tries_.lead();
    tries_.settle_charge();
    if (retries_ > 0) count_retry_result(false);
    if (replays_probe(now)) return true;
    resilience::RetryInput input;
    attempt.describe(input);
    input.is_method_listed =
        (target_->replayable_methods >> static_cast<unsigned>(method_id_) & 1U) != 0;
    input.is_body_replayable = is_body_kept_;
    input.is_response_forwarded = state_ == State::responding;
    input.retries = retries_;
    input.depth = retry_depth_;
    input.was_retried_below = was_retried_below;
    if (request_due_ != TimePoint::max()) input.remaining = request_deadline_ - now;
    input.median_latency = median_latency(now);
    input.wait =
        target_->retry.backoff.wait(retries_ + 1, input.verdict.hint, context_.upstream.random);
    const auto decision = resilience::decide_retry(target_->retry, input);
    // Nobody worked on what went to a connection that was dead already: no load is multiplied.
    const bool was_stale =
        attempt.lost_stale_connection() && decision.refusal == resilience::RetryRefusal::none;
    if (was_stale) {
        if (is_only_shadow()) return false;
        cluster().cluster().budget().charge_always(now);
        input.wait = Duration::zero();
    } else if (!charges_retry(decision.refusal, now)) {
        return false;
    }
    last_error_ = input.error;
    last_status_ = input.status.value_or(0);
    last_grpc_.reset();
    if (input.grpc_status) last_grpc_ = http::to_grpc_code(*input.grpc_status);
    if (attempt.is_running()) attempt.cancel_answered();
    note_attempt(attempt);
    role_ = telemetry::AttemptRole::retry;
    if (retries_ > 0 && was_worked_on(attempt)) ++sent_retries_;
    ++retries_;
    is_replay_ = false;
    back_off(input.wait);
    return true;
}

// A failed probe of an endpoint costs its user nothing: it is sent again at once to one that is
// well. The budget counts it and does not refuse it: half_open_requests bounds it.
bool Exchange::replays_probe(TimePoint now) {
    upstream::Attempt& attempt = tries_.lead();
    if (!attempt.was_endpoint_probe() || state_ == State::responding || !is_replay_safe())
        return false;
    if (!cluster().choose_other(now, attempt.endpoint()).endpoint) return false;
    cluster().cluster().budget().charge_always(now);
    context_.shard.add(cluster().cluster().metrics().of(telemetry::Second::probe, true));
    if (attempt.is_running()) attempt.cancel_answered();
    note_attempt(attempt);
    role_ = telemetry::AttemptRole::probe_replay;
    is_replay_ = true;
    back_off(Duration::zero());
    return true;
}

bool Exchange::charges_retry(resilience::RetryRefusal refusal, TimePoint now) {
    if (refusal == resilience::RetryRefusal::none) {
        auto charge = cluster().cluster().budget().try_charge(now);
        if (charge && is_only_shadow()) {
            charge->sent();  // as if
            return false;
        }
        if (charge) {
            tries_.charge(std::move(*charge));
            return true;
        }
        refusal = resilience::RetryRefusal::budget;
        is_budget_spent_ = was_worked_on(tries_.lead());
    }
    refusal_ = refusal;
    note_refusal(refusal);
    return false;
}

void Exchange::note_refusal(resilience::RetryRefusal refusal) {
    if (refusal < resilience::RetryRefusal::budget) return;
    const auto first = static_cast<unsigned>(resilience::RetryRefusal::budget);
    context_.shard.add(
        cluster().cluster().metrics().retries_refused[static_cast<unsigned>(refusal) - first]);
}

bool Exchange::is_only_shadow() {
    if (target_->config->retry.mode != config::Enforcement::shadow) return false;
    upstream::Cluster& shared = cluster().cluster();
    shared.surroundings().registry.count(telemetry::Family::shadow, {shared.name(), "would_retry"});
    flags_ |= static_cast<std::uint8_t>(telemetry::Flag::shadow);
    return true;
}

// What a failed answer tells the hop above: it was tried again here, or would have been if the
// budget had allowed it. Else the hops would multiply what each allows itself. Tries that found no
// connection do not count: nobody worked on them, and a sidecar whose app has gone must not keep
// its callers from asking another.
std::optional<std::uint32_t> Exchange::told_retries() const {
    const bool counts_last = retries_ > 0 && was_worked_on(tries_.lead());
    const std::uint32_t told = sent_retries_ + (counts_last ? 1 : 0);
    if (told == 0 && !is_budget_spent_) return std::nullopt;
    return told;
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
        context_.loop.timers().arm(stream_timer_, last_progress_ + stream_idle());
    }
}

void Exchange::start_request_timer() {
    const auto timeout = request_timeout();
    if (timeout && grpc_ == http::GrpcKind::none) request_deadline_ = Clock::now() + *timeout;
    request_deadline_ = std::min(request_deadline_, caller_deadline_);
    if (request_deadline_ == TimePoint::max()) return;
    request_due_ = request_deadline_;
    watch_request_due();
}

// The timer is left armed from request to request, fires early and looks again: arming it for each
// would cost more than the few times it does.
void Exchange::watch_request_due() {
    if (!request_timer_.is_armed() || request_timer_.deadline() > request_due_)
        context_.loop.timers().arm(request_timer_, request_due_);
}

void Exchange::on_request_timer() {
    if (request_due_ == TimePoint::max()) return;
    if (Clock::now() < request_due_) return watch_request_due();
    const bool is_callers = request_deadline_ == caller_deadline_;
    const bool is_call = grpc_ != http::GrpcKind::none;
    time_out(is_call      ? "grpc-timeout"
             : is_callers ? "x-weir-deadline-ms"
                          : "timeout.request",
             is_callers);
}

void Exchange::on_total_timer() {
    time_out("timeout.total", false);
}

void Exchange::on_stream_timer() {
    const TimePoint due = last_progress_ + stream_idle();
    const bool is_relay = state_ == State::tunnelling;
    const bool is_streaming = state_ == State::responding || !is_request_whole_ || is_relay;
    if (!is_streaming) return;
    if (Clock::now() < due) return context_.loop.timers().arm(stream_timer_, due);
    if (is_relay) return on_relay_idle();
    time_out("timeout.stream_idle", false);
}

// What the caller would not wait for says less than what we would not.
void Exchange::time_out(const char* which, bool is_callers) {
    const bool is_clients = !is_request_whole_ && state_ != State::responding && !is_callers;
    const Error error{is_clients ? Reason::request_timeout : Reason::upstream_timeout,
                      is_clients ? Error::Origin::downstream : Error::Origin::upstream,
                      Error::Retry::never, which};
    detail_ = which;
    tries_.cancel(error, is_clients || is_callers);
    if (state_ == State::responding) {
        finish(status_, error.reason, telemetry::Outcome::failure);
        downstream_->cut_off(is_callers);
        return end(false);
    }
    reply(error, {});
}

void Exchange::on_start_timer() {
    if (state_ == State::delayed && fault_status_ != 0) return abort_by_fault();
    start_attempt();
}

}  // namespace weir::proxy
