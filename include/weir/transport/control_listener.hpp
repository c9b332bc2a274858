#pragma once

#include "weir/transport/socket.hpp"
#include "weir/transport/task.hpp"

#include <functional>
#include <memory>
#include <string>

namespace weir::transport {

// Accepts the connections of control work on the main loop: the admin ports, the demo's services.
// Out of descriptors, it rests a moment. Destroying it closes the socket. Thread: main.
class ControlListener {
  public:
    // Called with each connection; it may throw nothing, and not destroy the listener.
    using Accepted = std::function<void(Socket)>;

    ControlListener(const boost::asio::any_io_executor& executor,
                    std::string name,
                    Socket socket,
                    Accepted accepted);
    ControlListener(const ControlListener&) = delete;
    ControlListener& operator=(const ControlListener&) = delete;
    ~ControlListener();

    [[nodiscard]] Address local_address() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::transport
