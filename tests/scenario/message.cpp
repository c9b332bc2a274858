#include "message.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace weir::test {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

// The decoded body and how many bytes it took; nothing while it is not whole.
struct Body {
    std::string text;
    std::size_t size = 0;
};

std::optional<Body> chunked(std::string_view bytes) {
    Body body;
    while (true) {
        const std::size_t line = bytes.find("\r\n", body.size);
        if (line == std::string_view::npos) return std::nullopt;
        const std::string digits(bytes.substr(body.size, line - body.size));
        const std::size_t size = std::strtoul(digits.c_str(), nullptr, 16);
        if (size == 0) {
            const std::size_t end = bytes.find("\r\n\r\n", line);
            if (end == std::string_view::npos) return std::nullopt;
            body.size = end + 4;
            return body;
        }
        if (bytes.size() < line + 2 + size + 2) return std::nullopt;
        body.text.append(bytes.substr(line + 2, size));
        body.size = line + 2 + size + 2;
    }
}

std::optional<Body> read_body(const Message& message,
                              std::string_view rest,
                              bool is_answer,
                              bool has_ended) {
    if (lower(message.field("transfer-encoding")) == "chunked") return chunked(rest);
    const std::string length = message.field("content-length");
    if (!length.empty()) {
        const std::size_t size = std::strtoul(length.c_str(), nullptr, 10);
        if (rest.size() < size) return std::nullopt;
        return Body{std::string(rest.substr(0, size)), size};
    }
    if (!is_answer) return Body{};
    if (!has_ended) return std::nullopt;
    return Body{std::string(rest), rest.size()};
}

}  // namespace

std::string Message::field(std::string_view name) const {
    const std::string wanted = "\r\n" + lower(name) + ":";
    const std::size_t begin = lower(head).find(wanted);
    if (begin == std::string::npos) return {};
    const std::size_t value = head.find_first_not_of(' ', begin + wanted.size());
    return head.substr(value, head.find("\r\n", value) - value);
}

std::optional<Message> take_message(std::string& bytes,
                                    bool is_answer,
                                    bool is_head_request,
                                    bool has_ended) {
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end == std::string::npos) return std::nullopt;
    Message message;
    message.head = bytes.substr(0, end + 4);
    if (is_answer) message.status = std::atoi(message.head.substr(9, 3).c_str());
    const bool has_no_body = is_answer && (is_head_request || message.status < 200 ||
                                           message.status == 204 || message.status == 304);
    const std::string_view rest = std::string_view(bytes).substr(end + 4);
    auto body =
        has_no_body ? std::optional(Body{}) : read_body(message, rest, is_answer, has_ended);
    if (!body) return std::nullopt;
    message.body = std::move(body->text);
    bytes.erase(0, end + 4 + body->size);
    return message;
}

}  // namespace weir::test
