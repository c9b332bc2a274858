#pragma once

#include "weir/coding/encoder.hpp"
#include "weir/filter/faults.hpp"
#include "weir/filter/pass.hpp"
#include "weir/http/grpc.hpp"
#include "weir/http/grpc_web.hpp"
#include "weir/proxy/local_listener.hpp"
#include "weir/telemetry/access_log.hpp"
#include "weir/transport/tunnel.hpp"
#include "weir/upstream/attempt.hpp"

#include "tries.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::proxy {

class Downstream;
struct HeadEdits;
struct LocalReply;

// What an answer of ours says instead of its reason's status and code.
struct Saying {
    std::uint16_t status = 0;  // 0: the reason's
    std::optional<http::GrpcCode> grpc_code{};
    std::string_view lines{};  // whole ones, of its head
    std::string_view body{};   // if it has one of its own
    bool has_own_body = false;
};

// One request and its answer: finds the route, runs attempts until one answers or none may follow,
// streams both bodies with back-pressure, and writes the request's metrics and access record.
// Reused from request to request. Thread: worker.
//
//   routing   --a filter waits--> filtering --it may go on--> as from routing
//   routing   --forwarded--> attempting, or gathering a small body first
//   routing   --answered here--> over
//   routing   --a fault delays it--> delayed --the time is up--> attempting, or over
//   gathering --the body is whole, or 2 ms have passed--> attempting
//   attempting --retry--> backing_off --> attempting
//   attempting --slow, stuck, or a probe that hangs--> attempting, two at once: the first good head
//   attempting --response head--> responding --last byte--> over
//   attempting --101--> tunnelling --both ends closed--> over (a Tunnel of two streams, or a relay)
//   any       --client left, deadline, failure--> over
class Exchange final : private upstream::AttemptHandler, private filter::PassOwner {
  public:
    explicit Exchange(WorkerContext& context);
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    ~Exchange();

    // Any of these may end the exchange (Downstream::end_exchange()).
    void begin(Downstream& downstream, const http::RequestHead& head);
    // Its head is no good, and perhaps not read whole: only that much is known of it.
    void begin_refused(Downstream& downstream,
                       const Error& error,
                       http::GrpcKind grpc = http::GrpcKind::none);
    void on_request_body(std::string_view data);
    void on_request_end(std::string_view trailers);
    void on_request_broken(const Error& error);
    void on_downstream_drained();
    void on_client_left();
    // It has ended its side, and may still read the answer: until it has waited long enough.
    void on_client_end();
    // The worker ends, or its drain is over.
    void on_abandoned();

    // No more of the request's body can be taken now; Downstream::resume_request() will be called.
    [[nodiscard]] bool is_request_full() const;

    // Ready for the next request.
    void reset();

  private:
    static constexpr Error kBrokenText{Reason::bad_request, Error::Origin::downstream,
                                       Error::Retry::never, "broken base64"};

    enum class State : std::uint8_t {
        over,
        filtering,
        delayed,
        gathering,
        attempting,
        backing_off,
        responding,
        tunnelling
    };

    void on_response_head(upstream::Attempt& attempt, const http::ResponseHead& head) override;
    void on_response_body(upstream::Attempt& attempt,
                          std::string_view data,
                          bool is_last,
                          std::string_view trailers) override;
    void on_response_flush(upstream::Attempt& attempt) override;
    void on_request_wanted(upstream::Attempt& attempt) override;
    void on_attempt_failed(upstream::Attempt& attempt,
                           const upstream::AttemptFailure& failure) override;
    void on_attempt_stuck(upstream::Attempt& attempt) override;
    void on_passed(filter::Step step) override;

