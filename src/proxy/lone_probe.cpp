#include "lone_probe.hpp"

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
    context_.forget(*this);
}

void LoneProbe::on_attempt_failed(upstream::Attempt& /*attempt*/,
                                  const upstream::AttemptFailure& /*failure*/) {
    context_.forget(*this);
}

void LoneProbe::on_timer() {
    attempt_->cancel({Reason::upstream_timeout, Error::Origin::upstream, Error::Retry::never,
                      "the probe's lease is over"},
                     false);
    context_.forget(*this);
}

}  // namespace weir::proxy
