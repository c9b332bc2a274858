#pragma once

#include "weir/balance/placement.hpp"
#include "weir/balance/standing.hpp"
#include "weir/config/config.hpp"
#include "weir/core/address.hpp"
#include "weir/discovery/provider.hpp"
#include "weir/resilience/idle_timeout.hpp"
#include "weir/resilience/limit.hpp"
#include "weir/resilience/outlier_detector.hpp"
#include "weir/resilience/peer_comparison.hpp"
#include "weir/resilience/stall_rule.hpp"
#include "weir/telemetry/events.hpp"
#include "weir/telemetry/metrics.hpp"
#include "weir/upstream/order.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::upstream {

// What a cluster tells its story to.
struct Surroundings {
    telemetry::Registry& registry;
    telemetry::EventLog& events;
    unsigned workers = 1;
    std::uint64_t seed = 0;
};

// What the endpoints of a cluster have in common, and may outlive it with: a reload that changes
// other keys of its section hands the group and its endpoints to the cluster's next object.
// Co-owned by the clusters and the endpoints. Thread: any.
class EndpointGroup {
  public:
    EndpointGroup(const config::Cluster& config, const Surroundings& around);
    // Whether the endpoints of that section may be those of this group.
    [[nodiscard]] bool fits(const config::Cluster& config) const;

    const std::string cluster;
    const config::Outlier outlier;
    const double failure_rate;  // of the breaker
    const Surroundings surroundings;
    const std::shared_ptr<resilience::DetectorGroup> detectors;
    const std::shared_ptr<balance::Roster> roster;

    std::atomic<std::uint32_t> stalls{0};  // ejections for a stall, ever
    resilience::PeerComparison peers;      // thread: main

    // Of the cluster that has the endpoints now: told when one of them is drained, or no longer.
    // An owner of an older listener takes nothing away.
    void listen(const void* owner, std::function<void()> listener);
    void unlisten(const void* owner);
    void announce() const;

  private:
    mutable std::mutex mutex_;
    const void* owner_ = nullptr;     // guarded by mutex_
    std::function<void()> listener_;  // guarded by mutex_, which is held while it runs
};

// What one worker knows of an endpoint, for others to read: written by its worker only, relaxed.
struct alignas(64) EndpointStats {
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> errors{0};
    std::atomic<std::uint32_t> active{0};
    std::atomic<std::uint32_t> connections{0};
    std::atomic<std::int64_t> ewma_ns{0};     // 0: unknown yet
    std::atomic<Duration::rep> failed_at{0};  // of last_failure
    std::atomic<resilience::FailureKind> last_failure{resilience::FailureKind::none};
    // For the stall rule.
    std::atomic<Duration::rep> answered_at{0};  // last head; 0: never
    std::atomic<Duration::rep> mean_gap{0};     // between heads; 0: unknown yet
    std::atomic<std::uint32_t> stalled{0};      // requests that waited for too long
    std::atomic<Duration::rep> stalled_at{0};   // when that was counted
};

// One address of a cluster, for the whole process: its detector and its limits. It survives updates
// of discovery, and reloads that leave `outlier` of its cluster as it is. Thread: any.
class Endpoint final : public resilience::TransitionSink {
  public:
    Endpoint(std::shared_ptr<EndpointGroup> group,
             const config::ClusterLimits& limits,
             const discovery::Found& found,
             TimePoint now);
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;