    const ListenerState& open(Downstream& downstream);
    void remember(const http::RequestHead& head);
    void pass_through();
    [[nodiscard]] bool takes_escaped_slash() const;
    [[nodiscard]] bool passes(const http::RequestHead& head,
                              const std::vector<filter::FilterPtr>& filters);
    void keep_answer_lines();
    void keep_trailers(std::string_view trailers);
    // To the head of an answer of the upstream's: these lines, and what filters make of it.
    [[nodiscard]] HeadEdits additions(std::string_view lines) const;
    void refuse_by_filter();
    // Does what the route does besides. True: a fault has taken the request.
    [[nodiscard]] bool acts(const http::RequestHead& head);
    void note_actions(const http::RequestHead& head);
    [[nodiscard]] bool injects_fault();
    void abort_by_fault();
    void send_mirrored();
    void send_encoded_head(const http::ResponseHead& head, bool is_good);
    [[nodiscard]] bool encode(std::string_view data, coding::Encoder::Until until);
    void drop_actions();
    // The answer's data as its client gets it. False: there is nothing to send now.
    [[nodiscard]] bool recode(std::string_view& data, bool is_last, std::string_view& trailers);
    void keep_early_body(std::string_view data);
    void serve(const http::RequestHead& head);
    void refuse_path(const char* detail);
    [[nodiscard]] bool hides_guarded(const http::RequestHead& head) const;
    void serve_filtered(const http::RequestHead& head);
    // In the listener's table, which has all routes but those of passthrough.
    [[nodiscard]] std::uint32_t route_index() const {
        return static_cast<std::uint32_t>(route_ - listener_->routes.data());
    }
    void forward(const http::RequestHead& head);
    void forward_web(const http::RequestHead& head);
    void forward_to_target(const http::RequestHead& head);
    [[nodiscard]] bool speaks_h2() const;
    void write_upstream_head(const http::RequestHead& head);
    void answer_locally(const http::RequestHead& head);
    [[nodiscard]] upstream::LocalCluster& cluster() const;
    // How long the route usually takes to a head; without enough answers, the cluster's mean.
    [[nodiscard]] Duration median_latency(TimePoint now) const;
    [[nodiscard]] Duration p99_latency(TimePoint now) const;
    void start_attempt();
    [[nodiscard]] upstream::AttemptRequest attempt_request(const upstream::Endpoint* avoid);
    // A second attempt beside the first, where there is another endpoint that is well.
    void watch_first();
    void start_second(telemetry::Second kind);
    [[nodiscard]] std::optional<resilience::RetryBudget::Charge> charge_hedge(TimePoint now);
    [[nodiscard]] bool is_first_to_answer(upstream::Attempt& attempt);
    void drop_out(upstream::Attempt& attempt);
    void let_probe_go_on(std::unique_ptr<upstream::Attempt> probe);
    void on_second_timer();
    void on_left_timer();
    // May the attempt that just ended be followed by another? If so, the back-off has begun.
    [[nodiscard]] bool retries(bool was_retried_below = false);
    [[nodiscard]] bool replays_probe(TimePoint now);
    [[nodiscard]] bool charges_retry(resilience::RetryRefusal refusal, TimePoint now);
    void note_refusal(resilience::RetryRefusal refusal);
    // In shadow mode nothing is sent twice, and it is counted.
    [[nodiscard]] bool is_only_shadow();
    [[nodiscard]] std::optional<std::uint32_t> told_retries() const;
    void back_off(Duration wait);
    void send_answer_head(const http::ResponseHead& head, bool is_good);
    void send_web_head(const http::ResponseHead& head, bool is_good);
    void send_failed_head(const http::ResponseHead& head);
    void count_retry_result(bool is_success);
    [[nodiscard]] bool is_replay_safe() const;
    void start_request_timer();
    // How long its answer's head may take: of a call of gRPC only its own deadline counts.
    [[nodiscard]] std::optional<Duration> request_timeout() const {
        return grpc_ == http::GrpcKind::none ? target_->config->timeout.request : call_timeout();
    }
    [[nodiscard]] std::optional<Duration> call_timeout() const;
    void start_tunnel();
    void on_tunnel_end(const transport::TunnelEnd& how);
    void prepare_websocket();
    void start_relay();
    void relay_up(std::string_view data);
    void end_up();
    void relay_down(std::string_view data, bool is_last);
    [[nodiscard]] bool ends_relay();
    void watch_half_open();
    void on_relay_idle();
    void on_relay_broken();
    void break_relay(bool is_clients);
    void note_progress();
    // For so long nothing may move.
    [[nodiscard]] Duration stream_idle() const {
        return state_ == State::tunnelling ? relay_idle() : target_->config->timeout.stream_idle;
    }
    [[nodiscard]] Duration relay_idle() const;

    void watch_request_due();
    void on_request_timer();
    void on_total_timer();
    void on_stream_timer();
    void on_start_timer();
    void time_out(const char* which, bool is_callers);
    void read_hop_fields(const http::RequestHead& head);
    void read_grpc_timeout(const http::RequestHead& head);

    // No attempt follows: the request is answered here.
    void refused(const upstream::AttemptFailure& failure);
    // An open breaker refused it: does something else answer?
    [[nodiscard]] bool falls_back(const upstream::AttemptFailure& failure);
    void answer_instead(const config::Fallback& fallback, Duration retry_after);
    void reply(const Error& error, Duration retry_after, const Saying& saying = {});
    [[nodiscard]] LocalReply usual_reply() const;
    void give(const LocalReply& local, telemetry::Outcome outcome);
    [[nodiscard]] std::string describe_limit(const Error& error) const;
    void finish(std::uint16_t status, Reason reason, telemetry::Outcome outcome);
    // For the story of a request that fails in the end: an attempt has ended, but not the request.
    // Before the attempt is used again.
    void note_attempt(const upstream::Attempt& attempt);
    [[nodiscard]] bool is_failure(std::uint16_t status,
                                  Reason reason,
                                  telemetry::Outcome outcome) const;
    void tell_failure(TimePoint now, std::uint16_t status, Reason reason);
    void tell_request(telemetry::Failure& failure) const;
    void tell_attempts(TimePoint now, telemetry::Failure& failure);
    void tell_timers(telemetry::Failure& failure) const;
    [[nodiscard]] const telemetry::AccessPolicy& access_policy() const;
    void tell_none_ready();
    void note_fields(const http::RequestHead& head);
    void note_fields(const http::ResponseHead& head);
    void log_access(TimePoint now, std::uint16_t status, Reason reason);
    void end(bool keeps_alive);
    void cancel_timers();

