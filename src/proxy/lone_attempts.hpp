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

// A copy of a request, sent to the mirror of its route: nobody waits for the answer, which is read
// to its end and dropped. Owned like a probe. Thread: worker.
class MirroredRequest final : private upstream::AttemptHandler {
  public:
    struct Request {
        http::Method method = http::Method::get;
        std::string head;
        std::size_t head_size = 0;  // without its end
        std::string body;
        std::string trailers;
        bool is_chunked = false;
        bool is_replay_safe = false;
    };
    // The snapshot is that of the mirror.
    MirroredRequest(WorkerContext& context,
                    LocalSnapshotPtr snapshot,
                    const MirrorState& mirror,
                    Request request);
    MirroredRequest(const MirroredRequest&) = delete;
    MirroredRequest& operator=(const MirroredRequest&) = delete;
    ~MirroredRequest() = default;

    // May end it. Its worker's context must have it by then.
    void start(std::uint64_t number);

  private:
    void on_response_head(upstream::Attempt& attempt, const http::ResponseHead& head) override;
    void on_response_body(upstream::Attempt& attempt,
                          std::string_view data,
                          bool is_last,
                          std::string_view trailers) override;
    void on_response_flush(upstream::Attempt& /*attempt*/) override {}
    void on_request_wanted(upstream::Attempt& /*attempt*/) override {}
    void on_attempt_failed(upstream::Attempt& attempt,
                           const upstream::AttemptFailure& failure) override;
    void on_timer();
    void end(bool is_good);

    WorkerContext& context_;
    const LocalSnapshotPtr snapshot_;
    const MirrorState& mirror_;
    Request request_;
    upstream::Attempt attempt_;
    TimerOf<MirroredRequest, &MirroredRequest::on_timer> timer_{*this};
};

}  // namespace weir::proxy
