#include "weir/http/h1.hpp"

#include "http/appender.hpp"
#include "http/field_writer.hpp"
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
constexpr std::uint32_t kOfWeirs = bit(HeaderId::weir_error) | bit(HeaderId::weir_internal);
constexpr std::uint32_t kFraming = bit(HeaderId::content_length) | bit(HeaderId::transfer_encoding);
// Need a look before they are copied.
constexpr std::uint32_t kLooked = bit(HeaderId::content_length) | bit(HeaderId::trailer);

// More than all the literals that go out with the texts that room is claimed for.
constexpr std::size_t kFixedText = 160;

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

[[gnu::noinline]] void put_length(Appender& out, std::uint64_t length) {
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
    for (const char byte : text) {
        const unsigned digit = static_cast<unsigned char>(byte) - unsigned{'0'};
        if (digit > 9) return false;
        number = number * 10 + digit;
    }
    return number == length;
}

struct Framed {
    Framing framing;
    std::uint64_t length;
    bool has_length_line = false;
};

// The fields that are not simply copied, besides those that are dropped. Only others can be
// nominated.
std::uint32_t may_stay_behind(bool has_nominated) {
    return kLooked | (has_nominated ? bit(HeaderId::other) : 0);
}

bool is_among(const HeaderField& field, std::span<const std::string_view> names) {
    return std::any_of(names.begin(), names.end(), [&field](std::string_view name) {
        return is_same_variable(field.name, name);
    });
}

// All of them, where any may be among those that are left out.
std::uint32_t may_be_among(std::span<const std::string_view> names) {
    return names.empty() ? 0 : ~std::uint32_t{0};
}

// What each try says of itself, and no hop copies.
bool is_of_each_try(const HeaderField& field) {
    return field.id == HeaderId::weir_internal && (equals_ignoring_case(field.name, kRetryDepth) ||
                                                   equals_ignoring_case(field.name, kDeadline));
}

