#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/error.hpp"
#include "weir/http/h1.hpp"
#include "weir/http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// HTTP/2 on the wire (RFC 9113): frames to messages and back. No sockets, no clock. Heads are the
// same as HTTP/1's, and the same rules hold for them; what goes out is given as HTTP/1 says it, so
// that forwarding is decided in one place, and what has no meaning here (Connection, the chunked
// coding, a phrase) is left out.
namespace weir::http {

// What a client's connection begins with (RFC 9113, 3.4).
inline constexpr std::string_view kH2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// RFC 9113, 7.
enum class H2Code : std::uint32_t {
    no_error = 0,
    protocol_error = 1,
    internal_error = 2,
    flow_control_error = 3,
    refused_stream = 7,
    cancel = 8,
    enhance_your_calm = 11,
};

// What a peer did that costs more than it is worth.
enum class H2Fault : std::uint8_t {
    protocol,  // the frames break a rule
    resets,    // streams reset, by it or because of it, above H2Limits::resets
    glitches,  // frames that move nothing: above kGlitches
    headers,   // header blocks that go on and on
};
inline constexpr std::size_t kH2Faults = 4;
// As metrics and `weir explain` have it: h2_resets.
[[nodiscard]] std::string_view word(H2Fault fault);

struct H2Limits {
    H1Limits head;
    std::uint32_t streams = 100;
    std::uint32_t stream_window = 64 * 1024;
    std::uint32_t connection_window = 1024 * 1024;
    double resets = 33;  // a second; six times as many at once
    std::uint32_t streams_per_turn = 32;
    // A server's: it says so (RFC 8441), and takes a CONNECT that means WebSocket.
    bool takes_websockets = true;
    // Counted, and nothing more.
    bool only_counts_resets = false;
    bool only_counts_glitches = false;
    bool only_counts_headers = false;  // the block is refused, and the connection goes on
};

// A stream as its codec keeps it; who uses it derives from it, and owns it until on_closed().
class H2Stream {
  public:
    H2Stream() = default;
    H2Stream(const H2Stream&) = delete;
    H2Stream& operator=(const H2Stream&) = delete;

    [[nodiscard]] std::int32_t id() const { return id_; }
    // Bytes given to be sent that wait for the peer's window, or for the connection.
    [[nodiscard]] std::size_t waiting() const { return waiting_.size() - offset_; }
    // The last byte was given to be sent.
    [[nodiscard]] bool has_ended() const { return has_ended_; }
    [[nodiscard]] bool is_closed() const { return is_closed_; }
    // By RST_STREAM, not by us.
    [[nodiscard]] bool was_reset_by_peer() const { return was_reset_by_peer_; }

  protected:
    ~H2Stream() = default;

  private:
    friend class H2Codec;

    std::int32_t id_ = 0;
    Method method_ = Method::get;  // of a client's request
    bool is_websocket_ = false;
    bool has_ended_ = false;
    bool is_closed_ = false;
    bool got_head_ = false;
    bool is_reset_ = false;  // by us
    bool was_reset_by_peer_ = false;
    bool resets_after_ = false;  // once the end has gone out
    bool was_waiting_ = false;
    std::string_view now_;  // what is being given, behind what waits
    std::string waiting_;
    std::size_t offset_ = 0;  // of waiting_
    std::string trailers_;
};

// A head that breaks a rule of ours: it is to be answered.
struct H2Refusal {
    Error error;
    bool is_whole = false;
    std::string_view content_type{};  // as far as the head was read
};

// Told what came, in order. A CONNECT that means WebSocket is told, and answered, as HTTP/1 has it:
// a GET that is an upgrade, a head of 101, then bytes both ways; but the key and what answers it
// are left out. No call may destroy the codec.
class H2Events {
  public:
    // A client's stream begins.
    [[nodiscard]] virtual H2Stream& on_open() = 0;
    virtual void on_request(H2Stream& stream, const RequestHead& head, bool is_whole) = 0;
    virtual void on_refused(H2Stream& stream, const H2Refusal& refusal) = 0;
    // An interim one (1xx) too.
    virtual void on_response(H2Stream& stream, const ResponseHead& head, bool is_whole) = 0;
    // consume() is owed for it.
    virtual void on_body(H2Stream& stream, std::string_view data) = 0;
    // Checked lines.
    virtual void on_end(H2Stream& stream, std::string_view trailers) = 0;
    // All that waited has gone out.
    virtual void on_drained(H2Stream& stream) = 0;
    // The last word about a stream: both sides have ended, or one has reset it.
    virtual void on_closed(H2Stream& stream, H2Code code) = 0;
    // The peer takes no new streams. Those it has not looked at are closed, as refused_stream.
    virtual void on_goaway() = 0;
    // Its limits changed.
    virtual void on_settings() = 0;
    virtual void on_pong() = 0;
    virtual void on_fault(H2Fault fault, bool is_enforced) = 0;
    // There is something for pump().
    virtual void on_output() = 0;

