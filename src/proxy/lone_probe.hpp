#pragma once

#include "weir/proxy/local_listener.hpp"
#include "weir/upstream/attempt.hpp"

#include <memory>
#include <string>

namespace weir::proxy {

// An endpoint's probe whose request was answered by another attempt: it goes on only to be judged.
// Ends with its response head, its failure, or its lease. Owned by its worker's context, which
// destroys it at the end of the turn. Thread: worker.
class LoneProbe final : private upstream::AttemptHandler {
  public:
    // What its attempt was asked to send.
    struct Request {
        std::string head;
        std::string body;
        std::string trailers;
    };
    // The snapshot is kept for what the attempt refers to.
    LoneProbe(WorkerContext& context,
              LocalSnapshotPtr snapshot,
              std::unique_ptr<upstream::Attempt> attempt,
              Request request,
              TimePoint lease_end);
    LoneProbe(const LoneProbe&) = delete;
    LoneProbe& operator=(const LoneProbe&) = delete;
    ~LoneProbe() = default;

  private:
    void on_response_head(upstream::Attempt& attempt, const http::ResponseHead& head) override;
    void on_response_body(upstream::Attempt& /*attempt*/,
                          std::string_view /*data*/,
                          bool /*is_last*/,
                          std::string_view /*trailers*/) override {}
    void on_response_flush(upstream::Attempt& /*attempt*/) override {}
    void on_request_wanted(upstream::Attempt& /*attempt*/) override {}
    void on_attempt_failed(upstream::Attempt& attempt,
                           const upstream::AttemptFailure& failure) override;
    void on_timer();

    WorkerContext& context_;
    const LocalSnapshotPtr snapshot_;
    Request request_;
    const std::unique_ptr<upstream::Attempt> attempt_;
    TimerOf<LoneProbe, &LoneProbe::on_timer> timer_{*this};
};

}  // namespace weir::proxy
