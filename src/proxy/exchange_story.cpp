#include "weir/upstream/explain.hpp"

#include "downstream.hpp"
#include "exchange.hpp"

#include <algorithm>
#include <array>

// The story of a request that has failed, for those who ask later.
namespace weir::proxy {

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
    keep(failure.listener, downstream_->listener().state().config.name);
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
