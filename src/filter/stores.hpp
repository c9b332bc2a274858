#pragma once

#include "weir/config/config.hpp"
#include "weir/filter/limit_states.hpp"
#include "weir/filter/make.hpp"
#include "weir/quota/hash.hpp"
#include "weir/quota/limiter.hpp"
#include "weir/quota/store_health.hpp"
#include "weir/redis/leases.hpp"
#include "weir/redis/server.hpp"

#include "auth_store.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace weir::filter {

// A rule that a service counts, as all workers see it.
struct RlsRule {
    RlsRule(std::shared_ptr<quota::StoreHealth> of, std::uint32_t max_keys)
        : health(std::move(of)), blocked(max_keys) {}

    const std::shared_ptr<quota::StoreHealth> health;  // of the service: all its rules share it
    quota::KeyTable blocked;  // until when, of keys that were refused, in nanoseconds
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
    [[nodiscard]] std::shared_ptr<redis::SharedRule> shared_rule(const config::RateLimit& rule,
                                                                 telemetry::Registry& registry);
    [[nodiscard]] std::shared_ptr<RlsRule> rls(const config::RateLimit& rule);
    // Of keys, in this process.
    [[nodiscard]] const quota::HashKey& hash_key() const { return hash_key_; }

    [[nodiscard]] AuthStore& auths() { return auths_; }

    void collect(telemetry::Collector& out) const;
    [[nodiscard]] LimitState state(const config::RateLimit& rule, TimePoint now) const;

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
    struct KnownRls {
        config::RateLimit rule;
        std::weak_ptr<RlsRule> made;
    };
    std::map<std::string, KnownRls, std::less<>> rls_;
    std::map<std::string, std::weak_ptr<quota::StoreHealth>, std::less<>> services_;  // by cluster

    struct Keys {
        std::size_t known = 0;
        std::uint64_t evicted = 0;
    };
    [[nodiscard]] Keys keys_of(const std::string& rule) const;  // mutex_ is held
};

}  // namespace weir::filter
