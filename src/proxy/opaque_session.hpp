#pragma once

#include "weir/proxy/local_listener.hpp"
#include "weir/resilience/retry_budget.hpp"
#include "weir/telemetry/access_log.hpp"
#include "weir/transport/tunnel.hpp"
#include "weir/upstream/attempt.hpp"

#include "downstream.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::proxy {

// A client's connection that carries no HTTP: finds its route by the server name, connects to an
// endpoint as an attempt (elsewhere if that fails, while nothing was sent), and ties the two
// together. It is one request for metrics and access log, without a status. Owned by its
// LocalListener. Thread: worker.
//
//   handshaking --TLS is open, or there is none--> connecting
//   connecting  --failed, and may be tried again--> backing_off --> connecting
//   connecting  --connected--> relaying --the tunnel has ended--> over
//   any         --no route, refused, the client left--> over
class OpaqueSession final : public ClientConnection,
                            public transport::StreamHandler,
                            private upstream::AttemptHandler {
  public:
    OpaqueSession(WorkerContext& context,
                  LocalListener& listener,
                  transport::Socket socket,
                  Caller caller);
    // Of a client whose first bytes, these, were found to be no HTTP.
    OpaqueSession(WorkerContext& context,
                  LocalListener& listener,
                  std::unique_ptr<transport::Stream> stream,
                  Client client,
                  std::string_view bytes,
                  std::string server_name);
    ~OpaqueSession() override;

    // Once its listener has it. May end it.
    void start();

    [[nodiscard]] bool is_idle_since(TimePoint before) const override {
        return state_ == State::handshaking && began_ <= before;
    }
    void close() override;
    void close_with_reset() override;

  private:
    enum class State : std::uint8_t { handshaking, connecting, backing_off, relaying, over };

    // upstream::AttemptHandler; of HTTP nothing comes.
    void on_response_head(upstream::Attempt& /*attempt*/,
                          const http::ResponseHead& /*head*/) override {}
    void on_response_body(upstream::Attempt& /*attempt*/,
                          std::string_view /*data*/,
                          bool /*is_last*/,
                          std::string_view /*trailers*/) override {}
    void on_response_flush(upstream::Attempt& /*attempt*/) override {}
    void on_request_wanted(upstream::Attempt& /*attempt*/) override {}
    void on_opened(upstream::Attempt& attempt) override;
    void on_attempt_failed(upstream::Attempt& attempt,
                           const upstream::AttemptFailure& failure) override;

    // transport::StreamHandler, until the tunnel has the stream.
    void on_connected() override;
    void on_bytes(std::string_view bytes) override { waiting_.append(bytes); }
    void on_eof() override {}
    void on_broken(int error) override;
    void on_write_failed() override {}

    OpaqueSession(WorkerContext& context, LocalListener& listener);
    void on_timer();
    void count_connection();
    void find_route();
    void start_attempt();
    void say_who_calls();
    [[nodiscard]] bool falls_back();
    [[nodiscard]] bool retries();
    void count_retry_result(bool is_success);
    void settle_charge();
    void on_tunnel_end(const transport::TunnelEnd& end);
    void end(Reason reason, telemetry::Outcome outcome);
    void log_access(Reason reason, Duration duration);
    void leave();
    [[nodiscard]] upstream::LocalCluster& cluster() const {
        return *snapshot_->clusters[target_->cluster];
    }

    WorkerContext& context_;
    LocalListener& listener_;
    LocalSnapshotPtr snapshot_;
    const LocalSnapshotPtr listener_snapshot_;
    const ListenerState& listener_state_;
    std::unique_ptr<transport::Stream> stream_;
    Caller caller_;
    Client client_;
    State state_ = State::handshaking;
    const RouteState* route_ = nullptr;
    const TargetState* target_ = nullptr;
    const telemetry::RequestMetrics* metrics_;
    upstream::Attempt attempt_;
    std::optional<resilience::RetryBudget::Charge> charge_;
    std::unique_ptr<transport::Tunnel> tunnel_;
    std::string waiting_;      // came with the end of a handshake
    std::string first_bytes_;  // for the upstream: the PROXY header
    std::string name_;         // of what is done, for traces
    std::uint64_t number_ = 0;
    std::uint64_t request_bytes_ = 0;
    std::uint64_t response_bytes_ = 0;
    std::uint32_t attempts_ = 0;
    std::uint32_t retries_ = 0;
    std::uint8_t flags_ = 0;
    bool is_counted_ = false;
    const TimePoint began_;
    const WallTime began_wall_;
    TimerOf<OpaqueSession, &OpaqueSession::on_timer> timer_{*this};
};

}  // namespace weir::proxy
