#include "lone_attempts.hpp"

namespace weir::proxy {

LoneProbe::LoneProbe(WorkerContext& context,
                     LocalSnapshotPtr snapshot,
                     std::unique_ptr<upstream::Attempt> attempt,
                     Request request,
                     TimePoint lease_end)
    : context_(context),
      snapshot_(std::move(snapshot)),
      request_(std::move(request)),
      attempt_(std::move(attempt)) {
    attempt_->hand_over(*this, request_.head, request_.body, request_.trailers);
    context_.loop.timers().arm(timer_, lease_end);
}

void LoneProbe::on_response_head(upstream::Attempt& /*attempt*/, const http::ResponseHead& head) {
    if (head.status < 200) return;
    attempt_->cancel_answered();
    context_.probes.forget(*this);
}

void LoneProbe::on_attempt_failed(upstream::Attempt& /*attempt*/,
                                  const upstream::AttemptFailure& /*failure*/) {
    context_.probes.forget(*this);
}

void LoneProbe::on_timer() {
    attempt_->cancel({Reason::upstream_timeout, Error::Origin::upstream, Error::Retry::never,
                      "the probe's lease is over"},
                     false);
    context_.probes.forget(*this);
}

// ---- mirrors

MirroredRequest::MirroredRequest(WorkerContext& context,
                                 LocalSnapshotPtr snapshot,
                                 const MirrorState& mirror,
                                 Request request)
    : context_(context),
      snapshot_(std::move(snapshot)),
      mirror_(mirror),
      request_(std::move(request)),
      attempt_(context.upstream, *this) {}

void MirroredRequest::start(std::uint64_t number) {
    constexpr Duration kLongest = std::chrono::minutes{1};
    const config::Timeouts& timeouts = mirror_.route->timeouts();
    const Duration longest = std::min(timeouts.request.value_or(kLongest), kLongest);
    const TimePoint deadline = Clock::now() + longest;
    context_.loop.timers().arm(timer_, deadline);
    attempt_.start(snapshot_->clusters[mirror_.cluster], {.method = request_.method,
                                                          .head = &request_.head,
                                                          .head_size = request_.head_size,
                                                          .body = &request_.body,
                                                          .trailers = request_.trailers,
                                                          .is_body_whole = true,
                                                          .is_chunked = request_.is_chunked,
                                                          .is_replay_safe = request_.is_replay_safe,
                                                          .must_not_repeat = true,
                                                          .route = mirror_.route->target().get(),
                                                          .timeouts = &timeouts,
                                                          .request_timeout = longest,
                                                          .deadline = deadline,
                                                          .number = number});
}

void MirroredRequest::on_response_head(upstream::Attempt& /*attempt*/,
                                       const http::ResponseHead& /*head*/) {}

void MirroredRequest::on_response_body(upstream::Attempt& attempt,
                                       std::string_view /*data*/,
                                       bool is_last,
                                       std::string_view /*trailers*/) {
    if (is_last) end(attempt.verdict().outcome == resilience::Outcome::ok);
}

void MirroredRequest::on_attempt_failed(upstream::Attempt& /*attempt*/,
                                        const upstream::AttemptFailure& /*failure*/) {
    end(false);
}

void MirroredRequest::on_timer() {
    attempt_.cancel({Reason::upstream_timeout, Error::Origin::upstream, Error::Retry::never,
                     "timeout.request of the mirror"},
                    false);
    end(false);
}

void MirroredRequest::end(bool is_good) {
    timer_.cancel();
    context_.shard.add(is_good ? mirror_.success : mirror_.failure);
    context_.mirrored.forget(*this);
}

}  // namespace weir::proxy
