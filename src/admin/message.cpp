#include "admin/message.hpp"

#include "weir/core/json.hpp"

#include <charconv>
#include <zlib.h>

namespace weir::admin {
namespace {

// Answers are data: nothing in them may run, be framed, be stored or be embedded by another site.
constexpr std::string_view kSecurityHeaders =
    "Cache-Control: no-store\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";

std::optional<std::uint8_t> hex_byte(std::string_view digits) {
    std::uint8_t byte = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (ec != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return byte;
}

}  // namespace

std::string percent_decoded(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte =
            text[i] == '%' && i + 2 < text.size() ? hex_byte(text.substr(i + 1, 2)) : std::nullopt;
        if (byte) i += 2;
        out += byte ? static_cast<char>(*byte) : text[i];
    }
    return out;
}

std::optional<std::string> Request::query_value(std::string_view key) const {
    auto values = query_values(key);
    if (values.empty()) return std::nullopt;
    return std::move(values.front());
}

std::vector<std::string> Request::query_values(std::string_view key) const {
    std::vector<std::string> values;
    std::string_view rest = query;
    while (!rest.empty()) {
        const std::string_view pair = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
        const std::size_t equals = pair.find('=');
        if (pair.substr(0, equals) != key) continue;
        values.push_back(equals == std::string_view::npos
                             ? std::string{}
                             : percent_decoded(pair.substr(equals + 1)));
    }
    return values;
}

bool Request::has_flag(std::string_view key) const {
    const auto value = query_value(key);
    return value && (value->empty() || *value == "1" || *value == "true");
}

namespace {

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Whether a list "a;q=0.5, b" has an item that `wanted` takes, and not with q=0.
template <typename Wanted>
bool lists(std::string_view list, Wanted&& wanted) {
    while (!list.empty()) {
        const std::string_view item = list.substr(0, list.find(','));
        list.remove_prefix(std::min(list.size(), item.size() + 1));
        const std::size_t semicolon = item.find(';');
        if (!wanted(trimmed(item.substr(0, semicolon)))) continue;
        const std::size_t quality = item.find("q=");
        if (semicolon == std::string_view::npos || quality == std::string_view::npos) return true;
        return item.find_first_of("123456789", quality + 2) != std::string_view::npos;
    }
    return false;
}

constexpr std::size_t kWorthPacking = 1024;

}  // namespace

bool takes_gzip(std::string_view accept_encoding) {
    return lists(accept_encoding, [](std::string_view coding) {
        return http::equals_ignoring_case(coding, "gzip") || coding == "*";
    });
}

bool names_type(std::string_view accept, std::string_view type) {
    return lists(accept,
                 [&](std::string_view item) { return http::equals_ignoring_case(item, type); });
}

bool is_type(std::string_view content_type, std::string_view type) {
    return http::equals_ignoring_case(trimmed(content_type.substr(0, content_type.find(';'))),
                                      type);
}

void compress(Response& response, const Request& request) {
    response.may_be_gzip = true;
    if (response.body.size() < kWorthPacking || !takes_gzip(request.accept_encoding)) return;
    z_stream packer{};
    // 16 + the window's size: gzip's frame. Level 1 is three times as fast as 6 and packs this kind
    // of text nearly as well.
    if (deflateInit2(&packer, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) return;
    std::string packed(deflateBound(&packer, response.body.size()), '\0');
    packer.next_in = reinterpret_cast<Bytef*>(response.body.data());
    packer.avail_in = static_cast<uInt>(response.body.size());
    packer.next_out = reinterpret_cast<Bytef*>(packed.data());
    packer.avail_out = static_cast<uInt>(packed.size());
    const int result = deflate(&packer, Z_FINISH);
    packed.resize(packer.total_out);
    deflateEnd(&packer);
    if (result != Z_STREAM_END) return;
    response.body = std::move(packed);
    response.is_gzip = true;
}

Request to_request(const http::RequestHead& head) {
    Request request;
    request.method = head.method;
    request.path = head.path;
    request.query = head.query;
    request.authority = head.authority;
    request.has_body = head.framing == http::Framing::chunked ||
                       (head.framing == http::Framing::length && head.content_length > 0);
    for (const http::HeaderField& field : head.headers) {
        if (field.id == http::HeaderId::host) {
            request.hosts.emplace_back(field.value);
        } else if (field.id == http::HeaderId::accept) {
            request.accept += request.accept.empty() ? "" : ", ";
            request.accept += field.value;
        } else if (http::equals_ignoring_case(field.name, "accept-encoding")) {
            request.accept_encoding += request.accept_encoding.empty() ? "" : ", ";
            request.accept_encoding += field.value;
        } else if (http::equals_ignoring_case(field.name, "authorization")) {
            request.authorization = field.value;
        } else if (http::equals_ignoring_case(field.name, "content-type")) {
            request.content_type = field.value;
        } else if (http::equals_ignoring_case(field.name, "if-match")) {
            request.if_match = field.value.empty() ? "\"\"" : field.value;
        } else if (http::equals_ignoring_case(field.name, "last-event-id")) {
            request.last_event_id = field.value;
        } else if (http::equals_ignoring_case(field.name, "origin")) {
            request.origins.emplace_back(field.value);
        } else if (http::equals_ignoring_case(field.name, "sec-fetch-site")) {
            request.fetch_site = field.value;
        }
    }
    return request;
}

Response error_response(std::uint16_t status, std::string_view code, std::string_view message) {
    Response response;
    response.status = status;
    JsonWriter json(response.body);
    json.begin_object().key("error").begin_object();
    json.field("code", code).field("message", message);
    json.end_object().end_object();
    response.body += '\n';
    return response;
}

Response text_response(std::uint16_t status, std::string body) {
    Response response;
    response.status = status;
    response.content_type = "text/plain; charset=utf-8";
    response.body = std::move(body);
    return response;
}

std::string serialise(const Response& response, const WriteOptions& options) {
    std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
    out += http::reason_phrase(response.status);
    out += "\r\nContent-Type: ";
    out += response.content_type;
    out += "\r\n";
    if (!response.feed) out += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
    if (response.is_gzip) out += "Content-Encoding: gzip\r\n";
    if (response.may_be_gzip) out += "Vary: Accept-Encoding\r\n";
    if (!response.allow.empty()) out += "Allow: " + response.allow + "\r\n";
    if (!response.etag.empty()) out += "ETag: \"" + response.etag + "\"\r\n";
    if (response.asks_for_token) out += "WWW-Authenticate: Bearer realm=\"weir\"\r\n";
    out += kSecurityHeaders;
    if (!options.keep_alive) {
        out += "Connection: close\r\n";
    } else if (options.client_minor == 0) {
        out += "Connection: keep-alive\r\n";
    }
    out += "\r\n";
    if (!options.is_head) out += response.body;
    return out;
}

}  // namespace weir::admin
