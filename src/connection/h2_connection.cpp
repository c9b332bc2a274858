#include "weir/connection/h2_connection.hpp"

#include "connection/errors.hpp"
#include "connection/h2_stream.hpp"

#include <algorithm>

namespace weir::connection {
namespace {

constexpr std::size_t kBuffer = 4096;
// A buffer above this is given back after use.
constexpr std::size_t kKeptBuffer = std::size_t{256} * 1024;

// Of each answer that nobody takes at the moment, so much is kept.
constexpr std::uint32_t kStreamWindow = 256 * 1024;
constexpr std::uint32_t kConnectionWindow = 4 * 1024 * 1024;

}  // namespace

H2Connection::H2Connection(Context& context, Pool& pool, Hold hold)
    : context_(context),
      pool_(pool),
      hold_(std::move(hold)),
      codec_(http::H2Codec::Side::client,
             {.head = context.limits,
              .stream_window = kStreamWindow,
              .connection_window = kConnectionWindow},
             context.h2,
             *this),
      most_streams_(std::max(pool.expected_streams(), 1U)),
      started_(Clock::now()) {}

H2Connection::~H2Connection() {
    for (const auto& stream : streams_)
        codec_.forget(*stream);
}

void H2Connection::connect(transport::Socket socket, const transport::TlsStart& tls) {
    stream_ =
        std::make_unique<transport::Stream>(context_.loop, std::move(socket), *this, true, tls);
}

void H2Connection::take_over(std::unique_ptr<transport::Stream> stream, Duration took) {
    stream_ = std::move(stream);
    stream_->set_handler(*this);
    connect_time_ = took;
    begin_to_speak();
}

std::pair<std::unique_ptr<transport::Stream>, Token> H2Connection::take_stream() {
    state_ = State::over;
    timer_.cancel();
    context_.loop.unwatch(-1, *this);
    std::pair taken{std::move(stream_), std::move(hold_.token)};
    pool_.forget(*this);
    return taken;
}

bool H2Connection::has_room() const {
    if (state_ == State::over || is_draining_ || silence_.is_suspected()) return false;
    if (streams_.size() >= most_streams_) return false;
    if (state_ == State::open) return codec_.may_open();
    return Clock::now() - started_ < pool_.connect_timeout();
}

Carrier& H2Connection::add_stream(bool awaits_settings) {
    if (streams_.empty()) silence_.busy(Clock::now());
    auto made = std::make_unique<Stream>(*this, awaits_settings);
    made->index = streams_.size();
    streams_.push_back(std::move(made));
    return *streams_.back();
}

std::vector<H2Connection::Stream*> H2Connection::all_streams() const {
    std::vector<Stream*> all;
    all.reserve(streams_.size());
    for (const auto& stream : streams_)
        all.push_back(stream.get());
    return all;
}

void H2Connection::on_connected() {
    connect_time_ = Clock::now() - started_;
    hold_.connecting.reset();
    pool_.on_connected(connect_time_);
    if (!stream_->is_tls() || stream_->alpn() == "h2") return begin_to_speak();
    if (!pool_.is_h2_only()) return speak_h1();
    fail(upstream_error(Reason::upstream_tls, Error::Retry::safe,
                        "the peer does not speak HTTP/2 (ALPN)"));
}

// Of those who wait one can have it.
void H2Connection::speak_h1() {
    const auto waiting = all_streams();
    User* const first = waiting.empty() ? nullptr : waiting.front()->leave_user();
    pool_.speak_h1(*this, first);
    for (Stream* const stream : waiting) {
        if (User* const user = stream->leave_user()) user->on_displaced();
    }
}

void H2Connection::begin_to_speak() {
    state_ = State::opening;
    idle_since_ = Clock::now();
    silence_.heard(idle_since_);
    silence_.busy(idle_since_);
    context_.loop.schedule(*this);
    look_by(idle_since_ + std::min(Silence::kQuiet, pool_.idle_timeout()));
    const auto first = std::find_if(streams_.begin(), streams_.end(),
                                    [](const auto& each) { return !each->awaits_settings(); });
    if (first != streams_.end()) (*first)->ready();
}

void H2Connection::begin(Stream& stream, const Carrier::Opening& opening) {
    ++carried_;
    look_by(stream.last_write() + Silence::kQuiet);
    // A body that was announced ends by a frame of its own, if it is empty: servers of gRPC wait
    // for it.
    const bool ends =
        opening.is_whole && opening.body.empty() && opening.trailers.empty() && !opening.is_chunked;
    const std::string_view scheme = stream_->is_tls() ? "https" : "http";
    const std::string_view host = pool_.authority();
    const bool is_open = opening.is_websocket
                             ? codec_.open_websocket(stream, opening.head, scheme, host)
                             : codec_.open(stream, opening.head, scheme, ends, host);
    if (!is_open) {
        is_broken_ = true;  // who asks is not told from inside
        return context_.loop.schedule(*this);
    }
    if (!ends) codec_.send_body(stream, opening.body, opening.is_whole, opening.trailers);
}

// The peer has said how many it takes.
void H2Connection::serve_waiting() {
    const auto all = all_streams();
    auto room = std::int64_t{most_streams_};
    for (const Stream* const stream : all)
        room -= stream->is_begun() ? 1 : 0;
    for (Stream* const stream : all) {
        if (state_ == State::over) return;
        if (stream->is_begun()) continue;
        if (room-- > 0) {
            stream->ready();
        } else if (User* const user = stream->leave_user()) {
            forget(*stream);
            user->on_displaced();
        }
    }
}

void H2Connection::drain() {
    is_draining_ = true;
    if (streams_.empty() && state_ != State::over) context_.loop.schedule(*this);
}

void H2Connection::abandon() {
    fail(upstream_error(Reason::upstream_reset, Error::Retry::never, "the endpoint is gone"));
}

// ---- time

void H2Connection::look_by(TimePoint at) {
    if (!timer_.is_armed() || timer_.deadline() > at) context_.loop.timers().arm(timer_, at);
}

// ---- what comes

void H2Connection::on_bytes(std::string_view bytes) {
    if (state_ == State::over) return;
    const TimePoint now = Clock::now();
    silence_.heard(now);
    static_cast<void>(codec_.receive(bytes, now));
    for (std::size_t i = 0; i < heard_.size(); ++i)
        heard_[i]->flush();
    heard_.clear();
}

void H2Connection::on_ready(transport::Readiness /*readiness*/) {
    if (state_ == State::over || state_ == State::connecting) return;
    flush();
    if (state_ == State::over) return;
    if (is_broken_) {
        return fail(upstream_error(Reason::upstream_protocol, Error::Retry::never,
                                   state_ == State::opening
                                       ? "the upstream does not speak HTTP/2"
                                       : "frames against the rules of HTTP/2"));
    }
    if (std::exchange(has_drained_, false)) tell_drained();
    if (!is_draining_ || !streams_.empty()) return;
    codec_.terminate(http::H2Code::no_error);
    flush();
    close();
}

void H2Connection::on_eof() {
    fail(upstream_error(Reason::upstream_reset, Error::Retry::never,
                        "the upstream closed the connection"));
}

void H2Connection::on_broken(int error) {
    const bool is_tls = error == transport::kTlsError;
    if (state_ == State::connecting && !is_tls) return fail(connect_error(error));
    const bool is_refused = is_tls && state_ == State::opening && stream_->was_refused_by_peer();
    if (state_ == State::connecting || is_refused)
        return fail(upstream_error(Reason::upstream_tls, Error::Retry::safe, stream_->tls_error()));
    fail(upstream_error(Reason::upstream_reset, Error::Retry::never,
                        "the upstream reset the connection"));
}

// What we send is lost; what was answered before may still be there to read.
void H2Connection::on_write_failed() {
    is_draining_ = true;
}

// ---- what goes

void H2Connection::on_output() {
    if (state_ == State::over) return;
    context_.output.reserve(kBuffer);
    codec_.lend(std::exchange(context_.output, {}));
    context_.loop.schedule(*this);
}

void H2Connection::flush() {
    while (!is_blocked()) {
        codec_.pump();
        std::string out = codec_.take_output();
        if (out.empty()) break;
        stream_->write({out});
        out.clear();
        if (out.capacity() <= kKeptBuffer) context_.output = std::move(out);
    }
    codec_.set_blocked(is_blocked());
}

void H2Connection::on_drained() {
    if (state_ == State::over || state_ == State::connecting) return;
    codec_.set_blocked(false);
    flush();
    tell_drained();
}

void H2Connection::tell_drained() {
    for (std::size_t i = 0; i < streams_.size() && !is_blocked(); ++i) {
        if (streams_[i]->is_told_full() && streams_[i]->waiting() == 0) streams_[i]->drained();
    }
}

// ---- the end

// Whoever calls may still be in it.
void H2Connection::forget(Stream& stream) {
    const std::size_t at = stream.index;
    std::swap(streams_[at], streams_.back());
    streams_[at]->index = at;
    context_.loop.retire(std::move(streams_.back()));
    streams_.pop_back();
}

// One that has not begun.
void H2Connection::leave(Stream& stream) {
    forget(stream);
    if (state_ == State::connecting && streams_.empty()) return close();
    settle();
}

void H2Connection::settle() {
    if (state_ == State::over) return;
    pool_.room_made(*this);
    if (!streams_.empty()) return;
    idle_since_ = Clock::now();
    if (is_draining_ || !pool_.keeps(*this)) return drain();
    look_by(idle_since_ + pool_.idle_timeout());
}

void H2Connection::fail(const Error& error) {
    const auto streams = all_streams();
    close();
    // A tunnel has long been judged: it says nothing of it.
    const auto first = std::find_if(streams.begin(), streams.end(),
                                    [](const Stream* each) { return !each->is_upgraded(); });
    for (Stream* const stream : streams)
        stream->fail(error, first != streams.end() && stream == *first);
}

void H2Connection::close() {
    if (state_ == State::over) return;
    state_ = State::over;
    timer_.cancel();
    context_.loop.unwatch(-1, *this);
    stream_->close();
    hold_.token.reset();
    hold_.connecting.reset();
    pool_.forget(*this);
}

}  // namespace weir::connection
