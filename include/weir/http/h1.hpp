#pragma once

#include "weir/core/error.hpp"
#include "weir/http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

// HTTP/1.1 and 1.0 on the wire (RFC 9112), strict: what security.md calls request smuggling is
// refused or normalised here, and there is no lenient switch. No sockets, no clock.
namespace weir::http {

struct H1Limits {
    std::size_t header_size = 32 * 1024;  // the whole head, start line included
    std::size_t headers = 128;
    std::size_t target = 8 * 1024;
    enum class Underscores : std::uint8_t { allow, drop, reject } underscores = Underscores::drop;
    bool merge_slashes = true;
    bool keeps_unmerged = false;         // RequestHead::unmerged_path, too
    bool takes_escaped_slashes = false;  // %2F and %5C in the path
};

// What a parser made of the bytes at hand.
struct HeadParse {
    enum class State : std::uint8_t { need_more, done, failed } state = State::need_more;
    std::size_t consumed = 0;  // of the head, when done; leading empty lines included
    // When failed: bad_request, headers_too_large, uri_too_long or upstream_protocol.
    Error error{};
};

// Parses the head of a request at the front of `bytes`. The caller passes all bytes since the end
// of the last message again when more were needed, and may say how many it had `seen` then: bytes
// that end no line are then not parsed again, which bounds what a sender of single bytes can cost.
// A refused request is never half-parsed: head is only valid when done. `error.detail` names the
// rule. Up to 4 empty lines before the head are skipped; CONNECT is refused. Cost: linear, no
// allocation once head's capacities have grown.
[[nodiscard]] HeadParse parse_request_head(std::string_view bytes,
                                           const H1Limits& limits,
                                           RequestHead& head,
                                           std::size_t seen = 0);

// The same for a response to `method` (a response to HEAD has no body). Whatever is wrong is
// upstream_protocol. 1xx heads are `done` like others: the final one follows in the rest of the
// bytes.
[[nodiscard]] HeadParse parse_response_head(std::string_view bytes,
                                            Method method,
                                            const H1Limits& limits,
                                            ResponseHead& head,
                                            std::size_t seen = 0);

// Takes a body apart by its framing. Bodies of any size: it keeps counters, and of chunked trailers
// their bytes (limited by H1Limits::header_size), nothing else.
class BodyDecoder {
  public:
    void start(Framing framing, std::uint64_t content_length, const H1Limits& limits);

    struct Step {
        std::string_view data;     // body bytes, a view into the input; may be empty
        std::size_t consumed = 0;  // of the input, data included
        bool is_done = false;      // the body has ended; the rest of the input is not its
        bool has_failed = false;   // the framing is broken
    };
    // The next stretch of body in `input`. Call again with the rest until consumed is 0, or done.
    [[nodiscard]] Step next(std::string_view input);

    // The connection has ended. True if that is a proper end of this body (until_close, or done).
    [[nodiscard]] bool on_eof();

    [[nodiscard]] bool is_done() const { return state_ == State::done; }
    // Trailer fields after is_done, as received and checked: "name: value\r\n" lines; empty if
    // none. Fields that must not be trailers (RFC 9110, 6.5.1: framing, routing, authentication…)
    // are left out.
    [[nodiscard]] std::string_view trailers() const { return trailers_; }
    // Bytes of a `length` body still to come.
    [[nodiscard]] std::uint64_t remaining() const { return remaining_; }

  private:
    void take_control_byte(char byte);
    void take_size_byte(char byte);
    void take_extension_byte(char byte);
    void end_size_line();
    void take_trailer_byte(char byte);
    void end_trailer_line();

