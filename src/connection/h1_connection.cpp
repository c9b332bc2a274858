#include "weir/connection/h1_connection.hpp"

#include "connection/errors.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace weir::connection {
namespace {

// The rest of an answer nobody wants is read up to here, to keep the connection.
constexpr std::size_t kMaxDiscarded = 64 * 1024;

// A connection that is in use is not looked at more often.
constexpr Duration kLeastLook = std::chrono::seconds{1};

}  // namespace

H1Connection::H1Connection(Context& context, Pool& pool, Hold hold)
    : Carrier(false),
      context_(context),
      pool_(pool),
      hold_(std::move(hold)),
      started_(Clock::now()) {}

H1Connection::~H1Connection() = default;

void H1Connection::connect(transport::Socket socket, const transport::TlsStart& tls) {
    stream_ =
        std::make_unique<transport::Stream>(context_.loop, std::move(socket), *this, true, tls);
}

void H1Connection::take_over(std::unique_ptr<transport::Stream> stream, Duration took, User* user) {
    stream_ = std::move(stream);
    stream_->set_handler(*this);
    connect_time_ = took;
    is_connected_ = true;
    state_ = State::idle;
    if (user == nullptr) return settle();
    attach(*user);
    user->on_moved(*this);
    user->on_ready();
}

void H1Connection::attach(User& user) {
    WEIR_ASSERT(user_ == nullptr && (state_ == State::idle || state_ == State::connecting));
    user_ = &user;
    is_reused_ = ++requests_ > 1;
    is_request_whole_ = false;
    is_response_whole_ = false;
    has_response_bytes_ = false;
    is_provably_unread_ = false;
    acknowledged_.reset();
}

void H1Connection::detach() {
    user_ = nullptr;
    if (state_ == State::closed) return;
    if (is_response_whole_ && !is_upgraded_) return settle();
    if (is_upgraded_) {
        if (!is_request_whole_) stream_->close_with_reset();
        return close();
    }
    const bool has_short_rest = state_ == State::body && is_request_whole_ && keeps_alive_;
    if (!has_short_rest) return close();
    state_ = State::discarding;
    discarded_ = 0;
    idle_since_ = Clock::now();
    if (!idle_timer_.is_armed()) watch_idleness();
    stream_->resume();
}

void H1Connection::begin(const Opening& opening) {
    state_ = State::head;
    method_ = opening.method;
    is_chunked_ = opening.is_chunked;
    is_request_whole_ = opening.is_whole;
    write(opening.head, opening.body, opening.is_whole, opening.trailers);
}

void H1Connection::send_body(std::string_view data, bool is_last, std::string_view trailers) {
    if (state_ == State::closed) return;
    is_request_whole_ = is_last;
    write({}, data, is_last, trailers);
    if (is_last && is_upgraded_) stream_->shutdown_send();
}

void H1Connection::write(std::string_view head,
                         std::string_view data,
                         bool is_last,
                         std::string_view trailers) {
    last_write_ = Clock::now();
    if (!is_chunked_) return stream_->write({head, data});
    char buffer[20];
    const std::string_view prefix =
        data.empty() ? std::string_view() : http::chunk_prefix(data.size(), buffer);
    const std::string_view suffix = data.empty() ? std::string_view() : http::kChunkEnd;
    if (!is_last) return stream_->write({head, prefix, data, suffix});
    if (trailers.empty()) return stream_->write({head, prefix, data, suffix, http::kLastChunk});
    stream_->write({head, prefix, data, suffix, "0\r\n", trailers, "\r\n"});
}

std::pair<std::unique_ptr<transport::Stream>, Token> H1Connection::take_stream() {
    is_tunnel_ = true;
    state_ = State::closed;
    idle_timer_.cancel();
    std::pair taken{std::move(stream_), std::move(hold_.token)};
    pool_.forget(*this);
    return taken;
}

void H1Connection::abandon() {
    if (user_ == nullptr) return close();
    fail(upstream_error(Reason::upstream_reset, Error::Retry::never, "the endpoint is gone"));
}

