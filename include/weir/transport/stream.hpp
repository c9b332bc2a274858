#pragma once

#include "weir/auth/rule.hpp"
#include "weir/core/error.hpp"
#include "weir/transport/event_loop.hpp"
#include "weir/transport/socket.hpp"
#include "weir/transport/tls.hpp"

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace weir::transport {

class TlsSession;

// The `error` of on_broken() for TLS: the handshake failed, a record was broken, or an alert came;
// Stream::tls_error() has it in words. A connection that ends without close_notify may have been
// cut short by anyone: that is a reset, ECONNRESET, never an end.
inline constexpr int kTlsError = EPROTO;

// Told what happens on a stream. Any of these may close the stream.
class StreamHandler {
  public:
    StreamHandler() = default;
    StreamHandler(const StreamHandler&) = delete;
    StreamHandler& operator=(const StreamHandler&) = delete;
    virtual ~StreamHandler() = default;

    // It may be used: of an accepted socket in clear that is so from the beginning, and nothing is
    // told; under TLS once the handshake is over.
    virtual void on_connected() {}
    // Bytes as they came, in the loop's scratch buffer: take them now or lose them.
    virtual void on_bytes(std::string_view bytes) = 0;
    // So many went to the stream of splice_into(), unseen.
    virtual void on_spliced(std::size_t /*bytes*/) {}
    // The peer sends no more (half-close); what we write may still arrive.
    virtual void on_eof() = 0;
    // The stream is dead: connect refused or timed out, reset, TLS failed. `error` is its errno.
    virtual void on_broken(int error) = 0;
    // A write failed. Bytes the peer sent before may still be read: on_bytes, then on_eof or
    // on_broken follow.
    virtual void on_write_failed() {}
    // All that waited has gone out.
    virtual void on_drained() {}
};

// A connected stream socket on an event loop. Writes go out at once from where the bytes lie; only
// what the kernel does not take is copied and waits. An idle stream owns no buffer. No callback
// comes from inside write(), pause() or resume(). Thread: worker. Its owner retires it, as
// callbacks may be on the stack.
//
// Under TLS the contract is the same, of plaintext. shutdown_send() and close() send close_notify;
// the peer's own is on_eof(). A peer of TLS 1.2 may then drop what it still had to send (RFC 5246,
// 7.2.1); half-close is sure in 1.3 only.
class Stream final : public IoHandler {
  public:
    // A connected socket, or one whose connect is under way (then on_connected or on_broken comes
    // first).
    Stream(EventLoop& loop,
           Socket socket,
           StreamHandler& handler,
           bool is_connecting,
           const TlsStart& tls = {});
    ~Stream() override;

    void write(std::initializer_list<std::string_view> parts);
    // Bytes written that the kernel has not taken yet, encrypted ones where there is TLS: while
    // there are any, stop the source.
    [[nodiscard]] std::size_t pending() const { return pending_.size() - pending_offset_; }

    // The same, and those that wait in a pipe.
    [[nodiscard]] std::size_t waiting() const { return pending() + (pipe_ ? pipe_->bytes() : 0); }

    // While bytes come in long runs they go to that stream inside the kernel, if both are in clear:
    // told by on_spliced(). Its waiting() is none now, and while there is some this one is paused;
    // it stays open as long as this one.
    void splice_into(Stream& sink) { sink_ = &sink; }

    // Before all else, in clear where TLS follows; only while it connects.
    void send_first(std::string_view bytes);

    void pause() { is_reading_ = false; }
    void resume();
    [[nodiscard]] bool is_paused() const { return !is_reading_; }
    // A paused stream tells of a reset at once, instead of after the bytes before it.
    void report_reset_while_paused() { reports_reset_ = true; }

    // Sends the end once everything written is out.
    void shutdown_send();
    // Closes at once; no callback comes any more. close_with_reset() tells the peer that something
    // is missing.
    void close();
    void close_with_reset();

    // ---- of TLS; of a clear stream all empty

    [[nodiscard]] bool is_tls() const { return tls_ != nullptr; }
    [[nodiscard]] bool is_handshaking() const;
    // What the two sides agreed to speak: "h2", "http/1.1", or nothing.
    [[nodiscard]] std::string_view alpn() const;
    // Who the peer is, as its certificate says, which was verified: a SPIFFE id, or a name.
    [[nodiscard]] std::string_view peer() const;
    // All that certificate says.
    [[nodiscard]] auth::PeerNames peer_names() const;
    // The same in the words of X-Forwarded-Client-Cert, with the digest of the certificate.
    [[nodiscard]] std::string describe_peer() const;
    // Why on_broken(kTlsError) came, for an Error.
    [[nodiscard]] const char* tls_error() const;
    // The peer refused our certificate, or wants one, by an alert that TLS 1.3 sends only after our
    // side of the handshake was over: what we wrote was not read.
    [[nodiscard]] bool was_refused_by_peer() const;
    // The handshake took too long: counted as that, and closed.
    void give_up_handshake();

    [[nodiscard]] bool is_open() const { return socket_.is_open(); }
    [[nodiscard]] bool has_eof() const { return has_eof_; }
    [[nodiscard]] const Socket& socket() const { return socket_; }
    void set_handler(StreamHandler& handler) { handler_ = &handler; }

  private:
    void on_ready(Readiness readiness) override;
    void on_connect_decided();
    void read_ready();
    void read_clear();
    void read_spliced();
    void on_end_in_clear();
    void take_pipe(std::unique_ptr<Pipe> pipe);
    void flush_pipe();
    void read_tls();
    [[nodiscard]] bool take_handshake();
    void take_clear_start(std::string_view bytes);
    void on_end_of_bytes(int error);
    void write_tls(std::initializer_list<std::string_view> parts);
    void send_tls();
    void flush();
    void fail_write(int error);
    void want_writes();

    EventLoop& loop_;
    StreamHandler* handler_;
    Socket socket_;
    bool is_connecting_;
    bool is_reading_ = true;
    bool is_readable_ = false;
    bool has_eof_ = false;
    bool sees_end_ =
        false;  // the kernel told of the peer's end or of an error: read on after a short read
    bool wants_writes_ = false;
    bool write_failed_ = false;
    bool was_reset_ = false;  // told to a write
    bool tells_write_failed_ = false;
    bool shuts_down_ = false;
    bool reports_reset_ = false;
    std::size_t pending_offset_ = 0;
    std::string pending_;
    std::unique_ptr<TlsSession> tls_;
    Stream* sink_ = nullptr;
    std::unique_ptr<Pipe> pipe_;  // with bytes the kernel has not taken yet
};

}  // namespace weir::transport
