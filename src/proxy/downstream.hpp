#pragma once

#include "weir/auth/rule.hpp"
#include "weir/http/message.hpp"
#include "weir/proxy/local_listener.hpp"
#include "weir/transport/stream.hpp"

#include <boost/smart_ptr/local_shared_ptr.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace weir::proxy {

// Where a client's connection was to go, and what is known of that.
struct Destination {
    static constexpr std::uint32_t kNoRoute = UINT32_MAX;

    Address address;
    // The first route that leads to an endpoint there, as of so many LocalContext::changes.
    std::uint32_t route = kNoRoute;
    std::uint64_t as_of = 0;
};

// Who is at the other end of a client's connection.
struct Client {
    std::string ip;
    std::string peer;  // who its certificate says it is, if that was verified; or empty
    boost::local_shared_ptr<const auth::PeerNames> names;  // all that it says; none without one
    std::string certificate;  // for X-Forwarded-Client-Cert, where the listener forwards it
    bool is_tls = false;
    bool is_trusted = false;  // its X-Forwarded-*, Forwarded and x-weir-* are believed
    // Where it meant to go, on a transparent listener; else none.
    boost::local_shared_ptr<Destination> destination;
};

// Where a client's connection comes from, as far as that is known before its protocol.
struct Caller {
    Address peer;                // as the PROXY protocol says, else as the socket does
    Address destination;         // likewise; unspecified: it is the socket's
    bool is_redirected = false;  // by the kernel's rules, to a transparent listener
    std::string server_name;     // that TLS names; in lower case
    bool is_silent = false;      // it may speak TLS or not, and says nothing: its server begins
};

// As LocalListener::speaks_first() takes it.
[[nodiscard]] inline std::string destination_of(const Client& client) {
    return client.destination ? client.destination->address.to_string() : std::string();
}

// What the head of an answer gets besides what came, and what it loses.
struct HeadEdits {
    std::string_view lines;                     // whole ones
    std::span<const std::string_view> removed;  // names in lower case
};

// What an exchange needs of where its request came from: a connection of HTTP/1, or a stream of
// HTTP/2. Thread: worker.
class Downstream {
  public:
    // ---- the answer. The head may wait for the first bytes of the body, or flush().
    virtual void send_interim(const http::ResponseHead& head) = 0;
    virtual void send_continue() = 0;
    virtual void send_head(const http::ResponseHead& head,
                           bool keeps_alive,
                           const HeadEdits& edits) = 0;
    virtual void send_body(std::string_view data, bool is_last, std::string_view trailers) = 0;
    // A whole answer of our own, as HTTP/1 has it.
    virtual void send_local(std::string_view whole) = 0;
    virtual void flush() = 0;
    // The answer cannot be completed: the client must see that it is cut off. `is_deadline`: its
    // own time is over.
    virtual void cut_off(bool is_deadline) = 0;
    // Bytes of the answer that wait: while there are any, stop its source;
    // Exchange::on_downstream_drained() follows.
    [[nodiscard]] virtual std::size_t pending() const = 0;

    // ---- the request
    // More of its body may come.
    virtual void resume_request() = 0;
    [[nodiscard]] virtual bool is_request_whole() const = 0;
    // Whether more requests may come this way after it.
    [[nodiscard]] virtual bool may_keep_alive() const = 0;

    // ---- the end
    // The exchange is over: the last call it makes.
    virtual void end_exchange(bool keeps_alive) = 0;
    // It gave up, or nobody believes that it waits: the exchange ends.
    virtual void client_left() = 0;
    // ---- a tunnel, after a head of 101
    // Of HTTP/1: with the bytes that came behind the request.
    [[nodiscard]] virtual std::unique_ptr<transport::Stream> take_stream(std::string& waiting) = 0;
    virtual void end_tunnel() = 0;
    // Without that: the bodies are bytes of any kind from now on. Exchange::on_request_end() and
    // end_relay() end a way each.
    virtual void relay() = 0;
    virtual void end_relay() = 0;

    [[nodiscard]] LocalListener& listener() const { return listener_; }
    [[nodiscard]] const Client& client() const { return client_; }
    [[nodiscard]] std::uint8_t client_minor() const { return client_minor_; }
    [[nodiscard]] bool is_h2() const { return is_h2_; }
    // The request is a CONNECT, of HTTP/2: its bytes follow when it is answered.
    [[nodiscard]] bool is_connect() const { return is_connect_; }
    [[nodiscard]] std::string_view protocol() const {
        return is_h2_ ? "HTTP/2" : client_minor_ == 0 ? "HTTP/1.0" : "HTTP/1.1";
    }

  protected:
    // The client outlives it, and is looked at when there is a request.
    Downstream(LocalListener& listener, const Client& client, bool is_h2)
        : listener_(listener), client_(client), is_h2_(is_h2) {}
    Downstream(const Downstream&) = delete;
    Downstream& operator=(const Downstream&) = delete;
    ~Downstream() = default;

    LocalListener& listener_;
    const Client& client_;
    const bool is_h2_;
    bool is_connect_ = false;
    std::uint8_t client_minor_ = 1;
};

// A client's connection, of any protocol, as its listener keeps it. Thread: worker.
class ClientConnection : public transport::Retired {
  public:
    // It has had no request since then.
    [[nodiscard]] virtual bool is_idle_since(TimePoint before) const = 0;
    // Its listener drains: the client is told, as far as its protocol can.
    virtual void drain() {}
    virtual void close() = 0;
    virtual void close_with_reset() = 0;

    std::size_t index = 0;  // in its listener's list
};

}  // namespace weir::proxy
