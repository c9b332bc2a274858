#pragma once

#include "weir/client/admin_client.hpp"
#include "weir/transport/socket.hpp"

#include <string>
#include <string_view>

namespace weir::client {

// A connection in blocking calls, with a deadline for each wait. Thread: its owner's.
class Wire {
  public:
    enum class State : std::uint8_t { done, ended, timed_out, interrupted, failed };

    explicit Wire(int interrupt_fd) : interrupt_fd_(interrupt_fd) {}

    void set_deadline(Duration from_now) { deadline_ = Clock::refresh() + from_now; }

    // 0, or the errno that says why not; ETIMEDOUT also for the deadline, ECANCELED for the
    // interrupt.
    [[nodiscard]] int connect(const Address& address);
    [[nodiscard]] State write(std::string_view bytes);
    [[nodiscard]] State read_more(std::string& in);  // at least a byte more

  private:
    [[nodiscard]] State wait(short events) const;

    const int interrupt_fd_;
    TimePoint deadline_;
    transport::Socket socket_;
};

// The addresses of a door; none if its name does not resolve.
[[nodiscard]] std::vector<Address> addresses_of(const Door& door);

}  // namespace weir::client
