#pragma once

#include "weir/http/h1.hpp"
#include "weir/transport/control_listener.hpp"
#include "weir/transport/control_stream.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weir::demo {

// A service of the demo: answers each request with a line, until it is told to be unwell. On the
// main loop, on a port of the kernel's choice, which it keeps through its moods. Thread: main.
class ToyService {
  public:
    enum class Mood {
        well,
        failing,  // answers 500
        gone,     // refuses connections, and drops those it has
    };

    // Throws std::runtime_error if it cannot listen.
    ToyService(boost::asio::any_io_executor executor, std::string name);
    ToyService(const ToyService&) = delete;
    ToyService& operator=(const ToyService&) = delete;

    void set_mood(Mood mood);

    [[nodiscard]] const Address& address() const { return address_; }
    [[nodiscard]] std::uint64_t requests() const { return requests_; }

  private:
    struct Client;

    void listen();
    void accept(transport::Socket socket);
    transport::Task<> serve(transport::TaskScope& scope, std::shared_ptr<Client> client);
    [[nodiscard]] std::string answer(const http::RequestHead& head);

    boost::asio::any_io_executor executor_;
    std::string name_;
    Address address_;
    Mood mood_ = Mood::well;
    std::uint64_t requests_ = 0;
    std::vector<transport::TaskHandle> clients_;
    std::unique_ptr<transport::ControlListener> listener_;
};

}  // namespace weir::demo
