#include "h2_session.hpp"

#include "exchange.hpp"

#include <utility>

namespace weir::proxy {
namespace {

// After our last word what the client still sends is read and ignored for so long, as closing at
// once could destroy that word on its way.
constexpr Duration kLinger = std::chrono::seconds{2};

constexpr std::size_t kBuffer = 4096;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

// ---- a stream

class H2Session::Stream final : public transport::Retired,
                                public http::H2Stream,
                                public Downstream {
  public:
    explicit Stream(H2Session& session)
        : Downstream(session.listener_, session.client_, true),
          session_(session),
          last_moved_(Clock::now()) {}

    void begin(const http::RequestHead& head, bool is_whole) {
        method_ = head.method;
        is_whole_ = is_whole;
        is_connect_ = head.is_upgrade;
        take_exchange().begin(*this, head);
    }
    void refuse(const http::H2Refusal& refusal) {
        is_whole_ = refusal.is_whole;
        take_exchange().begin_refused(*this, refusal.error, http::grpc_kind(refusal.content_type));
    }
    void take_body(std::string_view data) {
        last_moved_ = Clock::now();
        if (exchange_) exchange_->on_request_body(data);
        // What nobody takes is gone, and the client may send on; what waits is not sent on.
        if (exchange_ && exchange_->is_request_full()) {
            held_ += data.size();
        } else {
            session_.codec_.consume(*this, data.size());
        }
    }
    void take_end(std::string_view trailers) {
        is_whole_ = true;
        if (exchange_) exchange_->on_request_end(trailers);
    }
    void drained() {
        last_moved_ = Clock::now();
        is_told_full_ = false;
        if (exchange_) exchange_->on_downstream_drained();
    }
    // Neither side says more. That is no loss if the whole answer has been given. Of a tunnel that
    // both sides have ended the last bytes may still be on their way.
    void closed() {
        session_.codec_.consume(*this, std::exchange(held_, 0));
        if (exchange_ && !(has_ended() && is_whole_ && !was_reset_by_peer())) leave();
    }
    void leave() {
        if (exchange_) exchange_->on_client_left();
        give_back();
    }
    void abandon() {
        if (exchange_) exchange_->on_abandoned();
        give_back();
    }
    [[nodiscard]] bool has_exchange() const { return exchange_ != nullptr; }
    [[nodiscard]] bool is_told_full() const { return is_told_full_; }
    [[nodiscard]] TimePoint last_moved() const { return last_moved_; }

    std::size_t index = 0;  // in its session's list

    // Downstream
    void send_interim(const http::ResponseHead& head) override {
        std::string& out = session_.context_.out;
        out.clear();
        http::write_response_head(out, head, {});
        session_.codec_.send_interim(*this, out);
    }
    void send_continue() override { session_.codec_.send_interim(*this, kContinue); }
    void send_head(const http::ResponseHead& head,
                   bool keeps_alive,
                   const HeadEdits& edits) override;
    void send_body(std::string_view data, bool is_last, std::string_view trailers) override {
        last_moved_ = Clock::now();
        session_.codec_.send_body(*this, data, is_last, trailers);
    }
    void send_local(std::string_view whole) override {
        const std::size_t size = whole.find("\r\n\r\n") + 4;
        const std::string_view body = whole.substr(size);
        session_.codec_.send_head(*this, whole.substr(0, size), body.empty());
        if (!body.empty()) session_.codec_.send_body(*this, body, true, {});
    }
    void flush() override {}
    void cut_off(bool is_deadline) override {
        // A client of gRPC takes CANCEL for its deadline, if that has passed.
        session_.codec_.reset(*this,
                              is_deadline ? http::H2Code::cancel : http::H2Code::internal_error);
        give_back();
    }
    [[nodiscard]] std::size_t pending() const override {
        const std::size_t size = waiting() + (session_.is_blocked() ? 1 : 0);
        if (size > 0) is_told_full_ = true;
        return size;
    }
    void resume_request() override { session_.codec_.consume(*this, std::exchange(held_, 0)); }
    [[nodiscard]] bool is_request_whole() const override { return is_whole_ || is_connect_; }
    [[nodiscard]] bool may_keep_alive() const override { return true; }
    void end_exchange(bool keeps_alive) override;
    void client_left() override {
        session_.codec_.reset(*this, http::H2Code::cancel);
        leave();
    }
    // Never: it relay()s.
    [[nodiscard]] std::unique_ptr<transport::Stream> take_stream(
        std::string& /*waiting*/) override {
        return nullptr;
    }
    void end_tunnel() override {}
    void relay() override {}
    void end_relay() override { session_.codec_.send_body(*this, {}, true, {}); }

  private:
    Exchange& take_exchange() {
        exchange_ = session_.context_.take_exchange();
        ++session_.exchanges_;
        session_.count_request();
        return *exchange_;
    }
    void give_back() {
        if (!exchange_) return;
        session_.context_.give_back(std::move(exchange_));
        if (--session_.exchanges_ == 0) session_.idle_since_ = Clock::now();
        session_.codec_.consume(*this, std::exchange(held_, 0));
        session_.context_.loop.schedule(session_);  // its deadline is another now
        if (is_closed()) session_.forget(*this);
    }

    H2Session& session_;
    std::unique_ptr<Exchange> exchange_;
    http::Method method_ = http::Method::get;
    bool is_whole_ = false;  // the client has said all
    mutable bool is_told_full_ = false;
    std::size_t held_ = 0;  // of the body, not consumed
    TimePoint last_moved_;
};

void H2Session::Stream::send_head(const http::ResponseHead& head,
                                  bool /*keeps_alive*/,
                                  const HeadEdits& edits) {
    std::string& out = session_.context_.out;
    out.clear();
    const http::Framing framing = http::write_response_head(
        out, head,
        {.is_head = method_ == http::Method::head,
         .strip_weir_fields = listener_.state().config.mode == config::Mode::gateway,
         .extra = edits.lines,
         .removed = edits.removed});
    const bool is_empty = framing == http::Framing::length && head.content_length == 0;
    const bool ends = is_empty || framing == http::Framing::none;
    session_.codec_.send_head(*this, out, ends && !head.is_upgrade);
}

void H2Session::Stream::end_exchange(bool /*keeps_alive*/) {
    give_back();
    if (!has_ended()) {
        session_.codec_.reset(*this, http::H2Code::internal_error);
    } else if (!is_whole_) {
        session_.codec_.reset_after_end(*this);  // RFC 9113, 8.1
    }
}

// ---- the connection

H2Session::H2Session(WorkerContext& context,
                     LocalListener& listener,
                     std::unique_ptr<transport::Stream> stream,
                     Client client)
    : context_(context),
      listener_(listener),
      stream_(std::move(stream)),
      client_(std::move(client)),
      codec_(http::H2Codec::Side::server, listener.state().h2_limits, context.h2, *this),
      idle_since_(Clock::now()) {
    stream_->set_handler(*this);
    set_deadline(listener_.snapshot()->shared->config().client_timeout.header);
    if (listener_.is_draining()) drain();
}

H2Session::~H2Session() {
    for (const auto& stream : streams_)
        codec_.forget(*stream);
}

void H2Session::set_deadline(Duration from_now) {
    deadline_ = Clock::now() + from_now;
    if (!timer_.is_armed() || timer_.deadline() > deadline_)
        context_.loop.timers().arm(timer_, deadline_);
}

// The time for a head begins with its first byte, for the first one with the connection; without
// streams the time of an idle connection runs.
void H2Session::watch_time() {
    const config::ClientTimeouts& timeouts = listener_.snapshot()->shared->config().client_timeout;
    if (requests_ == 0 || state_ != State::open || is_closing_) return;
    if (codec_.is_in_head()) {
        if (!std::exchange(is_timing_head_, true)) set_deadline(timeouts.header);
        return;
    }
    is_timing_head_ = false;
    set_deadline(timeouts.idle);
}

void H2Session::on_timer() {
    const TimePoint now = Clock::now();
    if (now < deadline_) return context_.loop.timers().arm(timer_, deadline_);
    if (state_ == State::lingering) return finish();
    if (is_closing_ && exchanges_ == 0) {  // it does not even take our last word
        stream_->close_with_reset();
        return finish();
    }
    if (is_timing_head_) {
        context_.shard.add(listener_.state().refused(Reason::request_timeout));
        return close();
    }
    // A client that does not take what was answered long ago.
    const Duration patience = listener_.snapshot()->shared->config().client_timeout.idle;
    for (const auto& stream : streams_) {
        if (!stream->has_exchange() && now - stream->last_moved() >= patience)
            codec_.reset(*stream, http::H2Code::cancel);
    }
    if (exchanges_ == 0) {
        has_ended_ = is_closing_ = true;
        codec_.end();
    }
    set_deadline(patience);
}

void H2Session::drain() {
    if (!std::exchange(has_ended_, true)) codec_.announce_end();
}

void H2Session::count_request() {
    const auto& limit = listener_.state().config.limits.requests_per_connection;
    ++requests_;
    if (limit && requests_ >= *limit) {
        has_ended_ = true;
        codec_.end();
    }
    if (listener_.is_draining()) drain();
}

void H2Session::on_output() {
    codec_.lend(context_.take_buffer(kBuffer));
    context_.loop.schedule(*this);
}

// ---- what comes

void H2Session::on_bytes(std::string_view bytes) {
    if (state_ != State::open) return;
    if (partial_.empty()) return receive(bytes);
    partial_.append(bytes);
}

void H2Session::receive(std::string_view bytes) {
    const std::size_t taken = codec_.receive(bytes, Clock::now());
    if (state_ == State::closed) return;
    if (codec_.is_paused()) {
        partial_.assign(bytes.substr(taken));
        stream_->pause();
        context_.loop.schedule(*this);
    }
    watch_time();
}

void H2Session::on_ready(transport::Readiness /*readiness*/) {
    if (state_ == State::closed) return;
    if (codec_.is_paused()) {
        const std::string waiting = std::exchange(partial_, {});
        stream_->resume();
        receive(waiting);
    }
    watch_time();
    flush();
}

// The client may end its side when it has said all; who is waited for no longer cannot be told from
// who waits, so it is gone.
void H2Session::on_eof() {
    flush();  // it may read our last word yet
    be_left();
}

void H2Session::on_broken(int /*error*/) {
    be_left();
}

void H2Session::on_write_failed() {
    be_left();
}

// What it broke before it left is counted when the answer is framed, which nobody reads.
void H2Session::be_left() {
    codec_.set_blocked(false);
    codec_.pump();
    leave_all();
    finish();
}

http::H2Stream& H2Session::on_open() {
    auto made = std::make_unique<Stream>(*this);
    made->index = streams_.size();
    streams_.push_back(std::move(made));
    return *streams_.back();
}

void H2Session::on_request(http::H2Stream& stream, const http::RequestHead& head, bool is_whole) {
    static_cast<Stream&>(stream).begin(head, is_whole);
}

void H2Session::on_refused(http::H2Stream& stream, const http::H2Refusal& refusal) {
    static_cast<Stream&>(stream).refuse(refusal);
}

void H2Session::on_body(http::H2Stream& stream, std::string_view data) {
    static_cast<Stream&>(stream).take_body(data);
}

void H2Session::on_end(http::H2Stream& stream, std::string_view trailers) {
    static_cast<Stream&>(stream).take_end(trailers);
}

void H2Session::on_drained(http::H2Stream& stream) {
    static_cast<Stream&>(stream).drained();
}

void H2Session::on_closed(http::H2Stream& stream, http::H2Code /*code*/) {
    auto& closed = static_cast<Stream&>(stream);
    const bool had_exchange = closed.has_exchange();
    closed.closed();
    if (!had_exchange) forget(closed);
}

void H2Session::on_fault(http::H2Fault fault, bool is_enforced) {
    context_.shard.add(listener_.state().faulty(fault, is_enforced));
}

// Whoever calls may still be in it.
void H2Session::forget(Stream& stream) {
    const std::size_t at = stream.index;
    std::swap(streams_[at], streams_.back());
    streams_[at]->index = at;
    context_.loop.retire(std::move(streams_.back()));
    streams_.pop_back();
    if (streams_.empty()) idle_since_ = Clock::now();
}

// ---- what goes

void H2Session::flush() {
    if (state_ == State::closed) return;
    while (!is_blocked()) {
        codec_.pump();
        std::string out = codec_.take_output();
        if (!out.empty()) stream_->write({out});
        const bool was_all = out.empty();
        context_.give_back(std::move(out));
        if (was_all) break;
    }
    codec_.set_blocked(is_blocked());
    if (state_ != State::open || !codec_.is_over() || is_blocked()) return;
    linger();
}

void H2Session::on_drained() {
    if (state_ != State::open) return;
    codec_.set_blocked(false);
    flush();
    tell_unblocked();
}

void H2Session::tell_unblocked() {
    for (std::size_t i = 0; i < streams_.size() && !is_blocked(); ++i) {
        if (streams_[i]->is_told_full() && streams_[i]->waiting() == 0) streams_[i]->drained();
    }
}

// ---- the end

void H2Session::leave_all() {
    for (std::size_t left = streams_.size(); left-- > 0;)
        streams_[left]->leave();  // some are forgotten by that
}

void H2Session::linger() {
    leave_all();
    state_ = State::lingering;
    partial_ = {};
    stream_->shutdown_send();
    stream_->resume();
    set_deadline(kLinger);
}

void H2Session::close() {
    if (state_ != State::open) return finish();
    if (std::exchange(is_closing_, true)) return;  // its time runs
    set_deadline(kLinger);
    leave_all();
    codec_.terminate(http::H2Code::no_error);
    flush();
}

void H2Session::close_with_reset() {
    for (std::size_t left = streams_.size(); left-- > 0;)
        streams_[left]->abandon();
    if (stream_->is_open()) stream_->close_with_reset();
    finish();
}

void H2Session::finish() {
    if (state_ == State::closed) return;
    state_ = State::closed;
    timer_.cancel();
    context_.loop.unwatch(-1, *this);
    stream_->close();
    context_.forget_connection();
    context_.shard.sub(listener_.state().metrics.of(client_.is_tls).active);
    listener_.forget(*this);
}

}  // namespace weir::proxy
