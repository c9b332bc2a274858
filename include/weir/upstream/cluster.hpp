#pragma once

#include "weir/config/config.hpp"
#include "weir/discovery/provider.hpp"
#include "weir/resilience/adaptive_limit.hpp"
#include "weir/resilience/circuit_breaker.hpp"
#include "weir/resilience/limit.hpp"
#include "weir/resilience/outlier_guard.hpp"
#include "weir/resilience/retry_budget.hpp"
#include "weir/telemetry/events.hpp"
#include "weir/telemetry/handles.hpp"
#include "weir/transport/tls.hpp"
#include "weir/upstream/breaker.hpp"
#include "weir/upstream/endpoint.hpp"
#include "weir/upstream/route_target.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace weir::upstream {

// A cluster for the whole process: its breaker, budget and limits, and who its endpoints are.
// Thread: any, but for construction, take_over() and set_endpoints() (main). Attempts hold it
// through their LocalCluster.
//
// A reload that leaves its section as it is keeps the object. Another section makes a new one,
// which shares with the one before it, while requests of both are under way:
//
//   the breaker with its state      if `breaker` is the same
//   endpoints with their detectors  if `outlier` and breaker.failure_rate are the same; else it
//                                   begins with the same addresses
//   the retry budget                if its keys are the same
//   what is counted against limits  always; a limit that changed is the new one for all
class Cluster final {
  public:
    using Surroundings = upstream::Surroundings;

    // Throws std::runtime_error with a sentence if the files of its `tls` are no good.
    Cluster(const config::Cluster& config,
            const Surroundings& surroundings,
            TimePoint now,
            const Cluster* before = nullptr);
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;
    ~Cluster();

    // The configuration it was made for is in force: what it shares follows its section from now
    // on, and operators' orders stand. Until then it has changed nothing of the one before it.
    void take_over(const Cluster& before, TimePoint now);

    [[nodiscard]] const std::string& name() const { return config_.name; }
    [[nodiscard]] const config::Cluster& config() const { return config_; }
    [[nodiscard]] const telemetry::ClusterMetrics& metrics() const { return metrics_; }
    [[nodiscard]] const Surroundings& surroundings() const { return surroundings_; }

    [[nodiscard]] resilience::CircuitBreaker& breaker() { return machine_; }
    [[nodiscard]] const resilience::CircuitBreaker& breaker() const { return machine_; }
    [[nodiscard]] resilience::RetryBudget& budget() { return *budget_; }
    [[nodiscard]] const std::shared_ptr<resilience::DetectorGroup>& detectors() const {
        return group_->detectors;
    }
    // None: in clear.
    [[nodiscard]] const std::shared_ptr<const transport::TlsContext>& tls() const { return tls_; }
    // Of routes into it. How answers of a route with that section are judged is decided there.
    [[nodiscard]] RouteTargets& routes() { return *routes_; }
    // The cluster's breaker first, then those of its routes that have one now.
    [[nodiscard]] std::vector<std::shared_ptr<Breaker>> breakers() const;
    [[nodiscard]] resilience::Limit& requests() { return load_->requests; }
    [[nodiscard]] resilience::Limit& pending() { return load_->pending; }
    // Of limits.adaptive; nullptr where that is off.
    [[nodiscard]] resilience::AdaptiveLimit* adaptive() { return adaptive_.get(); }
    [[nodiscard]] const resilience::AdaptiveLimit* adaptive() const { return adaptive_.get(); }

    // A slot, or none if the limit is reached. In shadow mode that is counted, and there is one.
    [[nodiscard]] std::optional<resilience::Limit::Slot> acquire(resilience::Limit& limit,
                                                                 TimePoint now) {
        auto slot = limit.try_acquire(now);
        if (!slot && is_shadow_over_limit()) slot = limit.acquire_always();
        return slot;
    }
    [[nodiscard]] std::optional<resilience::AdaptiveLimit::Slot> acquire_adaptive();
    [[nodiscard]] std::uint64_t would_limit_total() const {
        return load_->would_limit.load(std::memory_order_relaxed);
    }

    // How one worker's requests into this cluster are answered, for the stall rule. Written by that
    // worker.
    class alignas(64) Pulse {
      public:
        void answered(TimePoint now) {
            answered_at_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
        }
        void publish_waiting(std::uint32_t waiting, TimePoint now) {
            waiting_.store(waiting, std::memory_order_relaxed);
            waiting_at_.store(now.time_since_epoch().count(), std::memory_order_release);
        }

      private:
        friend class Cluster;
        std::atomic<Duration::rep> answered_at_{0};
        std::atomic<std::uint32_t> waiting_{0};
        std::atomic<Duration::rep> waiting_at_{0};
    };
    [[nodiscard]] Pulse& pulse(unsigned worker) { return load_->pulses[worker]; }
    // The last head from any endpoint; the epoch if there was none.
    [[nodiscard]] TimePoint last_answer() const;
    // Requests that wait for a head, of the workers that counted them since then.
    [[nodiscard]] std::uint32_t waiting(TimePoint since) const;
    // Endpoints ejected for a stall, ever.
    [[nodiscard]] std::uint32_t stalls() const {
        return group_->stalls.load(std::memory_order_acquire);
    }

    // Does what is due by time: in breaker, endpoints, and between the endpoints. Thread: main.
    void tick(TimePoint now);

