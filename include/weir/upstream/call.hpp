#pragma once

#include "weir/config/config.hpp"
#include "weir/core/error.hpp"
#include "weir/upstream/attempt.hpp"
#include "weir/upstream/cluster.hpp"

#include <boost/smart_ptr/local_shared_ptr.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace weir::upstream {

// How a part of Weir calls a cluster for itself: made once, with what it belongs to. Thread: any
// (immutable).
class CallRoute {
  public:
    // `name` stands where a route's name does: "auth:users".
    CallRoute(Cluster& cluster, std::string name);

    [[nodiscard]] const std::shared_ptr<RouteTarget>& target() const { return target_; }
    [[nodiscard]] const config::Timeouts& timeouts() const { return timeouts_; }

  private:
    const std::shared_ptr<RouteTarget> target_;
    const config::Timeouts timeouts_;
};

struct CallRequest {
    http::Method method = http::Method::get;
    std::string head;  // as HTTP/1 says it, the empty line included
    std::string body;
    bool is_streamed = false;  // the end of the body is a frame of its own, as gRPC wants it
    bool is_replay_safe = true;
    Duration timeout{};                           // for all of it
    std::size_t most = std::size_t{1024} * 1024;  // bytes of the answer's body
};

struct CallAnswer {
    Error error{};  // none: there is an answer
    std::uint16_t status = 0;
    std::string fields;  // "name: value\r\n" each, as they came
    std::string body;
    std::string trailers;  // likewise

    // Of the first field of that name, in any case; nothing if there is none.
    [[nodiscard]] std::string_view field(std::string_view name) const;
};

// One buffered request through a cluster, with its breaker, and one more try where nothing of the
// first was processed. Destroyed before the answer it is cancelled. Thread: worker.
class Call final : private AttemptHandler {
  public:
    // Called once, from the event loop or from inside start(); it may destroy the call.
    using Done = std::function<void(CallAnswer answer)>;

    Call(LocalContext& context, const CallRoute& route);
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call();

    void start(boost::local_shared_ptr<LocalCluster> cluster, CallRequest request, Done done);

  private:
    void on_response_head(Attempt& attempt, const http::ResponseHead& head) override;
    void on_response_body(Attempt& attempt,
                          std::string_view data,
                          bool is_last,
                          std::string_view trailers) override;
    void on_response_flush(Attempt& attempt) override;
    void on_request_wanted(Attempt& attempt) override;
    void on_attempt_failed(Attempt& attempt, const AttemptFailure& failure) override;
    void on_late();
    void try_once();
    void finish(const Error& error);

    LocalContext& context_;
    const CallRoute& route_;
    boost::local_shared_ptr<LocalCluster> cluster_;
    CallRequest request_;
    std::size_t head_size_ = 0;
    TimePoint deadline_;
    CallAnswer answer_;
    Done done_;
    unsigned tries_ = 0;
    TimerOf<Call, &Call::on_late> timer_{*this};
    // Retired, not destroyed: an answer may come from inside it.
    struct Holder;
    std::unique_ptr<Holder> attempt_;
};

}  // namespace weir::upstream
