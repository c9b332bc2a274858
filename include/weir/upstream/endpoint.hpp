#pragma once

#include "weir/core/address.hpp"
#include "weir/discovery/provider.hpp"
#include "weir/resilience/limit.hpp"
#include "weir/resilience/outlier_detector.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weir::upstream {

class Cluster;

// What one worker knows of an endpoint, for others to read: written by its worker only, relaxed.
struct alignas(64) EndpointStats {
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> errors{0};
    std::atomic<std::uint32_t> active{0};
    std::atomic<std::uint32_t> connections{0};
    std::atomic<std::int64_t> ewma_ns{0};  // 0: unknown yet
};

// One address of a cluster, for the whole process: its detector and its limits. It survives updates
// of discovery, and reloads that leave its cluster as it is. Thread: any.
class Endpoint final : public resilience::TransitionSink {
  public:
    Endpoint(Cluster& cluster, const discovery::Found& found, std::uint64_t id, TimePoint now);
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;

    [[nodiscard]] const Address& address() const { return address_; }
    [[nodiscard]] const std::string& name() const {
        return name_;
    }  // ip:port, as in logs and labels
    [[nodiscard]] std::uint32_t weight() const { return weight_.load(std::memory_order_relaxed); }
    void set_weight(std::uint32_t weight) { weight_.store(weight, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t id() const { return id_; }  // unique in the process

    [[nodiscard]] resilience::OutlierDetector& detector() { return detector_; }
    [[nodiscard]] const resilience::OutlierDetector& detector() const { return detector_; }
    [[nodiscard]] resilience::Limit& connections() { return connections_; }
    [[nodiscard]] resilience::Limit& connecting() { return connecting_; }

    [[nodiscard]] EndpointStats& stats(unsigned worker) { return stats_[worker]; }
    // All workers together.
    struct Totals {
        std::uint64_t requests = 0;
        std::uint64_t errors = 0;
        std::uint32_t active = 0;
        std::uint32_t connections = 0;
        Duration ewma{};  // the mean of those who know
    };
    [[nodiscard]] Totals totals() const;

    // The word of the admin API and of weir_endpoints: healthy, penalized, half_open, ejected.
    [[nodiscard]] std::string_view state_word() const;

  private:
    void on_transition(const resilience::Transition& transition) override;
    void on_penalty(bool is_penalized, TimePoint at) override;

    Cluster& cluster_;
    const Address address_;
    const std::string name_;
    const std::uint64_t id_;
    std::atomic<std::uint32_t> weight_;
    resilience::Limit connections_;
    resilience::Limit connecting_;
    const unsigned workers_;
    std::unique_ptr<EndpointStats[]> stats_;
    resilience::OutlierDetector detector_;
};

// The endpoints of a cluster at one moment. Immutable.
struct EndpointSet {
    std::vector<std::shared_ptr<Endpoint>> endpoints;
};

}  // namespace weir::upstream
