#include "weir/redis/server.hpp"

#include <utility>

namespace weir::redis {
namespace {

resilience::CircuitBreaker::Options breaker_options() {
    auto options = resilience::CircuitBreaker::Options::breaker();
    options.consecutive_failures = 1;
    options.consecutive_for = Duration{0};
    options.failure_rate = 0;
    options.open_for = std::chrono::milliseconds{100};
    options.max_open_for = std::chrono::seconds{2};
    options.do_probes_double = false;
    options.successes_to_close = 1;
    return options;
}

}  // namespace

Server::Server(const config::Redis& section,
               telemetry::Registry& registry,
               std::uint64_t seed,
               TimePoint now)
    : section_(section),
      tls_(section.tls ? transport::TlsContext::make_client(*section.tls, registry) : nullptr),
      breaker_(breaker_options(), seed, now) {
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
