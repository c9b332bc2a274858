#include "weir/http/message.hpp"

namespace weir::http {

void RequestHead::clear() {
    method = Method::other;
    method_text = authority = path = query = upgrade_protocol = {};
    has_query = false;
    minor_version = 1;
    is_h2 = false;
    framing = Framing::none;
    content_length = 0;
    keep_alive = true;
    expect_continue = is_upgrade = has_nominated = takes_trailers = false;
    headers.clear();
    path_storage.clear();
    unmerged_path = {};
    has_escaped_slash = false;
}

void KeptHead::keep(const RequestHead& head) {
    std::size_t size = head.method_text.size() + head.authority.size() + head.path.size() +
                       head.query.size() + head.upgrade_protocol.size() + head.unmerged_path.size();
    for (const HeaderField& field : head.headers)
        size += field.name.size() + field.value.size();
    clear();
    bytes_.reserve(size);  // views into it stay valid
    const auto keep = [this](std::string_view text) {
        const std::size_t begin = bytes_.size();
        bytes_.append(text);
        return std::string_view(bytes_).substr(begin);
    };
    head_ = head;
    head_.path_storage.clear();
    head_.unmerged_storage.clear();
    head_.unmerged_path = keep(head.unmerged_path);
    head_.method_text = keep(head.method_text);
    head_.authority = keep(head.authority);
    head_.path = keep(head.path);
    head_.query = keep(head.query);
    head_.upgrade_protocol = keep(head.upgrade_protocol);
    head_.headers.clear();
    for (const HeaderField& field : head.headers)
        head_.headers.add(keep(field.name), keep(field.value), field.id);
}

void KeptHead::clear() {
    bytes_.clear();
    head_.clear();
}

void ResponseHead::clear() {
    status = 0;
    phrase = {};
    minor_version = 1;
    framing = Framing::none;
    content_length = 0;
    keep_alive = true;
    upgrade_protocol = {};
    is_upgrade = has_nominated = false;
    keep_alive_timeout = 0;
    headers.clear();
}

Method method_from(std::string_view text) {
    switch (text.size()) {
        case 3:
            if (text == "GET") return Method::get;
            if (text == "PUT") return Method::put;
            break;
        case 4:
            if (text == "POST") return Method::post;
            if (text == "HEAD") return Method::head;
            break;
        case 5:
            if (text == "PATCH") return Method::patch;
            if (text == "TRACE") return Method::trace;
            break;
        case 6:
            if (text == "DELETE") return Method::del;
            break;
        case 7:
            if (text == "OPTIONS") return Method::options;
            if (text == "CONNECT") return Method::connect;
            break;
        default:
            break;
    }
    return Method::other;
}

std::string_view reason_phrase(std::uint16_t status) {
    switch (status) {
        case 100:
            return "Continue";
        case 101:
            return "Switching Protocols";
        case 102:
            return "Processing";
        case 103:
            return "Early Hints";
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 203:
            return "Non-Authoritative Information";
        case 204:
            return "No Content";
        case 205:
            return "Reset Content";
        case 206:
            return "Partial Content";
        case 300:
            return "Multiple Choices";
        case 301:
            return "Moved Permanently";
        case 302:
            return "Found";
        case 303:
            return "See Other";
        case 304:
            return "Not Modified";
        case 307:
            return "Temporary Redirect";
        case 308:
            return "Permanent Redirect";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 406:
            return "Not Acceptable";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 411:
            return "Length Required";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 416:
            return "Range Not Satisfiable";
        case 417:
            return "Expectation Failed";
        case 418:
            return "I'm a Teapot";
        case 421:
            return "Misdirected Request";
        case 422:
            return "Unprocessable Content";
        case 425:
            return "Too Early";
        case 426:
            return "Upgrade Required";
        case 428:
            return "Precondition Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 451:
            return "Unavailable For Legal Reasons";
        case 499:
            return "Client Closed Request";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return "Unknown";
    }
}

}  // namespace weir::http
