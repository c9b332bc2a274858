#pragma once

#include "weir/config/config.hpp"
#include "weir/core/clock.hpp"
#include "weir/resilience/classifier.hpp"
#include "weir/resilience/latency_sketch.hpp"

#include <atomic>
#include <cstdint>
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

// What the attempts of one route into one cluster share in the whole process: how they are judged,
// and how long they usually take. It survives reloads: with the same section it is the same object,
// with another one it goes on with the latencies of the one before. Thread: any, but for what says
// "by the worker".
class RouteTarget final {
  public:
    // What decides whether a reload keeps it.
    struct Section {
        std::string listener;
        std::string route;
        config::Breaker breaker;  // by whose words its answers are judged

        bool operator==(const Section&) const = default;
    };

    RouteTarget(Section section, unsigned workers, const RouteTarget* before = nullptr);
    RouteTarget(const RouteTarget&) = delete;
    RouteTarget& operator=(const RouteTarget&) = delete;
    ~RouteTarget();

    [[nodiscard]] const Section& section() const { return section_; }
    [[nodiscard]] const resilience::Classifier& classifier() const { return classifier_; }

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
    const std::shared_ptr<Times> times_;
};

// The routes into one cluster, by listener and name. Co-owned by the cluster's objects that reloads
// made; a target lives as long as a snapshot holds it. Thread: any.
class RouteTargets final {
  public:
    explicit RouteTargets(unsigned workers) : workers_(workers) {}

    [[nodiscard]] std::shared_ptr<RouteTarget> take(const RouteTarget::Section& section);

  private:
    using Name = std::pair<std::string, std::string>;

    const unsigned workers_;
    std::mutex mutex_;
    // Guarded by mutex_. Oldest first; more than one while a snapshot is made, or still in use.
    std::map<Name, std::vector<std::weak_ptr<RouteTarget>>> known_;
};

}  // namespace weir::upstream
