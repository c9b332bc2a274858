#include "admin/handlers.hpp"
#include "admin/router.hpp"

#include <array>

namespace weir::admin {
namespace {

constexpr auto kGet = http::Method::get;

// clang-format off
constexpr std::array<Route, 15> kRoutes{{
    {kGet, "/", Ports::admin, root, "Where to look."},
    {kGet, "/healthz", Ports::both, health, "200 while the process is alive."},
    {kGet, "/readyz", Ports::both, ready, "200 when ready for traffic, else 503 with what is waited for."},
    {kGet, "/startupz", Ports::both, startup, "200 once it has been ready, also while it drains."},
    {kGet, "/metrics", Ports::both, metrics, "Metrics: text format 0.0.4, or OpenMetrics 1.0 by Accept."},
    {kGet, "/api/v1/status", Ports::admin, status, "The process, its configuration, listeners and clusters."},
    {kGet, "/api/v1/listeners", Ports::admin, listeners, "Listeners and where they listen."},
    {kGet, "/api/v1/routes", Ports::admin, route_list, "Routes, in the order in which they are tried."},
    {kGet, "/api/v1/clusters", Ports::admin, clusters, "All clusters, in short."},
    {kGet, "/api/v1/clusters/{cluster}", Ports::admin, cluster, "One cluster with its effective policy."},
    {kGet, "/api/v1/clusters/{cluster}/endpoints", Ports::admin, endpoints, "Its endpoints, their state and why."},
    {kGet, "/api/v1/breakers", Ports::admin, breakers, "Circuit breakers with the last 100 transitions of each."},
    {kGet, "/api/v1/discovery", Ports::admin, discovery_sources, "Where endpoints come from, and how that went."},
    {kGet, "/api/v1/events", Ports::admin, events, "The newest events, oldest first: ?n=, ?cluster=, ?since="},
    {kGet, "/api/v1", Ports::admin, root, "Where to look."},
}};
// clang-format on

}  // namespace

std::span<const Route> routes() {
    return kRoutes;
}

}  // namespace weir::admin
