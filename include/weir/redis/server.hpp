#pragma once

#include "weir/config/config.hpp"
#include "weir/quota/store_health.hpp"
#include "weir/redis/side.hpp"
#include "weir/telemetry/metrics.hpp"
#include "weir/transport/tls.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace weir::redis {

class Client;

// A Redis that the configuration names, as all workers see it: where it is, how to log in, and
// whether it is worth asking. What looks whether it is back is a connection of its own, never a
// request. Thread: any.
class Server {
  public:
    // Reads files of TLS, and throws std::runtime_error with a sentence if they are no good.
    Server(const config::Redis& section,
           telemetry::Registry& registry,
           std::uint64_t seed,
           TimePoint now);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] const config::Redis& section() const { return section_; }
    [[nodiscard]] const std::shared_ptr<const transport::TlsContext>& tls() const { return tls_; }
    [[nodiscard]] quota::StoreHealth& health() { return health_; }

    // Empty until a host's name was resolved.
    [[nodiscard]] std::vector<Address> addresses() const;
    void set_addresses(std::vector<Address> addresses);

    [[nodiscard]] Sides<Client>& clients() { return clients_; }

  private:
    Sides<Client> clients_;
    const config::Redis section_;
    const std::shared_ptr<const transport::TlsContext> tls_;
    quota::StoreHealth health_;
    mutable std::mutex mutex_;
    std::vector<Address> addresses_;  // guarded by mutex_
};

}  // namespace weir::redis
