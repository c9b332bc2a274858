#pragma once

#include "weir/admin/server.hpp"
#include "weir/core/json.hpp"

// Shapes that are part of more than one answer.
namespace weir::admin {

// [{name, mode, listen, addresses}]
void write_listeners(JsonWriter& json, const proxy::Snapshot& snapshot, const Context& context);

// {name, state, endpoints:{healthy: 1, ...}, breaker}
void write_cluster_summary(JsonWriter& json, const upstream::Cluster& cluster);

}  // namespace weir::admin
