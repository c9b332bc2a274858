#include "admin/router.hpp"

#include "admin/handlers.hpp"

#include <algorithm>
#include <array>

namespace weir::admin {
namespace {

constexpr auto kGet = http::Method::get;
constexpr auto kPost = http::Method::post;
constexpr auto kPut = http::Method::put;
constexpr auto kDelete = http::Method::del;

// clang-format off
constexpr std::array<Route, 46> kRoutes{{
    {kGet, "/", Ports::admin, root, "Where to look.", "text/plain"},
    {kGet, "/healthz", Ports::both, health, "200 while the process is alive.", "text/plain"},
    {kGet, "/readyz", Ports::both, ready, "200 when ready for traffic, else 503 with what is waited for.", "text/plain", {}, {}, "503:Waiting"},
    {kGet, "/startupz", Ports::both, startup, "200 once it has been ready, also while it drains.", "text/plain", {}, {}, "503:Waiting"},
    {kGet, "/probe/{container}/{kind}", Ports::both, probe, "Asks the application what its probe would: telemetry.probes. 200 to 399 is well.", "text/plain", {}, {}, "404 503"},
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
    {kGet, "/api/v1/clusters/{cluster}/endpoints", Ports::admin, endpoints, "Its endpoints, their state, why, and what would change it.", "[Endpoint]", "history? boolean", {}, "404"},
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
    {kGet, "/api/v1/ratelimits", Ports::admin, rate_limits, "Rate limits, what this process knows of their keys, and how their stores are.", "[RateLimit]"},
    {kGet, "/api/v1/registry", Ports::admin, registrations, "Endpoints that registered themselves, by service, and until when.", "[Registration]", "service? string"},
    {kPut, "/api/v1/registry/{service}/{address}", Ports::admin, register_endpoint,
     "The address serves that service for as long as its lease (30s); the same again renews it.", "Registration", {}, "Lease", "400 409", "registry_put"},
    {kDelete, "/api/v1/registry/{service}/{address}", Ports::admin, unregister_endpoint,
     "The address serves that service no longer.", "Done", {}, {}, "400 404", "registry_delete"},
    {kGet, "/api/v1/certs", Ports::admin, certificates, "Certificates in use, of listeners and of clusters, and until when.", "[Certificate]"},
    {kGet, "/api/v1/events", Ports::admin, events, "The newest events, oldest first; as server-sent events by Accept: text/event-stream.", "[Event] text/event-stream",
     "n? integer; cluster? string; since? integer", {}, "503"},
    {kGet, "/api/v1/failures", Ports::admin, failures, "The last 256 failed requests, newest first: what was tried, what was not and why, which deadline passed.", "[Failure]",
     "n? integer; cluster? string; route? string; reason? string; id? string"},
    {kGet, "/api/v1/trace-export", Ports::admin, trace_export, "Each attempt as it ends, one JSON object a line, for a time (10s): what weir simulate plays again.", "application/x-ndjson",
     "for? string; cluster? string; n? integer", {}, "400 503"},
    {kGet, "/api/v1/config", Ports::admin, config_dump, "The effective configuration; its hash is the ETag.", "application/yaml ConfigDump",
     "format? enum(yaml,json); origin? boolean; defaults? boolean", {}, "400"},
    {kPut, "/api/v1/config", Ports::admin, config_apply, "This is the configuration now, in memory only unless persist; If-Match: the hash it replaces.", "ConfigApplied",
     "persist? boolean", "Config", "409 412 422", "config_apply"},
    {kGet, "/api/v1/config/explain", Ports::admin, config_explain, "The value of a key, where it comes from and what it hides.", "Explanation", "path string", {}, "400 404"},
    {kPost, "/api/v1/config/validate", Ports::admin, config_validate, "What would come of this configuration; changes nothing.", "Validation", {}, "Config"},
    {kPost, "/api/v1/config/reload", Ports::admin, config_reload, "Reads the file again.", "ConfigApplied", {}, {}, "409 422", "config_reload"},
    {kGet, "/api/v1/faults", Ports::admin, live_faults, "Faults that are injected on purpose now, until when and by whom.", "[Fault]"},
    {kPost, "/api/v1/faults", Ports::admin, add_fault, "Delays or answers requests into a cluster on purpose, for a time (5m).", "Fault", {}, "FaultOrder", "400 404 409", "fault_add"},
    {kDelete, "/api/v1/faults/{id}", Ports::admin, remove_fault, "Ends a fault before its time.", "Done", {}, {}, "404", "fault_remove"},
    {kGet, "/api/v1/log", Ports::admin, log_levels, "How much is logged.", "Log"},
    {kPut, "/api/v1/log", Ports::admin, set_log_levels, "Logs more, or less, for a time or until said otherwise.", "Log", {}, "LogChange", "400", "log_level"},
    {kPost, "/api/v1/log/reopen", Ports::admin, reopen_logs, "Opens the log files again, after they were moved away.", "Done", {}, {}, {}, "log_reopen"},
    {kPost, "/api/v1/drain", Ports::admin, drain, "Not ready from now on, connections that come in close after their request; it goes on serving, and outbound as before.", "Waiting", {}, {}, {}, "drain"},
    {kPost, "/api/v1/shutdown", Ports::admin, shut_down, "Drains, then ends.", "Waiting", {}, {}, {}, "shutdown"},
    {kGet, "/api/v1/memory", Ports::admin, memory, "Where the memory is.", "Memory"},
}};
// clang-format on

std::string_view next_segment(std::string_view& path) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    return segment;
}

using Segments = std::vector<std::string_view>;

Segments segments_of(std::string_view path) {
    Segments segments;
    while (!path.empty())
        segments.push_back(next_segment(path));
    return segments;
}

std::string joined(std::span<const std::string_view> segments) {
    std::string text;
    for (const std::string_view segment : segments) {
        if (!text.empty()) text += '/';
        text += segment;
    }
    return text;
}

bool matches(std::span<const std::string_view> pattern,
             std::span<const std::string_view> path,
             std::vector<std::string>& values) {
    if (pattern.empty() || path.empty()) return pattern.empty() && path.empty();
    if (!pattern.front().starts_with('{')) {
        return pattern.front() == path.front() &&
               matches(pattern.subspan(1), path.subspan(1), values);
    }
    if (path.front().empty()) return false;
    const bool is_unix = percent_decoded(path.front()).starts_with("unix:");
    const std::size_t most = is_unix ? path.size() : 1;
    for (std::size_t taken = 1; taken <= most; ++taken) {
        values.push_back(percent_decoded(joined(path.first(taken))));
        if (matches(pattern.subspan(1), path.subspan(taken), values)) return true;
        values.pop_back();
    }
    return false;
}

}  // namespace

