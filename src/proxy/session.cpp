#include "session.hpp"

#include "weir/core/log.hpp"
#include "weir/http/h2.hpp"
#include "weir/transport/sniff.hpp"

#include "exchange.hpp"
#include <boost/smart_ptr/make_local_shared.hpp>

namespace weir::proxy {
namespace {

// A client that still sends while we have answered is read and ignored for so long: closing at once
// would reset the connection and could destroy the answer on its way (RFC 9112, 9.6).
constexpr Duration kLinger = std::chrono::seconds{2};

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

Session::Session(WorkerContext& context,
                 LocalListener& listener,
                 transport::Socket socket,
                 Caller caller)
    : Downstream(listener, client_, false),
      context_(context),
      stream_(std::make_unique<transport::Stream>(
          context.loop,
          std::move(socket),
          *this,
          false,
          transport::TlsStart{.context = listener.state().tls, .shard = &context.shard})),
      is_detecting_(listener.state().takes_opaque),
      idle_since_(Clock::now()),
      client_{.ip = caller.peer.ip(),
              .peer = {},
              .is_tls = stream_->is_tls(),
              .is_trusted = listener.trusts(caller.peer),
              .destination = {}} {
    if (caller.is_redirected)
        client_.destination =
            boost::make_local_shared<Destination>(Destination{std::move(caller.destination)});
    stream_->report_reset_while_paused();
    // A client that may choose is counted when it has.
    if (!client_.is_tls || !listener_.state().tls->is_permissive()) count_connection();
    const auto& timeout = listener_.snapshot()->shared->config().client_timeout;
    set_deadline(client_.is_tls ? timeout.handshake : first_wait());
}

// Who says nothing where bytes of any kind are taken waits for its server.
Duration Session::first_wait() const {
    const auto& timeout = listener_.snapshot()->shared->config().client_timeout;
    return is_detecting_ ? listener_.state().config.detect_timeout : timeout.header;
}

void Session::count_connection() {
    const auto& metrics = listener_.state().metrics.of(client_.is_tls);
    is_counted_ = true;
    context_.shard.add(metrics.total);
    context_.shard.add(metrics.active);
}

// The handshake is over, or there will be none.
void Session::on_connected() {
    client_.is_tls = stream_->is_tls();
    if (!is_counted_) count_connection();
    client_.peer = stream_->peer();
    if (!client_.peer.empty())
        client_.names = boost::make_local_shared<const auth::PeerNames>(stream_->peer_names());
    client_.is_trusted = client_.is_trusted || !client_.peer.empty();
    if (listener_.state().config.forward_client_cert != config::ClientCert::off)
        client_.certificate = stream_->describe_peer();
    idle_since_ = Clock::now();
    is_detecting_ = is_detecting_ && stream_->alpn().empty();
    if (is_detecting_ && listener_.speaks_first(destination_of(client_))) return go_opaque({});
    set_deadline(first_wait());
}

Session::~Session() = default;

// One timer serves all deadlines: it is left to fire early and looks at deadline_ again.
void Session::set_deadline(Duration from_now) {
    deadline_ = Clock::now() + from_now;
    if (!timer_.is_armed() || timer_.deadline() > deadline_)
        context_.loop.timers().arm(timer_, deadline_);
}

void Session::on_timer() {
    if (Clock::now() < deadline_) {
        context_.loop.timers().arm(timer_, deadline_);
        return;
    }
    if (state_ == State::lingering) return close();
    if (state_ != State::head) return;  // the exchange has its own
    if (stream_->is_handshaking()) {
        stream_->give_up_handshake();
        return close();
    }
    if (is_detecting_) return go_opaque(std::exchange(partial_, {}));
    if (partial_.empty()) return close();
    refuse({Reason::request_timeout, Error::Origin::downstream, Error::Retry::never,
            "timeout.client_header"});
}

bool Session::may_keep_alive() const {
    const auto& limit = listener_.state().config.limits.requests_per_connection;
    return keeps_alive_ && !listener_.is_draining() && !(limit && requests_ >= *limit) &&
           !(stream_->has_eof() && !has_waiting());
}

void Session::on_bytes(std::string_view bytes) {
    if (state_ >= State::lingering) {
        if (state_ == State::relaying) pass_on(bytes);
        return;
    }
    if (partial_.empty()) return process(bytes);
    seen_ = partial_.size();
    std::string joined = std::exchange(partial_, {});
    joined.append(bytes);
    process(joined);
}

void Session::on_ready(transport::Readiness /*readiness*/) {
    if (state_ == State::relaying) return begin_relay();
    if ((state_ != State::head && state_ != State::body) || partial_.empty()) return;
    const std::string waiting = std::exchange(partial_, {});
    stream_->resume();
    process(waiting);
}

void Session::process(std::string_view input) {
    is_processing_ = true;
    bool goes_on = true;
    while (goes_on && !input.empty()) {
        switch (state_) {
            case State::head:
                goes_on = take_head(input);
                break;
            case State::body:
                goes_on = take_body(input);
                break;
            case State::waiting:
                // Pipelined: it waits its turn.
                partial_.assign(input);
                stream_->pause();
                goes_on = false;
                break;
            default:
                goes_on = false;
        }
    }
    is_processing_ = false;
    rest_ = 0;
    if (!stream_) return;
    // The end came before, and what waited behind it is used up.
    const bool wants_more = (state_ == State::head || state_ == State::body) && partial_.empty();
    if (!wants_more || !stream_->has_eof()) return;
    if (state_ == State::body) return client_left();
    close();
}

bool Session::is_http(std::string_view input) {
    using transport::FirstBytes;
    const FirstBytes first = transport::sniff(input);
    const bool may_wait = !stream_->has_eof();
    if (first == FirstBytes::undecided && may_wait) {
        partial_.assign(input);
        return false;
    }
    if (first == FirstBytes::http1 || first == FirstBytes::h2) {
        is_detecting_ = false;
        set_deadline(listener_.snapshot()->shared->config().client_timeout.header);
        return true;
    }
    transport::ClientHello hello;
    if (first == FirstBytes::tls) hello = transport::parse_client_hello(input);
    if (hello.state == transport::ClientHello::State::need_more && may_wait) {
        partial_.assign(input);
        return false;
    }
    go_opaque(input, std::move(hello.server_name));
    return false;
}

void Session::go_opaque(std::string_view input, std::string server_name) {
    state_ = State::closed;
    timer_.cancel();
    listener_.relay(*this, std::move(stream_), std::move(client_), input, std::move(server_name));
}

bool Session::is_http1(std::string_view input) {
    const config::Protocol protocol = listener_.state().config.protocol;
    if (protocol == config::Protocol::http1 || stream_->alpn() == "http/1.1") return true;
    const std::size_t size = std::min(input.size(), http::kH2Preface.size());
    if (input.substr(0, size) != http::kH2Preface.substr(0, size)) {
        if (protocol == config::Protocol::automatic && stream_->alpn().empty()) return true;
        // Whatever it speaks, it is not what was agreed: no answer of ours would be read.
        context_.shard.add(listener_.state().refused(Reason::bad_request));
        close();
        return false;
    }
    if (size < http::kH2Preface.size() && !stream_->has_eof()) {
        partial_.assign(input);
        return false;
    }
    if (size < http::kH2Preface.size()) return true;
    state_ = State::closed;
    timer_.cancel();
    listener_.speak_h2(*this, std::move(stream_), std::move(client_), input);
    return false;
}

bool Session::take_head(std::string_view& input) {
    if (is_detecting_ && !is_http(input)) return false;
    if (requests_ == 0 && !is_http1(input)) return false;
    const http::HeadParse parse = http::parse_request_head(
        input, listener_.state().limits, context_.request_head, std::exchange(seen_, 0));
    switch (parse.state) {
        case http::HeadParse::State::need_more:
            if (stream_->has_eof()) {
                close();
                return false;
            }
            // The time for a head begins with its first byte.
            if (!has_begun_head_) {
                set_deadline(listener_.snapshot()->shared->config().client_timeout.header);
            }
            has_begun_head_ = true;
            partial_.assign(input);
            return false;
        case http::HeadParse::State::failed:
            refuse(parse.error);
            return false;
        case http::HeadParse::State::done:
            break;
    }
    input.remove_prefix(parse.consumed);
    rest_ = input.size();
    begin_request();
    return true;
}

void Session::begin_request() {
    const http::RequestHead& head = context_.request_head;
    ++requests_;
    method_ = head.method;
    client_minor_ = head.minor_version;
    keeps_alive_ = head.keep_alive;
    decoder_.start(head.framing, head.content_length, listener_.state().limits);
    state_ = decoder_.is_done() ? State::waiting : State::body;
    exchange_ = context_.take_exchange();
    exchange_->begin(*this, head);
}

bool Session::take_body(std::string_view& input) {
    const http::BodyDecoder::Step step = decoder_.next(input);
    if (step.has_failed) {
        exchange_->on_request_broken({Reason::bad_request, Error::Origin::downstream,
                                      Error::Retry::never, "broken body framing"});
        return false;
    }
    input.remove_prefix(step.consumed);
    rest_ = input.size();
    if (!step.data.empty()) exchange_->on_request_body(step.data);
    if (state_ != State::body) return false;
    if (step.is_done) {
        state_ = State::waiting;
        exchange_->on_request_end(decoder_.trailers());
        return true;
    }
    if (exchange_->is_request_full()) {
        partial_.assign(input);
        stream_->pause();
        return false;
    }
    return step.consumed > 0;
}

// No request came about: nothing was sent upstream, nothing that follows can be trusted.
void Session::refuse(const Error& error) {
    partial_ = {};
    context_.request_head.clear();
    ++requests_;
    keeps_alive_ = false;
    is_refused_ = true;
    state_ = State::waiting;
    exchange_ = context_.take_exchange();
    exchange_->begin_refused(*this, error);
}

void Session::send_interim(const http::ResponseHead& head) {
    context_.out.clear();
    http::write_response_head(context_.out, head, {.client_minor = client_minor_});
    stream_->write({context_.out});
}

void Session::send_continue() {
    stream_->write({kContinue});
}

void Session::send_head(const http::ResponseHead& head, bool keeps_alive, const HeadEdits& edits) {
    keeps_alive_ = keeps_alive;
    context_.out.clear();
    response_framing_ = http::write_response_head(
        context_.out, head,
        {.client_minor = client_minor_,
         .is_head = method_ == http::Method::head,
         .close = !keeps_alive,
         .keep_alive_header = client_minor_ == 0 && keeps_alive,
         .strip_weir_fields = listener_.state().config.mode == config::Mode::gateway,
         .extra = edits.lines,
         .removed = edits.removed});
    if (response_framing_ == http::Framing::until_close) keeps_alive_ = false;
    has_head_waiting_ = true;
}

void Session::send_body(std::string_view data, bool is_last, std::string_view trailers) {
    const std::string_view head =
        has_head_waiting_ ? std::string_view(context_.out) : std::string_view();
    has_head_waiting_ = false;
    if (response_framing_ != http::Framing::chunked) {
        const bool has_body = response_framing_ != http::Framing::none;
        stream_->write({head, has_body ? data : std::string_view()});
        return;
    }
    char buffer[20];
    const std::string_view prefix =
        data.empty() ? std::string_view() : http::chunk_prefix(data.size(), buffer);
    const std::string_view suffix = data.empty() ? std::string_view() : http::kChunkEnd;
    if (!is_last) {
        stream_->write({head, prefix, data, suffix});
    } else if (trailers.empty()) {
        stream_->write({head, prefix, data, suffix, http::kLastChunk});
    } else {
        stream_->write({head, prefix, data, suffix, "0\r\n", trailers, "\r\n"});
    }
}

void Session::resume_request() {
    if (state_ == State::relaying) stream_->resume();
    if (state_ != State::body) return;
    stream_->resume();
    if (!partial_.empty()) context_.loop.schedule(*this);
}

void Session::send_local(std::string_view whole) {
    stream_->write({whole});
}

void Session::flush() {
    if (!has_head_waiting_) return;
    has_head_waiting_ = false;
    stream_->write({context_.out});
}

void Session::cut_off(bool /*is_deadline*/) {
    stream_->close_with_reset();
    close();
}

void Session::end_exchange(bool keeps_alive) {
    if (exchange_) context_.give_back(std::move(exchange_));
    if (state_ == State::closed) return;
    const bool is_whole = state_ != State::body;
    if (!keeps_alive || !is_whole || (stream_->has_eof() && !has_waiting())) {
        if (is_whole && !has_waiting() && !is_refused_) return finish_close();
        return linger();
    }
    state_ = State::head;
    has_begun_head_ = false;
    idle_since_ = Clock::now();
    set_deadline(listener_.snapshot()->shared->config().client_timeout.idle);
    stream_->resume();
    if (!is_processing_ && !partial_.empty()) context_.loop.schedule(*this);
}

void Session::finish_close() {
    if (stream_->pending() == 0) return close();
    state_ = State::lingering;
    closes_when_drained_ = true;
    set_deadline(kLinger * 5);
}

void Session::linger() {
    state_ = State::lingering;
    partial_ = {};
    stream_->shutdown_send();
    stream_->resume();
    set_deadline(kLinger);
}

void Session::on_drained() {
    if (closes_when_drained_) return close();
    if (exchange_) exchange_->on_downstream_drained();
}

// A client may send its end after a whole request and still read the answer (half-close).
void Session::on_eof() {
    switch (state_) {
        case State::head:
            // What waits may still hold whole requests.
            if (partial_.empty()) return close();
            return process(std::exchange(partial_, {}));
        case State::body:
            client_left();
            return;
        case State::lingering:
            close();
            return;
        case State::relaying:
            if (has_write_failed_) return client_left();
            if (partial_.empty() && exchange_) exchange_->on_request_end({});
            return;
        case State::waiting:
            if (exchange_) exchange_->on_client_end();
            return;
        default:
            return;
    }
}

void Session::on_broken(int /*error*/) {
    client_left();
}

// What it sent before it was gone may be its last word.
void Session::on_write_failed() {
    if (state_ != State::relaying) return client_left();
    has_write_failed_ = true;
    stream_->resume();
}

void Session::client_left() {
    if (exchange_) exchange_->on_client_left();
    close();
}

std::unique_ptr<transport::Stream> Session::take_stream(std::string& waiting) {
    state_ = State::tunnel;
    timer_.cancel();
    waiting.swap(partial_);
    return std::move(stream_);
}

void Session::relay() {
    state_ = State::relaying;
    timer_.cancel();
    response_framing_ = http::Framing::until_close;
    context_.loop.schedule(*this);  // for what waits
}

void Session::begin_relay() {
    const std::string waiting = std::exchange(partial_, {});
    stream_->resume();
    if (!waiting.empty()) pass_on(waiting);
    if (exchange_ && stream_->has_eof()) exchange_->on_request_end({});
}

void Session::pass_on(std::string_view bytes) {
    if (!partial_.empty()) {
        partial_.append(bytes);
        return;
    }
    if (exchange_) exchange_->on_request_body(bytes);
    if (exchange_ && exchange_->is_request_full()) stream_->pause();
}

void Session::end_tunnel() {
    if (exchange_) context_.give_back(std::move(exchange_));
    close();
}

void Session::close() {
    if (state_ == State::closed) return;
    state_ = State::closed;
    timer_.cancel();
    context_.loop.unwatch(-1, *this);
    if (stream_) stream_->close();
    if (exchange_) context_.give_back(std::move(exchange_));
    context_.forget_connection();
    if (is_counted_) context_.shard.sub(listener_.state().metrics.of(client_.is_tls).active);
    listener_.forget(*this);
}

void Session::close_with_reset() {
    if (exchange_) exchange_->on_abandoned();
    if (stream_ && stream_->is_open()) stream_->close_with_reset();
    close();
}

}  // namespace weir::proxy
