#include "weir/admin/collect.hpp"

#include "weir/core/log.hpp"
#include "weir/telemetry/families.hpp"

#include "admin/describe.hpp"

namespace weir::admin {
namespace {

using telemetry::Collector;
using telemetry::Family;

void collect_cluster(Collector& out, const upstream::Cluster& cluster) {
    const std::string& name = cluster.name();
    const resilience::State breaker = cluster.breaker().state();
    for (const auto state :
         {resilience::State::closed, resilience::State::open, resilience::State::half_open}) {
        out.gauge(Family::breaker_state, {name, telemetry::kAll, resilience::word(state)},
                  state == breaker ? 1 : 0);
    }
    const EndpointCounts counts = count_endpoints(cluster);
    for (std::size_t i = 0; i < kEndpointStates.size(); ++i) {
        out.gauge(Family::endpoints, {name, kEndpointStates[i]}, counts.by_state[i]);
    }
    if (const auto* adaptive = cluster.adaptive())
        out.gauge(Family::adaptive_limit, {name}, adaptive->limit());
    if (const std::uint64_t count = cluster.would_limit_total(); count > 0)
        out.counter(Family::shadow, {name, "would_limit"}, count);
    out.gauge(Family::cluster_none_ready, {name}, counts.selectable == 0 ? 1 : 0);
    if (cluster.config().health)
        out.gauge(Family::cluster_health_ignored, {name}, cluster.health_ignored());
}

void collect_endpoints(Collector& out, const upstream::Cluster& cluster) {
    for (const auto& endpoint : cluster.endpoints()->endpoints) {
        const auto totals = endpoint->totals();
        const telemetry::Labels labels{cluster.name(), endpoint->name()};
        out.counter(Family::endpoint_requests, labels, totals.requests);
        out.counter(Family::endpoint_errors, labels, totals.errors);
        out.gauge(Family::endpoint_ewma, labels,
                  std::chrono::duration<double>(totals.ewma).count());
        out.gauge(Family::endpoint_active, labels, totals.active);
    }
}

void collect_discovery(Collector& out,
                       const upstream::Cluster& cluster,
                       const discovery::Status& status,
                       const WallClock& wall) {
    const std::string_view name = cluster.name();
    // A list is read once: that it was says nothing.
    if (cluster.config().discovery.type == config::Discovery::Type::static_list) return;
    out.counter(Family::discovery_updates, {name, status.type, "success"}, status.updates);
    out.counter(Family::discovery_updates, {name, status.type, "failure"}, status.failures);
    // A file never goes stale: an alert on its age would be false.
    if (cluster.config().discovery.type != config::Discovery::Type::dns) return;
    if (!status.last_contact) return;
    const auto since_epoch = wall(*status.last_contact).time_since_epoch();
    out.gauge(Family::discovery_last_success, {name, status.type},
              std::chrono::duration<double>(since_epoch).count());
}

}  // namespace

telemetry::Registry::CollectorToken collect(
    telemetry::Registry& registry,
    std::function<std::shared_ptr<const proxy::Snapshot>()> snapshot,
    std::function<std::optional<discovery::Status>(std::string_view)> discovery) {
    return registry.add_collector(
        [snapshot = std::move(snapshot), discovery = std::move(discovery)](Collector& out) {
            const auto current = snapshot();
            if (!current) return;
            const WallClock wall = refresh_clocks();
            for (const auto& cluster : current->clusters()) {
                collect_cluster(out, *cluster);
                if (cluster->config().metrics_per_endpoint) collect_endpoints(out, *cluster);
                if (!discovery) continue;
                if (const auto status = discovery(cluster->name())) {
                    collect_discovery(out, *cluster, *status, wall);
                }
            }
        });
}

void tick(const proxy::Snapshot& snapshot, TimePoint now) {
    log::tick(now);
    for (const auto& cluster : snapshot.clusters())
        cluster->tick(now);
}

}  // namespace weir::admin
