#pragma once

#include "weir/core/address.hpp"
#include "weir/transport/event_loop.hpp"
#include "weir/transport/socket.hpp"

#include <functional>

namespace weir::transport {

// Accepts connections of one listening socket on one loop. Out of descriptors: it rests for 100 ms
// and counts, the queue keeps what waits. Thread: worker.
class Listener final : public IoHandler {
  public:
    using Accepted = std::function<void(Socket, const Address& peer)>;

    Listener(EventLoop& loop, Socket socket, Accepted accepted);
    ~Listener() override;

    // Accepts all that waits: before the socket is closed, which would reset them.
    void accept_waiting();
    // When the last connection was accepted, for draining.
    [[nodiscard]] TimePoint last_accept() const { return last_accept_; }
    [[nodiscard]] Address local_address() const { return socket_.local_address(); }

  private:
    void on_ready(Readiness readiness) override;
    [[nodiscard]] bool accept_one();
    void rest();
    void on_rested();

    EventLoop& loop_;
    Socket socket_;
    Accepted accepted_;
    TimePoint last_accept_;
    TimerOf<Listener, &Listener::on_rested> rest_timer_{*this};
};

}  // namespace weir::transport
