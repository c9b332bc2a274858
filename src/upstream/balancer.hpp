#pragma once

#include "weir/config/config.hpp"
#include "weir/core/random.hpp"

#include "local_endpoint.hpp"
#include <boost/smart_ptr/local_shared_ptr.hpp>

#include <memory>
#include <span>

namespace weir::upstream {

using Candidates = std::span<const boost::local_shared_ptr<LocalEndpoint>>;

// Chooses among the endpoints of a cluster that are selectable. One for each worker and cluster.
// Thread: worker.
class Balancer {
  public:
    Balancer() = default;
    Balancer(const Balancer&) = delete;
    Balancer& operator=(const Balancer&) = delete;
    virtual ~Balancer() = default;

    // The set or a weight has changed.
    virtual void on_change(Candidates candidates) = 0;

    // An index of a selectable candidate other than `avoid`, or size() if there is none. Costs no
    // more among a thousand than among three while most are selectable.
    [[nodiscard]] virtual std::size_t pick(Candidates candidates,
                                           Random& random,
                                           TimePoint now,
                                           const Endpoint* avoid) = 0;
};

[[nodiscard]] std::unique_ptr<Balancer> make_balancer(config::Policy policy);

}  // namespace weir::upstream
