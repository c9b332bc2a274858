#pragma once

#include "weir/config/config.hpp"
#include "weir/discovery/provider.hpp"
#include "weir/resilience/circuit_breaker.hpp"
#include "weir/resilience/limit.hpp"
#include "weir/resilience/outlier_guard.hpp"
#include "weir/resilience/retry_budget.hpp"
#include "weir/telemetry/events.hpp"
#include "weir/telemetry/handles.hpp"
#include "weir/upstream/endpoint.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace weir::upstream {

// A cluster for the whole process: its breaker, budget and limits, and who its endpoints are. A
// reload that leaves its section as it is keeps the object with all its state. Thread: any, but for
// set_endpoints() (main). It outlives its endpoints' last user: attempts hold it through their
// LocalCluster.
class Cluster final : public resilience::TransitionSink {
  public:
    struct Surroundings {
        telemetry::Registry& registry;
        telemetry::EventLog& events;
        unsigned workers = 1;
        std::uint64_t seed = 0;
    };

    Cluster(const config::Cluster& config, const Surroundings& surroundings, TimePoint now);
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;

    [[nodiscard]] const std::string& name() const { return config_.name; }
    [[nodiscard]] const config::Cluster& config() const { return config_; }
    [[nodiscard]] const telemetry::ClusterMetrics& metrics() const { return metrics_; }
    [[nodiscard]] const Surroundings& surroundings() const { return surroundings_; }

    [[nodiscard]] resilience::CircuitBreaker& breaker() { return breaker_; }
    [[nodiscard]] const resilience::CircuitBreaker& breaker() const { return breaker_; }
    [[nodiscard]] resilience::RetryBudget& budget() { return budget_; }
    [[nodiscard]] const std::shared_ptr<resilience::DetectorGroup>& detectors() const {
        return detectors_;
    }
    [[nodiscard]] resilience::Limit& requests() { return requests_; }
    [[nodiscard]] resilience::Limit& pending() { return pending_; }

    // Takes the place of the set before: known addresses keep their endpoint and its state. Thread:
    // main.
    void set_endpoints(const discovery::Update& update, TimePoint now);
    [[nodiscard]] std::shared_ptr<const EndpointSet> endpoints() const;

    // Told of each new set, on the thread of set_endpoints(); and with nullptr, from any thread,
    // when a connection became free that another worker may be waiting for. Until unsubscribe().
    using Subscriber = std::function<void(std::shared_ptr<const EndpointSet>)>;
    void subscribe(unsigned worker, Subscriber subscriber);
    void unsubscribe(unsigned worker);

    // Requests of any worker that wait for a connection; and the news that one may be had.
    void add_waiting() { waiting_.fetch_add(1, std::memory_order_relaxed); }
    void remove_waiting() { waiting_.fetch_sub(1, std::memory_order_relaxed); }
    void connection_freed();

    // Endpoints whose detector is not closed: without any, nobody looks for one that wants a probe.
    [[nodiscard]] bool has_unready() const { return unready_.load(std::memory_order_relaxed) > 0; }
    void add_unready(int change) { unready_.fetch_add(change, std::memory_order_relaxed); }

  private:
    void on_transition(const resilience::Transition& transition) override;

    const config::Cluster config_;
    const Surroundings surroundings_;
    const telemetry::ClusterMetrics metrics_;
    const std::shared_ptr<resilience::DetectorGroup> detectors_;
    resilience::CircuitBreaker breaker_;
    resilience::RetryBudget budget_;
    resilience::Limit requests_;
    resilience::Limit pending_;
    std::atomic<std::uint32_t> waiting_{0};
    std::atomic<int> unready_{0};

    mutable std::mutex mutex_;
    std::shared_ptr<const EndpointSet> endpoints_;  // guarded by mutex_
    std::vector<Subscriber> subscribers_;           // guarded by mutex_; by worker
    std::vector<std::shared_ptr<Endpoint>>
        gone_;  // guarded by mutex_; may come back with their state
};

}  // namespace weir::upstream
