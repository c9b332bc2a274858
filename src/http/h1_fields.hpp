#pragma once

#include "weir/core/error.hpp"
#include "weir/http/h1.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

// What request heads, response heads and trailers have in common: field lines, and what they say
// about framing and the connection. Nothing here is lenient.
namespace weir::http {

enum class Step : std::uint8_t { more, ok, failed };

// Where the parser is in the bytes at hand, and why it stopped.
struct Cursor {
    const char* begin;
    const char* end;
    const char* at;
    Reason reason = Reason::none;
    const char* detail = "";

    Step fail(const char* what, Reason why = Reason::bad_request) {
        reason = why;
        detail = what;
        return Step::failed;
    }
};

struct FieldLine {
    std::string_view name;
    std::string_view value;
    bool has_underscore = false;
};

// One field line, its CRLF included. `more` leaves the cursor in the middle.
Step parse_field_line(Cursor& cursor, FieldLine& line);

// CRLF. A CR alone is refused as soon as the next byte is there.
inline Step parse_line_end(Cursor& cursor) {
    if (cursor.end - cursor.at >= 2 && cursor.at[0] == '\r' && cursor.at[1] == '\n') {
        cursor.at += 2;
        return Step::ok;
    }
    if (cursor.at == cursor.end) return Step::more;
    if (*cursor.at == '\n') return cursor.fail("bare LF");
    if (*cursor.at != '\r') return cursor.fail("no CRLF where the line must end");
    return cursor.end - cursor.at < 2 ? Step::more : cursor.fail("bare CR");
}

// What the fields of a head say, checked as they arrive.
struct Framings {
    std::string_view host;
    std::string_view upgrade;
    std::uint64_t content_length = 0;
    std::uint32_t keep_alive_timeout = 0;
    std::uint32_t options = 0;  // of Connection
    std::uint8_t minor_version = 1;
    bool is_request = true;
    bool has_host = false;
    bool has_content_length = false;
    bool is_chunked = false;
    bool has_close = false;
    bool has_keep_alive = false;
    bool has_upgrade_option = false;
    bool has_te_option = false;
    bool has_nominated = false;
    bool has_te_trailers = false;
    bool expects_continue = false;
};

// All field lines and the empty line after them.
Step parse_fields(Cursor& cursor, const H1Limits& limits, HeaderList& headers, Framings& framings);

// The next member of a comma-separated list, without blanks, taken off the front. Members may be
// empty.
[[nodiscard]] std::string_view next_member(std::string_view& list);

// Whether there is nothing to parse yet: `seen` bytes were looked at before and no line has ended
// since.
[[nodiscard]] inline bool is_line_open(std::string_view bytes,
                                       std::size_t seen,
                                       std::size_t limit) {
    if (seen == 0 || seen > bytes.size() || bytes.size() >= limit) return false;
    if (seen >> 10 != bytes.size() >> 10) return false;
    return bytes.find('\n', seen) == std::string_view::npos;
}

}  // namespace weir::http