std::span<const Route> routes() {
    return kRoutes;
}

std::string_view name(http::Method method) {
    switch (method) {
        case http::Method::get:
            return "GET";
        case http::Method::post:
            return "POST";
        case http::Method::put:
            return "PUT";
        case http::Method::del:
            return "DELETE";
        default:
            return "";
    }
}

Found find_route(std::span<const Route> table, Server::Port port, const Request& request) {
    const auto wanted = request.method == http::Method::head ? http::Method::get : request.method;
    const Segments path = segments_of(request.path);
    Found found;
    std::size_t longest = 0;
    std::string allow;
    for (const Route& route : table) {
        if (port == Server::Port::telemetry && route.ports != Ports::both) continue;
        // A slash at the end is a segment more.
        if (route.path.ends_with('/') != request.path.ends_with('/')) continue;
        const Segments pattern = segments_of(route.path);
        std::vector<std::string> values;
        if (pattern.size() < longest || !matches(pattern, path, values)) continue;
        if (pattern.size() > longest) {
            allow.clear();
            found.route = nullptr;
        }
        longest = pattern.size();
        if (route.method == wanted) {
            found.route = &route;
            found.parameters = std::move(values);
        }
        allow += allow.empty() ? "" : ", ";
        allow += name(route.method);
        if (route.method == http::Method::get) allow += ", HEAD";
    }
    if (found.route != nullptr) return found;
    if (allow.empty()) {
        found.refusal = error_response(404, "not_found", "nothing is here: " + request.path);
        return found;
    }
    found.refusal = error_response(405, "method_not_allowed", "this path takes " + allow + " only");
    found.refusal.allow = std::move(allow);
    return found;
}

}  // namespace weir::admin