    [[nodiscard]] const Address& address() const { return address_; }
    [[nodiscard]] const std::string& name() const {
        return name_;
    }  // ip:port, as in logs and labels
    // As its source gives it, "orders:80"; of a Unix socket: localhost.
    [[nodiscard]] const std::string& authority() const { return authority_; }
    // The host in it, without brackets: whose certificate is expected.
    [[nodiscard]] std::string_view host() const;
    [[nodiscard]] std::uint32_t weight() const { return weight_.load(std::memory_order_relaxed); }
    void set_weight(std::uint32_t weight) { weight_.store(weight, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t id() const { return id_; }  // unique in the process, growing
    [[nodiscard]] const std::string& zone() const { return zone_; }
    [[nodiscard]] const std::string& uid() const { return uid_; }  // empty: its address is all
    // Whether it is this one that discovery has found.
    [[nodiscard]] bool is_of(const discovery::Found& found) const {
        return address_ == found.address && uid_ == found.uid && speaks_ == found.speaks;
    }
    // Discovery says that it speaks HTTP/2 in clear.
    [[nodiscard]] bool speaks_h2c() const { return speaks_ == discovery::Found::Speaks::h2c; }

    // What discovery wants of it: standby is for when those of a lower priority fail.
    enum class Role : std::uint8_t { serving, standby, terminating };
    [[nodiscard]] Role role() const { return role_.load(std::memory_order_relaxed); }
    void set_role(Role role) { role_.store(role, std::memory_order_relaxed); }

    [[nodiscard]] resilience::OutlierDetector& detector() { return detector_; }
    [[nodiscard]] const resilience::OutlierDetector& detector() const { return detector_; }
    // Where it stands, for balancing.
    [[nodiscard]] balance::Standing& standing() { return standing_; }
    [[nodiscard]] const balance::Standing& standing() const { return standing_; }
    // Discovery names it no longer, or again.
    void leave();
    void rejoin(TimePoint now);
    [[nodiscard]] resilience::Limit& connections() { return connections_; }
    [[nodiscard]] const resilience::Limit& connections() const { return connections_; }
    [[nodiscard]] resilience::Limit& connecting() { return connecting_; }

    void set_limits(const config::ClusterLimits& limits);

    // What its upstream does with idle connections, as all workers have seen it.
    [[nodiscard]] resilience::IdleTimeout& idle_timeout() { return idle_timeout_; }
    // The worker with most idle connections but that one, if any has one.
    [[nodiscard]] std::optional<unsigned> most_idle_worker(unsigned but) const;

    // What ALPN chose last was not HTTP/2. Any worker says it, for all.
    [[nodiscard]] bool speaks_h1() const { return speaks_h1_.load(std::memory_order_relaxed); }
    void note_speaks_h1(bool does) { speaks_h1_.store(does, std::memory_order_relaxed); }

    [[nodiscard]] EndpointStats& stats(unsigned worker) { return stats_[worker]; }
    // All workers together.
    struct Totals {
        std::uint64_t requests = 0;
        std::uint64_t errors = 0;
        std::uint32_t active = 0;
        std::uint32_t connections = 0;
        Duration ewma{};  // the mean of those who know
        resilience::FailureKind last_failure = resilience::FailureKind::none;
    };
    [[nodiscard]] Totals totals() const;

    // How it answered, all workers together.
    [[nodiscard]] resilience::Answering answering() const;
    // Requests that wait for too long, of the workers that counted them since then.
    [[nodiscard]] std::uint32_t stalled(TimePoint since) const;
    // When it was ejected for a stall, until it is back; else before everything.
    [[nodiscard]] TimePoint stalled_at() const {
        return TimePoint{Duration{stalled_at_.load(std::memory_order_acquire)}};
    }

    // The word of the admin API and of weir_endpoints: healthy, penalized, half_open, ejected,
    // unhealthy, draining; of those that discovery holds back: standby, terminating.
    [[nodiscard]] std::string_view state_word() const;

    // ---- an operator's word, at once in all workers

    // Drained: no new requests, idle connections close, requests in flight finish.
    void drain(Order order, TimePoint now);
    void undrain(TimePoint now);
    // Ejected as by its detector (and whatever its mode); `order` has an end, then it is on trial.
    void eject(Order order, TimePoint now);
    // Back at once, whoever ejected it.
    void uneject(TimePoint now);
    // The order under which another object of the same address stands.
    void take_order(const Endpoint& other, TimePoint now);
    // Ends what is over by time, here and in the detector.
    void tick(TimePoint now);

    // ---- active checks. Thread: main, but for the getters.

    // The last one.
    struct Check {
        TimePoint at{};
        std::string_view result;  // success, failure, timeout
        std::string detail;       // for people: "status 503"
        Duration took{};
    };
    // What they say of it, and whether that is acted on: it is not where too few would be left.
    struct Health {
        std::optional<Check> last;
        bool is_failing = false;
        bool is_ignored = false;
    };
    void note_check(Check check);
    // Unhealthy: no requests, whatever its detector says, until another word.
    void set_health(bool is_failing, bool is_ignored, TimePoint now);
    // What is known of another object of the same address.
    void take_health(const Endpoint& other, TimePoint now);
    [[nodiscard]] Health health() const;
    [[nodiscard]] bool is_unhealthy() const { return is_out(balance::Hold::unhealthy); }

    // Neither drained nor unhealthy: what its detector says counts.
    [[nodiscard]] bool is_available() const { return out_.load(std::memory_order_relaxed) == 0; }
    [[nodiscard]] bool is_drained() const { return is_out(balance::Hold::drained); }
    // No requests for it, not even when no other is ready.
    [[nodiscard]] bool is_held() const {
        const auto& machine = detector_.machine();
        return is_drained() || (machine.state() == resilience::State::open && machine.is_forced());
    }
    // May requests be balanced to it?
    [[nodiscard]] bool is_selectable() const { return is_available() && detector_.is_selectable(); }

    // The order in force: that to drain, where there are two.
    struct Held {
        std::string_view state;  // "draining", "ejected"
        Order order;
    };
    [[nodiscard]] std::optional<Held> held() const;

  private:
    [[nodiscard]] bool is_out(balance::Hold why) const {
        return (out_.load(std::memory_order_relaxed) & static_cast<std::uint8_t>(why)) != 0;
    }
    // Whether that is news.
    bool hold(balance::Hold why, bool is_on, TimePoint now);
    void end_drain(std::string_view why, TimePoint now);
    struct Told {
        telemetry::Event::Kind kind;
        std::string_view from;
        std::string_view to;
        std::string_view reason;
        std::string detail;
        bool is_shadow = false;
    };
    void tell(const Told& told);
    void note_stall(const resilience::Transition& transition);
    void on_transition(const resilience::Transition& transition) override;
    void on_penalty(bool is_penalized, TimePoint at) override;

    const std::shared_ptr<EndpointGroup> group_;
    const Address address_;
    const std::string name_;
    const std::string authority_;
    const std::uint64_t id_;
    const std::string zone_;
    const std::string uid_;
    const discovery::Found::Speaks speaks_;
    std::atomic<Role> role_{Role::serving};
    std::atomic<std::uint32_t> weight_;
    resilience::Limit connections_;
    resilience::Limit connecting_;
    resilience::IdleTimeout idle_timeout_;
    const unsigned workers_;
    std::unique_ptr<EndpointStats[]> stats_;
    std::atomic<Duration::rep> stalled_at_{TimePoint::min().time_since_epoch().count()};
    std::atomic<std::uint8_t> out_{0};  // of balance::Hold
    std::atomic<bool> speaks_h1_{false};
    mutable std::mutex mutex_;
    Health health_;                 // guarded by mutex_
    std::optional<Order> drained_;  // guarded by mutex_
    std::optional<Order> ejected_;  // guarded by mutex_; in force while the machine is forced
    resilience::OutlierDetector detector_;
    balance::Standing standing_;
};

// The endpoints of a cluster at one moment. Immutable.
struct EndpointSet {
    std::vector<std::shared_ptr<Endpoint>> endpoints;  // each knows its place here
    std::vector<std::uint32_t> weights{};              // of these, in the same order
    // Found as well, and not in use: of another priority, or on their way out.
    std::vector<std::shared_ptr<Endpoint>> others{};
    std::shared_ptr<const balance::Placement> placement;  // of a hash policy
};

}  // namespace weir::upstream
