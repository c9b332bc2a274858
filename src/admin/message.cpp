#include "admin/message.hpp"

#include "weir/core/json.hpp"

#include <charconv>

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
    std::string_view rest = query;
    while (!rest.empty()) {
        const std::string_view pair = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
        const std::size_t equals = pair.find('=');
        if (pair.substr(0, equals) != key) continue;
        return equals == std::string_view::npos ? std::string{}
                                                : percent_decoded(pair.substr(equals + 1));
    }
    return std::nullopt;
}

Request to_request(const http::RequestHead& head) {
    Request request;
    request.method = head.method;
    request.path = head.path;
    request.query = head.query;
    request.authority = head.authority;
    for (const http::HeaderField& field : head.headers) {
        if (field.id == http::HeaderId::host) {
            request.hosts.emplace_back(field.value);
        } else if (field.id == http::HeaderId::accept) {
            request.accept += request.accept.empty() ? "" : ", ";
            request.accept += field.value;
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
    out += "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n";
    if (!response.allow.empty()) out += "Allow: " + response.allow + "\r\n";
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
