#pragma once

#include "weir/config/config.hpp"
#include "weir/connection/carrier.hpp"
#include "weir/core/error.hpp"
#include "weir/core/timing_wheel.hpp"
#include "weir/http/message.hpp"
#include "weir/resilience/adaptive_limit.hpp"
#include "weir/resilience/circuit_breaker.hpp"
#include "weir/resilience/classifier.hpp"
#include "weir/resilience/limit.hpp"
#include "weir/resilience/outcome.hpp"
#include "weir/resilience/retry_policy.hpp"
#include "weir/telemetry/failures.hpp"
#include "weir/transport/stream.hpp"
#include "weir/upstream/local_cluster.hpp"
#include "weir/upstream/stall_watch.hpp"

#include <boost/smart_ptr/local_shared_ptr.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::upstream {

class Attempt;

// One request, as an attempt needs it. Views live as long as the attempt.
struct AttemptRequest {
    http::Method method = http::Method::get;
    // Serialised; each try writes its own end behind the first `head_size` bytes, which all share.
    std::string* head = nullptr;
    std::size_t head_size = 0;
    const std::string* body = nullptr;  // what is there of it so far: may grow until it is sent
    std::string_view trailers;          // of a chunked body that is whole
    bool is_body_whole = true;
    bool is_chunked = false;      // the body is sent in chunks
    bool is_replay_safe = false;  // may be sent twice: offered to half-open endpoints first
    bool is_upgrade = false;
    // No HTTP: a connection of its own for bytes of any kind. Told by on_opened(), then
    // Attempt::take_stream() and finish_tunnel(); what it says of its endpoint is that it
    // connected.
    bool is_opaque = false;
    std::string_view first_bytes{};  // of an opaque one: sent before all else, even before TLS
    bool must_not_repeat =
        false;  // executing it twice would do harm: a lost connection must prove it unread
    RouteTarget* route = nullptr;  // of the cluster; outlives the attempt
    // That upgrade, which a stream of HTTP/2 carries, too. Unless it is empty the key is ours: a
    // 101 must say this, and no 2xx may come.
    const std::string* websocket = nullptr;
    bool needs_fresh = false;  // lost on a stale connection before: not on another one
    const config::Timeouts* timeouts = nullptr;
    // How long the answer's head may take at most; without it nobody says when it is late.
    std::optional<Duration> request_timeout;
    std::optional<Duration> per_try_timeout;
    const Endpoint* avoid = nullptr;      // where it was tried before, if there is another
    std::uint64_t key = balance::kNoKey;  // of a cluster with a hash policy
    // Beside another attempt of the same request: it goes to another endpoint that is well, at
    // once, or nowhere.
    bool is_second = false;
    // Of a probe that failed: to another endpoint that is well, if there is one.
    bool is_replay = false;
    std::uint8_t retry_depth = 0;           // sent unless 0
    TimePoint deadline = TimePoint::max();  // of the answer's head; what remains of it is sent
    TimePoint caller_deadline = TimePoint::max();  // until when the caller said it would wait
    bool says_grpc_timeout = false;                // what remains is said in gRPC's words
    // For its record.
    std::uint64_t number = 0;   // of the request, in the process
    std::uint32_t attempt = 1;  // of the request
    telemetry::AttemptRole role = telemetry::AttemptRole::first;
};

// How an attempt ended, when it did not end well: told to its owner after everything was reported.
struct AttemptFailure {
    Error error;
    Duration retry_after{};  // of an open breaker
};