    WorkerContext& context_;
    Downstream* downstream_ = nullptr;
    LocalSnapshotPtr snapshot_;
    LocalSnapshotPtr base_;                    // of the listener, where snapshot_ is another
    const ListenerState* listener_ = nullptr;  // as it was when the request began
    const RouteState* route_ = nullptr;
    const TargetState* target_ = nullptr;
    const telemetry::RequestMetrics* metrics_ = nullptr;
    State state_ = State::over;

    // What is kept of the request's head, one string for all.
    std::string facts_;
    std::string_view method_, host_, path_, request_id_, request_id_line_, client_;
    std::string more_lines_;          // request_id_line_ and another, where an answer has one
    telemetry::AccessFields fields_;  // that the access log wants beside the usual ones
    http::Method method_id_ = http::Method::get;
    http::GrpcKind grpc_ = http::GrpcKind::none;
    bool says_grpc_timeout_ = false;  // upstream, what is left of it
    bool wants_problem_json_ = false;
    bool is_filtered_ = false;  // pass_ is its
    // Of a route that does more than forward, or of a fault.
    bool has_actions_ = false;
    bool wants_mirror_ = false;
    bool may_encode_ = false;
    bool recodes_ = false;       // there is web_ or encoder_
    bool is_unflushed_ = false;  // the encoder has what was not sent
    std::optional<config::Coding> coding_;
    std::uint16_t fault_status_ = 0;
    std::unique_ptr<coding::Encoder> encoder_;
    bool is_upgrade_ = false;
    bool is_chunked_ = false;
    bool is_request_whole_ = true;
    std::uint8_t retry_depth_ = 0;
    std::uint64_t key_ = balance::kNoKey;  // of a cluster with a hash policy

    std::string upstream_head_;
    std::size_t upstream_head_size_ = 0;  // without its end, which each try writes
    std::string body_;                    // kept for a replay, up to retry.buffer
    bool is_body_kept_ = true;            // body_ is all that came so far
    std::optional<std::uint64_t> max_body_;
    std::string trailers_;
    bool keeps_alive_ = false;

    std::unique_ptr<filter::Pass> pass_;  // made when first needed
    Tries tries_;
    std::unique_ptr<transport::Tunnel> tunnel_;
    // An upgrade with HTTP/2 on a side: bytes of any kind as the bodies of the two messages.
    struct Relay {
        std::string accept;  // what must answer the key that we made for a client of HTTP/2
        std::string early;   // what that client says before it is answered
        bool is_open = false;
        bool has_up_ended = false;
        bool has_down_ended = false;
        bool is_broken = false;  // the upstream is gone, and what came of it before is on its way
    };
    std::unique_ptr<Relay> relay_;
    const std::string* websocket_ = nullptr;  // as the attempt wants it
    std::unique_ptr<http::GrpcWeb> web_;  // of a client that speaks it, to a server that does not
    std::uint32_t attempts_ = 0;          // of all kinds
    std::uint32_t retries_ = 0;           // those of retry.attempts
    std::uint32_t sent_retries_ = 0;      // of these, the ones that were worked on
    bool is_replay_ = false;              // of a probe that failed
    bool is_budget_spent_ = false;
    // What the last try that reached the upstream came to, if another followed.
    Error last_error_;
    std::uint16_t last_status_ = 0;
    std::optional<http::GrpcCode> last_grpc_;
    TimePoint caller_deadline_ = TimePoint::max();
    std::uint64_t number_ = 0;  // of the request, in the process
    // Of attempts that were followed by others: the first noted_, the rest is capacity.
    std::vector<telemetry::AttemptRecord> tried_;
    std::uint32_t noted_ = 0;
    telemetry::AttemptRole role_ = telemetry::AttemptRole::first;  // of the next attempt
    resilience::RetryRefusal refusal_ = resilience::RetryRefusal::none;
    const char* detail_ = "";  // of the error that ended it
    TimePoint request_deadline_ = TimePoint::max();
    TimePoint request_due_ = TimePoint::max();  // when request_timer_ is to end it
    std::uint16_t status_ = 0;
    std::uint8_t flags_ = 0;
    std::uint64_t announced_bytes_ = 0;  // Content-Length of the request
    std::uint64_t request_bytes_ = 0;
    std::uint64_t response_bytes_ = 0;
    TimePoint began_;
    WallTime began_wall_;
    TimePoint last_progress_;

    TimerOf<Exchange, &Exchange::on_request_timer> request_timer_{*this};
    TimerOf<Exchange, &Exchange::on_total_timer> total_timer_{*this};
    TimerOf<Exchange, &Exchange::on_stream_timer> stream_timer_{*this};
    TimerOf<Exchange, &Exchange::on_start_timer> start_timer_{*this};
    TimerOf<Exchange, &Exchange::on_second_timer> second_timer_{*this};
    TimerOf<Exchange, &Exchange::on_left_timer> left_timer_{*this};
};

}  // namespace weir::proxy
