#include "health_check.hpp"

#include "weir/config/values.hpp"
#include "weir/transport/control_stream.hpp"

#include <algorithm>

namespace weir::upstream {
namespace {

using Kind = CheckAnswer::Kind;
using transport::ControlStream;
using transport::Task;
using transport::TaskScope;

constexpr std::size_t kMostRead =
    std::size_t{64} * 1024;  // of an answer, until its status is known
constexpr std::string_view kRefused = "connection refused";
constexpr Duration kLinger = std::chrono::milliseconds{100};

std::string request_of(const CheckQuestion& question) {
    return "GET " + question.health->path + " HTTP/1.1\r\nhost: " + question.authority +
           "\r\nuser-agent: weir-health\r\naccept: */*\r\nconnection: close\r\n\r\n";
}

CheckAnswer late(const CheckQuestion& question, std::string_view what) {
    return {Kind::late, std::string(what) + " within " + config::to_text(question.timeout)};
}

CheckAnswer judge(const config::Health& health, const StatusLine& line) {
    if (line.kind != StatusLine::Kind::status)
        return {Kind::failed, "the answer is no HTTP/1 response"};
    const bool is_expected = line.status < health.expect.size() && health.expect.test(line.status);
    return {is_expected ? Kind::passed : Kind::failed, "status " + std::to_string(line.status)};
}

Task<CheckAnswer> ask(TaskScope& scope, ControlStream& stream, const CheckQuestion& question) {
    const std::string request = request_of(question);
    const bool is_sent = co_await stream.write(scope, request, question.timeout);
    if (!is_sent) co_return CheckAnswer{Kind::failed, "it closed the connection"};
    std::string in;
    StatusLine line;
    while (line.kind == StatusLine::Kind::incomplete && in.size() <= kMostRead) {
        const bool has_more = co_await stream.read_more(scope, in);
        if (!has_more) {
            if (stream.is_late()) co_return late(question, "no answer");
            co_return CheckAnswer{Kind::failed, in.empty() ? "it closed without an answer"
                                                           : "it closed within its answer"};
        }
        line = read_status_line(in);
    }
    CheckAnswer answer = judge(*question.health, line);
    co_await stream.linger(scope, kLinger);
    co_return answer;
}

}  // namespace

StatusLine read_status_line(std::string_view bytes) {
    constexpr std::string_view kVersion = "HTTP/1.";
    constexpr std::size_t kStatusAt = 9;
    constexpr std::size_t kSize = kStatusAt + 3;  // "HTTP/1.1 200"
    for (;;) {
        const auto known = std::min(bytes.size(), kVersion.size());
        if (bytes.substr(0, known) != kVersion.substr(0, known))
            return {StatusLine::Kind::garbage, 0};
        // One byte more shows that the number ends.
        if (bytes.size() <= kSize) return {};
        unsigned status = 0;
        bool is_number = bytes[kStatusAt - 1] == ' ';
        for (std::size_t i = kStatusAt; i < kSize; ++i) {
            const char digit = bytes[i];
            is_number = is_number && digit >= '0' && digit <= '9';
            status = status * 10 + static_cast<unsigned>(digit - '0');
        }
        const char end = bytes[kSize];
        is_number = is_number && (end == ' ' || end == '\r' || end == '\n');
        if (!is_number || status < 100 || status == 101) return {StatusLine::Kind::garbage, 0};
        if (status >= 200) return {StatusLine::Kind::status, status};
        const auto blank = bytes.find("\r\n\r\n");
        if (blank == std::string_view::npos) return {};
        bytes.remove_prefix(blank + 4);
    }
}

Task<CheckAnswer> check(TaskScope& scope, CheckQuestion question) {
    auto socket = transport::Socket::connect(question.address);
    if (!socket) {
        const Error& error = socket.error();
        if (error.reason == Reason::overloaded)
            co_return CheckAnswer{Kind::not_asked, "no descriptor left"};
        const std::string_view why = error.detail;
        co_return CheckAnswer{Kind::unreachable, std::string(why.empty() ? kRefused : why)};
    }
    ControlStream stream(scope.executor(), std::move(*socket));
    stream.set_deadline(question.timeout);
    const bool is_connected = co_await stream.finish_connect(scope);
    if (!is_connected) {
        if (!stream.is_late()) co_return CheckAnswer{Kind::unreachable, std::string(kRefused)};
        co_return late(question, "no connection");
    }
    if (question.tls.context) {
        const bool is_safe = co_await stream.start_tls(scope, question.tls);
        if (!is_safe && stream.is_late()) co_return late(question, "no TLS handshake");
        if (!is_safe) co_return CheckAnswer{Kind::unreachable, stream.tls_error()};
    }
    const bool is_http = question.health && question.health->type == config::Health::Type::http;
    if (!is_http) co_return CheckAnswer{Kind::passed, "connected"};
    CheckAnswer answer = co_await ask(scope, stream, question);
    co_return answer;
}

}  // namespace weir::upstream
