#pragma once

#include "weir/config/config.hpp"
#include "weir/resilience/circuit_breaker.hpp"
#include "weir/upstream/endpoint.hpp"
#include "weir/upstream/order.hpp"

#include <atomic>
#include <cstdint>
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
    [[nodiscard]] Answer may_trip(resilience::TripReason reason, TimePoint now) override;
    [[nodiscard]] std::uint32_t size() const;  // endpoints

  private:
    mutable std::mutex mutex_;                              // may be taken under a machine's
    std::shared_ptr<resilience::DetectorGroup> detectors_;  // guarded by mutex_
};

// Whether the breaker of a route may trip: when the cluster's may, or when too few endpoints answer
// this route, though they are well. By the last word of each to this route; those of more than 64
// share a place. Thread: any. Cost of a note: a load, and a store where the word changes.
class RouteGate final : public resilience::TripGate {
  public:
    explicit RouteGate(std::shared_ptr<PeersGate> peers) : peers_(std::move(peers)) {}
    void note(std::uint64_t endpoint, const resilience::Verdict& verdict);
    [[nodiscard]] Answer may_trip(resilience::TripReason reason, TimePoint now) override;

  private:
    static constexpr std::uint32_t kPlaces = 64;

    const std::shared_ptr<PeersGate> peers_;
    std::atomic<std::uint64_t> well_{0};
    std::atomic<std::uint64_t> failing_{0};
    std::uint64_t well_before_ = 0;  // guarded by the machine's mutex, as is the next
    TimePoint since_{};
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

    // An attempt at this endpoint has ended: CircuitBreaker::complete().
    void complete(const resilience::Permit& permit,
                  const resilience::Verdict& verdict,
                  TimePoint now,
                  unsigned worker,
                  resilience::FailureKey key,
                  std::uint64_t endpoint);

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
    RouteGate route_gate_;
    mutable std::mutex mutex_;    // may be taken under the machine's
    std::optional<Order> order_;  // guarded by mutex_
    resilience::CircuitBreaker machine_;
};

}  // namespace weir::upstream