// Content-Length and Trailer: whether the line is copied.
bool may_copy(const HeaderField& field, Framed& framed) {
    if ((kLooked & bit(field.id)) == 0) return true;
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

// The last lines and the empty one.
void put_request_end(Appender& out, const RequestHead& head, const ForwardRequest& forward) {
    if (forward.trusts_client) put_trusted_forwarding(out, head, forward);
    char* at = out.claim(kFixedText + forward.client_ip.size() + forward.scheme.size() +
                         head.authority.size() + forward.request_id.size());
    if (!forward.trusts_client) {
        if (!forward.client_ip.empty()) {
            at = copy(at, "X-Forwarded-For: ");
            at = copy(at, forward.client_ip);
            at = copy(at, "\r\n");
        }
        at = copy(at, "X-Forwarded-Proto: ");
        at = copy(at, forward.scheme);
        at = copy(at, "\r\nX-Forwarded-Host: ");
        at = copy(at, head.authority);
        at = copy(at, "\r\n");
    }
    if (!forward.request_id.empty()) {
        at = copy(at, "x-request-id: ");
        at = copy(at, forward.request_id);
        at = copy(at, "\r\n");
    }
    if (head.is_h2) {
        at = copy(at, "Via: 2 weir\r\n\r\n");
    } else {
        at = head.minor_version == 0 ? copy(at, "Via: 1.0 weir\r\n\r\n")
                                     : copy(at, "Via: 1.1 weir\r\n\r\n");
    }
    out.commit(at);
}

constexpr std::string_view kClientCert = "x-forwarded-client-cert";

bool is_client_cert(const HeaderField& field) {
    return field.id == HeaderId::x_forwarded_other && equals_ignoring_case(field.name, kClientCert);
}

void put_client_cert(Appender& out, const RequestHead& head, const ForwardRequest& forward) {
    bool has_any = false;
    const auto put = [&](std::string_view element) {
        out.put(has_any ? std::string_view(",") : std::string_view("X-Forwarded-Client-Cert: "));
        out.put(element);
        has_any = true;
    };
    const bool keeps =
        forward.trusts_client && forward.client_cert == ForwardRequest::ClientCert::appended;
    for (const HeaderField& field : head.headers) {
        if (keeps && is_client_cert(field) && !field.value.empty()) put(field.value);
    }
    if (!forward.certificate.empty()) put(forward.certificate);
    if (has_any) out.put("\r\n");
}

void put_request_line(Appender& out, const RequestHead& head, const ForwardRequest& forward) {
    const std::string_view path = forward.path.empty() ? head.path : forward.path;
    const std::string_view host = forward.host.empty() ? head.authority : forward.host;
    char* at = out.claim(kFixedText + head.method_text.size() + path.size() + head.query.size() +
                         host.size());
    at = copy(at, head.method_text);
    at = copy(at, " ");
    at = copy(at, path);
    if (head.has_query) {
        at = copy(at, "?");
        at = copy(at, head.query);
    }
    at = copy(at, " HTTP/1.1\r\nHost: ");
    at = copy(at, host);
    out.commit(copy(at, "\r\n"));
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
    // Without a body, as HTTP/2 may say it, is a length of 0.
    if (head.framing == Framing::length || head.framing == Framing::none) return Framing::length;
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
    char* at = out.claim(kFixedText + head.phrase.size());
    at = copy(at, "HTTP/1.1 ");
    *at++ = static_cast<char>('0' + status / 100 % 10);
    *at++ = static_cast<char>('0' + status / 10 % 10);
    *at++ = static_cast<char>('0' + status % 10);
    *at++ = ' ';
    at = copy(at, head.phrase);
    out.commit(copy(at, "\r\n"));
}

void put_response_connection(Appender& out,
                             const ResponseHead& head,
                             const ForwardResponse& forward,
                             bool close) {
    if (head.status < 200) {
        if (!head.is_upgrade) return;
        out.put("Connection: upgrade\r\nUpgrade: ");
        out.put(head.upgrade_protocol);
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
    const std::uint32_t dropped = kHopByHop | kReplaced |
                                  (forward.trusts_client ? 0 : kOnlyTrusted) |
                                  (forward.drops_grpc_timeout ? bit(HeaderId::grpc_timeout) : 0);
    const bool tells_cert = forward.client_cert != ForwardRequest::ClientCert::kept;
    const std::uint32_t special =
        dropped | may_stay_behind(head.has_nominated) | bit(HeaderId::weir_internal) |
        (tells_cert ? bit(HeaderId::x_forwarded_other) : 0) | may_be_among(forward.removed);
    FieldWriter fields(appender);
    for (const HeaderField& field : head.headers) {
        const std::uint32_t id = bit(field.id);
        if ((special & id) != 0) {
            if ((dropped & id) != 0 || is_of_each_try(field) || !may_copy(field, framed)) continue;
            if (tells_cert && is_client_cert(field)) continue;
            if (head.has_nominated && is_nominated(field, head.headers)) continue;
            if (is_among(field, forward.removed)) continue;
        }
        fields.copy(field);
    }
    fields.flush();
    if (!forward.extra.empty()) appender.put(forward.extra);
    put_framing(appender, framed);
    put_connection(appender, head, forward.is_upgrade);
    if (tells_cert) put_client_cert(appender, head, forward);
    put_request_end(appender, head, forward);
    appender.finish();
}

Framing write_response_head(std::string& out,
                            const ResponseHead& head,
                            const ForwardResponse& forward) {
    Appender appender(out);
    put_status_line(appender, head);
    Framed framed{.framing = framing_downstream(head, forward), .length = head.content_length};
    const std::uint32_t dropped = kHopByHop | (forward.strip_weir_fields ? kOfWeirs : 0);
    const std::uint32_t special =
        dropped | may_stay_behind(head.has_nominated) | may_be_among(forward.removed);
    FieldWriter fields(appender);
    for (const HeaderField& field : head.headers) {
        const std::uint32_t id = bit(field.id);
        if ((special & id) != 0) {
            const bool describes = (id & kFraming) != 0 && framed.framing == Framing::none;
            const bool stays = describes ? !may_describe_body(field, head, forward)
                                         : (dropped & id) != 0 || !may_copy(field, framed);
            if (stays || (head.has_nominated && is_nominated(field, head.headers))) continue;
            if (is_among(field, forward.removed)) continue;
        }
        fields.copy(field);
    }
    fields.flush();
    put_framing(appender, framed);
    const bool close = forward.close || framed.framing == Framing::until_close;
    put_response_connection(appender, head, forward, close);
    char* const at = appender.claim(forward.extra.size() + 2);
    appender.commit(copy(copy(at, forward.extra), "\r\n"));
    appender.finish();
    return framed.framing;
}

std::string_view chunk_prefix(std::size_t size, char (&buffer)[20]) {
    char* const end = std::to_chars(std::begin(buffer), std::end(buffer) - 2, size, 16).ptr;
    end[0] = '\r';
    end[1] = '\n';
    return {buffer, static_cast<std::size_t>(end + 2 - buffer)};
}

}  // namespace weir::http
