#include "greeting.hpp"

#include "weir/transport/proxy_protocol.hpp"
#include "weir/transport/sniff.hpp"

namespace weir::proxy {

Greeting::Greeting(WorkerContext& context,
                   LocalListener& listener,
                   transport::Socket socket,
                   Caller caller,
                   bool has_header)
    : context_(context),
      listener_(listener),
      socket_(std::move(socket)),
      caller_(std::move(caller)),
      since_(Clock::now()),
      is_header_awaited_(has_header) {
    context_.loop.watch(socket_.fd(), *this, transport::EventLoop::Interest::reads);
    const auto& timeout = listener_.snapshot()->shared->config().client_timeout;
    const Duration most = has_header ? timeout.header : listener_.state().config.detect_timeout;
    context_.loop.timers().arm(timer_, since_ + most);
}

void Greeting::on_ready(transport::Readiness readiness) {
    has_ended_ = has_ended_ || readiness.peer_closed || readiness.broken;
    look();
}

void Greeting::look() {
    const std::span<char> scratch = context_.loop.scratch();
    while (true) {
        const transport::IoResult result = socket_.peek(scratch);
        if (result.state == transport::IoResult::State::would_block) return;
        // An end without a byte is not worth a connection upstream.
        if (result.state != transport::IoResult::State::done) return close();
        const std::string_view bytes{scratch.data(), result.bytes};
        switch (is_header_awaited_ ? take_header(bytes) : take_name(bytes)) {
            case Step::wait:
                has_bytes_ = true;
                return;
            case Step::refused:
                return refuse(Reason::bad_request);
            case Step::look_on:
                break;
            case Step::done:
                return go_on();
        }
    }
}

Greeting::Step Greeting::take_header(std::string_view bytes) {
    using State = transport::ProxyHeader::State;
    transport::ProxyHeader header = transport::parse_proxy_header(bytes);
    if (header.state == State::need_more && !has_ended_) return Step::wait;
    if (header.state != State::done) return Step::refused;
    static_cast<void>(socket_.receive(context_.loop.scratch().first(header.size)));
    if (header.is_relayed) {
        caller_.peer = std::move(header.source);
        caller_.destination = std::move(header.destination);
    }
    is_header_awaited_ = false;
    has_bytes_ = false;
    if (!is_looked_at(listener_.state())) return Step::done;
    context_.loop.timers().arm(timer_, Clock::now() + listener_.state().config.detect_timeout);
    return Step::look_on;
}

Greeting::Step Greeting::take_name(std::string_view bytes) {
    if (!listener_.state().wants_name) return Step::done;  // it speaks, and that is all
    using transport::FirstBytes;
    const FirstBytes first = transport::sniff(bytes);
    if (first == FirstBytes::undecided && bytes.front() == transport::kTlsFirstByte && !has_ended_)
        return Step::wait;
    if (first != FirstBytes::tls) return Step::done;
    if (!has_bytes_) {
        const auto& timeout = listener_.snapshot()->shared->config().client_timeout;
        context_.loop.timers().arm(timer_, Clock::now() + timeout.header);
    }
    using State = transport::ClientHello::State;
    transport::ClientHello hello = transport::parse_client_hello(bytes);
    if (hello.state == State::need_more && !has_ended_) return Step::wait;
    if (hello.state != State::done) return Step::refused;
    caller_.server_name = std::move(hello.server_name);
    return Step::done;
}

void Greeting::on_timer() {
    if (is_header_awaited_ || has_bytes_) return refuse(Reason::request_timeout);
    caller_.is_silent = true;
    go_on();
}

void Greeting::go_on() {
    timer_.cancel();
    context_.loop.release(socket_.fd(), *this);
    listener_.go_on(*this, std::move(socket_), std::move(caller_));
}

void Greeting::refuse(Reason reason) {
    context_.shard.add(listener_.state().refused(reason));
    close();
}

void Greeting::close() {
    if (!socket_.is_open()) return;
    timer_.cancel();
    context_.loop.unwatch(socket_.fd(), *this);
    socket_.close();
    context_.forget_connection();
    listener_.forget(*this);
}

void Greeting::close_with_reset() {
    if (socket_.is_open()) socket_.reset_on_close();
    close();
}

}  // namespace weir::proxy