    //   chunk_size [-> chunk_extension] -> chunk_size_lf -> chunk_data -> chunk_data_cr ->
    //   chunk_data_lf
    //   -> chunk_size ...; after the chunk of size 0: trailer -> done. Any of them -> failed.
    enum class State : std::uint8_t {
        done,
        length,
        until_close,
        chunk_size,
        chunk_extension,
        chunk_size_lf,
        chunk_data,
        chunk_data_cr,
        chunk_data_lf,
        trailer,
        failed,
    };
    State state_ = State::done;
    std::uint64_t remaining_ = 0;
    std::uint64_t excess_ = 0;       // bytes of chunk extensions not yet outweighed by data
    std::size_t line_bytes_ = 0;     // of the chunk line, its digits while in chunk_size
    std::size_t trailer_bytes_ = 0;  // received, those left out included
    std::size_t trailer_count_ = 0;
    std::size_t max_trailer_bytes_ = 0;
    std::size_t max_trailers_ = 0;
    H1Limits::Underscores underscores_ = H1Limits::Underscores::drop;
    std::string line_;
    std::string trailers_;
};

// Said anew by each try, and never copied. How deep in a chain of proxies a retry is, from 1; and
// how long the one who sends a request still waits for its answer, in milliseconds.
inline constexpr std::string_view kRetryDepth = "x-weir-retry-depth";
inline constexpr std::string_view kDeadline = "x-weir-deadline-ms";
// Of an answer that failed: how many further tries were made below, 0 if the budget allowed none.
// Whoever sees it does not try again.
inline constexpr std::string_view kRetried = "x-weir-retried";

// What forwarding adds to a request head. Hop-by-hop fields (RFC 9110, 7.6.1: Connection and what
// it names, Keep-Alive, Proxy-Connection, Proxy-Authenticate and Proxy-Authorization, TE but
// "trailers", Upgrade) are never copied; Trailer only with a chunked body. Connection cannot name
// away what has a meaning end to end (Host, framing, credentials, cookies, forwarding).
struct ForwardRequest {
    std::string_view path{};  // empty: head.path
    std::string_view
        host{};  // empty: head.authority; HTTP/1.0 may have neither, then Host is empty
    std::string_view client_ip{};      // appended to X-Forwarded-For; empty: none is sent
    std::string_view scheme = "http";  // X-Forwarded-Proto
    std::string_view request_id{};     // replaces x-request-id; empty: none is sent
    // Keep and append to incoming X-Forwarded-*, Forwarded and x-weir-* (but kRetryDepth and
    // kDeadline); else they are stripped.
    bool trusts_client = false;
    bool is_upgrade = false;          // pass Connection: upgrade and Upgrade on
    bool drops_grpc_timeout = false;  // each try says its own
    // X-Forwarded-Client-Cert of a client that is trusted, and what goes into it; if that is empty
    // nothing does. Of one that is not, it never passes.
    enum class ClientCert : std::uint8_t { kept, replaced, appended };
    ClientCert client_cert = ClientCert::kept;
    std::string_view certificate{};
    // Fields that are not copied, whatever their case, in lower case here; and whole lines to add,
    // "name: value\r\n". Neither may be about framing, Host or the connection.
    std::span<const std::string_view> removed{};
    std::string_view extra{};
};

// Appends a whole HTTP/1.1 request head, the empty line included. A body framed `chunked` or of
// unknown length is sent chunked; Content-Length is kept. Expect is not forwarded.
void write_request_head(std::string& out, const RequestHead& head, const ForwardRequest& forward);

struct ForwardResponse {
    std::uint8_t client_minor = 1;   // HTTP/1.0 clients get no chunks: until_close instead
    bool is_head = false;            // answer to HEAD: framing headers are kept, no body follows
    bool close = false;              // Connection: close
    bool keep_alive_header = false;  // a HTTP/1.0 client that asked for keep-alive
    // At a gateway: the upstream's weir-error, weir-* and x-weir-* are not for the client.
    bool strip_weir_fields = false;
    std::string_view extra{};  // whole lines to add, "name: value\r\n"
    // Fields that are not copied, whatever their case, in lower case here.
    std::span<const std::string_view> removed{};
};

// Appends the response head; returns the framing in which the body must be written downstream. A
// 1xx head (100, 103, or 101 with is_upgrade) is written without framing and without Connection:
// close.
Framing write_response_head(std::string& out,
                            const ResponseHead& head,
                            const ForwardResponse& forward);

// Chunked coding of a stretch of body: prefix, the bytes, suffix. Empty stretches must not be
// written. Writes "<hex>\r\n" into the buffer and returns it; the suffix is kChunkEnd.
[[nodiscard]] std::string_view chunk_prefix(std::size_t size, char (&buffer)[20]);
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace weir::http