void H1Connection::on_connected() {
    connect_time_ = Clock::now() - started_;
    hold_.connecting.reset();
    is_connected_ = true;
    state_ = State::idle;
    pool_.on_connected(connect_time_);
    if (stream_->alpn() == "h2") return pool_.speak_h2(*this, std::exchange(user_, nullptr));
    if (user_ != nullptr) {
        user_->on_ready();
    } else {
        settle();
    }
}

void H1Connection::on_bytes(std::string_view bytes) {
    if (state_ == State::idle) return ended_while_idle();  // bytes nobody asked for: a 408, say
    has_response_bytes_ = true;
    if (state_ == State::head) bytes = take_head(bytes);
    if (state_ == State::body) {
        take_body(bytes);
    } else if (state_ == State::discarding) {
        discard(bytes);
    }
    if (user_ != nullptr) user_->on_flush();
}

// Heads up to and including the final one; returns the bytes behind it.
std::string_view H1Connection::take_head(std::string_view bytes) {
    std::string joined;
    if (!partial_.empty()) {
        seen_ = partial_.size();
        partial_.append(bytes);
        joined = std::exchange(partial_, {});
        bytes = joined;
    }
    while (state_ == State::head && user_ != nullptr) {
        http::ResponseHead& head = context_.response_head;
        const http::HeadParse parse = http::parse_response_head(bytes, method_, context_.limits,
                                                                head, std::exchange(seen_, 0));
        if (parse.state == http::HeadParse::State::failed) {
            fail(parse.error);
            return {};
        }
        if (parse.state == http::HeadParse::State::need_more) {
            partial_.assign(bytes);
            return {};
        }
        bytes.remove_prefix(parse.consumed);
        if (head.status >= 200 || head.is_upgrade) {
            state_ = State::body;
            keeps_alive_ = head.keep_alive;
            promised_ = head.keep_alive_timeout;
            decoder_.start(head.framing, head.content_length, context_.limits);
            if (head.is_upgrade) begin_upgraded();
        }
        user_->on_head(head);
    }
    if (is_tunnel_) {
        if (!bytes.empty() && user_ != nullptr) user_->on_body(bytes, false, {});
        user_ = nullptr;
        return {};
    }
    if (joined.empty() || bytes.empty()) return bytes;
    // The rest must outlive `joined`: it fits the scratch buffer, out of which it came.
    const std::span<char> scratch = context_.loop.scratch();
    WEIR_ASSERT(bytes.size() <= scratch.size());
    std::memcpy(scratch.data(), bytes.data(), bytes.size());
    return {scratch.data(), bytes.size()};
}

// From here on both ways are bytes of any kind.
void H1Connection::begin_upgraded() {
    is_upgraded_ = true;
    keeps_alive_ = is_request_whole_ = false;
    decoder_.start(http::Framing::until_close, 0, context_.limits);
}

void H1Connection::take_body(std::string_view bytes) {
    while (state_ == State::body && user_ != nullptr) {
        const http::BodyDecoder::Step step = decoder_.next(bytes);
        if (step.has_failed) {
            return fail(upstream_error(Reason::upstream_protocol, Error::Retry::never,
                                       "broken body framing"));
        }
        bytes.remove_prefix(step.consumed);
        if (step.is_done) {
            is_response_whole_ = true;
            keeps_alive_ = keeps_alive_ && bytes.empty();
            user_->on_body(step.data, true, decoder_.trailers());
            return;
        }
        if (step.consumed == 0) return;
        if (!step.data.empty()) user_->on_body(step.data, false, {});
    }
    if (state_ == State::discarding) discard(bytes);
}

void H1Connection::discard(std::string_view bytes) {
    discarded_ += bytes.size();
    if (discarded_ > kMaxDiscarded) return close();
    while (true) {
        const http::BodyDecoder::Step step = decoder_.next(bytes);
        if (step.has_failed) return close();
        bytes.remove_prefix(step.consumed);
        if (step.is_done) {
            is_response_whole_ = true;
            keeps_alive_ = keeps_alive_ && bytes.empty();
            return settle();
        }
        if (step.consumed == 0) return;
    }
}