// The owner of attempts, told which one calls. Calls come from the event loop; none comes from
// inside cancel(), and only on_request_wanted() and on_attempt_failed() from inside start().
class AttemptHandler {
  public:
    // A response head, interim ones (1xx) too. After the final one, on_response_body() follows.
    virtual void on_response_head(Attempt& attempt, const http::ResponseHead& head) = 0;
    virtual void on_response_body(Attempt& attempt,
                                  std::string_view data,
                                  bool is_last,
                                  std::string_view trailers) = 0;
    // All that one read brought was handed over.
    virtual void on_response_flush(Attempt& attempt) = 0;
    // The upstream takes (more of) the body.
    virtual void on_request_wanted(Attempt& attempt) = 0;
    virtual void on_attempt_failed(Attempt& attempt, const AttemptFailure& failure) = 0;
    // An opaque one is connected.
    virtual void on_opened(Attempt& /*attempt*/) {}
    // Its endpoint was ejected for answering nobody, and it still waits there for a head. It goes
    // on.
    virtual void on_attempt_stuck(Attempt& /*attempt*/) {}

  protected:
    ~AttemptHandler() = default;
};

// One try of one request at one endpoint: the one place where a breaker wraps a call. It takes a
// permit from the cluster's breaker, lets the balancer choose, takes a permit from the endpoint's
// detector, leases a connection, sends, receives, classifies the end and gives the permits back
// with the outcome. Reusable: start() again after it has ended. Thread: worker.
class Attempt final : private connection::User, private LocalCluster::Waiting {
  public:
    Attempt(LocalContext& context, AttemptHandler& handler)
        : context_(context), handler_(&handler) {}
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;
    ~Attempt() override;

    // May fail at once, by on_attempt_failed(). A cluster lives as long as somebody holds its
    // pointer.
    void start(boost::local_shared_ptr<LocalCluster> cluster, const AttemptRequest& request);

    // More of the body, if is_sending(); before that it waits in AttemptRequest::body.
    void send_body(std::string_view data);
    // The body is whole. The trailers live as long as the attempt.
    void finish_body(std::string_view trailers);
    [[nodiscard]] bool is_sending() const { return is_sent_ && connection_ != nullptr; }
    [[nodiscard]] std::size_t pending() const;

    // Back-pressure from downstream.
    void pause_response();
    void resume_response();

    // Ends it: the client left, or a deadline passed.
    void cancel(const Error& why, bool client_left);
    // Ends it after its head, which is not wanted: there will be another attempt.
    void cancel_answered();
    // Ends it because another attempt of the same request has answered: it says nothing about
    // anybody's health, unless it has taken longer than a client would wait.
    void cancel_lost();

    // Another owner, who keeps the request for it (whole: replay-safe).
    void hand_over(AttemptHandler& next,
                   std::string& head,
                   const std::string& body,
                   std::string_view trailers);

    // After a 101 or on_opened(): the raw stream for a tunnel. The attempt stays open until
    // finish_tunnel().
    [[nodiscard]] std::unique_ptr<transport::Stream> take_stream();
    // After a 101 there may be no such stream: then bytes of any kind go by send_body(), and come
    // by on_response_body(), each way until finish_body(), and the last of the answer.
    // on_request_wanted() says that they went out, on_attempt_failed() that the connection is gone;
    // neither ends the attempt.
    [[nodiscard]] bool is_stream() const { return connection_->is_stream(); }
    void relay();
    void finish_tunnel();

    // What the end of this attempt means for another: all of it but what the exchange knows.
    void describe(resilience::RetryInput& input) const;
    // How it went, once it has ended: for the story of a request that failed.
    void record(telemetry::AttemptRecord& record) const;

    [[nodiscard]] bool is_running() const { return is_running_; }
    // Where it went, or nullptr if it got nowhere. Valid until the next start().
    [[nodiscard]] const Endpoint* endpoint() const;
    [[nodiscard]] bool was_probe() const { return was_endpoint_probe_ || was_breaker_probe_; }
    [[nodiscard]] bool was_endpoint_probe() const { return was_endpoint_probe_; }
    [[nodiscard]] bool was_none_ready() const { return was_none_ready_; }
    // A breaker in shadow mode would have refused it.
    [[nodiscard]] bool was_shadowed() const { return was_shadowed_; }
    [[nodiscard]] bool lost_stale_connection() const {
        return verdict_.outcome == resilience::Outcome::stale;
    }
    // From sending to the last byte of the answer; zero without an answer.
    [[nodiscard]] Duration upstream_time() const { return upstream_time_; }
    // The verdict on the answer so far: valid from its head on.
    [[nodiscard]] const resilience::Verdict& verdict() const { return verdict_; }

