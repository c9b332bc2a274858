#include "weir/http/h1.hpp"

#include "http/appender.hpp"
#include "http/h1_fields.hpp"

#include <algorithm>
#include <charconv>

namespace weir::http {
namespace {

constexpr std::uint32_t bit(HeaderId id) {
    return 1U << static_cast<unsigned>(id);
}

constexpr std::uint32_t kHopByHop =
    bit(HeaderId::connection) | bit(HeaderId::keep_alive) | bit(HeaderId::proxy_authenticate) |
    bit(HeaderId::proxy_authorization) | bit(HeaderId::proxy_connection) | bit(HeaderId::te) |
    bit(HeaderId::transfer_encoding) | bit(HeaderId::upgrade);
constexpr std::uint32_t kReplaced =
    bit(HeaderId::host) | bit(HeaderId::expect) | bit(HeaderId::x_request_id) |
    bit(HeaderId::forwarded) | bit(HeaderId::x_forwarded_for) | bit(HeaderId::x_forwarded_host) |
    bit(HeaderId::x_forwarded_proto);
constexpr std::uint32_t kOnlyTrusted =
    bit(HeaderId::weir_error) | bit(HeaderId::weir_internal) | bit(HeaderId::x_forwarded_other);
// Need a look before they are copied.
constexpr std::uint32_t kLooked = bit(HeaderId::content_length) | bit(HeaderId::trailer);

// Copies fields. Lines that lie one after the other in the message go out in one stretch,
// untouched.
class FieldWriter {
  public:
    explicit FieldWriter(Appender& out) : out_(out) {}

    [[gnu::always_inline]] void copy(const HeaderField& field) {
        const char* const name_end = field.name.data() + field.name.size();
        const bool is_line =
            field.value.data() == name_end + 2 && name_end[0] == ':' && name_end[1] == ' ';
        const auto gap = reinterpret_cast<std::uintptr_t>(field.name.data()) -
                         reinterpret_cast<std::uintptr_t>(end_);  // end_ may be null
        const bool follows = is_line && gap == 2 && end_[0] == '\r';
        if (!follows) begin_ = start(field, is_line);
        end_ = field.value.data() + field.value.size();
    }

    void flush() {
        if (begin_ == nullptr) return;
        out_.put({begin_, static_cast<std::size_t>(end_ - begin_)});
        out_.put("\r\n");
        begin_ = nullptr;
    }

  private:
    // Where the next stretch begins: at the field's line, or, put together from parts, after its
    // name.
    [[gnu::noinline]] const char* start(const HeaderField& field, bool is_line) {
        flush();
        if (is_line) return field.name.data();
        out_.put(field.name);
        out_.put(": ");
        return field.value.data();
    }

    Appender& out_;
    const char* begin_ = nullptr;
    const char* end_ = nullptr;
};

// Fields that Connection must not make an intermediary take away: an attacker would name the one
// that the upstream's decision rests on.
bool may_be_nominated(const HeaderField& field) {
    constexpr std::string_view kKept[] = {
        "authorization", "cache-control", "content-encoding", "content-range", "cookie",
        "range",         "set-cookie",    "traceparent",      "tracestate",    "x-real-ip",
    };
    if (field.id != HeaderId::other) return false;
    return std::none_of(std::begin(kKept), std::end(kKept), [&field](std::string_view kept) {
        return equals_ignoring_case(field.name, kept);
    });
}

bool is_nominated(const HeaderField& field, const HeaderList& headers) {
    if (!may_be_nominated(field)) return false;
    for (const HeaderField& connection : headers) {
        if (connection.id != HeaderId::connection) continue;
        std::string_view options = connection.value;
        while (!options.empty()) {
            if (equals_ignoring_case(next_member(options), field.name)) return true;
        }
    }
    return false;
}

void put_length(Appender& out, std::uint64_t length) {
    char digits[20];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), length).ptr;
    out.put("Content-Length: ");
    out.put({digits, static_cast<std::size_t>(end - digits)});
    out.put("\r\n");
}

