#pragma once

#include "weir/config/config.hpp"
#include "weir/core/address.hpp"
#include "weir/upstream/cluster.hpp"

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace weir::proxy {

// The clusters of addresses that connections were redirected from and that no cluster of the
// configuration has: one endpoint each, with a breaker and limits of its own, by the defaults. As
// many are kept as limits.passthrough_addresses says, those used last; one that is dropped begins
// anew. Thread: any.
class Passthrough {
  public:
    explicit Passthrough(const upstream::Surroundings& surroundings);

    // Made when it is first asked for, or when the defaults have changed.
    [[nodiscard]] std::shared_ptr<upstream::Cluster> find(const Address& address,
                                                          const config::Config& config,
                                                          TimePoint now);
    [[nodiscard]] upstream::Surroundings surroundings() const { return surroundings_; }

  private:
    struct Entry {
        std::shared_ptr<upstream::Cluster> cluster;
        std::list<std::string>::iterator place;
    };

    const upstream::Surroundings surroundings_;
    std::mutex mutex_;
    std::list<std::string> recent_;         // guarded by mutex_; the latest first
    std::map<std::string, Entry> entries_;  // guarded by mutex_; by the address' text
};

}  // namespace weir::proxy
