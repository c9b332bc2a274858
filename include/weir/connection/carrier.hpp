#pragma once

#include "weir/connection/token.hpp"
#include "weir/core/clock.hpp"
#include "weir/core/error.hpp"
#include "weir/http/message.hpp"
#include "weir/transport/stream.hpp"

#include <memory>
#include <string_view>
#include <utility>

namespace weir::connection {

class Carrier;

// Who uses a connection for one request: told what comes back. Every call but on_flush() may end
// the use.
class User {
  public:
    virtual void on_ready() = 0;                               // connected: send the request
    virtual void on_head(const http::ResponseHead& head) = 0;  // interim ones (1xx) too
    // A stretch of body. The last one may be empty; its trailers are checked lines.
    virtual void on_body(std::string_view data, bool is_last, std::string_view trailers) = 0;
    virtual void on_flush() = 0;  // all that one read brought has been handed over
    virtual void on_failed(const Error& error) = 0;  // the connection is gone
    virtual void on_request_drained() = 0;           // the upstream takes more of the body
    // Before on_ready(): that one has it from now on, as the upstream speaks the other protocol.
    virtual void on_moved(Carrier& carrier) = 0;
    // Before on_ready(): there is no room for it, and it has to ask for another.
    virtual void on_displaced() = 0;

  protected:
    ~User() = default;
};

// What carries one request of an attempt to its endpoint: a connection of HTTP/1 for as long as the
// request lasts, or a stream of an HTTP/2 connection. The attempt says what HTTP/1 would say.
// Thread: worker.
class Carrier {
  public:
    // How a request begins.
    struct Opening {
        http::Method method;
        std::string_view head;      // with its empty line
        std::string_view body;      // what is there of it
        std::string_view trailers;  // lines
        bool is_whole;              // nothing follows
        bool is_chunked;            // how HTTP/1 frames the body
        bool is_websocket = false;  // an upgrade to it, which a stream carries, too
    };

    Carrier(const Carrier&) = delete;
    Carrier& operator=(const Carrier&) = delete;

    // The user owes begin() once on_ready() was called, or at once if is_connected().
    virtual void attach(User& user) = 0;
    // The user leaves: what was not finished ends.
    virtual void detach() = 0;

    virtual void begin(const Opening& opening) = 0;
    // After a head of 101 both bodies are bytes of any kind: the last of either ends that way
    // alone, and who leaves before the request has ended resets.
    virtual void send_body(std::string_view data, bool is_last, std::string_view trailers) = 0;
    // Bytes of the request that wait: while there are any, stop its source; on_request_drained()
    // follows.
    [[nodiscard]] virtual std::size_t pending() const = 0;
    virtual void pause_response() = 0;
    virtual void resume_response() = 0;

    // ---- of a connection of HTTP/1
    // Before all else, while it connects.
    virtual void send_first(std::string_view /*bytes*/) {}
    // The connection is not to carry another request.
    virtual void do_not_reuse() {}
    // For a request that must not be sent twice: remembers what the peer has acknowledged before it
    // is written.
    virtual void watch_acknowledgements() {}
    // After a 101, or of one that is opaque once it is connected: the stream, for a tunnel, and the
    // token that counts it. The connection is spent; bytes that came behind the head follow by
    // on_body().
    [[nodiscard]] virtual std::pair<std::unique_ptr<transport::Stream>, Token> take_stream() = 0;

    // A stream among others, which has no upgrade but one.
    [[nodiscard]] bool is_stream() const { return is_stream_; }
    [[nodiscard]] virtual bool takes_websockets() const { return false; }
    [[nodiscard]] bool is_connected() const { return is_connected_; }
    // The connection has carried a request before this one.
    [[nodiscard]] bool is_reused() const { return is_reused_; }
    // The connection ended properly and nothing was acknowledged since the request was written:
    // nobody has read it.
    [[nodiscard]] bool is_provably_unread() const { return is_provably_unread_; }
    // It was the stream alone that was ended, by the upstream: no fault of the connection.
    [[nodiscard]] bool was_reset_alone() const { return was_reset_alone_; }
    // The upstream has not looked at the request, as it closes the connection in good order.
    [[nodiscard]] bool is_unprocessed() const { return is_unprocessed_; }
    // It failed with its connection, and another one has said so to breaker and detector: one death
    // is one failure.
    [[nodiscard]] bool was_told_of() const { return was_told_of_; }
    [[nodiscard]] bool has_response_bytes() const { return has_response_bytes_; }
    [[nodiscard]] TimePoint last_write() const { return last_write_; }
    [[nodiscard]] Duration connect_time() const { return connect_time_; }
    // When it was last idle, from then on; a stream never was.
    [[nodiscard]] TimePoint idle_since() const { return idle_since_; }

  protected:
    explicit Carrier(bool is_stream) : is_stream_(is_stream) {}
    ~Carrier() = default;

    const bool is_stream_;
    bool is_connected_ = false;
    bool is_reused_ = false;
    bool is_provably_unread_ = false;
    bool was_reset_alone_ = false;
    bool is_unprocessed_ = false;
    bool was_told_of_ = false;
    bool has_response_bytes_ = false;
    bool is_upgraded_ = false;
    Duration connect_time_{};
    TimePoint last_write_;
    TimePoint idle_since_;
};

}  // namespace weir::connection
