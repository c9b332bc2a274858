#pragma once

#include "weir/core/error.hpp"
#include "weir/core/timing_wheel.hpp"
#include "weir/http/h1.hpp"
#include "weir/resilience/limit.hpp"
#include "weir/transport/stream.hpp"
#include "weir/upstream/connection.hpp"

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weir::upstream {

struct LocalContext;
class LocalEndpoint;

// One HTTP/1.1 connection to an endpoint, owned by its LocalEndpoint: connects, carries one request
// at a time, and goes back to the pool when both messages are whole and the upstream keeps it.
// Thread: worker.
class H1Connection final : public transport::Retired, public transport::StreamHandler {
  public:
    // Connects; `slots` are held for as long as the connection (and the connecting) lasts.
    H1Connection(LocalContext& context,
                 LocalEndpoint& endpoint,
                 transport::Socket socket,
                 ConnectionToken token,
                 resilience::Limit::Slot connecting_slot,
                 const transport::TlsStart& tls);
    ~H1Connection() override;

    // The user owes begin_request() once on_ready() was called, or at once if is_connected().
    void attach(ConnectionUser& user);
    // The user leaves. What is whole goes back to the pool, the short rest of a body is discarded,
    // and anything else closes the connection.
    void detach();

    // What is written then is a request: `is_whole` if the first write() holds all of it, else
    // finish_request() follows.
    void begin_request(http::Method method, bool is_whole);
    void write(std::initializer_list<std::string_view> parts);
    void finish_request();
    [[nodiscard]] std::size_t pending() const { return stream_->pending(); }

    void do_not_reuse() { keeps_alive_ = false; }
    void pause_response() { stream_->pause(); }
    void resume_response() { stream_->resume(); }

    // After a 101: the stream, for a tunnel, and the token that counts it. The connection is spent;
    // bytes that came behind the head follow by on_body().
    [[nodiscard]] std::pair<std::unique_ptr<transport::Stream>, ConnectionToken> take_stream();

    // Closes an idle one, or fails its user's request: its endpoint goes.
    void abandon();

    [[nodiscard]] bool is_connected() const { return state_ != State::connecting; }
    // For a request that must not be sent twice: remembers what the peer has acknowledged before it
    // is written.
    void watch_acknowledgements() { acknowledged_ = stream_->socket().bytes_acknowledged(); }
    // The connection ended properly and nothing was acknowledged since: nobody has read the
    // request.
    [[nodiscard]] bool is_provably_unread() const { return is_provably_unread_; }
    // It has carried a request before the present one.
    [[nodiscard]] bool is_reused() const { return requests_ > 1; }
    // When it was last idle, from then on, and what the upstream said then of keeping it:
    // Keep-Alive's `timeout`, or zero.
    [[nodiscard]] TimePoint idle_since() const { return idle_since_; }
    [[nodiscard]] Duration promised() const { return std::chrono::seconds{promised_}; }
    [[nodiscard]] bool has_response_bytes() const { return has_response_bytes_; }
    [[nodiscard]] TimePoint last_write() const { return last_write_; }
    [[nodiscard]] Duration connect_time() const { return connect_time_; }

    // Bookkeeping of its endpoint: its place among all connections, its neighbours among the idle.
    std::size_t index = 0;
    H1Connection* newer = nullptr;
    H1Connection* older = nullptr;
    std::uint32_t tls_epoch = 0;

    // Of its stream only.
    void on_connected() override;
    void on_bytes(std::string_view bytes) override;
    void on_eof() override;
    void on_broken(int error) override;
    void on_write_failed() override;
    void on_drained() override;

  private:
    enum class State : std::uint8_t { connecting, idle, head, body, discarding, closed };

    void on_idle_timer();
    void watch_idleness();
    void ended_while_idle();

    [[nodiscard]] std::string_view take_head(std::string_view bytes);
    void take_body(std::string_view bytes);
    void discard(std::string_view bytes);
    void settle();
    void fail(const Error& error);
    void close();

    LocalContext& context_;
    LocalEndpoint& endpoint_;
    std::unique_ptr<transport::Stream> stream_;
    ConnectionUser* user_ = nullptr;
    ConnectionToken token_;
    resilience::Limit::Slot connecting_slot_;
    State state_ = State::connecting;
    http::Method method_ = http::Method::get;
    bool is_request_whole_ = false;
    bool is_response_whole_ = false;
    bool keeps_alive_ = true;
    bool has_response_bytes_ = false;
    bool is_tunnel_ = false;
    bool is_provably_unread_ = false;
    std::optional<std::uint64_t> acknowledged_;
    std::uint32_t requests_ = 0;
    std::uint32_t promised_ = 0;  // seconds
    std::size_t discarded_ = 0;
    Duration connect_time_{};
    TimePoint started_;
    TimePoint last_write_;
    TimePoint idle_since_;
    http::BodyDecoder decoder_;
    std::size_t seen_ = 0;  // bytes of an incomplete head the parser has been shown
    std::string partial_;   // the beginning of a head that came in pieces
    TimerOf<H1Connection, &H1Connection::on_idle_timer> idle_timer_{*this};
};

}  // namespace weir::upstream
