#pragma once

#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"
#include "weir/discovery/provider.hpp"
#include "weir/proxy/snapshot.hpp"
#include "weir/telemetry/events.hpp"
#include "weir/telemetry/metrics.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace weir::admin {

struct Readiness {
    bool is_ready =
        false;  // every discovery source has answered once, or was waited for long enough
    bool is_draining = false;
    std::vector<std::string> waiting;  // "cluster orders: no endpoints yet"
};

struct ConfigState {
    std::string hash;
    std::string file;
    std::string last_error;  // of the last reload; empty if it was accepted
    WallTime loaded_at{};
};

// What the server asks of the process. The functions are called on the main thread, while a request
// is answered; they must outlive the server.
struct Context {
    std::function<std::shared_ptr<const proxy::Snapshot>()> snapshot;
    std::function<Readiness()> readiness;
    std::function<ConfigState()> config_state;
    // None for a cluster that has no provider (any more).
    std::function<std::optional<discovery::Status>(std::string_view cluster)> discovery;
    std::function<bool()> reload;  // for the route that asks for it
    telemetry::Registry& registry;
    telemetry::EventLog& events;
    WallTime started;
    unsigned workers = 1;
    // Where a listener listens, as bound; without it, what its configuration says.
    std::function<std::vector<Address>(std::string_view listener)> listen_addresses = {};
};

// The admin or the telemetry port: a small HTTP/1.1 server of coroutines on the main loop. The
// telemetry port has the health paths and the metrics only, for anyone who can reach it; the admin
// port has all routes, and refuses a `Host` that is not its own (421), a foreign `Origin` and what
// a browser says comes from another site (403). At most kConnections at a time: when there are
// more, the one that has been idle longest is closed, or the new one refused. Thread: main.
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