// Nobody uses it and the answer is whole: back to the pool, or closed.
void H1Connection::settle() {
    const bool is_reusable = keeps_alive_ && (is_request_whole_ || requests_ == 0) &&
                             stream_->is_open() && !stream_->has_eof() && stream_->pending() == 0;
    if (!is_reusable) return close();
    state_ = State::idle;
    stream_->resume();
    idle_since_ = Clock::now();
    if (!idle_timer_.is_armed()) watch_idleness();
    if (!pool_.put_idle(*this)) close();
}

// One timer for many idle times: it looks at idle_since_ when it fires.
void H1Connection::watch_idleness() {
    context_.loop.timers().arm(idle_timer_, idle_since_ + pool_.may_stay_idle(*this, {}));
}

void H1Connection::on_idle_timer() {
    const TimePoint now = Clock::now();
    const bool is_used = user_ != nullptr;
    const TimePoint since = is_used ? now : idle_since_;
    Duration stay = pool_.may_stay_idle(*this, now - since);
    if (is_used) stay = std::max(stay, kLeastLook);
    const TimePoint due = since + stay;
    if (now >= due) return close();
    context_.loop.timers().arm(idle_timer_, due);
}

// It was the upstream that ended it.
void H1Connection::ended_while_idle() {
    const TimePoint now = Clock::now();
    if (requests_ > 0) pool_.on_idle_closed(now - idle_since_, now);
    close();
}

void H1Connection::on_eof() {
    if (state_ == State::body && decoder_.on_eof() && !(is_upgraded_ && has_write_failed_)) {
        is_response_whole_ = true;
        keeps_alive_ = false;
        user_->on_body({}, true, {});
        return;
    }
    if (state_ == State::head || state_ == State::body) {
        const bool may_retry = state_ == State::head && !has_response_bytes_ && is_reused();
        is_provably_unread_ =
            may_retry && acknowledged_ && stream_->socket().bytes_acknowledged() == acknowledged_;
        return fail(upstream_error(Reason::upstream_reset,
                                   may_retry ? Error::Retry::if_reused : Error::Retry::never,
                                   "the upstream closed the connection"));
    }
    if (state_ == State::idle) return ended_while_idle();
    close();
}

void H1Connection::on_broken(int error) {
    const bool is_tls = error == transport::kTlsError;
    if (state_ == State::connecting && !is_tls) return fail(connect_error(error));
    const bool is_refused =
        is_tls && state_ == State::head && !has_response_bytes_ && stream_->was_refused_by_peer();
    if (state_ == State::connecting || is_refused)
        return fail(upstream_error(Reason::upstream_tls, Error::Retry::safe, stream_->tls_error()));
    if (state_ == State::idle && user_ == nullptr) return ended_while_idle();
    const bool may_retry = state_ == State::head && !has_response_bytes_ && is_reused();
    fail(upstream_error(Reason::upstream_reset,
                        may_retry ? Error::Retry::if_reused : Error::Retry::never,
                        "the upstream reset the connection"));
}

// What we send is lost; an answer sent before the reset may still be there to read.
void H1Connection::on_write_failed() {
    keeps_alive_ = false;
    has_write_failed_ = true;
    stream_->resume();
}

void H1Connection::on_drained() {
    if (user_ != nullptr && state_ != State::idle) user_->on_request_drained();
}

void H1Connection::fail(const Error& error) {
    User* const user = std::exchange(user_, nullptr);
    close();
    if (user != nullptr) user->on_failed(error);
}

void H1Connection::close() {
    if (state_ == State::closed) return;
    const bool was_idle = state_ == State::idle && user_ == nullptr;
    state_ = State::closed;
    idle_timer_.cancel();
    stream_->close();
    hold_.token.reset();
    hold_.connecting.reset();
    if (was_idle) pool_.take_out_of_idle(*this);
    pool_.forget(*this);
}

}  // namespace weir::connection