// Whether the line can go out as it came: the number meant, without leading zeros.
bool is_canonical_length(std::string_view text, std::uint64_t length) {
    if (text.empty() || text.size() > 19 || (text[0] == '0' && text.size() > 1)) return false;
    std::uint64_t number = 0;
    for (const char digit : text) {
        if (digit < '0' || digit > '9') return false;
        number = number * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    return number == length;
}

struct Framed {
    Framing framing;
    std::uint64_t length;
    bool has_length_line = false;
};

// Content-Length and Trailer: whether the line is copied.
bool may_copy(const HeaderField& field, Framed& framed) {
    if (field.id == HeaderId::trailer) return framed.framing == Framing::chunked;
    if (framed.framing != Framing::length || framed.has_length_line) return false;
    framed.has_length_line = is_canonical_length(field.value, framed.length);
    return framed.has_length_line;
}

void put_framing(Appender& out, const Framed& framed) {
    if (framed.framing == Framing::chunked) out.put("Transfer-Encoding: chunked\r\n");
    if (framed.framing == Framing::length && !framed.has_length_line)
        put_length(out, framed.length);
}

// The values of that field, joined; nothing if there is none.
bool put_values(Appender& out, const HeaderList& headers, HeaderId id) {
    bool has_any = false;
    for (const HeaderField& field : headers) {
        if (field.id != id || field.value.empty()) continue;
        if (has_any) out.put(", ");
        out.put(field.value);
        has_any = true;
    }
    return has_any;
}

void put_forwarded(Appender& out, const RequestHead& head, const ForwardRequest& forward) {
    out.put("Forwarded: ");
    if (put_values(out, head.headers, HeaderId::forwarded)) out.put(", ");
    const bool is_ipv6 = forward.client_ip.find(':') != std::string_view::npos;
    out.put("for=");
    out.put(is_ipv6 ? std::string_view("\"[") : std::string_view());
    out.put(forward.client_ip.empty() ? std::string_view("unknown") : forward.client_ip);
    out.put(is_ipv6 ? std::string_view("]\"") : std::string_view());
    if (!head.authority.empty()) {
        out.put(";host=\"");
        out.put(head.authority);
        out.put("\"");
    }
    out.put(";proto=");
    out.put(forward.scheme);
    out.put("\r\n");
}

// The trusted client's own X-Forwarded-* say more than we know: appended to, or kept.
void put_trusted_forwarding(Appender& out, const RequestHead& head, const ForwardRequest& forward) {
    const HeaderField* const addresses = head.headers.find(HeaderId::x_forwarded_for);
    if (addresses != nullptr || !forward.client_ip.empty()) {
        out.put("X-Forwarded-For: ");
        const bool has_any = put_values(out, head.headers, HeaderId::x_forwarded_for);
        if (has_any && !forward.client_ip.empty()) out.put(", ");
        out.put(forward.client_ip);
        out.put("\r\n");
    }
    const HeaderField* const proto = head.headers.find(HeaderId::x_forwarded_proto);
    out.put("X-Forwarded-Proto: ");
    out.put(proto != nullptr ? proto->value : forward.scheme);
    const HeaderField* const host = head.headers.find(HeaderId::x_forwarded_host);
    out.put("\r\nX-Forwarded-Host: ");
    out.put(host != nullptr ? host->value : head.authority);
    out.put("\r\n");
    if (head.headers.find(HeaderId::forwarded) != nullptr) put_forwarded(out, head, forward);
}

void put_forwarding(Appender& out, const RequestHead& head, const ForwardRequest& forward) {
    if (forward.trusts_client) return put_trusted_forwarding(out, head, forward);
    if (!forward.client_ip.empty()) {
        out.put("X-Forwarded-For: ");
        out.put(forward.client_ip);
        out.put("\r\n");
    }
    out.put("X-Forwarded-Proto: ");
    out.put(forward.scheme);
    out.put("\r\nX-Forwarded-Host: ");
    out.put(head.authority);
    out.put("\r\n");
}

void put_request_line(Appender& out, const RequestHead& head, const ForwardRequest& forward) {
    out.put(head.method_text);
    out.put(" ");
    out.put(forward.path.empty() ? head.path : forward.path);
    if (head.has_query) {
        out.put("?");
        out.put(head.query);
    }
    out.put(" HTTP/1.1\r\nHost: ");
    out.put(forward.host.empty() ? head.authority : forward.host);
    out.put("\r\n");
}

void put_connection(Appender& out, const RequestHead& head, bool is_upgrade) {
    if (is_upgrade) {
        out.put("Connection: upgrade\r\nUpgrade: ");
        out.put(head.upgrade_protocol);
        out.put("\r\n");
    } else if (head.takes_trailers) {
        out.put("Connection: te\r\nTE: trailers\r\n");
    }
}

bool is_bodiless(std::uint16_t status) {
    return status < 200 || status == 204 || status == 304;
}

Framing framing_downstream(const ResponseHead& head, const ForwardResponse& forward) {
    if (is_bodiless(head.status) || forward.is_head) return Framing::none;
    if (head.framing == Framing::length || head.framing == Framing::none) return head.framing;
    return forward.client_minor == 0 ? Framing::until_close : Framing::chunked;
}

// Where no body follows the fields still say what a GET would have got, except where that is
// forbidden (RFC 9110, 8.6; RFC 9112, 6.1).
bool may_describe_body(const HeaderField& field,
                       const ResponseHead& head,
                       const ForwardResponse& forward) {
    const bool is_described = (forward.is_head && !is_bodiless(head.status)) || head.status == 304;
    if (!is_described) return false;
    if (field.id == HeaderId::content_length)
        return is_canonical_length(field.value, head.content_length);
    return field.id == HeaderId::transfer_encoding && forward.client_minor == 1;
}

void put_status_line(Appender& out, const ResponseHead& head) {
    const unsigned status = head.status;
    const char digits[3] = {static_cast<char>('0' + status / 100 % 10),
                            static_cast<char>('0' + status / 10 % 10),
                            static_cast<char>('0' + status % 10)};
    out.put("HTTP/1.1 ");
    out.put({digits, sizeof digits});
    out.put(" ");
    out.put(head.phrase);
    out.put("\r\n");
}

void put_response_connection(Appender& out,
                             const ResponseHead& head,
                             const ForwardResponse& forward,
                             bool close) {
    if (head.status < 200) {
        const HeaderField* const upgrade = head.headers.find(HeaderId::upgrade);
        if (!head.is_upgrade || upgrade == nullptr) return;
        out.put("Connection: upgrade\r\nUpgrade: ");
        out.put(upgrade->value);
        out.put("\r\n");
    } else if (close) {
        out.put("Connection: close\r\n");
    } else if (forward.keep_alive_header) {
        out.put("Connection: keep-alive\r\n");
    }
}

}  // namespace

