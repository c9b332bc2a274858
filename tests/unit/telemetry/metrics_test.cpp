#include "weir/telemetry/metrics.hpp"

#include "weir/core/random.hpp"

#include "telemetry/model.hpp"
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

namespace weir::telemetry {
namespace {

using std::chrono::milliseconds;

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::size_t count(const std::string& text, std::string_view part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++found;
    return found;
}

TEST(Families, HaveNamesOfTheirOwnThatSayTheirTypeAndUnit) {
    std::set<std::string_view> names;
    for (const FamilyInfo& family : families()) {
        EXPECT_TRUE(names.insert(family.name).second) << family.name;
        EXPECT_TRUE(family.name.starts_with("weir_") || family.name.starts_with("process_") ||
                    family.name == "target_info")
            << family.name;
        EXPECT_EQ(family.name.ends_with("_total"), family.type == Type::counter) << family.name;
        EXPECT_FALSE(family.help.empty()) << family.name;
        EXPECT_EQ(family.help.find_first_of("\\\n"), std::string_view::npos) << family.name;
        if (family.type == Type::histogram) {
            EXPECT_TRUE(family.name.ends_with("_seconds")) << family.name;
        }
    }
}

TEST(Families, HaveAscendingBounds) {
    for (const FamilyInfo& family : families()) {
        if (family.buckets == nullptr) continue;
        std::int64_t before = 0;
        for (const std::int64_t bound : family.buckets->nanoseconds) {
            EXPECT_LT(before, bound) << family.name;
            before = bound;
        }
    }
}

TEST(Registry, AddsUpTheShards) {
    Registry registry;
    Shard& one = registry.make_shard();
    Shard& two = registry.make_shard();
    const CellId cell = registry.counter(Family::breaker_rejected, {"orders"});
    one.add(cell);
    two.add(cell, 41);
    registry.add(cell, 100);
    EXPECT_EQ(registry.value(Family::breaker_rejected, {"orders"}), 142);
    EXPECT_TRUE(
        contains(registry.expose(), "\nweir_breaker_rejected_total{cluster=\"orders\"} 142\n"));
}

TEST(Registry, LetsAGaugeRiseOnOneShardAndFallOnAnother) {
    Registry registry;
    Shard& one = registry.make_shard();
    Shard& two = registry.make_shard();
    const CellId cell = registry.gauge(Family::requests_active, {"in"});
    one.add(cell, 3);
    two.sub(cell, 2);
    EXPECT_EQ(registry.value(Family::requests_active, {"in"}), 1);
    two.sub(cell, 2);
    EXPECT_EQ(registry.value(Family::requests_active, {"in"}), -1);
    EXPECT_TRUE(contains(registry.expose(), "weir_requests_active{listener=\"in\"} -1\n"));
}

TEST(Registry, GivesTheSameSeriesForTheSameLabels) {
    Registry registry;
    Shard& shard = registry.make_shard();
    const CellId before = registry.counter(Family::retries, {"orders", "success"});
    shard.add(before);
    const CellId after = registry.counter(Family::retries, {"orders", "success"});
    const CellId other = registry.counter(Family::retries, {"orders", "failure"});
    const CellId swapped = registry.counter(Family::retries, {"success", "orders"});
    EXPECT_EQ(before.index, after.index);
    EXPECT_NE(before.index, other.index);
    EXPECT_NE(before.index, swapped.index);
    shard.add(after);
    EXPECT_EQ(registry.value(Family::retries, {"orders", "success"}), 2);
}

TEST(Registry, TellsLabelsApartThatJoinToTheSameText) {
    Registry registry;
    const CellId one = registry.counter(Family::retries, {"ab", "c"});
    const CellId two = registry.counter(Family::retries, {"a", "bc"});
    EXPECT_NE(one.index, two.index);
}

TEST(Registry, ShowsASeriesFromTheStartOrFromItsFirstUse) {
    Registry registry;
    Shard& shard = registry.make_shard();
    (void)registry.counter(Family::retries, {"a", "success"});
    const CellId lazy = registry.counter(Family::retries, {"b", "success"}, Show::once_used);
    const HistogramId histogram = registry.histogram(Family::upstream_request_duration, {"b"});
    std::string text = registry.expose();
    EXPECT_TRUE(contains(text, "weir_retries_total{cluster=\"a\",result=\"success\"} 0\n"));
    EXPECT_FALSE(contains(text, "cluster=\"b\""));
    EXPECT_FALSE(contains(text, "weir_upstream_request_duration_seconds"));

    shard.add(lazy);
    shard.observe(histogram, milliseconds{1});
    text = registry.expose();
    EXPECT_TRUE(contains(text, "weir_retries_total{cluster=\"b\",result=\"success\"} 1\n"));
    EXPECT_TRUE(contains(text, "weir_upstream_request_duration_seconds_count{cluster=\"b\"} 1\n"));
}

TEST(Registry, KeepsShowingAGaugeThatWentBackToNothing) {
    Registry registry;
    Shard& shard = registry.make_shard();
    const CellId cell = registry.gauge(Family::upstream_requests_pending, {"a"}, Show::once_used);
    shard.add(cell);
    (void)registry.expose();
    shard.sub(cell);
    EXPECT_TRUE(contains(registry.expose(), "weir_upstream_requests_pending{cluster=\"a\"} 0\n"));
}

TEST(Registry, CountsADurationIntoTheBucketsAboveIt) {
    Registry registry;
    Shard& shard = registry.make_shard();
    const HistogramId id = registry.histogram(Family::request_duration, {"in", "r", "c"});
    shard.observe(id, milliseconds{1});  // on a bound: le means <=
    shard.observe(id, milliseconds{1} + Duration{1});
    shard.observe(id, milliseconds{10'000});
    shard.observe(id, milliseconds{60'000});
    shard.observe(id, Duration{-5});  // a clock that steps back is no reason for a wrong sum
    const std::string text = registry.expose();
    const std::string labels = R"({listener="in",route="r",cluster="c")";
    const auto has = [&](const std::string& line) {
        return contains(text, "weir_request_duration_seconds" + line + "\n");
    };
    EXPECT_TRUE(has("_bucket" + labels + R"(,le="0.001"} 2)"));
    EXPECT_TRUE(has("_bucket" + labels + R"(,le="0.0025"} 3)"));
    EXPECT_TRUE(has("_bucket" + labels + R"(,le="1.0"} 3)"));
    EXPECT_TRUE(has("_bucket" + labels + R"(,le="5.0"} 3)"));
    EXPECT_TRUE(has("_bucket" + labels + R"(,le="10.0"} 4)"));
    EXPECT_TRUE(has("_bucket" + labels + R"(,le="+Inf"} 5)"));
    EXPECT_TRUE(has("_sum" + labels + "} 70.002000001"));
    EXPECT_TRUE(has("_count" + labels + "} 5"));
}

TEST(Registry, LosesNothingWhileItGrowsAndIsScraped) {
    Registry registry(100'000);
    constexpr int kWorkers = 3;
    constexpr int kSeries = 600;  // several chunks
    constexpr int kRounds = 20;
    std::vector<Shard*> shards;
    for (int i = 0; i < kWorkers; ++i)
        shards.push_back(&registry.make_shard());
    std::atomic<int> running{kWorkers};
    std::vector<std::thread> workers;
    for (Shard* shard : shards) {
        workers.emplace_back([&registry, &running, shard] {
            for (int i = 0; i < kSeries; ++i) {
                const CellId cell = registry.counter(Family::breaker_rejected, {std::to_string(i)});
                for (int round = 0; round < kRounds; ++round)
                    shard->add(cell);
            }
            --running;
        });
    }
    while (running > 0)
        (void)registry.expose();
    for (auto& worker : workers)
        worker.join();
    for (int i = 0; i < kSeries; ++i) {
        ASSERT_EQ(registry.value(Family::breaker_rejected, {std::to_string(i)}),
                  kWorkers * kRounds);
    }
}

TEST(Registry, LetsAShardMadeLaterCountIntoOlderSeries) {
    Registry registry;
    std::vector<CellId> cells;
    for (int i = 0; i < 1000; ++i) {
        cells.push_back(registry.counter(Family::breaker_rejected, {std::to_string(i)}));
    }
    Shard& late = registry.make_shard();
    for (const CellId cell : cells)
        late.add(cell);
    EXPECT_EQ(registry.value(Family::breaker_rejected, {"0"}), 1);
    EXPECT_EQ(registry.value(Family::breaker_rejected, {"999"}), 1);
}

TEST(Registry, ShowsNoMoreSeriesThanAllowedAndCountsTheRest) {
    Registry registry(20);
    Shard& shard = registry.make_shard();
    for (int i = 0; i < 30; ++i) {
        shard.add(registry.counter(Family::breaker_rejected, {std::to_string(i)}));
    }
    std::string text = registry.expose();
    EXPECT_EQ(count(text, "\nweir_breaker_rejected_total{"), 20U);
    EXPECT_TRUE(contains(text, "weir_metrics_series_dropped_total{reason=\"max_series\"} 10\n"));

    // A histogram counts with all its lines, and again only once.
    const HistogramId histogram = registry.histogram(Family::request_duration, {"l", "r", "c"});
    shard.observe(histogram, milliseconds{1});
    (void)registry.expose();
    text = registry.expose();
    EXPECT_FALSE(contains(text, "weir_request_duration_seconds"));
    EXPECT_TRUE(contains(text, "weir_metrics_series_dropped_total{reason=\"max_series\"} 27\n"));
}

TEST(Registry, TakesMoreOrFewerSeriesFromNowOn) {
    Registry registry(3);
    const auto shown = [&] { return count(registry.expose(), "\nweir_breaker_rejected_total{"); };
    for (int i = 0; i < 5; ++i)
        (void)registry.counter(Family::breaker_rejected, {std::to_string(i)});
    EXPECT_EQ(shown(), 3U);
    registry.set_max_series(10);
    EXPECT_EQ(shown(), 5U);
    registry.set_max_series(2);
    EXPECT_EQ(shown(), 2U);
    EXPECT_TRUE(contains(registry.expose(), "cluster=\"1\""));
    EXPECT_FALSE(contains(registry.expose(), "cluster=\"2\""));
    EXPECT_EQ(registry.value(Family::metrics_series_dropped, {"max_series"}), 5)
        << "two at first, then three";
}

TEST(Registry, HoldsLowRatesToTheSameLimit) {
    Registry registry(2);
    for (int i = 0; i < 4; ++i)
        registry.count(Family::shadow, {std::to_string(i), "would_open"});
    registry.count(Family::shadow, {"0", "would_open"});
    EXPECT_EQ(count(registry.expose(), "\nweir_shadow_total{"), 2U);
    EXPECT_EQ(registry.value(Family::shadow, {"0", "would_open"}), 2);
    EXPECT_EQ(registry.value(Family::metrics_series_dropped, {"max_series"}), 2);
}

TEST(Registry, KeepsTheRoomOfCollectorsThatHadIt) {
    Registry registry(5);
    const auto token = registry.add_collector([](Collector& collector) {
        for (int i = 0; i < 4; ++i)
            collector.gauge(Family::endpoint_active, {"c", std::to_string(i)}, 1);
    });
    (void)registry.expose();
    for (int i = 0; i < 3; ++i)
        (void)registry.counter(Family::breaker_rejected, {std::to_string(i)});
    const std::string text = registry.expose();
    EXPECT_EQ(count(text, "\nweir_endpoint_active{"), 4U)
        << "states do not vanish for a new counter";
    EXPECT_EQ(count(text, "\nweir_breaker_rejected_total{"), 1U);
}

TEST(Registry, ShowsASeriesWithTheHistogramItBelongsTo) {
    Registry registry;
    Shard& shard = registry.make_shard();
    const HistogramId histogram = registry.histogram(Family::upstream_request_duration, {"a"});
    (void)registry.counter(Family::retries, {"a", "failure"}, histogram);
    (void)registry.gauge(Family::upstream_requests_active, {"a"}, histogram);
    EXPECT_FALSE(contains(registry.expose(), "cluster=\"a\""));
    shard.observe(histogram, milliseconds{1});
    const std::string text = registry.expose();
    EXPECT_TRUE(contains(text, "weir_retries_total{cluster=\"a\",result=\"failure\"} 0\n"));
    EXPECT_TRUE(contains(text, "weir_upstream_requests_active{cluster=\"a\"} 0\n"));
}

TEST(Registry, GivesHistogramsOfRequestsOtherBoundsAtOnce) {
    Registry registry;
    Shard& shard = registry.make_shard();
    const HistogramId histogram = registry.histogram(Family::upstream_request_duration, {"a"});
    const HistogramId connect = registry.histogram(Family::upstream_connect_duration, {"a"});
    shard.observe(histogram, milliseconds{1});
    shard.observe(connect, milliseconds{1});
    const std::array<Duration, 3> bounds{std::chrono::microseconds{250}, milliseconds{30},
                                         std::chrono::seconds{60}};
    registry.set_buckets(bounds);
    EXPECT_FALSE(contains(registry.expose(), "weir_upstream_request_duration_seconds"));
    // The handle of a snapshot made before counts on.
    shard.observe(histogram, milliseconds{30});
    shard.observe(histogram, milliseconds{31});
    const HistogramId later = registry.histogram(Family::upstream_request_duration, {"a"});
    shard.observe(later, std::chrono::seconds{61});
    std::string text = registry.expose();
    const auto line = [](const char* le, int n) {
        return std::string("weir_upstream_request_duration_seconds_bucket{cluster=\"a\",le=\"") +
               le + "\"} " + std::to_string(n) + "\n";
    };
    EXPECT_TRUE(
        contains(text, line("0.00025", 0) + line("0.03", 1) + line("60.0", 2) + line("+Inf", 3)))
        << text;
    EXPECT_EQ(count(text, "weir_upstream_request_duration_seconds_bucket"), 4U);
    EXPECT_EQ(count(text, "weir_upstream_connect_duration_seconds_bucket"), 9U) << "not configured";
    registry.set_buckets(bounds);
    EXPECT_EQ(registry.expose().substr(0, 200), text.substr(0, 200))
        << "no change, no new beginning";
}

TEST(Registry, CountsNothingIntoADefaultHandle) {
    Registry registry;
    Shard& shard = registry.make_shard();
    const std::string before = registry.expose();
    shard.add(CellId{});
    shard.observe(HistogramId{}, milliseconds{1});
    registry.add(CellId{});
    const auto without_process = [](const std::string& text) {
        return text.substr(0, text.find("process_"));
    };
    EXPECT_EQ(without_process(before), without_process(registry.expose()));
}

TEST(Registry, AsksItsCollectorsAtEachScrapeUntilTheyGo) {
    Registry registry;
    int asked = 0;
    {
        const auto token = registry.add_collector([&](Collector& collector) {
            ++asked;
            collector.gauge(Family::breaker_state, {"orders", kAll, "open"}, 1);
            collector.counter(Family::endpoint_requests, {"orders", "10.0.0.1:80"}, 7);
        });
        const std::string text = registry.expose();
        EXPECT_TRUE(contains(
            text, "weir_breaker_state{cluster=\"orders\",route=\"_all\",state=\"open\"} 1\n"));
        EXPECT_TRUE(contains(
            text, "weir_endpoint_requests_total{cluster=\"orders\",endpoint=\"10.0.0.1:80\"} 7\n"));
        (void)registry.expose();
    }
    EXPECT_FALSE(contains(registry.expose(), "weir_breaker_state"));
    EXPECT_EQ(asked, 2);
}

TEST(Registry, HoldsCollectorsToTheSameLimit) {
    Registry registry(10);
    const auto token = registry.add_collector([](Collector& collector) {
        for (int i = 0; i < 15; ++i)
            collector.gauge(Family::endpoint_active, {"c", std::to_string(i)}, 1);
    });
    (void)registry.expose();
    const std::string text = registry.expose();
    EXPECT_EQ(count(text, "\nweir_endpoint_active{"), 10U);
    EXPECT_TRUE(contains(text, "weir_metrics_series_dropped_total{reason=\"max_series\"} 5\n"));
}

TEST(Registry, MovesACollectorsToken) {
    Registry registry;
    Registry::CollectorToken kept;
    {
        auto token = registry.add_collector(
            [](Collector& collector) { collector.gauge(Family::cluster_none_ready, {"c"}, 0); });
        kept = std::move(token);
    }
    EXPECT_TRUE(contains(registry.expose(), "weir_cluster_none_ready{cluster=\"c\"} 0\n"));
    kept = {};
    EXPECT_FALSE(contains(registry.expose(), "weir_cluster_none_ready"));
}

TEST(Registry, KeepsLowRateFamilies) {
    Registry registry;
    registry.count(Family::config_reloads, {"failure"}, 0);
    registry.count(Family::config_reloads, {"success"});
    registry.count(Family::config_reloads, {"success"}, 2);
    registry.set(Family::config_last_reload_success, {}, 1);
    registry.set(Family::config_last_reload_success_timestamp, {}, 1234567890.25);
    registry.count(Family::shadow, {"c", "open"}, 4);
    const std::string text = registry.expose();
    EXPECT_TRUE(contains(text, "weir_config_reloads_total{result=\"failure\"} 0\n"));
    EXPECT_TRUE(contains(text, "weir_config_reloads_total{result=\"success\"} 3\n"));
    EXPECT_TRUE(contains(text, "\nweir_config_last_reload_success 1\n"));
    EXPECT_TRUE(
        contains(text, "\nweir_config_last_reload_success_timestamp_seconds 1234567890.25\n"));
    EXPECT_TRUE(contains(text, "weir_shadow_total{cluster=\"c\",decision=\"open\"} 4\n"));
    EXPECT_EQ(registry.value(Family::config_reloads, {"success"}), 3);
    EXPECT_EQ(registry.value(Family::config_reloads, {"unheard"}), 0);
    EXPECT_EQ(registry.value(Family::config_last_reload_success, {}), 1);
    EXPECT_EQ(registry.value(Family::shadow, {"c", "open"}), 4);
}

TEST(Registry, ShowsOneInfoAtATime) {
    Registry registry;
    registry.set_info(Family::config_info, {"aaaa"});
    registry.set_info(Family::config_info, {"bbbb"});
    registry.set_info(Family::config_info, {"bbbb"});
    std::string text = registry.expose();
    EXPECT_FALSE(contains(text, "aaaa"));
    EXPECT_TRUE(contains(text, "weir_config_info{hash=\"bbbb\"} 1\n"));
    registry.set_info(Family::config_info, {"aaaa"});
    text = registry.expose();
    EXPECT_TRUE(contains(text, "weir_config_info{hash=\"aaaa\"} 1\n"));
    EXPECT_FALSE(contains(text, "bbbb"));
}

TEST(Registry, TellsAboutTheProcess) {
    Registry registry;
    const Page page = RegistryAccess::scrape(registry);
    const auto value = [&](Family wanted) {
        for (const auto& family : page) {
            if (family.name != info(wanted).name || family.metric.size() != 1) continue;
            const auto& metric = family.metric.front();
            return info(wanted).type == Type::counter ? metric.counter.value : metric.gauge.value;
        }
        return -1.0;
    };
    EXPECT_GE(value(Family::process_cpu_seconds), 0);
    EXPECT_GE(value(Family::process_open_fds), 3);
    EXPECT_GE(value(Family::process_max_fds), value(Family::process_open_fds));
    EXPECT_GT(value(Family::process_resident_memory), 1 << 20);
    EXPECT_GE(value(Family::process_virtual_memory), value(Family::process_resident_memory));
    EXPECT_GE(value(Family::process_virtual_memory_max), value(Family::process_virtual_memory));
    EXPECT_GT(value(Family::process_start_time), 1'500'000'000);
}

}  // namespace
}  // namespace weir::telemetry
