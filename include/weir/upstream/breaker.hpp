#pragma once

#include "weir/config/config.hpp"
#include "weir/resilience/circuit_breaker.hpp"
#include "weir/upstream/endpoint.hpp"
#include "weir/upstream/order.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace weir::upstream {

// Whose endpoints decide whether the breakers of a cluster may trip. Co-owned by them. Thread: any.
class PeersGate final : public resilience::TripGate {
  public:
    explicit PeersGate(std::shared_ptr<resilience::DetectorGroup> detectors)
        : detectors_(std::move(detectors)) {}
    void set(std::shared_ptr<resilience::DetectorGroup> detectors);

  private:
    [[nodiscard]] Answer may_trip(resilience::TripReason reason, TimePoint now) override;

    std::mutex mutex_;                                      // may be taken under a machine's
    std::shared_ptr<resilience::DetectorGroup> detectors_;  // guarded by mutex_
};

// The breaker of a cluster, or of one route into it, and the telling of what it does. Co-owned by
// what reloads made of its owner. Thread: any.
class Breaker final : private resilience::TransitionSink {
  public:
    Breaker(std::string cluster,
            std::string route,  // empty: the cluster's
            const config::Breaker& config,
            const Surroundings& surroundings,
            TimePoint now,
            std::shared_ptr<PeersGate> gate);

    [[nodiscard]] resilience::CircuitBreaker& machine() { return machine_; }
    [[nodiscard]] const resilience::CircuitBreaker& machine() const { return machine_; }
    [[nodiscard]] const config::Breaker& config() const { return config_; }

    [[nodiscard]] const std::string& id() const { return id_; }  // CLUSTER or CLUSTER@ROUTE
    [[nodiscard]] const std::string& cluster() const { return cluster_; }
    [[nodiscard]] const std::string& route() const { return route_; }
    [[nodiscard]] std::string_view scope() const { return route_.empty() ? "cluster" : "route"; }

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

    const std::string cluster_;
    const std::string route_;
    const std::string id_;
    const config::Breaker config_;
    const Surroundings surroundings_;
    const std::shared_ptr<PeersGate> gate_;
    mutable std::mutex mutex_;    // may be taken under the machine's
    std::optional<Order> order_;  // guarded by mutex_
    resilience::CircuitBreaker machine_;
};

}  // namespace weir::upstream
