#include "admin/connection.hpp"

#include "weir/core/error.hpp"

#include <memory>

#ifndef __clang__
// g++ 12 takes the allocation of a coroutine's frame, seen from its caller, for another's.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace weir::admin {
namespace {

using transport::Task;
using transport::TaskScope;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kHeartbeat = ": heartbeat\n\n";

// In the path of a Unix socket a slash may be written %2F. The parser refuses that, as two readers
// could take it for different paths; here we are the only one. Done once the line is whole.
void decode_slashes(std::string& in) {
    const std::size_t end = in.find('\n');
    if (end == std::string::npos) return;
    for (std::size_t at = end; (at = in.rfind('%', at)) != std::string::npos; --at) {
        const bool is_slash = in[at + 1] == '2' && (in[at + 2] == 'F' || in[at + 2] == 'f');
        if (at + 2 < end && is_slash) in.replace(at, 3, "/");
        if (at == 0) return;
    }
}

Response refusal_of(Reason reason, std::string_view detail = {}) {
    const ReasonInfo& known = info(reason);
    return error_response(known.status, known.word, detail.empty() ? known.sentence : detail);
}

}  // namespace

Connection::Connection(const boost::asio::any_io_executor& executor,
                       transport::Socket socket,
                       std::string peer,
                       const Service& service,
                       ConnectionLimits limits,
                       transport::TlsStart tls)
    : stream_(executor, std::move(socket)),
      peer_(std::move(peer)),
      local_(stream_.socket().local_address()),
      service_(service),
      limits_(limits),
      tls_(std::move(tls)) {}

Task<bool> Connection::read_head(TaskScope& scope) {
    std::size_t seen = 0;
    bool has_line = false;
    is_idle_ = in_.empty();
    idle_since_ = Clock::refresh();
    stream_.set_deadline(is_idle_ ? limits_.idle : limits_.header);
    for (;;) {
        if (!has_line) {
            decode_slashes(in_);
            has_line = in_.find('\n') != std::string::npos;
            if (has_line) seen = 0;
        }
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

Task<std::optional<Response>> Connection::read_body(TaskScope& scope,
                                                    std::size_t limit,
                                                    std::string& body) {
    in_.erase(0, head_size_);
    if (head_.framing == http::Framing::none) co_return std::nullopt;
    if (head_.framing == http::Framing::length && head_.content_length > limit) {
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
        if (body.size() > limit) co_return refusal_of(Reason::body_too_large);
        if (step.is_done || decoder.is_done()) co_return std::nullopt;
        if (step.consumed > 0) continue;
        const bool has_more = co_await stream_.read_more(scope, in_);
        if (!has_more) co_return refusal_of(Reason::request_timeout);
    }
}

Task<> Connection::wait_for_turn(TaskScope& scope, const Request* request) {
    for (;;) {
        const Duration delay = service_.delay(request);
        if (delay <= Duration::zero()) co_return;
        co_await scope.sleep_for(delay);
    }
}

Task<Response> Connection::respond(TaskScope& scope) {
    // On the heap: Asio takes frames above a kilobyte another way, in which g++ 12 sees a mismatch
    // of new and delete.
    const auto request = std::make_unique<Request>(to_request(head_));
    request->peer = peer_;
    request->local = local_;
    is_whole_ = head_.framing == http::Framing::none;
    std::size_t limit = 0;
    std::optional<Response> refusal = service_.admit(*request, limit);
    if (refusal) {
        in_.erase(0, is_whole_ ? head_size_ : 0);
        co_await wait_for_turn(scope, request.get());
        co_return *std::move(refusal);
    }
    refusal = co_await read_body(scope, limit, request->body);
    if (refusal) {
        is_whole_ = false;
        co_return *std::move(refusal);
    }
    is_whole_ = true;
    co_await wait_for_turn(scope, request.get());
    Response response = service_.answer(*request);
    if (response.later) {
        const auto later = std::move(response.later);
        response = co_await later(scope);
    }
    co_return response;
}

Task<Connection::Next> Connection::serve_one(TaskScope& scope) {
    const bool has_head = co_await read_head(scope);
    if (!has_head) {
        const WriteOptions last{.keep_alive = false};
        if (refusal_) co_await wait_for_turn(scope, nullptr);
        const Next next = co_await deliver(scope, refusal_, last);
        co_return next;
    }
    const WriteOptions options{.is_head = head_.method == http::Method::head,
                               .keep_alive = head_.keep_alive,
                               .client_minor = head_.minor_version};
    const std::optional<Response> response = co_await respond(scope);
    const Next next = co_await deliver(scope, response, options);
    co_return next;
}

Task<Connection::Next> Connection::deliver(TaskScope& scope,
                                           const std::optional<Response>& response,
                                           WriteOptions options) {
    if (!response) co_return Next::end;
    options.keep_alive = options.keep_alive && is_whole_ && !response->feed;
    const std::string message = serialise(*response, options);
    const bool is_sent = co_await stream_.write(scope, message, limits_.write);
    if (!is_sent) co_return Next::end;
    if (options.keep_alive) co_return Next::request;
    const bool goes_on = response->feed && !options.is_head;
    if (goes_on) {
        co_await serve_feed(scope, *response->feed);
    }
    co_await stream_.linger(scope, limits_.linger);
    co_return Next::end;
}

// Nothing is kept for a reader but what is being written: one who is too slow for that is dropped.
// Whoever sends something meanwhile, or ends its side, is done with it.
Task<> Connection::serve_feed(TaskScope& scope, const Feed& feed) {
    in_.clear();
    TimePoint spoke = Clock::refresh();
    for (;;) {
        const TimePoint now = Clock::refresh();
        std::string text = feed.next(now);
        const bool is_quiet = text.empty() && now - spoke >= limits_.heartbeat;
        if (is_quiet && feed.has_heartbeat) text = kHeartbeat;
        if (!text.empty()) {
            const bool is_sent = co_await stream_.write(scope, text, limits_.feed);
            if (!is_sent) co_return;
            spoke = now;
        }
        if (feed.is_over && feed.is_over()) co_return;
        stream_.set_deadline(feed.period);
        const bool has_more = co_await stream_.read_more(scope, in_);
        if (has_more || !stream_.is_late()) co_return;
    }
}

Task<> Connection::run(TaskScope& scope) {
    if (tls_.context) {
        stream_.set_deadline(limits_.header);
        const bool is_safe = co_await stream_.start_tls(scope, tls_);
        if (!is_safe) co_return stream_.close();
    }
    // Not `while (co_await …)`: g++ 12 at -O2 takes the empty loop for one that never runs.
    while (true) {
        const Next next = co_await serve_one(scope);
        if (next != Next::request) break;
        // A client that sends without a pause never waits for its socket: the others have a turn.
        co_await scope.sleep_for(Duration::zero());
    }
    // The server forgets this connection with its next client, which may be long after.
    stream_.close();
}

}  // namespace weir::admin
