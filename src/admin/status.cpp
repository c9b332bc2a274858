#include "weir/admin/collect.hpp"
#include "weir/core/version.hpp"

#include "admin/describe.hpp"
#include "admin/handlers.hpp"
#include "admin/shapes.hpp"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

namespace weir::admin {
namespace {

constexpr std::size_t kMostEvents = 256;

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

void write_event(JsonWriter& json, const telemetry::Event& event) {
    json.begin_object();
    json.field("sequence", event.sequence);
    write_time(json, "at", event.at);
    json.field("kind", telemetry::word(event.kind));
    const std::pair<std::string_view, const std::string&> texts[] = {
        {"cluster", event.cluster}, {"endpoint", event.endpoint},
        {"route", event.route},     {"from", event.from},
        {"to", event.to},           {"reason", event.reason},
        {"detail", event.detail}};
    for (const auto& [key, text] : texts) {
        if (!text.empty()) json.field(key, text);
    }
    json.end_object();
}

std::optional<std::uint64_t> number_of(const Request& request, std::string_view key) {
    const auto text = request.query_value(key);
    if (!text) return std::nullopt;
    std::uint64_t number = 0;
    const char* const end = text->data() + text->size();
    const auto [stop, ec] = std::from_chars(text->data(), end, number);
    if (ec != std::errc{} || stop != end) return std::nullopt;
    return number;
}

}  // namespace

Response status(const Request& /*request*/, const Context& context) {
    const auto snapshot = context.snapshot();
    const WallClock wall = refresh_clocks();
    tick(*snapshot, wall.now());
    const Readiness readiness = context.readiness();
    Response response;
    JsonWriter json(response.body);
    json.begin_object();
    json.field("version", kVersion).field("commit", kCommit);
    json.field("node", snapshot->config().node_name);
    const auto uptime = wall(wall.now()) - context.started;
    json.field("uptime_s", std::chrono::duration_cast<std::chrono::seconds>(uptime).count());
    json.field("pid", static_cast<std::int64_t>(::getpid()));
    json.field("workers", context.workers);
    json.field("ready", readiness.is_ready && !readiness.is_draining);
    json.field("draining", readiness.is_draining);
    write_config(json, context.config_state());
    write_listeners(json.key("listeners"), *snapshot, context);
    json.key("clusters").begin_array();
    for (const auto& cluster : snapshot->clusters())
        write_cluster_summary(json, *cluster);
    json.end_array();
    write_process(json);
    json.end_object();
    response.body += '\n';
    return response;
}

Response events(const Request& request, const Context& context) {
    const auto since = number_of(request, "since");
    const auto count = number_of(request, "n").value_or(kMostEvents);
    const std::string cluster = request.query_value("cluster").value_or("");
    auto found = since ? context.events.since(*since) : context.events.recent(kMostEvents, cluster);
    if (since && !cluster.empty()) {
        std::erase_if(found, [&](const auto& event) { return event.cluster != cluster; });
    }
    if (found.size() > count) {
        found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(count));
    }
    Response response;
    JsonWriter json(response.body);
    json.begin_array();
    for (const telemetry::Event& event : found)
        write_event(json, event);
    json.end_array();
    response.body += '\n';
    return response;
}

}  // namespace weir::admin
