#include "admin/connection.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <sys/uio.h>

namespace weir::admin {
namespace {

using boost::asio::as_tuple;
using boost::asio::use_awaitable;
using transport::IoResult;
using transport::Task;
using transport::TaskScope;

constexpr std::size_t kReadSize = std::size_t{16} * 1024;
constexpr std::size_t kMostLingered = std::size_t{1024} * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

Response refusal_of(const Error& error) {
    const ReasonInfo& reason = info(error.reason);
    return error_response(reason.status, reason.word,
                          *error.detail == '\0' ? reason.sentence : error.detail);
}

Response body_too_large() {
    return refusal_of({.reason = Reason::body_too_large, .detail = ""});
}

}  // namespace

Connection::Connection(const boost::asio::any_io_executor& executor,
                       transport::Socket socket,
                       Answer answer,
                       ConnectionLimits limits)
    : socket_(std::move(socket)),
      descriptor_(executor, socket_.fd()),
      deadline_(executor),
      answer_(std::move(answer)),
      limits_(limits) {}

Connection::~Connection() {
    descriptor_.release();  // socket_ closes it
}

void Connection::set_deadline(Duration from_now) {
    is_late_ = false;
    const std::uint64_t number = ++deadline_number_;
    deadline_.expires_after(from_now);
    deadline_.async_wait([weak = weak_from_this(), number](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        // A timer that was moved may have fired already.
        if (ec || !self || self->deadline_number_ != number) return;
        self->is_late_ = true;
        self->descriptor_.cancel();
    });
}

Task<bool> Connection::wait(TaskScope& scope, Descriptor::wait_type what) {
    if (is_late_) co_return false;
    const auto [ec] =
        co_await scope.run(descriptor_, descriptor_.async_wait(what, as_tuple(use_awaitable)));
    co_return !ec && !is_late_;
}

IoResult::State Connection::receive() {
    std::array<char, kReadSize> buffer;
    const IoResult result = socket_.receive(buffer);
    if (result.state == IoResult::State::done) in_.append(buffer.data(), result.bytes);
    return result.state;
}

Task<bool> Connection::read_more(TaskScope& scope) {
    for (;;) {
        const IoResult::State state = receive();
        if (state != IoResult::State::would_block) co_return state == IoResult::State::done;
        if (!co_await wait(scope, Descriptor::wait_read)) co_return false;
    }
}

Task<bool> Connection::read_head(TaskScope& scope) {
    std::size_t seen = 0;
    is_idle_ = in_.empty();
    idle_since_ = Clock::refresh();
    set_deadline(in_.empty() ? limits_.idle : limits_.header);
    for (;;) {
        if (!in_.empty()) {
            const auto parse = http::parse_request_head(in_, limits_.head, head_, seen);
            seen = in_.size();
            if (parse.state == http::HeadParse::State::done) {
                head_size_ = parse.consumed;
                co_return true;
            }
            if (parse.state == http::HeadParse::State::failed) {
                refusal_ = refusal_of(parse.error);
                co_return false;
            }
        }
        const bool was_empty = in_.empty();
        if (!co_await read_more(scope)) {
            if (is_late_ && !in_.empty()) {
                refusal_ = refusal_of({.reason = Reason::request_timeout, .detail = ""});
            }
            co_return false;
        }
        if (was_empty) set_deadline(limits_.header);
        is_idle_ = false;
    }
}

Task<std::optional<Response>> Connection::read_body(TaskScope& scope, std::string& body) {
    in_.erase(0, head_size_);
    if (head_.framing == http::Framing::none) co_return std::nullopt;
    if (head_.framing == http::Framing::length && head_.content_length > limits_.body) {
        co_return body_too_large();
    }
    const bool must_ask = head_.expect_continue && in_.empty();
    http::BodyDecoder decoder;
    decoder.start(head_.framing, head_.content_length, limits_.head);
    if (must_ask && !co_await write(scope, kContinue)) {
        co_return refusal_of({.reason = Reason::client_closed, .detail = ""});
    }
    while (!decoder.is_done()) {
        const auto step = decoder.next(in_);
        if (step.has_failed) {
            co_return refusal_of({.reason = Reason::bad_request, .detail = "the body's framing"});
        }
        body += step.data;
        in_.erase(0, step.consumed);
        if (body.size() > limits_.body) co_return body_too_large();
        if (step.is_done) break;
        if (step.consumed == 0 && !co_await read_more(scope)) {
            co_return refusal_of({.reason = Reason::request_timeout, .detail = ""});
        }
    }
    co_return std::nullopt;
}

Task<bool> Connection::write(TaskScope& scope, std::string_view bytes) {
    set_deadline(limits_.write);
    while (!bytes.empty()) {
        const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
        const IoResult result = socket_.send(std::span(&part, 1));
        if (result.state == IoResult::State::done) {
            bytes.remove_prefix(result.bytes);
            set_deadline(limits_.write);
            continue;
        }
        if (result.state != IoResult::State::would_block) co_return false;
        if (!co_await wait(scope, Descriptor::wait_write)) co_return false;
    }
    co_return true;
}

Task<> Connection::linger(TaskScope& scope) {
    socket_.shutdown_send();
    set_deadline(limits_.linger);
    for (std::size_t taken = 0; taken < kMostLingered; taken += in_.size()) {
        in_.clear();
        if (!co_await read_more(scope)) co_return;
    }
}

Task<Connection::Next> Connection::serve_one(TaskScope& scope) {
    if (!co_await read_head(scope)) {
        if (refusal_ && co_await write(scope, serialise(*refusal_, {.keep_alive = false}))) {
            co_await linger(scope);
        }
        co_return Next::end;
    }
    Request request = to_request(head_);
    WriteOptions options{.is_head = head_.method == http::Method::head,
                         .keep_alive = head_.keep_alive,
                         .client_minor = head_.minor_version};
    std::optional<Response> response = co_await read_body(scope, request.body);
    if (response) options.keep_alive = false;
    if (!response) response = answer_(request);
    if (!co_await write(scope, serialise(*response, options))) co_return Next::end;
    if (options.keep_alive) co_return Next::request;
    co_await linger(scope);
    co_return Next::end;
}

Task<> Connection::run(TaskScope& scope) {
    while (co_await serve_one(scope) == Next::request) {
    }
}

}  // namespace weir::admin
