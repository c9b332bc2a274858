#include "health_check.hpp"

#include "weir/config/values.hpp"
#include "weir/http/h2.hpp"
#include "weir/transport/control_stream.hpp"

#include <algorithm>

#ifndef __clang__
// g++ 12 takes the allocation of a coroutine's frame, seen from its caller, for another's.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

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
           "\r\nuser-agent: weir-health\r\naccept: */*\r\nconnection: close\r\n" + question.fields +
           "\r\n";
}

CheckAnswer late(const CheckQuestion& question, std::string_view what) {
    return {Kind::late, std::string(what) + " within " + config::to_text(question.timeout)};
}

CheckAnswer judge(const config::Health& health, const StatusLine& line) {
    if (line.kind != StatusLine::Kind::status)
        return {Kind::failed, "the answer is no HTTP/1 response"};
    const bool is_expected = line.status < health.expect.size() && health.expect.test(line.status);
    return {is_expected ? Kind::passed : Kind::failed, "status " + std::to_string(line.status),
            line.status};
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

// ---- over HTTP/2

// One request on a connection of its own, and what came back.
class H2Question final : private http::H2Events {
  public:
    explicit H2Question(const CheckQuestion& question)
        : is_grpc_(question.health->type == config::Health::Type::grpc),
          codec_(http::H2Codec::Side::client, {}, scratch_, *this) {
        const std::string_view scheme = question.tls.context ? "https" : "http";
        const std::string path = is_grpc_ ? "/grpc.health.v1.Health/Check" : question.health->path;
        std::string head = (is_grpc_ ? "POST " : "GET ") + path +
                           " HTTP/1.1\r\nhost: " + question.authority +
                           "\r\nuser-agent: weir-health\r\n";
        head += is_grpc_ ? "content-type: application/grpc\r\nte: trailers\r\n\r\n"
                         : "accept: */*\r\n\r\n";
        is_over_ = !codec_.open(stream_, head, scheme, !is_grpc_);
        if (is_grpc_) codec_.send_body(stream_, message(question.health->path), true, {});
    }

    [[nodiscard]] bool is_over() const { return is_over_ || codec_.is_over(); }
    void hear(std::string_view bytes) { static_cast<void>(codec_.receive(bytes, Clock::now())); }
    [[nodiscard]] std::string speak() {
        codec_.pump();
        return codec_.take_output();
    }
    void end() { codec_.terminate(http::H2Code::no_error); }
    [[nodiscard]] CheckAnswer judge(const config::Health& health) const;

  private:
    struct Stream final : http::H2Stream {};
    static constexpr std::size_t kMostBody = 1024;

    // HealthCheckRequest {service}: of a service that is named, field 1.
    static std::string message(std::string_view path) {
        constexpr std::size_t kMostName = 127;  // a length of one byte
        const std::string_view service = path.substr(1, kMostName);
        std::string request;
        if (!service.empty()) {
            request += '\x0a';
            request += static_cast<char>(service.size());
            request += service;
        }
        return std::string("\0\0\0\0", 4) + static_cast<char>(request.size()) + request;
    }

    http::H2Stream& on_open() override { return stream_; }
    void on_request(http::H2Stream& /*stream*/,
                    const http::RequestHead& /*head*/,
                    bool /*is_whole*/) override {}
    void on_refused(http::H2Stream& /*stream*/, const http::H2Refusal& refusal) override {
        error_ = refusal.error.detail;
        is_over_ = true;
    }
    void on_response(http::H2Stream& /*stream*/,
                     const http::ResponseHead& head,
                     bool is_whole) override {
        if (head.status < 200) return;
        status_ = head.status;
        if (const auto* const field = head.headers.find("grpc-status")) grpc_status_ = field->value;
        is_over_ = is_over_ || is_whole || !is_grpc_;
    }
    void on_body(http::H2Stream& stream, std::string_view data) override {
        if (body_.size() <= kMostBody) body_.append(data.substr(0, kMostBody));
        codec_.consume(stream, data.size());
    }
    void on_end(http::H2Stream& /*stream*/, std::string_view trailers) override {
        constexpr std::string_view kName = "grpc-status: ";
        const auto at = trailers.find(kName);
        if (at != std::string_view::npos) {
            const auto value = trailers.substr(at + kName.size());
            grpc_status_ = value.substr(0, value.find('\r'));
        }
        is_over_ = true;
    }
    void on_drained(http::H2Stream& /*stream*/) override {}
    void on_closed(http::H2Stream& /*stream*/, http::H2Code code) override {
        if (code != http::H2Code::no_error) error_ = "it reset the stream";
        is_over_ = true;
    }
    void on_goaway() override {}
    void on_settings() override {}
    void on_pong() override {}
    void on_fault(http::H2Fault /*fault*/, bool /*is_enforced*/) override {
        error_ = "the answer is no HTTP/2";
        is_over_ = true;
    }
    void on_output() override {}

    const bool is_grpc_;
    bool is_over_ = false;
    unsigned status_ = 0;
    const char* error_ = "it closed without an answer";
    std::string grpc_status_;
    std::string body_;
    Stream stream_;
    http::H2Scratch scratch_;
    http::H2Codec codec_;
};

CheckAnswer H2Question::judge(const config::Health& health) const {
    if (status_ == 0) return {Kind::failed, error_};
    const bool is_expected =
        is_grpc_ ? status_ == 200 : status_ < health.expect.size() && health.expect.test(status_);
    if (!is_expected) return {Kind::failed, "status " + std::to_string(status_)};
    if (!is_grpc_) return {Kind::passed, "status " + std::to_string(status_)};
    if (grpc_status_ != "0") {
        return {Kind::failed,
                grpc_status_.empty() ? "no grpc-status" : "grpc-status " + grpc_status_};
    }
    constexpr std::string_view kWords[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
    const auto said = read_serving_status(body_);
    if (!said) return {Kind::failed, "the message is no HealthCheckResponse"};
    const std::string word(*said < std::size(kWords) ? kWords[*said] : "another status");
    return {*said == 1 ? Kind::passed : Kind::failed, word};
}

Task<CheckAnswer> ask_h2(TaskScope& scope, ControlStream& stream, const CheckQuestion& question) {
    const TimePoint deadline = Clock::refresh() + question.timeout;
    const auto left = [&] {
        return std::max<Duration>(deadline - Clock::refresh(), std::chrono::milliseconds{1});
    };
    H2Question asked(question);
    std::string in;
    bool is_there = true;
    while (is_there) {
        const std::string out = asked.speak();
        is_there = co_await stream.write(scope, out, left());
        if (!is_there || asked.is_over()) break;
        in.clear();
        is_there = co_await stream.read_more(scope, in);
        if (is_there) asked.hear(in);
    }
    if (!is_there && stream.is_late()) co_return late(question, "no answer");
    if (is_there) {
        asked.end();
        const std::string out = asked.speak();
        is_there = co_await stream.write(scope, out, left());
        if (is_there) co_await stream.linger(scope, kLinger);
    }
    co_return asked.judge(*question.health);
}

}  // namespace

std::optional<std::uint64_t> read_serving_status(std::string_view bytes) {
    constexpr std::size_t kPrefix = 5;  // whether it is compressed, and its length
    if (bytes.size() < kPrefix || bytes.front() != 0) return std::nullopt;
    std::size_t size = 0;
    for (std::size_t i = 1; i < kPrefix; ++i)
        size = size << 8U | static_cast<unsigned char>(bytes[i]);
    bytes.remove_prefix(kPrefix);
    if (bytes.size() < size) return std::nullopt;
    bytes = bytes.substr(0, size);
    if (bytes.empty()) return 0;      // a field that has its first value is left out
    constexpr char kStatus = '\x08';  // field 1, a number
    if (bytes.front() != kStatus) return std::nullopt;
    bytes.remove_prefix(1);
    std::uint64_t status = 0;
    for (unsigned shift = 0; !bytes.empty() && shift < 64; shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        status |= std::uint64_t{byte & 0x7fU} << shift;
        if ((byte & 0x80U) == 0) return status;
    }
    return std::nullopt;
}

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
    if (!question.health || question.health->type == config::Health::Type::tcp)
        co_return CheckAnswer{Kind::passed, "connected"};
    const bool is_h2 = stream.alpn() == "h2" || question.protocol == config::ClusterProtocol::h2c;
    const bool needs_h2 = question.protocol == config::ClusterProtocol::h2 ||
                          question.health->type == config::Health::Type::grpc;
    if (needs_h2 && !is_h2)
        co_return CheckAnswer{Kind::unreachable, "the peer does not speak HTTP/2 (ALPN)"};
    if (is_h2) {
        CheckAnswer answer = co_await ask_h2(scope, stream, question);
        co_return answer;
    }
    CheckAnswer answer = co_await ask(scope, stream, question);
    co_return answer;
}

}  // namespace weir::upstream
