// What telemetry costs: a scrape of 5 000 histograms, and an access record on the worker. Figures,
// not tests; telemetry.py builds and runs it.
#include "weir/telemetry/access_log.hpp"
#include "weir/telemetry/metrics.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

using weir::Duration;
using weir::telemetry::Exposition;
using weir::telemetry::Family;
using weir::telemetry::HistogramId;
using weir::telemetry::Registry;
using weir::telemetry::Shard;

constexpr int kRounds = 15;

double milliseconds_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
        .count();
}

void scrape() {
    constexpr int kHistograms = 5000;
    Registry registry(1'000'000);
    std::vector<Shard*> shards;
    for (int worker = 0; worker < 4; ++worker)
        shards.push_back(&registry.make_shard());
    for (int i = 0; i < kHistograms; ++i) {
        const std::string route = "route-" + std::to_string(i);
        const HistogramId id =
            registry.histogram(Family::request_duration, {"public", route, "cluster-of-" + route});
        for (int each = 0; each < 20; ++each)
            shards[static_cast<std::size_t>(each) % shards.size()]->observe(
                id, std::chrono::microseconds{700 * each * (i % 50)});
    }
    for (const auto format : {Exposition::text, Exposition::openmetrics}) {
        std::vector<double> times;
        std::size_t bytes = 0;
        for (int round = 0; round < kRounds; ++round) {
            const auto begin = std::chrono::steady_clock::now();
            const std::string page = registry.expose(format);
            times.push_back(milliseconds_since(begin));
            bytes = page.size();
        }
        std::sort(times.begin(), times.end());
        std::printf("scrape of %d histograms, %s: median %.1f ms, best %.1f, worst %.1f; %.1f MB\n",
                    kHistograms, format == Exposition::text ? "text" : "openmetrics",
                    times[kRounds / 2], times.front(), times.back(),
                    static_cast<double>(bytes) / 1e6);
    }
}

void record() {
    using weir::telemetry::AccessLog;
    using weir::telemetry::AccessLogShard;
    using weir::telemetry::AccessPolicy;
    using weir::telemetry::AccessRecord;
    Registry registry;
    AccessLog::Options options;
    options.to = "/dev/null";
    options.format = AccessLog::Format::json;
    options.buffer = std::size_t{16} << 20;
    AccessLog log(options, registry);
    AccessLogShard shard(log);
    const AccessPolicy policy({}, "127.0.0.1:8080", "default", "127.0.0.1:9000");
    AccessRecord record{.policy = &policy,
                        .endpoint = "127.0.0.1:9000",
                        .method = "GET",
                        .host = "shop.example.com",
                        .path = "/orders/42?page=3",
                        .protocol = "HTTP/1.1",
                        .request_id = "8f14e45fceea167a5a36dedd4bea2543",
                        .client = "127.0.0.1",
                        .duration = std::chrono::microseconds{1234},
                        .upstream = std::chrono::microseconds{987},
                        .response_bytes = 1024,
                        .attempts = 1,
                        .status = 200};
    // As many as fit a buffer, which the writer then gives back: as under a load it keeps up with.
    constexpr int kRecords = 120;
    std::vector<double> times;
    for (int round = 0; round < 2000; ++round) {
        const auto begin = std::chrono::steady_clock::now();
        for (int i = 0; i < kRecords; ++i) {
            record.time += std::chrono::microseconds{20};
            shard.append(record);
        }
        times.push_back(milliseconds_since(begin) * 1e6 / kRecords);
        shard.flush();
        log.drain();
    }
    std::sort(times.begin(), times.end());
    std::printf("access record: median %.1f ns, best %.1f, worst %.1f\n", times[times.size() / 2],
                times.front(), times.back());
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what.empty() || what == "scrape") scrape();
    if (what.empty() || what == "record") record();
}
