#include "h2_connection.hpp"

#include "weir/upstream/local_context.hpp"

#include "local_endpoint.hpp"

#include <algorithm>
#include <cerrno>

namespace weir::upstream {
namespace {

constexpr std::size_t kBuffer = 4096;
// A buffer above this is given back after use.
constexpr std::size_t kKeptBuffer = std::size_t{256} * 1024;

// Who left after so long without a word of the upstream may have met a dead connection.
constexpr Duration kSuspicious = std::chrono::seconds{1};

// Of each answer that nobody takes at the moment, so much is kept.
constexpr std::uint32_t kStreamWindow = 256 * 1024;
constexpr std::uint32_t kConnectionWindow = 4 * 1024 * 1024;

Error upstream_error(Reason reason, Error::Retry retry, const char* detail) {
    return Error{reason, Error::Origin::upstream, retry, detail};
}

Error connect_error(int error) {
    if (error == ETIMEDOUT)
        return upstream_error(Reason::upstream_connect_timeout, Error::Retry::safe, "");
    return upstream_error(Reason::upstream_connect_refused, Error::Retry::safe,
                          error == ECONNREFUSED ? "" : "it cannot be reached");
}

}  // namespace

// ---- a stream

class H2Connection::Stream final : public transport::Retired,
                                   public http::H2Stream,
                                   public Carrier {
  public:
    explicit Stream(H2Connection& connection) : Carrier(true), connection_(connection) {
        is_reused_ = connection.has_carried();
        connect_time_ = connection.connect_time_;
        const State state = connection.state_;
        is_connected_ = state == State::open || (state == State::opening && !is_reused_);
    }

    // Carrier
    void attach(ConnectionUser& user) override { user_ = &user; }
    void detach() override;
    void begin(const Opening& opening) override {
        is_begun_ = true;
        last_write_ = Clock::now();
        connection_.begin(*this, opening);
    }
    void send_body(std::string_view data, bool is_last, std::string_view trailers) override {
        last_write_ = Clock::now();
        connection_.codec_.send_body(*this, data, is_last, trailers);
    }
    [[nodiscard]] std::size_t pending() const override {
        const std::size_t size = waiting() + (connection_.is_blocked() ? 1 : 0);
        if (size > 0) is_told_full_ = true;
        return size;
    }
    void pause_response() override { is_paused_ = true; }
    void resume_response() override {
        is_paused_ = false;
        connection_.codec_.consume(*this, std::exchange(held_, 0));
    }
    [[nodiscard]] std::pair<std::unique_ptr<transport::Stream>, ConnectionToken> take_stream()
        override {
        assertion_failed("a stream is no connection", __FILE__, __LINE__);
    }

    // What the connection tells
    [[nodiscard]] bool is_begun() const { return is_begun_; }
    [[nodiscard]] ConnectionUser* leave_user() { return std::exchange(user_, nullptr); }
    void ready() {
        is_connected_ = true;
        connect_time_ = connection_.connect_time_;
        is_reused_ = connection_.has_carried();
        if (user_ != nullptr) user_->on_ready();
    }
    void take_head(const http::ResponseHead& head, bool is_whole) {
        has_response_bytes_ = true;
        is_whole_ = is_whole;
        if (user_ != nullptr) user_->on_head(head);
        if (is_whole && user_ != nullptr) user_->on_body({}, true, {});
    }
    void take_body(std::string_view data) {
        if (user_ != nullptr) user_->on_body(data, false, {});
        if (is_paused_ && user_ != nullptr) {
            held_ += data.size();
        } else {
            connection_.codec_.consume(*this, data.size());
        }
    }
    void take_end(std::string_view trailers) {
        is_whole_ = true;
        if (user_ != nullptr) user_->on_body({}, true, trailers);
    }
    void flush() {
        is_heard_ = false;
        if (user_ != nullptr) user_->on_flush();
    }
    void drained() {
        is_told_full_ = false;
        if (user_ != nullptr) user_->on_request_drained();
    }
    [[nodiscard]] bool is_told_full() const { return is_told_full_; }
    void closed(http::H2Code code);
    // With its connection: what that means depends on how far it has come.
    void fail(Error error, bool is_first) {
        was_told_of_ = !is_first;
        const bool is_sent_again = !has_response_bytes_ && is_reused_;
        if (!is_begun_) {
            error.retry = Error::Retry::safe;
        } else if (error.reason == Reason::upstream_reset) {
            error.retry = is_sent_again ? Error::Retry::if_reused : Error::Retry::never;
        }
        if (ConnectionUser* const user = leave_user()) user->on_failed(error);
    }
    void fail_alone(const Error& error) {
        was_reset_alone_ = true;
        if (ConnectionUser* const user = leave_user()) user->on_failed(error);
    }

    std::size_t index = 0;   // in its connection's list
    bool is_heard_ = false;  // it is in the list of those that heard something

  private:
    H2Connection& connection_;
    ConnectionUser* user_ = nullptr;
    bool is_begun_ = false;
    bool is_whole_ = false;  // the answer
    bool is_paused_ = false;
    mutable bool is_told_full_ = false;
    std::size_t held_ = 0;  // of the answer, not consumed
};

void H2Connection::Stream::detach() {
    user_ = nullptr;
    if (connection_.state_ == State::over) return;
    if (!is_begun_) return connection_.leave(*this);
    if (is_closed() || (is_whole_ && has_ended() && waiting() == 0)) return;
    if (!has_response_bytes_) connection_.suspect(*this);
    connection_.codec_.reset(*this, http::H2Code::cancel);
}

// The last word about it, while it had a user.
void H2Connection::Stream::closed(http::H2Code code) {
    if (user_ == nullptr) return;
    if (code == http::H2Code::refused_stream && !has_response_bytes_) {
        Error error = upstream_error(Reason::upstream_reset, Error::Retry::safe,
                                     "the upstream refused the stream");
        if (!connection_.is_going_ || was_reset_by_peer()) return fail_alone(error);
        is_unprocessed_ = true;
        connection_.note_unprocessed();
        error.detail = "the upstream closes the connection";
        if (ConnectionUser* const user = leave_user()) user->on_failed(error);
        return;
    }
    if (was_reset_by_peer()) {
        return fail_alone(upstream_error(Reason::upstream_reset, Error::Retry::never,
                                         "the upstream reset the stream"));
    }
    fail_alone(upstream_error(Reason::upstream_protocol, Error::Retry::never,
                              "a message against the rules of HTTP/2"));
}

// ---- the connection

H2Connection::H2Connection(LocalContext& context, LocalEndpoint& endpoint, ConnectionHold hold)
    : context_(context),
      endpoint_(endpoint),
      hold_(std::move(hold)),
      codec_(http::H2Codec::Side::client,
             {.head = context.upstream_limits,
              .stream_window = kStreamWindow,
              .connection_window = kConnectionWindow},
             context.h2,
             *this),
      most_streams_(std::max(endpoint.expected_streams(), 1U)),
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

std::pair<std::unique_ptr<transport::Stream>, ConnectionToken> H2Connection::take_stream() {
    state_ = State::over;
    timer_.cancel();
    context_.loop.unwatch(-1, *this);
    std::pair taken{std::move(stream_), std::move(hold_.token)};
    endpoint_.forget(*this);
    return taken;
}

bool H2Connection::has_room() const {
    if (state_ == State::over || is_draining_ || is_suspected_) return false;
    if (streams_.size() >= most_streams_) return false;
    if (state_ == State::open) return codec_.may_open();
    return Clock::now() - started_ < endpoint_.connect_timeout();
}

Carrier& H2Connection::add_stream() {
    if (streams_.empty()) busy_since_ = Clock::now();
    auto made = std::make_unique<Stream>(*this);
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
    endpoint_.on_connected(connect_time_);
    if (!stream_->is_tls() || stream_->alpn() == "h2") return begin_to_speak();
    if (!endpoint_.is_h2_only()) return speak_h1();
    fail(upstream_error(Reason::upstream_tls, Error::Retry::safe,
                        "the peer does not speak HTTP/2 (ALPN)"));
}

// Of those who wait one can have it.
void H2Connection::speak_h1() {
    const auto waiting = all_streams();
    ConnectionUser* const first = waiting.empty() ? nullptr : waiting.front()->leave_user();
    endpoint_.speak_h1(*this, first);
    for (Stream* const stream : waiting) {
        if (ConnectionUser* const user = stream->leave_user()) user->on_displaced();
    }
}

void H2Connection::begin_to_speak() {
    state_ = State::opening;
    busy_since_ = heard_at_ = idle_since_ = Clock::now();
    context_.loop.schedule(*this);
    look_by(heard_at_ + std::min(kQuiet, endpoint_.idle_timeout()));
    if (!streams_.empty()) streams_.front()->ready();
}

void H2Connection::begin(Stream& stream, const Carrier::Opening& opening) {
    ++carried_;
    look_by(stream.last_write() + kQuiet);
    // A body that was announced ends by a frame of its own, if it is empty: servers of gRPC wait
    // for it.
    const bool ends =
        opening.is_whole && opening.body.empty() && opening.trailers.empty() && !opening.is_chunked;
    const std::string_view scheme = stream_->is_tls() ? "https" : "http";
    const std::string_view host = endpoint_.shared().authority();
    if (!codec_.open(stream, opening.head, scheme, ends, host)) {
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
        } else if (ConnectionUser* const user = stream->leave_user()) {
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

void H2Connection::on_timer() {
    const TimePoint now = Clock::now();
    if (streams_.empty()) {
        const TimePoint due = idle_since_ + endpoint_.idle_timeout();
        return now < due ? look_by(due) : drain();
    }
    if (is_asked_) {
        if (now < asked_at_ + kPatience) return look_by(asked_at_ + kPatience);
        return fail(upstream_error(Reason::upstream_reset, Error::Retry::never,
                                   "the upstream answers no PING"));
    }
    const TimePoint due = std::max(std::max(heard_at_, busy_since_) + kQuiet, may_ask_at());
    if (now < due) return look_by(due);
    ask(now);
}

TimePoint H2Connection::may_ask_at() const {
    return told_at_ >= asked_at_ ? TimePoint{} : asked_at_ + kAskAgain;
}

void H2Connection::ask(TimePoint now) {
    is_asked_ = true;
    asked_at_ = now;
    codec_.ping();
    look_by(now + kPatience);
}

// Nothing came since its request was sent, for long: is anybody there?
void H2Connection::suspect(const Stream& stream) {
    const TimePoint now = Clock::now();
    if (heard_at_ > stream.last_write() || now - stream.last_write() < kSuspicious) return;
    if (now < may_ask_at() && !is_asked_) return drain();
    is_suspected_ = true;
    if (!is_asked_) ask(now);
}

// ---- what comes

void H2Connection::on_bytes(std::string_view bytes) {
    if (state_ == State::over) return;
    heard_at_ = Clock::now();
    is_asked_ = is_suspected_ = false;
    static_cast<void>(codec_.receive(bytes, heard_at_));
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

http::H2Stream& H2Connection::on_open() {
    assertion_failed("a server opens no streams", __FILE__, __LINE__);
}

void H2Connection::hear(Stream& stream) {
    told_at_ = heard_at_;
    if (!std::exchange(stream.is_heard_, true)) heard_.push_back(&stream);
}

void H2Connection::on_refused(http::H2Stream& stream, const Error& error, bool /*is_whole*/) {
    auto& refused = static_cast<Stream&>(stream);
    codec_.reset(refused, http::H2Code::protocol_error);
    refused.fail_alone(error);
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
    endpoint_.expect_streams(std::max(std::min(carried_, endpoint_.expected_streams()), 1U));
}

void H2Connection::note_unprocessed() {
    --carried_;
    expect_fewer();
}

void H2Connection::on_settings() {
    if (state_ == State::over) return;
    most_streams_ = std::min(codec_.most_streams(), kMostStreams);
    endpoint_.expect_streams(most_streams_);
    if (state_ == State::opening) {
        state_ = State::open;
        serve_waiting();
    }
    if (state_ != State::over) endpoint_.room_made(*this);
}

void H2Connection::on_pong() {}

void H2Connection::on_fault(http::H2Fault /*fault*/, bool is_enforced) {
    is_broken_ = is_broken_ || is_enforced;
    if (is_enforced && state_ != State::over) context_.loop.schedule(*this);
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
    endpoint_.room_made(*this);
    if (!streams_.empty()) return;
    idle_since_ = Clock::now();
    if (is_draining_ || !endpoint_.keeps(*this)) return drain();
    look_by(idle_since_ + endpoint_.idle_timeout());
}

void H2Connection::fail(const Error& error) {
    const auto streams = all_streams();
    close();
    for (Stream* const stream : streams)
        stream->fail(error, stream == streams.front());
}

void H2Connection::close() {
    if (state_ == State::over) return;
    state_ = State::over;
    timer_.cancel();
    context_.loop.unwatch(-1, *this);
    stream_->close();
    hold_.token.reset();
    hold_.connecting.reset();
    endpoint_.forget(*this);
}

}  // namespace weir::upstream
