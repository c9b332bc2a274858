#include "admin/connection.hpp"

#include "weir/core/error.hpp"

namespace weir::admin {
namespace {

using transport::Task;
using transport::TaskScope;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

Response refusal_of(Reason reason, std::string_view detail = {}) {
    const ReasonInfo& known = info(reason);
    return error_response(known.status, known.word, detail.empty() ? known.sentence : detail);
}

}  // namespace

Connection::Connection(const boost::asio::any_io_executor& executor,
                       transport::Socket socket,
                       Answer answer,
                       ConnectionLimits limits)
    : stream_(executor, std::move(socket)), answer_(std::move(answer)), limits_(limits) {}

Task<bool> Connection::read_head(TaskScope& scope) {
    std::size_t seen = 0;
    is_idle_ = in_.empty();
    idle_since_ = Clock::refresh();
    stream_.set_deadline(is_idle_ ? limits_.idle : limits_.header);
    for (;;) {
        const auto parse = http::parse_request_head(in_, limits_.head, head_, seen);
        if (parse.state == http::HeadParse::State::done) {
            head_size_ = parse.consumed;
            co_return true;
        }
        if (parse.state == http::HeadParse::State::failed) {
            refusal_ = refusal_of(parse.error.reason, parse.error.detail);
            co_return false;
        }
        seen = in_.size();
        const bool has_more = co_await stream_.read_more(scope, in_);
        if (!has_more) {
            if (stream_.is_late() && !in_.empty()) refusal_ = refusal_of(Reason::request_timeout);
            co_return false;
        }
        if (std::exchange(is_idle_, false)) stream_.set_deadline(limits_.header);
    }
}

Task<std::optional<Response>> Connection::read_body(TaskScope& scope, std::string& body) {
    in_.erase(0, head_size_);
    if (head_.framing == http::Framing::none) co_return std::nullopt;
    if (head_.framing == http::Framing::length && head_.content_length > limits_.body) {
        co_return refusal_of(Reason::body_too_large);
    }
    if (head_.expect_continue && in_.empty()) {
        const bool is_sent = co_await stream_.write(scope, kContinue, limits_.write);
        if (!is_sent) co_return std::nullopt;
    }
    http::BodyDecoder decoder;
    decoder.start(head_.framing, head_.content_length, limits_.head);
    for (;;) {
        const auto step = decoder.next(in_);
        if (step.has_failed) co_return refusal_of(Reason::bad_request, "the body's framing");
        body += step.data;
        in_.erase(0, step.consumed);
        if (body.size() > limits_.body) co_return refusal_of(Reason::body_too_large);
        if (step.is_done || decoder.is_done()) co_return std::nullopt;
        if (step.consumed > 0) continue;
        const bool has_more = co_await stream_.read_more(scope, in_);
        if (!has_more) co_return refusal_of(Reason::request_timeout);
    }
}

Task<Connection::Next> Connection::serve_one(TaskScope& scope) {
    WriteOptions options{.keep_alive = false};
    std::optional<Response> response;
    const bool has_head = co_await read_head(scope);
    if (has_head) {
        options.is_head = head_.method == http::Method::head;
        options.client_minor = head_.minor_version;
        Request request = to_request(head_);
        response = co_await read_body(scope, request.body);
        options.keep_alive = !response && head_.keep_alive;
        if (!response) response = answer_(request);
    } else {
        response = std::exchange(refusal_, std::nullopt);
    }
    if (!response) co_return Next::end;
    const std::string message = serialise(*response, options);
    const bool is_sent = co_await stream_.write(scope, message, limits_.write);
    if (!is_sent) {
        co_return Next::end;
    }
    if (options.keep_alive) co_return Next::request;
    co_await stream_.linger(scope, limits_.linger);
    co_return Next::end;
}

Task<> Connection::run(TaskScope& scope) {
    // Not `while (co_await …)`: g++ 12 at -O2 takes the empty loop for one that never runs.
    while (true) {
        const Next next = co_await serve_one(scope);
        if (next != Next::request) co_return;
    }
}

}  // namespace weir::admin
