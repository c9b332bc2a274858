#include "weir/upstream/explain.hpp"

#include "downstream.hpp"
#include "exchange.hpp"
#include "limit_text.hpp"
#include "local_reply.hpp"

#include <algorithm>
#include <array>
#include <utility>

// How a request ends: an answer of our own, its metrics, its line in the access log, and, where it
// failed, its story for those who ask later.
namespace weir::proxy {
namespace {

// When a client may come again, where Weir itself was the one without room.
Duration usual_retry_after(Reason reason) {
    switch (reason) {
        case Reason::limit_exceeded:
        case Reason::queue_full:
        case Reason::queue_timeout:
        case Reason::overloaded:
        case Reason::draining:
            return std::chrono::seconds{1};
        default:
            return Duration::zero();
    }
}

// What Weir answers by itself: a client's mistake is nobody's failure.
telemetry::Outcome to_label(Reason reason) {
    const std::uint16_t status = info(reason).status;
    return status >= 500 ? telemetry::Outcome::failure : telemetry::Outcome::ignored;
}

}  // namespace

void Exchange::reply(const Error& error, Duration retry_after, const Saying& saying) {
    const bool is_readable = downstream_->is_request_whole() && error.reason != Reason::bad_request;
    const bool tells_more =
        target_ != nullptr && listener_->config.detail == config::ErrorDetail::internal;
    const std::string limit = tells_more ? describe_limit(error) : std::string();
    const LocalReply local{
        .reason = error.reason,
        .status = saying.status,
        .body = saying.body,
        .has_own_body = saying.has_own_body,
        .lines = saying.lines.empty() && is_filtered_ ? pass_->edits().answer_lines : saying.lines,
        .request_id = request_id_,
        .cluster = tells_more ? std::string_view(target_->config->cluster) : std::string_view(),
        .attempts = tells_more ? attempts_ : 0,
        .detail = limit.empty() ? error.detail : limit.c_str(),
        .retry_after =
            retry_after > Duration::zero() ? retry_after : usual_retry_after(error.reason),
        .retried = told_retries(),
        .wants_problem_json = wants_problem_json_,
        .is_head = method_id_ == http::Method::head,
        .keeps_alive = is_readable && downstream_->may_keep_alive(),
        .is_h2 = downstream_->is_h2(),
        .client_minor = downstream_->client_minor(),
        .grpc = grpc_,
        .grpc_code = saying.grpc_code};
    detail_ = error.detail;
    give(local, to_label(error.reason));
}

// One that has nothing to do with an error.
LocalReply Exchange::usual_reply() const {
    return {
        .lines = is_filtered_ ? std::string_view(pass_->edits().answer_lines) : std::string_view(),
        .request_id = request_id_,
        .is_head = method_id_ == http::Method::head,
        .keeps_alive = downstream_->may_keep_alive() && downstream_->is_request_whole(),
        .is_h2 = downstream_->is_h2(),
        .client_minor = downstream_->client_minor()};
}

void Exchange::give(const LocalReply& local, telemetry::Outcome outcome) {
    // To a CONNECT any 2xx says that the tunnel is there.
    if (downstream_->is_connect() && status_of(local) / 100 == 2) {
        return reply({Reason::bad_request, Error::Origin::downstream, Error::Retry::never,
                      "no WebSocket here"},
                     {});
    }
    context_.out.clear();
    response_bytes_ = write_local_reply(context_.out, local);
    finish(status_of(local), local.reason, outcome);
    downstream_->send_local(context_.out);
    end(local.keeps_alive);
}

// Nothing if it was no limit that refused.
std::string Exchange::describe_limit(const Error& error) const {
    const bool is_limit = error.reason == Reason::limit_exceeded ||
                          error.reason == Reason::queue_full ||
                          error.reason == Reason::queue_timeout;
    if (!is_limit) return {};
    const config::Config& config = snapshot_->shared->config();
    const auto cluster = config.clusters.find(target_->config->cluster);
    if (cluster == config.clusters.end()) return {};
    const auto* const adaptive = snapshot_->clusters[target_->cluster]->cluster().adaptive();
    return limit_text(error.detail, config, cluster->second,
                      adaptive != nullptr ? adaptive->limit() : 0);
}

void Exchange::finish(std::uint16_t status, Reason reason, telemetry::Outcome outcome) {
    const TimePoint now = Clock::now();
    context_.shard.sub(listener_->metrics.requests_active);
    metrics_->record(context_.shard, {.status = status,
                                      .outcome = outcome,
                                      .reason = reason,
                                      .duration = now - began_,
                                      .request_bytes = request_bytes_,
                                      .response_bytes = response_bytes_});
    const bool is_good = outcome == telemetry::Outcome::ok;
    if (state_ == State::backing_off) tries_.refund_charge();
    tries_.settle_charge();
    if (retries_ > 0 && is_good) count_retry_result(true);
    if ((flags_ & static_cast<std::uint8_t>(telemetry::Flag::stale_reuse)) != 0) {
        const telemetry::ClusterMetrics& metrics = cluster().cluster().metrics();
        context_.shard.add(is_good ? metrics.stale_reuse_success : metrics.stale_reuse_failure);
    }
    if (attempts_ > 1) flags_ |= static_cast<std::uint8_t>(telemetry::Flag::retried);
    if (attempts_ > 0 && tries_.lead().was_none_ready())
        flags_ |= static_cast<std::uint8_t>(telemetry::Flag::none_ready);
    if (attempts_ > 0 && tries_.lead().was_shadowed())
        flags_ |= static_cast<std::uint8_t>(telemetry::Flag::shadow);
    if (attempts_ > 0 && tries_.lead().was_probe())
        flags_ |= static_cast<std::uint8_t>(telemetry::Flag::probe);
    log_access(now, status, reason);
    if (std::exchange(is_filtered_, false)) pass_->reset();
    if (!is_good && is_failure(status, reason, outcome)) tell_failure(now, status, reason);
    state_ = State::over;
    cancel_timers();
}

// Its answer says that no endpoint was ready, and by what rule one was taken all the same.
void Exchange::tell_none_ready() {
    const auto& config = snapshot_->clusters[target_->cluster]->cluster().config();
    const bool is_all = config.when_none_ready == config::NoneReady::all;
    more_lines_.assign(request_id_line_);
    more_lines_.append("x-weir-none-ready: ").append(is_all ? "all" : "least_bad").append("\r\n");
    request_id_line_ = more_lines_;
}

const telemetry::AccessPolicy& Exchange::access_policy() const {
    if (target_ != nullptr) return *target_->access;
    if (route_ != nullptr) return *route_->access;
    return listener_->unmatched_access;
}

// What the access log wants of the request's head, while it is there.
void Exchange::note_fields(const http::RequestHead& head) {
    const telemetry::AccessPolicy& policy = access_policy();
    if (policy.has_fields()) policy.collect(fields_, head);
}

void Exchange::note_fields(const http::ResponseHead& head) {
    const telemetry::AccessPolicy& policy = access_policy();
    if (policy.has_fields()) policy.collect(fields_, head);
}

void Exchange::log_access(TimePoint now, std::uint16_t status, Reason reason) {
    const telemetry::AccessPolicy& policy = access_policy();
    if (policy.is_off()) return;
    context_.access_log.append(
        {.time = began_wall_,
         .policy = &policy,
         .fields = &fields_,
         .endpoint = attempts_ > 0 && tries_.lead().endpoint()
                         ? std::string_view(tries_.lead().endpoint()->name())
                         : std::string_view(),
         .method = method_,
         .host = host_,
         .path = path_,
         .protocol = downstream_->protocol(),
         .request_id = request_id_,
         .client = client_,
         .peer = downstream_->client().peer,
         .duration = now - began_,
         .upstream = attempts_ > 0 ? tries_.lead().upstream_time() : Duration::zero(),
         .request_bytes = request_bytes_,
         .response_bytes = response_bytes_,
         .attempts = attempts_,
         .status = status,
         .reason = reason,
         .flags = flags_});
}

void Exchange::cancel_timers() {
    request_due_ = TimePoint::max();
    total_timer_.cancel();
    stream_timer_.cancel();
    start_timer_.cancel();
    left_timer_.cancel();
    second_timer_.cancel();
}

void Exchange::end(bool keeps_alive) {
    downstream_->end_exchange(keeps_alive);
}

// ---- the story

void Exchange::note_attempt(const upstream::Attempt& attempt) {
    if (noted_ >= telemetry::Failure::kMostAttempts) return;
    if (tried_.size() <= noted_) tried_.emplace_back();
    attempt.record(tried_[noted_++]);
}

// A client that left is a failure only where it has waited so long that others will call it one.
bool Exchange::is_failure(std::uint16_t status, Reason reason, telemetry::Outcome outcome) const {
    if (outcome == telemetry::Outcome::failure) return true;
    if (outcome == telemetry::Outcome::throttled) return status >= 500;
    return reason == Reason::client_closed && attempts_ > 0 &&
           tries_.lead().verdict().outcome == resilience::Outcome::failure;
}

void Exchange::tell_failure(TimePoint now, std::uint16_t status, Reason reason) {
    if (context_.failures == nullptr) return;
    telemetry::Failure& failure = context_.failure;
    failure.clear();
    failure.at = began_wall_;
    failure.began = began_;
    failure.duration = now - began_;
    failure.status = status;
    failure.reason = reason;
    failure.detail = detail_;
    failure.flags = flags_;
    failure.is_cut = state_ == State::responding && reason != Reason::none;
    tell_request(failure);
    if (target_ != nullptr) tell_attempts(now, failure);
    context_.failures->add(failure);
}

void Exchange::tell_request(telemetry::Failure& failure) const {
    const auto keep = [](std::string& to, std::string_view text) {
        telemetry::assign_cut(to, text, telemetry::Failure::kLongestText);
    };
    keep(failure.request_id, request_id_);
    keep(failure.method, method_);
    keep(failure.host, host_);
    keep(failure.client, client_);
    keep(failure.listener, listener_->config.name);
    if (route_ != nullptr) keep(failure.route, route_->config->name);
    if (target_ != nullptr) keep(failure.cluster, target_->config->cluster);
    std::string scratch;
    const std::string_view shown =
        access_policy().redact(path_.substr(0, 2 * telemetry::Failure::kLongestPath), scratch);
    telemetry::assign_cut(failure.path, shown, telemetry::Failure::kLongestPath);
}

void Exchange::tell_attempts(TimePoint now, telemetry::Failure& failure) {
    for (std::uint32_t i = 0; i < noted_; ++i) {
        if (telemetry::AttemptRecord* const record = failure.add_attempt())
            std::swap(*record, tried_[i]);
    }
    // Those that ended with the request: the lead, and a rival that was under way beside it.
    const std::uint32_t missing = attempts_ - std::min(noted_, attempts_);
    const std::array<const upstream::Attempt*, 2> last{
        missing > 1 ? tries_.rival_or_none() : nullptr, missing > 0 ? &tries_.lead() : nullptr};
    for (const upstream::Attempt* const attempt : last) {
        if (attempt == nullptr) continue;
        if (telemetry::AttemptRecord* const record = failure.add_attempt())
            attempt->record(*record);
    }
    failure.attempts_total = attempts_;
    failure.refusal = refusal_;
    tell_timers(failure);
    upstream::Cluster& cluster = snapshot_->clusters[target_->cluster]->cluster();
    failure.breaker = resilience::word(cluster.breaker().state());
    const auto why = cluster.breaker().reason();
    if (why != resilience::TripReason::none) failure.breaker_reason = resilience::word(why);
    // Nobody was looked for: refusals in numbers are told in few words.
    if (failure.reason == Reason::breaker_open || failure.reason == Reason::limit_exceeded) return;
    upstream::tell_candidates(cluster, now, failure);
}

void Exchange::tell_timers(telemetry::Failure& failure) const {
    const config::Timeouts& timeouts = target_->config->timeout;
    failure.add_timer("timeout.connect", timeouts.connect);
    failure.add_timer("retry.per_try_timeout", target_->config->retry.per_try_timeout);
    failure.add_timer("timeout.response_header", timeouts.response_header);
    failure.add_timer("timeout.request", timeouts.request);
    failure.add_timer("timeout.total", timeouts.total);
    failure.add_timer("timeout.stream_idle", timeouts.stream_idle);
    failure.fire(detail_);
    for (std::size_t i = 0; i < failure.attempt_count; ++i)
        failure.fire(failure.attempts[i].error.detail);
}

}  // namespace weir::proxy
