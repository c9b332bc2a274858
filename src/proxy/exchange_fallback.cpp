#include "downstream.hpp"
#include "exchange.hpp"
#include "local_reply.hpp"

// What answers in place of an open breaker's refusal.
namespace weir::proxy {

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

}  // namespace weir::proxy
