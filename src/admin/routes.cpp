#include "admin/handlers.hpp"
#include "admin/router.hpp"

#include <array>

namespace weir::admin {
namespace {

constexpr auto kGet = http::Method::get;
constexpr auto kPost = http::Method::post;
constexpr auto kPut = http::Method::put;

// clang-format off
constexpr std::array<Route, 36> kRoutes{{
    {kGet, "/", Ports::admin, root, "Where to look.", "text/plain"},
    {kGet, "/healthz", Ports::both, health, "200 while the process is alive.", "text/plain"},
    {kGet, "/readyz", Ports::both, ready, "200 when ready for traffic, else 503 with what is waited for.", "text/plain", {}, {}, "503:Waiting"},
    {kGet, "/startupz", Ports::both, startup, "200 once it has been ready, also while it drains.", "text/plain", {}, {}, "503:Waiting"},
    {kGet, "/metrics", Ports::both, metrics, "Metrics: text format 0.0.4, or OpenMetrics 1.0 by Accept; gzip by Accept-Encoding.", "text/plain"},
    {kGet, "/api/v1", Ports::admin, root, "Where to look.", "text/plain"},
    {kGet, "/api/v1/openapi.json", Ports::admin, openapi_document, "This description.", "application/json"},
    {kGet, "/api/v1/status", Ports::admin, status, "The process, its configuration, listeners and clusters.", "Status"},
    {kGet, "/api/v1/stream", Ports::admin, stream, "The numbers of status, again and again, as server-sent events.", "text/event-stream", "every? string", {}, "400 503"},
    {kGet, "/api/v1/listeners", Ports::admin, listeners, "Listeners and where they listen.", "[Listener]"},
    {kGet, "/api/v1/routes", Ports::admin, route_list, "Routes, in the order in which they are tried.", "[Route]"},
    {kGet, "/api/v1/route", Ports::admin, route_of, "Which route a request would take, and why not each earlier one.", "RouteTrial",
     "host? string; path? string; method? string; header? [string]; listener? string", {}, "400 404"},
    {kGet, "/api/v1/clusters", Ports::admin, clusters, "All clusters, in short.", "[ClusterSummary]"},
    {kGet, "/api/v1/clusters/{cluster}", Ports::admin, cluster, "One cluster with its effective policy and where each value comes from.", "Cluster", {}, {}, "404"},
    {kGet, "/api/v1/clusters/{cluster}/endpoints", Ports::admin, endpoints, "Its endpoints, their state and why.", "[Endpoint]", {}, {}, "404"},
    {kPost, "/api/v1/clusters/{cluster}/endpoints/{address}/drain", Ports::admin, drain_endpoint,
     "No new requests, idle connections close, requests in flight finish; until undrained, or for a time.", "Endpoint", {}, "Hold", "404 409", "endpoint_drain"},
    {kPost, "/api/v1/clusters/{cluster}/endpoints/{address}/undrain", Ports::admin, undrain_endpoint,
     "Takes requests again.", "Endpoint", {}, {}, "404", "endpoint_undrain"},
    {kPost, "/api/v1/clusters/{cluster}/endpoints/{address}/eject", Ports::admin, eject_endpoint,
     "Ejected as by its detector, for a time (5m); then it is on trial.", "Endpoint", {}, "Hold", "404 409", "endpoint_eject"},
    {kPost, "/api/v1/clusters/{cluster}/endpoints/{address}/uneject", Ports::admin, uneject_endpoint,
     "Back at once, whoever ejected it.", "Endpoint", {}, {}, "404", "endpoint_uneject"},
    {kGet, "/api/v1/breakers", Ports::admin, breakers, "Circuit breakers with the last 100 transitions of each.", "[Breaker]"},
    {kPost, "/api/v1/breakers/{id}/open", Ports::admin, open_breaker, "Open whatever happens, for a time (10m); then half-open.", "Breaker", {}, "Force", "404", "breaker_open"},
    {kPost, "/api/v1/breakers/{id}/close", Ports::admin, close_breaker, "Closed whatever happens, for a time (10m).", "Breaker", {}, "Force", "404", "breaker_close"},
    {kPost, "/api/v1/breakers/{id}/auto", Ports::admin, free_breaker, "Decides for itself again.", "Breaker", {}, {}, "404", "breaker_auto"},
    {kGet, "/api/v1/discovery", Ports::admin, discovery_sources, "Where endpoints come from, and how that went.", "[Source]"},
    {kGet, "/api/v1/events", Ports::admin, events, "The newest events, oldest first; as server-sent events by Accept: text/event-stream.", "[Event]",
     "n? integer; cluster? string; since? integer", {}, "503"},
    {kGet, "/api/v1/config", Ports::admin, config_dump, "The effective configuration; its hash is the ETag.", "application/yaml",
     "format? enum(yaml,json); origin? boolean; defaults? boolean", {}, "400"},
    {kPut, "/api/v1/config", Ports::admin, config_apply, "This is the configuration now, in memory only unless persist; If-Match: the hash it replaces.", "ConfigApplied",
     "persist? boolean", "Config", "409 412 422", "config_apply"},
    {kGet, "/api/v1/config/explain", Ports::admin, config_explain, "The value of a key, where it comes from and what it hides.", "Explanation", "path string", {}, "400 404"},
    {kPost, "/api/v1/config/validate", Ports::admin, config_validate, "What would come of this configuration; changes nothing.", "Validation", {}, "Config"},
    {kPost, "/api/v1/config/reload", Ports::admin, config_reload, "Reads the file again.", "ConfigApplied", {}, {}, "409 422", "config_reload"},
    {kGet, "/api/v1/log", Ports::admin, log_levels, "How much is logged.", "Log"},
    {kPut, "/api/v1/log", Ports::admin, set_log_levels, "Logs more, or less, for a time or until said otherwise.", "Log", {}, "LogChange", "400", "log_level"},
    {kPost, "/api/v1/log/reopen", Ports::admin, reopen_logs, "Opens the log files again, after they were moved away.", "Done", {}, {}, {}, "log_reopen"},
    {kPost, "/api/v1/drain", Ports::admin, drain, "Not ready from now on, connections close after their request; it goes on serving.", "Waiting", {}, {}, {}, "drain"},
    {kPost, "/api/v1/shutdown", Ports::admin, shut_down, "Drains, then ends.", "Waiting", {}, {}, {}, "shutdown"},
    {kGet, "/api/v1/memory", Ports::admin, memory, "Where the memory is.", "Memory"},
}};
// clang-format on

}  // namespace

std::span<const Route> routes() {
    return kRoutes;
}

}  // namespace weir::admin
