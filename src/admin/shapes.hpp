#pragma once

#include "weir/admin/server.hpp"
#include "weir/core/json.hpp"
#include "weir/upstream/explain.hpp"

#include "admin/describe.hpp"
#include "admin/message.hpp"

// Shapes that are part of more than one answer.
namespace weir::admin {

// Both clocks, after what is due by time was done: answers show what is, also when no request has
// come by to notice.
WallClock refreshed(const proxy::Snapshot& snapshot);

[[nodiscard]] Response no_such_cluster(const std::string& name);

// [{name, mode, listen, addresses}]
void write_listeners(JsonWriter& json, const proxy::Snapshot& snapshot, const Context& context);

// ClusterSummary: {name, state, endpoints:{healthy: 1, ...}, breaker, rps, ...}
void write_cluster_summary(JsonWriter& json,
                           const upstream::Cluster& cluster,
                           const Context& context);
struct EndpointDetail {
    bool has_history = false;                // the last 100 transitions
    const upstream::Peers* peers = nullptr;  // of its cluster; looked at if not given
};
void write_endpoint(JsonWriter& json,
                    const upstream::Cluster& cluster,
                    const upstream::Endpoint& endpoint,
                    const WallClock& wall,
                    EndpointDetail detail = {});
void write_breaker(JsonWriter& json,
                   const upstream::Cluster& cluster,
                   const upstream::Breaker& breaker,
                   const WallClock& wall);

// why, trips_next, next_probe_at, next_probe_by and guard, as members of the object under way.
void write_story(JsonWriter& json, const upstream::Story& story, const WallClock& wall);

// Setting: where a value comes from is a place, or "built-in".
void write_setting(JsonWriter& json,
                   const config::Document& document,
                   const describe::Setting& setting);
void write_origin(JsonWriter& json,
                  const config::Document& document,
                  const describe::Setting& setting);

}  // namespace weir::admin
