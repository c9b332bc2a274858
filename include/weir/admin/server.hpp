#pragma once

#include "weir/admin/context.hpp"
#include "weir/core/address.hpp"

#include <cstddef>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace weir::admin {

// The admin or the telemetry port: a small HTTP/1.1 server of coroutines on the main loop. The
// telemetry port has the health paths and the metrics only, for anyone who can reach it. The admin
// port has all routes; it refuses a `Host` that is not its own (421), a foreign `Origin`, what a
// browser says comes from another site (403) and, where admin.token is set, whoever does not bear
// it (401). On a Unix socket the kernel says who asks: root, the owner, its group.
//
// It cannot starve the path: at most kConnections at a time (when there are more, the one that has
// been idle longest is closed, or the new one refused), bodies of 64 KiB (4 MiB for a
// configuration), 16 streams of events, and a fifth of a core in the long run. What changes
// something is logged with who it was, and counted. Thread: main.
class Server {
  public:
    enum class Port { admin, telemetry };
    static constexpr std::size_t kConnections = 64;

    // Listens at once. Throws std::runtime_error with a sentence for people if it cannot: a Unix
    // socket that a dead process left is replaced, a live one is not.
    Server(boost::asio::io_context& main, const Address& listen, Port port, Context context);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    // Closes what is open. The loop must run once more, or be destroyed after it.
    ~Server();

    // As bound: port 0 resolved.
    [[nodiscard]] Address local_address() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::admin