    // Takes the place of the set before: known addresses keep their endpoint and its state. Thread:
    // main.
    void set_endpoints(const discovery::Update& update, TimePoint now);
    [[nodiscard]] std::shared_ptr<const EndpointSet> endpoints() const;

    // Nothing is known of its endpoints yet, but may be in a moment: a reload, or the start, has
    // just made it, and its source has not answered. A request waits then, rather than fail.
    [[nodiscard]] bool is_awaited(TimePoint now) const {
        return !is_known_.load(std::memory_order_relaxed) && now < awaited_until_;
    }

    // An operator's word about the breaker: open or closed whatever happens. `order` has an end.
    void force_breaker(resilience::State state, Order order, TimePoint now);
    void free_breaker(TimePoint now);
    [[nodiscard]] std::optional<Order> breaker_order() const;  // none unless it is forced

    // The set is as it was, but one of its endpoints is drained, or no longer.
    void announce();

    // What a worker is told.
    struct News {
        std::shared_ptr<const EndpointSet> set;  // a new set of endpoints
        // Another worker needs a connection to it, and this one has most that are idle.
        std::shared_ptr<Endpoint> wanted;
        // Neither: a connection became free that this worker may be waiting for.
    };
    // New sets come on the thread of set_endpoints(), the rest from any. Until unsubscribe().
    using Subscriber = std::function<void(const News&)>;
    void subscribe(unsigned worker, Subscriber subscriber);
    void unsubscribe(unsigned worker);

    // Requests of any worker that wait for a connection; and the news that one may be had.
    void add_waiting() { load_->waiting.fetch_add(1, std::memory_order_seq_cst); }
    void remove_waiting() { load_->waiting.fetch_sub(1, std::memory_order_relaxed); }
    [[nodiscard]] bool has_waiting() const {
        return load_->waiting.load(std::memory_order_relaxed) > 0;
    }
    void connection_freed();
    // The worker with most idle connections to it closes one: `worker` was refused by the limit.
    void ask_for_connection(const std::shared_ptr<Endpoint>& endpoint, unsigned worker) const;

    // Who of its endpoints is ready.
    [[nodiscard]] const std::shared_ptr<balance::Roster>& roster() const { return group_->roster; }

    // Endpoints in use though their health checks fail: too few would be left without them.
    [[nodiscard]] std::uint32_t health_ignored() const {
        return health_ignored_.load(std::memory_order_relaxed);
    }
    void set_health_ignored(std::uint32_t endpoints) {
        health_ignored_.store(endpoints, std::memory_order_relaxed);
    }

  private:
    // What requests under way hold, whichever object they began with.
    struct Load {
        Load(const config::ClusterLimits& limits, unsigned workers)
            : requests(limits.max_requests),
              pending(limits.max_pending),
              pulses(new Pulse[workers]) {}
        resilience::Limit requests;
        resilience::Limit pending;
        std::atomic<std::uint32_t> waiting{0};
        std::atomic<std::uint64_t> would_limit{0};
        const std::unique_ptr<Pulse[]> pulses;
    };

    [[nodiscard]] bool is_shadow_over_limit();
    void inherit_endpoints(const Cluster& before, TimePoint now);
    // Where keys go in that set; `before` is the one it replaces.
    void place(EndpointSet& set, const EndpointSet& before) const;

    // An endpoint and how late its turn comes: its priority, or kLast of one on its way out.
    struct Member {
        std::shared_ptr<Endpoint> endpoint;
        unsigned level = 0;
        bool is_used = true;  // as an endpoint is made, and joins
    };
    // The highest level in use: the first up to which somebody may be called.
    [[nodiscard]] unsigned choose_level() const;
    // The set of those in use; says to each that comes or goes. mutex_ is held.
    [[nodiscard]] std::shared_ptr<EndpointSet> use_members(TimePoint now);
    void adopt(std::vector<Member> next);  // mutex_ is held
    [[nodiscard]] std::shared_ptr<const EndpointSet> change_level(TimePoint now);
    void tell(const std::shared_ptr<const EndpointSet>& set);

    const config::Cluster config_;
    const Surroundings surroundings_;
    const telemetry::ClusterMetrics metrics_;
    // Co-owned by the objects that reloads made of this cluster.
    const std::shared_ptr<EndpointGroup> group_;
    const std::shared_ptr<RouteTargets> routes_;
    const std::shared_ptr<Breaker> breaker_;
    resilience::CircuitBreaker& machine_;  // of breaker_
    const std::shared_ptr<resilience::RetryBudget> budget_;
    const std::shared_ptr<Load> load_;
    const std::shared_ptr<resilience::AdaptiveLimit> adaptive_;

    const std::shared_ptr<const transport::TlsContext> tls_;
    const TimePoint awaited_until_;
    std::atomic<bool> is_known_;
    std::atomic<std::uint32_t> health_ignored_{0};

    mutable std::mutex mutex_;
    std::shared_ptr<const EndpointSet> endpoints_;  // guarded by mutex_
    std::vector<Member> members_;                   // all that discovery names; thread: main
    bool has_levels_ = false;                       // thread: main
    unsigned level_ = 0;                            // thread: main
    std::vector<Subscriber> subscribers_;           // guarded by mutex_; by worker
    std::vector<std::shared_ptr<Endpoint>>
        gone_;  // guarded by mutex_; may come back with their state
};

}  // namespace weir::upstream
