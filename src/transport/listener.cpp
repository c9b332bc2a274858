#include "weir/transport/listener.hpp"

#include "weir/core/log.hpp"

namespace weir::transport {
namespace {

constexpr Duration kRest = std::chrono::milliseconds{100};

}  // namespace

Listener::Listener(EventLoop& loop, Socket socket, Accepted accepted)
    : loop_(loop),
      socket_(std::move(socket)),
      accepted_(std::move(accepted)),
      last_accept_(Clock::now()) {
    // Level-triggered: no extra accept() is spent on finding the queue empty.
    loop_.watch(socket_.fd(), *this, EventLoop::Interest::level_reads);
}

Listener::~Listener() {
    loop_.unwatch(socket_.fd(), *this);
}

void Listener::rest() {
    loop_.rewatch(socket_.fd(), *this, EventLoop::Interest::none);
}

void Listener::on_rested() {
    loop_.rewatch(socket_.fd(), *this, EventLoop::Interest::level_reads);
}

// One connection a turn: what it starts is dispatched before the next, and no accept() is wasted on
// an empty queue.
void Listener::on_ready(Readiness readiness) {
    if (readiness.readable) static_cast<void>(accept_one());
}

void Listener::accept_waiting() {
    while (accept_one()) {
    }
}

bool Listener::accept_one() {
    auto accepted = socket_.accept();
    if (!accepted) {
        log::warn("no descriptor left for a new connection", {{"rest_ms", 100}});
        rest();
        loop_.timers().arm(rest_timer_, Clock::now() + kRest);
        return false;
    }
    if (!accepted->first.is_open()) return false;
    last_accept_ = Clock::now();
    accepted_(std::move(accepted->first), accepted->second);
    return true;
}

}  // namespace weir::transport