  protected:
    ~H2Events() = default;
};

// What the codecs of one thread share; between calls it holds nothing.
struct H2Scratch {
    struct Entry {
        std::size_t name, name_size, value, value_size;
    };
    RequestHead request;
    ResponseHead response;
    std::string block;
    std::string cookies;
    std::vector<Entry> entries;
    std::string names;
};

// One connection. Thread: its owner's.
class H2Codec {
  public:
    enum class Side : std::uint8_t { server, client };

    H2Codec(Side side, const H2Limits& limits, H2Scratch& scratch, H2Events& events);
    H2Codec(const H2Codec&) = delete;
    H2Codec& operator=(const H2Codec&) = delete;
    ~H2Codec();

    // How much of the bytes was taken: less than all when one turn has brought streams enough, then
    // is_paused(), and the rest (which may be nothing) is to be given in the next turn.
    [[nodiscard]] std::size_t receive(std::string_view bytes, TimePoint now);
    [[nodiscard]] bool is_paused() const;
    // A header block has begun and not ended.
    [[nodiscard]] bool is_in_head() const;
    // Nothing more is to be said by either side.
    [[nodiscard]] bool is_over() const;

    // "HTTP/1.1 200 OK" and the fields, the empty line included. `ends`: nothing follows.
    void send_head(H2Stream& stream, std::string_view head, bool ends);
    void send_interim(H2Stream& stream, std::string_view head);
    // A client's: "GET /path HTTP/1.1" and the fields. False if the connection takes no more.
    // `host` is asked of where they name none, as HTTP/1.0 may.
    [[nodiscard]] bool open(H2Stream& stream,
                            std::string_view head,
                            std::string_view scheme,
                            bool ends,
                            std::string_view host = {});
    // A client's that is_websocket(): the peer must take them.
    [[nodiscard]] bool open_websocket(H2Stream& stream,
                                      std::string_view head,
                                      std::string_view scheme,
                                      std::string_view host = {});
    // What does not go out at once is copied and waits. Trailers are lines.
    void send_body(H2Stream& stream,
                   std::string_view data,
                   bool is_last,
                   std::string_view trailers);
    void reset(H2Stream& stream, H2Code code);
    // The answer is given and the rest of the request is not wanted: reset, once it has gone out.
    void reset_after_end(H2Stream& stream);
    // So much of what on_body() brought is used up: the peer may send more. For a client that opens
    // the window of the stream only; that of the connection was opened when the bytes came, so that
    // who does not take one answer holds up no other.
    void consume(const H2Stream& stream, std::size_t bytes);
    // The stream's user is gone: nothing is said about it any more.
    void forget(H2Stream& stream);

    void ping();
    // New streams are still taken, but the peer knows that soon they will not be.
    void announce_end();
    // No new streams; those there are go on.
    void end();
    // Everything ends.
    void terminate(H2Code code);

    // Of a client's connection: how many streams the peer allows at once.
    [[nodiscard]] std::uint32_t most_streams() const;
    [[nodiscard]] bool may_open() const;
    [[nodiscard]] bool takes_websockets() const;

    // Frames what may go out into take_output(), which the caller sends, with room that it may have
    // lent. While `blocked` nothing is framed.
    void pump();
    [[nodiscard]] std::string take_output();
    void lend(std::string buffer);
    void set_blocked(bool blocked);

  private:
    struct Impl;
    const std::unique_ptr<Impl> impl_;
};

}  // namespace weir::http
