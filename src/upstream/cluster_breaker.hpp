#pragma once

#include "weir/resilience/circuit_breaker.hpp"
#include "weir/upstream/endpoint.hpp"
#include "weir/upstream/order.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace weir::upstream {

// The breaker of a cluster and the telling of what it does. Co-owned by the objects of the cluster
// that reloads made. Thread: any.
class ClusterBreaker final : private resilience::TransitionSink, private resilience::TripGate {
  public:
    ClusterBreaker(const config::Cluster& config,
                   const Surroundings& surroundings,
                   TimePoint now,
                   std::shared_ptr<resilience::DetectorGroup> detectors);

    [[nodiscard]] resilience::CircuitBreaker& machine() { return machine_; }
    // Whose endpoints decide from now on whether it may trip.
    void set_detectors(std::shared_ptr<resilience::DetectorGroup> detectors);

    // An operator's word: open or closed whatever happens. `order` has an end.
    void force(resilience::State state, Order order, TimePoint now);
    void unforce(TimePoint now);
    [[nodiscard]] std::optional<Order> order() const;  // none unless it is forced

  private:
    void tell(resilience::State from,
              resilience::State to,
              std::string_view reason,
              const std::string& detail);
    void on_transition(const resilience::Transition& transition) override;
    [[nodiscard]] Answer may_trip(resilience::TripReason reason, TimePoint now) override;

    const std::string cluster_;
    const Surroundings surroundings_;
    mutable std::mutex mutex_;                              // may be taken under the machine's
    std::optional<Order> order_;                            // guarded by mutex_
    std::shared_ptr<resilience::DetectorGroup> detectors_;  // guarded by mutex_
    resilience::CircuitBreaker machine_;
};

}  // namespace weir::upstream