  private:
    friend class StallWatch;
    void on_stuck();
    void on_ready() override;
    void on_head(const http::ResponseHead& head) override;
    void on_body(std::string_view data, bool is_last, std::string_view trailers) override;
    void on_flush() override;
    void on_failed(const Error& error) override;
    void on_request_drained() override;
    void on_moved(connection::Carrier& carrier) override;
    void on_displaced() override;
    bool on_turn() override;           // LocalCluster::Waiting
    void on_queue_timeout() override;  // LocalCluster::Waiting
    void on_timer();

    enum class Lease : std::uint8_t { got, must_wait, failed };

    void begin(boost::local_shared_ptr<LocalCluster> cluster, const AttemptRequest& request);
    [[nodiscard]] bool is_within_limits(Cluster& cluster, Error& error);
    [[nodiscard]] bool pass_breakers();
    [[nodiscard]] resilience::CircuitBreaker::AcquireOptions acquire_options(
        const resilience::CircuitBreaker& machine, bool has_fixed_lease) const;
    [[nodiscard]] Lease lease(Error& error);
    void use(connection::Carrier& connection, TimePoint now);
    void leave_endpoint();
    void leave_connection();
    [[nodiscard]] bool goes_elsewhere();
    void wait_in_queue();
    void send();
    void opened();
    void complete_permits(TimePoint now);
    [[nodiscard]] bool is_accepted(const http::ResponseHead& head);
    void arm_answer_timer();
    void refuse(const Error& error, Duration retry_after);
    void fail(const Error& error);
    void judge_head(const http::ResponseHead& head, TimePoint now);
    void take_grpc_status(std::string_view value);
    void take_pushback(std::string_view value);
    void take_grpc_trailers(std::string_view trailers);
    [[nodiscard]] resilience::Verdict at_endpoint() const;
    void tell_good_start(TimePoint now);
    void classify(const Error& error, bool client_left);
    void give_back_adaptive(TimePoint now);
    void report();
    void trace(TimePoint now);

    LocalContext& context_;
    AttemptHandler* handler_;
    AttemptRequest request_;
    boost::local_shared_ptr<LocalCluster> cluster_;
    boost::local_shared_ptr<LocalEndpoint> endpoint_;
    connection::Carrier* connection_ = nullptr;
    std::optional<connection::Token> tunnel_token_;
    resilience::Permit breaker_permit_;
    resilience::Permit route_permit_;
    resilience::Permit endpoint_permit_;
    Breaker* route_breaker_ = nullptr;  // whose permit is held; request_.route keeps it
    resilience::Limit::Slot request_slot_;
    resilience::AdaptiveLimit::Slot adaptive_slot_;
    resilience::AttemptEnd end_;
    resilience::Verdict verdict_;
    bool is_running_ = false;
    bool holds_breaker_ = false;
    bool holds_endpoint_ = false;
    bool is_sent_ = false;
    bool is_relay_ = false;
    bool was_sent_whole_ = false;
    std::uint8_t displaced_ = 0;  // how often
    bool is_provably_unread_ = false;
    bool was_none_ready_ = false;
    bool was_endpoint_probe_ = false;
    bool was_breaker_probe_ = false;
    bool was_held_up_ = false;  // by a limit of connections, and that is counted
    bool was_shadowed_ = false;
    bool is_grpc_ = false;           // the answer
    bool is_start_awaited_ = false;  // its first message is what its head is elsewhere
    TimePoint started_;
    TimePoint sent_;
    TimePoint leased_;  // when it had a connection, or began to make one
    TimePoint ended_;
    Duration connect_time_{};  // of its connection
    bool was_reused_ = false;
    Duration upstream_time_{};
    TimerOf<Attempt, &Attempt::on_timer> timer_{*this};
    StallWatch::Entry waiting_{*this};
};

}  // namespace weir::upstream
