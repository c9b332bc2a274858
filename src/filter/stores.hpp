#pragma once

#include "weir/config/config.hpp"
#include "weir/filter/make.hpp"
#include "weir/quota/hash.hpp"
#include "weir/quota/limiter.hpp"

#include "auth_store.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace weir::filter {

class Stores {
  public:
    Stores();

    // Of a rule: the one there is where nothing changed by which it counts. Never of a rule whose
    // store alone knows its rate.
    [[nodiscard]] std::shared_ptr<quota::Limiter> limiter(const config::RateLimit& rule);
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
    std::map<std::string, Known, std::less<>> limiters_;  // guarded by mutex_
};

}  // namespace weir::filter
