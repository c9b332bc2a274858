#pragma once

#include "weir/config/config.hpp"
#include "weir/filter/make.hpp"
#include "weir/quota/hash.hpp"
#include "weir/quota/limiter.hpp"
#include "weir/redis/leases.hpp"
#include "weir/redis/server.hpp"
#include "weir/resilience/circuit_breaker.hpp"

#include "auth_store.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace weir::filter {

// A service that counts a rule, as all workers see it.
struct RlsService {
    RlsService(std::uint32_t max_keys, std::uint64_t seed, TimePoint now);

    resilience::CircuitBreaker breaker;  // opens at the first failure
    quota::KeyTable blocked;             // until when, of keys that were refused, in nanoseconds
};

class Stores {
  public:
    Stores();

    // Of a rule: the one there is where nothing changed by which it counts. Never of a rule whose
    // store alone knows its rate.
    [[nodiscard]] std::shared_ptr<quota::Limiter> limiter(const config::RateLimit& rule);
    // Of a name: the one there is where its section is the same.
    [[nodiscard]] std::shared_ptr<redis::Server> redis(const config::Redis& section,
                                                       telemetry::Registry& registry);
    void set_redis_addresses(const std::string& name, const std::vector<Address>& addresses);
    // Of a rule that Redis counts: what its workers' sides belong to.
    [[nodiscard]] std::shared_ptr<redis::SharedRule> shared_rule(const config::RateLimit& rule);
    [[nodiscard]] std::shared_ptr<RlsService> rls(const config::RateLimit& rule);
    // Of keys, in this process.
    [[nodiscard]] const quota::HashKey& hash_key() const { return hash_key_; }

    [[nodiscard]] AuthStore& auths() { return auths_; }

    void collect(telemetry::Collector& out) const;

  private:
    AuthStore auths_;
    struct Known {
        config::RateLimit rule;
        std::weak_ptr<quota::Limiter> limiter;
    };

    const quota::HashKey hash_key_;
    mutable std::mutex mutex_;
    std::map<std::string, Known, std::less<>> limiters_;  // guarded by mutex_, as all below
    std::map<std::string, std::weak_ptr<redis::Server>, std::less<>> redis_;
    std::map<std::string, std::vector<Address>, std::less<>> addresses_;  // of names
    std::map<std::string, std::weak_ptr<redis::SharedRule>, std::less<>> shared_rules_;
    struct KnownService {
        config::RateLimit rule;
        std::weak_ptr<RlsService> service;
    };
    std::map<std::string, KnownService, std::less<>> services_;
};

}  // namespace weir::filter
