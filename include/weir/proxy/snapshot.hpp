#pragma once

#include "weir/config/config.hpp"
#include "weir/core/random.hpp"
#include "weir/filter/make.hpp"
#include "weir/http/h1.hpp"
#include "weir/http/h2.hpp"
#include "weir/resilience/retry_policy.hpp"
#include "weir/route/route_table.hpp"
#include "weir/telemetry/access_policy.hpp"
#include "weir/telemetry/handles.hpp"
#include "weir/transport/tls.hpp"
#include "weir/upstream/call.hpp"
#include "weir/upstream/cluster.hpp"
#include "weir/upstream/local_cluster.hpp"

#include <boost/smart_ptr/local_shared_ptr.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weir::proxy {

// From the configuration's words to the decider's options.
[[nodiscard]] resilience::RetryOptions retry_options(const config::Retry& retry);

// One target of a route, resolved: no name is looked up while a request is served.
struct TargetState {
    const config::Target* config = nullptr;
    std::uint32_t cluster = 0;  // index into Snapshot::clusters
    std::shared_ptr<upstream::RouteTarget> route;
    std::uint32_t replayable_methods = 0;  // a bit a http::Method, of retry.methods
    resilience::RetryOptions retry;
    const config::HashKey* hash_key = nullptr;  // none: the policy of the cluster goes by no key
    std::unique_ptr<telemetry::RequestMetrics> metrics;
    std::unique_ptr<telemetry::AccessPolicy> access;

    // Where requests go that an open breaker keeps from the cluster (breaker.fallback.to). May have
    // one of its own; they form no circle.
    std::unique_ptr<TargetState> fallback;
    telemetry::CellId fallback_used{};
    telemetry::CellId delayed{};                 // by a fault
    telemetry::CellId aborted{};                 // likewise
    std::unique_ptr<const config::Target> made;  // config of a fallback: no target of the route
};

// Where copies of a route's requests go.
struct MirrorState {
    MirrorState(const config::Mirror& mirror,
                upstream::Cluster& to,
                std::uint32_t index,
                const std::string& name,  // of the route
                telemetry::Registry& registry);

    const double percent;
    const std::uint32_t cluster;  // index into Snapshot::clusters
    const std::unique_ptr<const upstream::CallRoute> route;
    const telemetry::CellId success;
    const telemetry::CellId failure;
    const telemetry::CellId dropped;    // too many are under way
    const telemetry::CellId too_large;  // for retry.buffer
};

struct RouteState {
    const config::Route* config = nullptr;
    std::vector<TargetState> targets;  // empty if the route answers by itself
    std::uint32_t total_weight = 0;
    std::unique_ptr<telemetry::RequestMetrics> metrics;  // of answers that reach no cluster
    std::unique_ptr<telemetry::AccessPolicy> access;     // likewise
    std::vector<filter::FilterPtr> filters;
    std::unique_ptr<const MirrorState> mirror;
    bool is_plain = true;  // no mirror, fault, compression, or key to choose an endpoint by

    // By weight; there must be targets.
    [[nodiscard]] const TargetState& choose(Random& random) const;
};

struct ListenerState {
    ListenerState(const config::Listener& listener,
                  telemetry::Registry& registry,
                  std::shared_ptr<const transport::TlsTickets> tickets);

    const config::Listener& config;
    route::RouteTable table;
    std::vector<RouteState> routes;  // as in config
    telemetry::ListenerMetrics metrics;
    // Requests that no route took, or that were refused before.
    telemetry::RequestMetrics unmatched;
    telemetry::AccessPolicy unmatched_access;
    std::vector<filter::FilterPtr> filters;  // likewise
    http::H1Limits limits;
    std::shared_ptr<const transport::TlsContext> tls;  // none: in clear
    http::H2Limits h2_limits;
    // The server name that routes ask for is looked for before anything is read.
    bool wants_name = false;
    // So is the protocol: what is no HTTP has somewhere to go. Elsewhere it is a bad request.
    bool takes_opaque = false;
    // Some route asks who it is, or has a rule: no spelling of a path may be a way around it.
    bool has_guards = false;

    // Of weir_protocol_refused_total; `overloaded` are connections above limits.connections.
    [[nodiscard]] telemetry::CellId refused(Reason reason) const {
        return protocol_refused[static_cast<std::size_t>(reason)];
    }
    std::array<telemetry::CellId, kReasonCount> protocol_refused;
    // The same, of connections of HTTP/2.
    [[nodiscard]] telemetry::CellId faulty(http::H2Fault fault, bool is_enforced) const {
        return h2_faults[static_cast<std::size_t>(fault)][is_enforced ? 0 : 1];
    }
    std::array<std::array<telemetry::CellId, 2>, http::kH2Faults> h2_faults;
};

// A configuration made ready to serve: immutable, shared by all workers, replaced whole by a
// reload. An exchange keeps the one it began with. Thread: any (immutable; clusters guard
// themselves).
class Snapshot {
  public:
    // `clusters` are those of the configuration, in its order (runtime makes or keeps them).
    // `tickets`: of the process; without it, sessions end with the snapshot. `stores` likewise.
    // Throws std::runtime_error with a sentence if files of TLS are no good.
    Snapshot(std::shared_ptr<const config::Config> config,
             std::vector<std::shared_ptr<upstream::Cluster>> clusters,
             telemetry::Registry& registry,
             const std::shared_ptr<const transport::TlsTickets>& tickets = nullptr,
             std::shared_ptr<filter::Stores> stores = filter::make_stores());

    [[nodiscard]] const config::Config& config() const { return *config_; }
    [[nodiscard]] const std::shared_ptr<const config::Config>& shared_config() const {
        return config_;
    }
    [[nodiscard]] const std::vector<std::shared_ptr<upstream::Cluster>>& clusters() const {
        return clusters_;
    }
    [[nodiscard]] const std::vector<std::unique_ptr<ListenerState>>& listeners() const {
        return listeners_;
    }
    [[nodiscard]] const ListenerState* find_listener(std::string_view name) const;
    [[nodiscard]] std::shared_ptr<upstream::Cluster> find_cluster(std::string_view name) const;

  private:
    struct Making;
    TargetState make_target(const Making& making, const config::Target& target) const;
    [[nodiscard]] std::uint32_t index_of(std::string_view cluster) const;

    std::shared_ptr<const config::Config> config_;
    std::vector<std::shared_ptr<upstream::Cluster>> clusters_;
    std::vector<std::unique_ptr<ListenerState>> listeners_;
};

// The name of routes to addresses that no cluster has, and of their clusters.
inline constexpr std::string_view kPassthroughRoute = "passthrough";
// One of them: to the first cluster of a snapshot of its own. Route, target and cluster outlive it.
[[nodiscard]] RouteState make_passage(const config::Listener& listener,
                                      const config::Route& route,
                                      const config::Target& target,
                                      upstream::Cluster& cluster,
                                      telemetry::Registry& registry);

// A snapshot on one worker, with the worker's side of each cluster. Counted without atomics.
struct LocalSnapshot {
    std::shared_ptr<const Snapshot> shared;
    std::vector<boost::local_shared_ptr<upstream::LocalCluster>>
        clusters;  // as Snapshot::clusters()
};
using LocalSnapshotPtr = boost::local_shared_ptr<const LocalSnapshot>;

}  // namespace weir::proxy