void write_request_head(std::string& out, const RequestHead& head, const ForwardRequest& forward) {
    Appender appender(out);
    put_request_line(appender, head, forward);
    const bool is_streamed =
        head.framing == Framing::chunked || head.framing == Framing::until_close;
    Framed framed{.framing = is_streamed ? Framing::chunked : head.framing,
                  .length = head.content_length};
    const std::uint32_t dropped =
        kHopByHop | kReplaced | (forward.trusts_client ? 0 : kOnlyTrusted);
    FieldWriter fields(appender);
    for (const HeaderField& field : head.headers) {
        const std::uint32_t id = bit(field.id);
        if ((dropped & id) != 0) continue;
        if ((kLooked & id) != 0 && !may_copy(field, framed)) continue;
        if (head.has_nominated && is_nominated(field, head.headers)) continue;
        fields.copy(field);
    }
    fields.flush();
    put_framing(appender, framed);
    put_connection(appender, head, forward.is_upgrade);
    put_forwarding(appender, head, forward);
    if (!forward.request_id.empty()) {
        appender.put("x-request-id: ");
        appender.put(forward.request_id);
        appender.put("\r\n");
    }
    if (head.minor_version == 0) {
        appender.put("Via: 1.0 weir\r\n\r\n");
    } else {
        appender.put("Via: 1.1 weir\r\n\r\n");
    }
}

Framing write_response_head(std::string& out,
                            const ResponseHead& head,
                            const ForwardResponse& forward) {
    Appender appender(out);
    put_status_line(appender, head);
    Framed framed{.framing = framing_downstream(head, forward), .length = head.content_length};
    const std::uint32_t dropped =
        kHopByHop | (forward.strip_weir_error ? bit(HeaderId::weir_error) : 0);
    FieldWriter fields(appender);
    for (const HeaderField& field : head.headers) {
        const std::uint32_t id = bit(field.id);
        const bool is_framing =
            (id & (bit(HeaderId::content_length) | bit(HeaderId::transfer_encoding))) != 0;
        if (is_framing && framed.framing == Framing::none) {
            if (may_describe_body(field, head, forward)) fields.copy(field);
            continue;
        }
        if ((dropped & id) != 0) continue;
        if ((kLooked & id) != 0 && !may_copy(field, framed)) continue;
        if (head.has_nominated && is_nominated(field, head.headers)) continue;
        fields.copy(field);
    }
    fields.flush();
    put_framing(appender, framed);
    const bool close = forward.close || framed.framing == Framing::until_close;
    put_response_connection(appender, head, forward, close);
    appender.put(forward.extra);
    appender.put("\r\n");
    return framed.framing;
}

std::string_view chunk_prefix(std::size_t size, char (&buffer)[20]) {
    char* const end = std::to_chars(std::begin(buffer), std::end(buffer) - 2, size, 16).ptr;
    end[0] = '\r';
    end[1] = '\n';
    return {buffer, static_cast<std::size_t>(end + 2 - buffer)};
}

}  // namespace weir::http
