#include "weir/redis/server.hpp"

#include <utility>

namespace weir::redis {

Server::Server(const config::Redis& section,
               telemetry::Registry& registry,
               std::uint64_t seed,
               TimePoint now)
    : section_(section),
      tls_(section.tls ? transport::TlsContext::make_client(*section.tls, registry) : nullptr),
      health_(seed, now) {
    if (section.endpoint.address) addresses_ = {*section.endpoint.address};
}

std::vector<Address> Server::addresses() const {
    const std::lock_guard guard(mutex_);
    return addresses_;
}

void Server::set_addresses(std::vector<Address> addresses) {
    const std::lock_guard guard(mutex_);
    addresses_ = std::move(addresses);
}

}  // namespace weir::redis
