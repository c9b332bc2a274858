#include "connection/errors.hpp"
#include "connection/h2_stream.hpp"

#include <algorithm>

// What an HTTP/2 connection is told by its codec, and by the clock.
namespace weir::connection {

// ---- time

void H2Connection::on_timer() {
    const TimePoint now = Clock::now();
    if (streams_.empty()) {
        const TimePoint due = idle_since_ + pool_.idle_timeout();
        return now < due ? look_by(due) : drain();
    }
    const Silence::Step step = silence_.look(now);
    switch (step.kind) {
        case Silence::Step::Kind::wait:
            return look_by(step.at);
        case Silence::Step::Kind::ask:
            return ask(now);
        case Silence::Step::Kind::gone:
            return fail(upstream_error(Reason::upstream_reset, Error::Retry::never,
                                       "the upstream answers no PING"));
    }
}

void H2Connection::ask(TimePoint now) {
    codec_.ping();
    look_by(silence_.ask(now));
}

void H2Connection::suspect(const Stream& stream) {
    const TimePoint now = Clock::now();
    if (!silence_.is_doubtful(stream.last_write(), now)) return;
    if (!silence_.may_ask(now)) return drain();
    silence_.suspect();
    if (!silence_.is_asked()) ask(now);
}

// ---- what comes

http::H2Stream& H2Connection::on_open() {
    assertion_failed("a server opens no streams", __FILE__, __LINE__);
}

void H2Connection::hear(Stream& stream) {
    silence_.told();
    if (!std::exchange(stream.is_heard_, true)) heard_.push_back(&stream);
}

void H2Connection::on_refused(http::H2Stream& stream, const http::H2Refusal& refusal) {
    auto& refused = static_cast<Stream&>(stream);
    codec_.reset(refused, http::H2Code::protocol_error);
    refused.fail_alone(refusal.error);
}

void H2Connection::on_response(http::H2Stream& stream,
                               const http::ResponseHead& head,
                               bool is_whole) {
    auto& answered = static_cast<Stream&>(stream);
    hear(answered);
    answered.take_head(head, is_whole);
}

void H2Connection::on_body(http::H2Stream& stream, std::string_view data) {
    auto& answered = static_cast<Stream&>(stream);
    hear(answered);
    answered.take_body(data);
}

void H2Connection::on_end(http::H2Stream& stream, std::string_view trailers) {
    auto& answered = static_cast<Stream&>(stream);
    hear(answered);
    answered.take_end(trailers);
}

// Perhaps while another stream gives its body: those who wait are told when that is over.
void H2Connection::on_drained(http::H2Stream& /*stream*/) {
    has_drained_ = true;
    if (state_ != State::over) context_.loop.schedule(*this);
}

void H2Connection::on_closed(http::H2Stream& stream, http::H2Code code) {
    if (state_ == State::over) return;
    auto& closed = static_cast<Stream&>(stream);
    forget(closed);
    closed.closed(code);
    settle();
}

// Those it has not looked at are closed next, as refused.
void H2Connection::on_goaway() {
    is_going_ = true;
    expect_fewer();
    drain();
}

// Where connections end so early, few are to wait for the next one.
void H2Connection::expect_fewer() {
    pool_.expect_streams(std::max(std::min(carried_, pool_.expected_streams()), 1U));
}

void H2Connection::note_unprocessed() {
    --carried_;
    expect_fewer();
}

void H2Connection::on_settings() {
    if (state_ == State::over) return;
    most_streams_ = std::min(codec_.most_streams(), kMostStreams);
    pool_.expect_streams(most_streams_);
    if (state_ == State::opening) {
        state_ = State::open;
        serve_waiting();
    }
    if (state_ != State::over) pool_.room_made(*this);
}

void H2Connection::on_pong() {}

void H2Connection::on_fault(http::H2Fault /*fault*/, bool is_enforced) {
    is_broken_ = is_broken_ || is_enforced;
    if (is_enforced && state_ != State::over) context_.loop.schedule(*this);
}

}  // namespace weir::connection
