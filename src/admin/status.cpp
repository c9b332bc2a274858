// What the process is now: for people, for probes, and for the scrape.
#include "weir/admin/collect.hpp"
#include "weir/core/log.hpp"
#include "weir/core/version.hpp"
#include "weir/telemetry/families.hpp"

#include "admin/describe.hpp"
#include "admin/handlers.hpp"
#include "admin/shapes.hpp"
#include "upstream/health_check.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

namespace weir::admin {
namespace {

using telemetry::Collector;
using telemetry::Family;

// At the address that kubelet asked Weir at, as it would have been asked itself.
std::shared_ptr<const upstream::CheckQuestion> question_of(const config::Probe& probe,
                                                           const Address& local,
                                                           telemetry::Registry& registry) {
    const std::string ip = local.is_unix() ? "127.0.0.1" : local.ip();
    auto question = std::make_shared<upstream::CheckQuestion>();
    question->address = *Address::from_ip(ip, probe.port);
    question->authority = question->address.to_string();
    question->timeout = probe.timeout;
    question->health.emplace();
    question->health->type = probe.type;
    question->health->expect = config::Health::statuses(200, 399);
    question->health->path =
        probe.type == config::Health::Type::grpc ? "/" + probe.service : probe.path;
    if (probe.type == config::Health::Type::grpc) question->protocol = config::ClusterProtocol::h2c;
    for (const auto& [name, value] : probe.headers) {
        if (http::equals_ignoring_case(name, "host")) {
            question->authority = value;
        } else {
            question->fields.append(name).append(": ").append(value).append("\r\n");
        }
    }
    if (probe.is_tls) {
        config::Tls section;
        section.verify = config::Tls::Verify::none;
        section.alpn = {"http/1.1"};
        question->tls.context = transport::TlsContext::make_client(section, registry);
        question->tls.only_http1 = true;
    }
    return question;
}

// What is well is 200: kubelet would follow a redirection, to us.
transport::Task<Response> ask_application(transport::TaskScope& scope,
                                          std::shared_ptr<const upstream::CheckQuestion> question) {
    upstream::CheckQuestion asked = *question;
    const upstream::CheckAnswer answer = co_await upstream::check(scope, std::move(asked));
    using Kind = upstream::CheckAnswer::Kind;
    if (answer.kind == Kind::passed) co_return text_response(200, answer.detail + "\n");
    const bool is_failure = answer.status >= 400 && answer.status < 600;
    const auto status = static_cast<std::uint16_t>(is_failure ? answer.status : 503);
    co_return text_response(status, answer.detail + "\n");
}

void collect_cluster(Collector& out, const upstream::Cluster& cluster) {
    const std::string& name = cluster.name();
    for (const auto& breaker : cluster.breakers()) {
        const std::string_view route =
            breaker->route().empty() ? telemetry::kAll : std::string_view(breaker->route());
        for (const auto state :
             {resilience::State::closed, resilience::State::open, resilience::State::half_open}) {
            out.gauge(Family::breaker_state, {name, route, resilience::word(state)},
                      state == breaker->machine().state() ? 1 : 0);
        }
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
    if (cluster.config().discovery.type == config::Discovery::Type::file) return;
    if (!status.last_contact) return;
    const auto since_epoch = wall(*status.last_contact).time_since_epoch();
    out.gauge(Family::discovery_last_success, {name, status.type},
              std::chrono::duration<double>(since_epoch).count());
}

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    statm >> size >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t entries_of(const char* directory) {
    std::error_code ec;
    std::uint64_t entries = 0;
    for (std::filesystem::directory_iterator it(directory, ec), end; !ec && it != end;
         it.increment(ec))
        ++entries;
    return entries;
}

void write_process(JsonWriter& json) {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    json.key("process").begin_object();
    json.field("rss_bytes", resident_bytes());
    json.field("cpu_seconds", seconds(usage.ru_utime) + seconds(usage.ru_stime));
    json.field("fds", entries_of("/proc/self/fd"));
    json.field("threads", entries_of("/proc/self/task"));
    json.end_object();
}

// "VmHWM:    1234 kB" of /proc/self/status, in bytes.
std::uint64_t status_bytes(const std::string& status, std::string_view name) {
    const std::size_t at = status.find(name);
    if (at == std::string::npos) return 0;
    return std::strtoull(status.c_str() + at + name.size(), nullptr, 10) * 1024;
}

// What the listeners are together.
std::string_view mode_of(const proxy::Snapshot& snapshot) {
    bool has[3] = {false, false, false};
    for (const auto& listener : snapshot.listeners())
        has[static_cast<std::size_t>(listener->config.mode)] = true;
    const auto [gateway, inbound, outbound] = has;
    if (gateway) return inbound || outbound ? "mixed" : "gateway";
    if (inbound && outbound) return "sidecar";
    return inbound ? "inbound" : "outbound";
}

void write_config(JsonWriter& json, const ConfigState& config) {
    json.key("config").begin_object();
    json.field("hash", config.hash);
    write_time(json, "loaded_at", config.loaded_at);
    json.field("file", config.file);
    json.key("last_error");
    if (config.last_error.empty()) {
        json.null();
    } else {
        json.value(config.last_error);
    }
    json.end_object();
}

// What another replica does not know, and a restart forgets.
void write_only_here(JsonWriter& json,
                     const proxy::Snapshot& snapshot,
                     const Context& context,
                     TimePoint now) {
    const auto write = [&json](std::string_view kind, std::string_view name) {
        json.begin_object().field("kind", kind).field("name", name).end_object();
    };
    json.key("only_here").begin_array();
    if (const ConfigState config = context.config_state(); config.is_only_here)
        write("config", config.hash);
    for (const auto& [name, limit] : snapshot.config().rate_limits) {
        if (limit.store.kind == config::RateLimit::Store::Kind::local) write("rate_limit", name);
    }
    for (const filter::LiveFault& fault : context.faults.list(now))
        write("fault", std::to_string(fault.id));
    for (const auto& cluster : snapshot.clusters()) {
        for (const auto& breaker : cluster->breakers()) {
            if (breaker->machine().is_forced()) write("breaker", breaker->id());
        }
        for (const auto& endpoint : cluster->endpoints()->endpoints) {
            if (endpoint->is_held()) write("endpoint", cluster->name() + "/" + endpoint->name());
        }
    }
    json.end_array();
}

Response not_ready(const Readiness& readiness) {
    Response response;
    response.status = 503;
    JsonWriter json(response.body);
    json.begin_object().field("ready", false).field("draining", readiness.is_draining);
    json.key("waiting").begin_array();
    for (const std::string& what : readiness.waiting)
        json.value(what);
    json.end_array().end_object();
    response.body += '\n';
    return response;
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

Response status(const Request& /*request*/, const Context& context) {
    const auto snapshot = context.snapshot();
    const WallClock wall = refreshed(*snapshot);
    const Readiness readiness = context.readiness();
    Response response;
    JsonWriter json(response.body);
    json.begin_object();
    json.field("version", kVersion).field("commit", kCommit);
    json.field("node", snapshot->config().node_name);
    const auto uptime = wall(wall.now()) - context.started;
    json.field("uptime_s", std::chrono::duration_cast<std::chrono::seconds>(uptime).count());
    json.field("pid", static_cast<std::int64_t>(::getpid()));
    json.field("mode", mode_of(*snapshot));
    json.field("workers", context.workers);
    json.field("ready", readiness.is_ready && !readiness.is_draining);
    json.field("draining", readiness.is_draining);
    write_config(json, context.config_state());
    write_listeners(json.key("listeners"), *snapshot, context);
    json.key("clusters").begin_array();
    for (const auto& cluster : snapshot->clusters())
        write_cluster_summary(json, *cluster, context);
    json.end_array();
    write_only_here(json, *snapshot, context, wall.now());
    write_process(json);
    json.end_object();
    response.body += '\n';
    return response;
}

Response memory(const Request& /*request*/, const Context& context) {
    std::ifstream file("/proc/self/status");
    const std::string status{std::istreambuf_iterator<char>(file), {}};
    const struct mallinfo2 heap = ::mallinfo2();
    const auto snapshot = context.snapshot();
    std::int64_t connections = 0;
    std::int64_t upstream_connections = 0;
    for (const auto& listener : snapshot->listeners())
        for (const char* const tls : {"no", "yes"})
            connections += context.registry.value(telemetry::Family::connections_active,
                                                  {listener->config.name, tls});
    for (const auto& cluster : snapshot->clusters())
        upstream_connections += context.registry.value(
            telemetry::Family::upstream_connections_active, {cluster->name()});
    Response response;
    JsonWriter json(response.body);
    json.begin_object();
    json.field("rss_bytes", status_bytes(status, "VmRSS:"));
    json.field("peak_rss_bytes", status_bytes(status, "VmHWM:"));
    json.field("virtual_bytes", status_bytes(status, "VmSize:"));
    json.field("heap_used_bytes", std::uint64_t{heap.uordblks});
    json.field("heap_free_bytes", std::uint64_t{heap.fordblks});
    json.field("mapped_bytes", std::uint64_t{heap.hblkhd});
    json.field("connections", connections).field("upstream_connections", upstream_connections);
    json.end_object();
    response.body += '\n';
    return response;
}

Response health(const Request& /*request*/, const Context& /*context*/) {
    return text_response(200, "ok\n");
}

Response ready(const Request& /*request*/, const Context& context) {
    const Readiness readiness = context.readiness();
    if (readiness.is_ready && !readiness.is_draining) return text_response(200, "ok\n");
    return not_ready(readiness);
}

Response startup(const Request& /*request*/, const Context& context) {
    const Readiness readiness = context.readiness();
    // To drain, it must have started.
    if (readiness.is_ready || readiness.is_draining) return text_response(200, "ok\n");
    return not_ready(readiness);
}

Response probe(const Request& request, const Context& context) {
    const auto snapshot = context.snapshot();
    const auto& probes = snapshot->config().telemetry.probes;
    const auto found = probes.find(request.parameters[0] + "/" + request.parameters[1]);
    if (found == probes.end())
        return error_response(404, "not_found", "telemetry.probes has no such probe");
    Response response;
    response.later = [question = question_of(found->second, request.local, context.registry)](
                         transport::TaskScope& scope) { return ask_application(scope, question); };
    return response;
}

Response metrics(const Request& request, const Context& context) {
    if (const auto snapshot = context.snapshot()) tick(*snapshot, Clock::refresh());
    const bool is_openmetrics = names_type(request.accept, "application/openmetrics-text");
    Response response;
    response.content_type = is_openmetrics
                                ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                : "text/plain; version=0.0.4; charset=utf-8";
    response.body = context.registry.expose(is_openmetrics ? telemetry::Exposition::openmetrics
                                                           : telemetry::Exposition::text);
    compress(response, request);
    return response;
}

Response root(const Request& /*request*/, const Context& /*context*/) {
    return text_response(200,
                         "weir: see /api/v1/status, /api/v1/clusters, /api/v1/breakers, "
                         "/api/v1/events and /metrics\n");
}

}  // namespace weir::admin
