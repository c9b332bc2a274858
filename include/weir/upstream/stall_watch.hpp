#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/timing_wheel.hpp"
#include "weir/resilience/stall_rule.hpp"
#include "weir/upstream/local_context.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace weir::upstream {

class Attempt;
class Cluster;
class LocalEndpoint;
class RouteTarget;

// Watches the attempts of one worker that wait for a response head from one cluster, and trips the
// detector of an endpoint, or the cluster's breaker, when nothing is answered (the rule is
// resilience/stall_rule). Requests that wait at an endpoint ejected for a stall are told, whichever
// worker found out.
//
// An attempt is in a list while it waits: beginning and ending cost a few stores. A timer looks
// each 100 ms, while any wait, at those that have waited for long. Counts of the workers are added
// up through EndpointStats and the cluster's pulses. Like the queue of its cluster it is taken over
// by the objects that reloads make. Thread: worker.
class StallWatch {
  public:
    // Part of an attempt.
    struct Entry {
        explicit Entry(Attempt& owner) : attempt(owner) {}
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;

        [[nodiscard]] bool is_listed() const { return watch != nullptr; }

        Attempt& attempt;
        StallWatch* watch = nullptr;
        Entry* before = nullptr;
        Entry* after = nullptr;
        TimePoint since{};
        LocalEndpoint* endpoint = nullptr;
        RouteTarget* route = nullptr;
        std::optional<Duration> timeout;
        bool is_told = false;
    };

    explicit StallWatch(LocalContext& context) : context_(context) {}
    StallWatch(const StallWatch&) = delete;
    StallWatch& operator=(const StallWatch&) = delete;

    // Whose rules count from now on.
    void follow(const std::shared_ptr<Cluster>& cluster);

    // It has sent its request; `endpoint`, `route` and `timeout` are set and stay while it is
    // listed.
    void add(Entry& entry, TimePoint now) {
        if (!is_on_) return;
        append(entry, now);
    }
    // Its head came, or it has ended. May be repeated.
    static void remove(Entry& entry) {
        if (entry.watch != nullptr) entry.watch->unlink(entry);
    }
    // A head came from somewhere.
    void answered(TimePoint now);

  private:
    void append(Entry& entry, TimePoint now);
    void unlink(Entry& entry);
    void on_timer();
    void look_at_endpoints(TimePoint now);
    void judge(LocalEndpoint& endpoint, Duration waited, TimePoint now);
    [[nodiscard]] bool has_peer_answered(const LocalEndpoint& endpoint, TimePoint since);
    void look_at_cluster(TimePoint now);
    void tell_stuck();
    [[nodiscard]] resilience::RoutePace pace(const Entry& entry, TimePoint now) const;

    LocalContext& context_;
    std::shared_ptr<Cluster> cluster_;
    resilience::StallOptions endpoint_rule_;
    resilience::StallOptions cluster_rule_;
    bool is_on_ = false;
    Entry* first_ = nullptr;  // waits longest
    Entry* last_ = nullptr;
    Entry* next_ = nullptr;     // while they are told: whose turn it is
    std::uint32_t stalls_ = 0;  // of the endpoints, as far as told
    std::uint64_t look_ = 0;    // number of the present look
    struct Suspect {
        LocalEndpoint* endpoint;
        std::uint32_t waiting;
        Duration longest;  // of what their routes allow
    };
    std::vector<Suspect> suspects_;  // scratch
    TimerOf<StallWatch, &StallWatch::on_timer> timer_{*this};
};

}  // namespace weir::upstream
