#pragma once

#include "weir/discovery/provider.hpp"
#include "weir/proxy/snapshot.hpp"
#include "weir/telemetry/metrics.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

namespace weir::admin {

// What is computed at the scrape, from live state: weir_breaker_state and weir_endpoints (all
// states, from the start), weir_cluster_none_ready, weir_endpoint_* where a cluster asks for them,
// and with `discovery` weir_discovery_updates_total and weir_discovery_last_success_... (of sources
// that are asked again). The functions are called by the thread that scrapes, inside the scrape:
// they must not call the registry; snapshot may return null. The token ends it.
[[nodiscard]] telemetry::Registry::CollectorToken collect(
    telemetry::Registry& registry,
    std::function<std::shared_ptr<const proxy::Snapshot>()> snapshot,
    std::function<std::optional<discovery::Status>(std::string_view cluster)> discovery = {});

// Does what is due by time in every breaker and detector, and ends the orders of operators whose
// time is over, that to the log included. Without traffic nobody else does, and a page would show
// an open breaker whose time has long passed. Thread: any.
void tick(const proxy::Snapshot& snapshot, TimePoint now);

}  // namespace weir::admin
