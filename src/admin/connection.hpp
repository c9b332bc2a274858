#pragma once

#include "weir/core/clock.hpp"
#include "weir/transport/control_stream.hpp"

#include "admin/message.hpp"

#include <functional>
#include <optional>
#include <string>

namespace weir::admin {

// How long a connection may take, and how much it may send.
struct ConnectionLimits {
    Duration header = std::chrono::seconds{10};  // first byte of a request to the end of its body
    Duration idle = std::chrono::seconds{60};    // between requests
    Duration write = std::chrono::seconds{30};   // until the peer takes more of an answer
    Duration linger = std::chrono::seconds{1};   // for what a refused request still sends
    Duration feed = std::chrono::seconds{10};    // until a reader of events takes more of them
    Duration heartbeat = std::chrono::seconds{15};  // of events, when there are none
    http::H1Limits head{};
};

// What a connection asks of its server. The functions outlive it.
struct Service {
    // Of a request whose body has not been read: a refusal, or nothing and how long its body may
    // be.
    std::function<std::optional<Response>(Request&, std::size_t& body_limit)> admit;
    std::function<Response(Request&)> answer;  // of a whole one
    // How long to wait before it is answered, asked again after it. None: it could not be read.
    std::function<Duration(const Request*)> delay;
};

// One client of the admin or telemetry port: reads a request, has it answered, writes the answer,
// and so on until either side has enough. It waits for nothing but its own socket and its turn, so
// a slow client holds up nobody. Thread: main.
class Connection {
  public:
    // `peer` is who asks, for the log.
    Connection(const boost::asio::any_io_executor& executor,
               transport::Socket socket,
               std::string peer,
               const Service& service,
               ConnectionLimits limits = {},
               transport::TlsStart tls = {});
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    [[nodiscard]] transport::Task<> run(transport::TaskScope& scope);

    // Waits for a request, and since when.
    [[nodiscard]] bool is_idle() const { return is_idle_; }
    [[nodiscard]] TimePoint idle_since() const { return idle_since_; }

  private:
    enum class Next : std::uint8_t { request, end };

    transport::Task<Next> serve_one(transport::TaskScope& scope);
    transport::Task<Next> deliver(transport::TaskScope& scope,
                                  const std::optional<Response>& response,
                                  WriteOptions options);
    // False: there will be none; refusal_ says why, if the client should know.
    transport::Task<bool> read_head(transport::TaskScope& scope);
    // A response if the body is refused.
    transport::Task<std::optional<Response>> read_body(transport::TaskScope& scope,
                                                       std::size_t limit,
                                                       std::string& body);
    transport::Task<Response> respond(transport::TaskScope& scope);
    transport::Task<> wait_for_turn(transport::TaskScope& scope, const Request* request);
    transport::Task<> serve_feed(transport::TaskScope& scope, const Feed& feed);

    transport::ControlStream stream_;
    const std::string peer_;
    const Address local_;
    const Service& service_;
    const ConnectionLimits limits_;
    const transport::TlsStart tls_;
    std::string in_;             // received and not consumed
    http::RequestHead head_;     // its views are good until the next read
    std::size_t head_size_ = 0;  // of its bytes in in_
    std::optional<Response> refusal_;
    bool is_whole_ = false;  // of the request: its body was read
    bool is_idle_ = false;
    TimePoint idle_since_;
};

}  // namespace weir::admin
