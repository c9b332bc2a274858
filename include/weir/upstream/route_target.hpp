#pragma once

#include "weir/config/config.hpp"
#include "weir/core/clock.hpp"
#include "weir/resilience/classifier.hpp"
#include "weir/resilience/latency_sketch.hpp"
#include "weir/upstream/breaker.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weir::upstream {

// How long the good answers of a route took to their headers.
struct RouteLatency {
    std::uint64_t samples = 0;
    Duration median{0};
    Duration p95{0};
    Duration p99{0};

    // Below it nothing is concluded from them.
    static constexpr std::uint64_t kEnough = 100;
    [[nodiscard]] bool is_known() const { return samples >= kEnough; }
};

// A breaker that is made when there is something to tell it. Co-owned by the routes of one name and
// configuration, and by what reloads made of them. Thread: any.
class LazyBreaker final {
  public:
    using Make = std::function<std::unique_ptr<Breaker>(TimePoint now)>;

    LazyBreaker(const config::Breaker& config, Make make)
        : config_(config), make_(std::move(make)) {}
    LazyBreaker(const LazyBreaker&) = delete;
    LazyBreaker& operator=(const LazyBreaker&) = delete;
    ~LazyBreaker() { delete made_.load(std::memory_order_acquire); }

    [[nodiscard]] const config::Breaker& config() const { return config_; }
    [[nodiscard]] Breaker* get() const { return made_.load(std::memory_order_acquire); }
    Breaker& make(TimePoint now);

  private:
    const config::Breaker config_;
    const Make make_;
    std::mutex mutex_;  // held while it is made
    std::atomic<Breaker*> made_{nullptr};
};

// What the attempts of one route into one cluster share in the whole process: how they are judged,
// how long they usually take, and the route's breaker if there is one. It survives reloads: with
// the same section it is the same object; with another one it goes on with the latencies of the one
// before, and with its breaker if that one's section is the same. Thread: any, but for what says
// "by the worker".
class RouteTarget final {
  public:
    // What decides whether a reload keeps it.
    struct Section {
        std::string listener;
        std::string route;
        config::Breaker judge;  // the route's own, or its cluster's: failure_on and slow_call count
        std::optional<Duration> endpoint_slow_call;  // outlier.slow_call
        // Whether there is a breaker of the route, and from when on.
        enum class Has : std::uint8_t { none, when_needed, always };
        Has has = Has::none;
        resilience::Hearing cluster_hears = resilience::Hearing::all;

        bool operator==(const Section&) const = default;
    };

    // breaker: null if section.has is none.
    RouteTarget(Section section,
                unsigned workers,
                std::shared_ptr<LazyBreaker> breaker,
                const RouteTarget* before = nullptr);
    RouteTarget(const RouteTarget&) = delete;
    RouteTarget& operator=(const RouteTarget&) = delete;
    ~RouteTarget();

    [[nodiscard]] const Section& section() const { return section_; }
    [[nodiscard]] const resilience::Classifier& classifier() const { return classifier_; }

    // The route's breaker, which must admit an attempt beside the cluster's; null while there is
    // none.
    [[nodiscard]] Breaker* breaker() const { return breaker_ ? breaker_->get() : nullptr; }
    // What the cluster's breaker hears of the end of an attempt.
    [[nodiscard]] resilience::Verdict for_cluster(const resilience::Verdict& verdict,
                                                  bool is_probe) const {
        return resilience::heard(verdict, section_.cluster_hears, is_probe);
    }
    [[nodiscard]] resilience::Verdict for_route(const resilience::Verdict& verdict,
                                                bool is_probe) const {
        return resilience::heard(verdict, route_hears_, is_probe);
    }
    // An attempt failed that no breaker of the route had admitted: the first such failure makes the
    // breaker, where the route may have one.
    void failed_without(const resilience::Verdict& verdict,
                        TimePoint now,
                        unsigned worker,
                        resilience::FailureKey key);

    // Good headers came after `latency`. By the worker; a few nanoseconds.
    void observe(unsigned worker, Duration latency, TimePoint now) {
        resilience::LatencySketch* const own =
            times_->shards[worker].sketch.load(std::memory_order_relaxed);
        (own != nullptr ? *own : add_sketch(worker)).add(latency, now);
    }

    // As all workers saw it, in the last minute; if too few answers came in that, as it was when
    // there were enough, for ten minutes: an upstream that hangs is judged by what it did before.
    // By the worker: made anew at most every 100 ms.
    [[nodiscard]] const RouteLatency& latency(unsigned worker, TimePoint now);
    // The same for anybody, made anew at each call and without the memory.
    [[nodiscard]] RouteLatency measure(TimePoint now) const;

    // From when on a client that leaves before headers has seen a timeout. By the worker.
    [[nodiscard]] Duration patience(unsigned worker,
                                    TimePoint now,
                                    std::optional<Duration> request_timeout);
    // How long a probe may take to its headers: max(5 s, 3 x p99), at most the request timeout. By
    // the worker.
    [[nodiscard]] Duration probe_lease(unsigned worker,
                                       TimePoint now,
                                       std::optional<Duration> request_timeout);

  private:
    // The worker's own, but for the pointer.
    struct alignas(64) Shard {
        std::atomic<resilience::LatencySketch*> sketch{nullptr};
        RouteLatency latency;
        TimePoint fresh_until{};
        TimePoint known_until{};
    };
    // Co-owned by the objects that reloads made of this route.
    struct Times {
        explicit Times(unsigned count) : workers(count), shards(new Shard[count]) {}
        Times(const Times&) = delete;
        Times& operator=(const Times&) = delete;
        ~Times();

        const unsigned workers;
        const std::unique_ptr<Shard[]> shards;
    };

    resilience::LatencySketch& add_sketch(unsigned worker);

    const Section section_;
    const resilience::Classifier classifier_;
    const resilience::Hearing route_hears_;
    const std::shared_ptr<Times> times_;
    const std::shared_ptr<LazyBreaker> breaker_;
};

// The routes into one cluster, by listener and name. Routes of one name in several listeners share
// a breaker, if its section is the same. Co-owned by the cluster's objects that reloads made; a
// target lives as long as a snapshot holds it. Thread: any.
class RouteTargets final {
  public:
    RouteTargets(std::string cluster,
                 const Surroundings& surroundings,
                 std::shared_ptr<PeersGate> gate)
        : cluster_(std::move(cluster)), surroundings_(surroundings), gate_(std::move(gate)) {}

    [[nodiscard]] std::shared_ptr<RouteTarget> take(const RouteTarget::Section& section,
                                                    TimePoint now);
    // The breakers of routes that there are, by the routes' names.
    [[nodiscard]] std::vector<std::shared_ptr<Breaker>> breakers() const;

    [[nodiscard]] const std::shared_ptr<PeersGate>& gate() const { return gate_; }

  private:
    using Name = std::pair<std::string, std::string>;

    std::shared_ptr<LazyBreaker> take_breaker(const RouteTarget::Section& section, TimePoint now);

    const std::string cluster_;
    const Surroundings surroundings_;
    const std::shared_ptr<PeersGate> gate_;
    mutable std::mutex mutex_;
    // Both guarded by mutex_. Oldest first; more than one while a snapshot is made, or an older one
    // is still in use.
    std::map<Name, std::vector<std::weak_ptr<RouteTarget>>> known_;
    std::map<std::string, std::vector<std::weak_ptr<LazyBreaker>>> breakers_;
};

}  // namespace weir::upstream
