#pragma once

#include "weir/http/headers.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::http {

enum class Method : std::uint8_t {
    get,
    head,
    post,
    put,
    del,
    connect,
    options,
    trace,
    patch,
    other
};

// How the end of a body is found (RFC 9112, 6.3).
enum class Framing : std::uint8_t { none, length, chunked, until_close };

// The head of a request, whatever the protocol it came by. Views into the bytes it was parsed from
// (and into path_storage, if the path had to be normalised). Reused from request to request.
struct RequestHead {
    Method method = Method::other;
    std::string_view method_text;
    std::string_view authority;  // from an absolute-form target, else from Host; may carry a port
    std::string_view path;       // normalised, starts with '/'; "*" for OPTIONS *
    // As `path`, but with its empty segments, where H1Limits::keeps_unmerged asks for it and that
    // is another one.
    std::string_view unmerged_path;
    bool has_escaped_slash = false;  // %2F or %5C, where H1Limits takes them
    std::string_view query;          // without '?'; empty if none
    bool has_query = false;
    std::uint8_t minor_version = 1;  // HTTP/1.x
    bool is_h2 = false;              // it came by HTTP/2
    Framing framing = Framing::none;
    std::uint64_t content_length = 0;
    bool keep_alive = true;        // the client wants the connection kept
    bool expect_continue = false;  // Expect: 100-continue
    bool is_upgrade = false;       // Connection: upgrade and an Upgrade header, HTTP/1.1, no body
    std::string_view upgrade_protocol;
    bool has_nominated = false;   // Connection names other fields: they end here
    bool takes_trailers = false;  // TE: trailers, named by Connection
    HeaderList headers;
    std::string path_storage;
    std::string unmerged_storage;

    void clear();
};

// A head that outlives the bytes it was parsed from. Reusable; capacity is kept.
class KeptHead {
  public:
    void keep(const RequestHead& head);
    void clear();
    [[nodiscard]] const RequestHead& head() const { return head_; }

  private:
    std::string bytes_;
    RequestHead head_;
};

// The head of a response. Views into the bytes it was parsed from.
struct ResponseHead {
    std::uint16_t status = 0;
    std::string_view phrase;
    std::uint8_t minor_version = 1;
    Framing framing = Framing::none;
    std::uint64_t content_length = 0;
    bool keep_alive = true;                // the upstream keeps the connection
    bool is_upgrade = false;               // 101 with an Upgrade header
    std::string_view upgrade_protocol;     // of those named, the one that counts
    bool has_nominated = false;            // Connection names other fields: they end here
    std::uint32_t keep_alive_timeout = 0;  // Keep-Alive: timeout=N seconds; 0 if not said
    HeaderList headers;

    void clear();
};

[[nodiscard]] Method method_from(std::string_view text);
[[nodiscard]] std::string_view reason_phrase(std::uint16_t status);

}  // namespace weir::http
