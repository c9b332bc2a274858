#include "weir/admin/collect.hpp"
#include "weir/core/version.hpp"

#include "admin/describe.hpp"
#include "admin/handlers.hpp"
#include "admin/shapes.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

namespace weir::admin {
namespace {

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
        connections += context.registry.value(telemetry::Family::connections_active,
                                              {listener->config.name, "no"});
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
