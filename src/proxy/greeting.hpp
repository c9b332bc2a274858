#pragma once

#include "weir/proxy/local_listener.hpp"
#include "weir/transport/event_loop.hpp"
#include "weir/transport/socket.hpp"

#include "downstream.hpp"

#include <string_view>

namespace weir::proxy {

// Whether connections of that listener are looked at, PROXY header or not. One that may speak TLS
// or not is not waited for with a handshake while it says nothing.
[[nodiscard]] inline bool is_looked_at(const ListenerState& listener) {
    const bool may_be_clear = listener.tls && listener.tls->is_permissive();
    return listener.wants_name || (listener.takes_opaque && may_be_clear);
}

// A client's connection of which its listener must know something before its protocol begins. The
// bytes stay in the kernel, but for a PROXY header: whoever goes on with the socket reads them.
// Owned by its LocalListener. Thread: worker.
//
//   header --a PROXY header, whole and right--> name, or gone on
//   header --none within timeout.client_header, or a wrong one--> closed, counted
//   name   --a ClientHello, or what is none; nothing within detect_timeout--> gone on
class Greeting final : public ClientConnection, public transport::IoHandler {
  public:
    Greeting(WorkerContext& context,
             LocalListener& listener,
             transport::Socket socket,
             Caller caller,
             bool has_header);  // of the PROXY protocol; else a name is looked for

    [[nodiscard]] bool is_idle_since(TimePoint before) const override {
        return !has_bytes_ && since_ <= before;
    }
    void close() override;
    void close_with_reset() override;

  private:
    void on_ready(transport::Readiness readiness) override;
    void on_timer();

    enum class Step : std::uint8_t { wait, refused, look_on, done };

    void look();
    [[nodiscard]] Step take_header(std::string_view bytes);
    [[nodiscard]] Step take_name(std::string_view bytes);
    void refuse(Reason reason);
    void go_on();

    WorkerContext& context_;
    LocalListener& listener_;
    transport::Socket socket_;
    Caller caller_;
    const TimePoint since_;
    bool is_header_awaited_;
    bool has_bytes_ = false;
    bool has_ended_ = false;  // the client sends no more
    TimerOf<Greeting, &Greeting::on_timer> timer_{*this};
};

}  // namespace weir::proxy
