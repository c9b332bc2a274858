#include "weir/telemetry/handles.hpp"

#include "telemetry/model.hpp"
#include <gtest/gtest.h>

#include <thread>

namespace weir::telemetry {
namespace {

using std::chrono::milliseconds;

class RequestMetricsTest : public testing::Test {
  protected:
    void record(std::uint16_t status, Outcome outcome = Outcome::ok, Reason reason = Reason::none) {
        RequestEnd end;
        end.status = status;
        end.outcome = outcome;
        end.reason = reason;
        end.duration = milliseconds{3};
        end.request_bytes = 10;
        end.response_bytes = 100;
        metrics_.record(shard_, end);
    }

    [[nodiscard]] std::int64_t requests(std::string_view code,
                                        std::string_view outcome = "ok",
                                        std::string_view reason = "none") const {
        return registry_.value(Family::requests, {"in", "orders", "shop", code, outcome, reason});
    }

    [[nodiscard]] std::vector<Series> series() {
        return RegistryAccess::scrape(registry_)[static_cast<std::size_t>(Family::requests)];
    }

    Registry registry_;
    Shard& shard_ = registry_.make_shard();
    RequestMetrics metrics_{registry_, "in", "orders", "shop"};
};

TEST_F(RequestMetricsTest, CountsByCodeOutcomeAndReason) {
    record(200);
    record(200);
    record(404);
    record(503, Outcome::failure, Reason::breaker_open);
    record(503, Outcome::failure);
    record(429, Outcome::throttled);
    EXPECT_EQ(requests("200"), 2);
    EXPECT_EQ(requests("404"), 1);
    EXPECT_EQ(requests("503", "failure", "breaker_open"), 1);
    EXPECT_EQ(requests("503", "failure"), 1);
    EXPECT_EQ(requests("429", "throttled"), 1);
}

TEST_F(RequestMetricsTest, AddsDurationAndBytes) {
    record(200);
    record(500, Outcome::failure);
    EXPECT_EQ(registry_.value(Family::request_bytes, {"orders"}), 20);
    EXPECT_EQ(registry_.value(Family::response_bytes, {"orders"}), 200);
    EXPECT_NE(registry_.expose().find(
                  "weir_request_duration_seconds_count{listener=\"in\",route=\"orders\","
                  "cluster=\"shop\"} 2\n"),
              std::string::npos);
}

TEST_F(RequestMetricsTest, StartsWithTheSeriesThatAlertsNeed) {
    const auto found = series();
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found[0].labels[3], "200");
    for (const Series& one : found)
        EXPECT_EQ(one.value, 0);
}

TEST_F(RequestMetricsTest, StartsWithNothingForARouteWithoutCluster) {
    const std::size_t before = series().size();
    const RequestMetrics none(registry_, "in", "hello", kNone);
    EXPECT_EQ(series().size(), before);
}

TEST_F(RequestMetricsTest, CountsOnInTheSameSeriesAfterAReload) {
    record(200);
    const RequestMetrics again(registry_, "in", "orders", "shop");
    RequestEnd end;
    end.status = 200;
    again.record(shard_, end);
    EXPECT_EQ(requests("200"), 2);
}

TEST_F(RequestMetricsTest, GivesCodesNobodyKnowsOneName) {
    for (const int code : {0, 99, 199, 299, 418, 599, 600, 999, 65535}) {
        record(static_cast<std::uint16_t>(code));
    }
    EXPECT_EQ(requests("_other"), 9);
    EXPECT_EQ(series().size(), 4U);
    record(499, Outcome::ignored, Reason::client_closed);
    EXPECT_EQ(requests("499", "ignored", "client_closed"), 1);
}

TEST_F(RequestMetricsTest, KeepsAFewCodesOfAnUpstreamThatSendsThemAll) {
    std::int64_t sent = 0;
    for (int round = 0; round < 2; ++round) {
        for (std::uint16_t code = 100; code < 600; ++code, ++sent)
            record(code);
    }
    std::int64_t counted = 0;
    std::size_t shown = 0;
    for (const Series& one : series()) {
        counted += static_cast<std::int64_t>(one.value);
        if (one.labels[5] == "none") ++shown;
    }
    EXPECT_EQ(counted, sent);
    EXPECT_EQ(shown, RequestMetrics::kMaxCodes + 1);
    EXPECT_EQ(requests("200"), 2);

    record(503, Outcome::failure, Reason::breaker_open);
    record(504, Outcome::failure, Reason::upstream_timeout);
    EXPECT_EQ(requests("503", "failure", "breaker_open"), 1);
    EXPECT_EQ(requests("504", "failure", "upstream_timeout"), 1)
        << "reasons are bounded by themselves";
}

TEST_F(RequestMetricsTest, StaysBoundedWhateverComes) {
    std::int64_t sent = 0;
    for (int round = 0; round < 2; ++round) {
        for (std::uint16_t code = 100; code < 600; ++code) {
            for (std::size_t reason = 0; reason < kReasonCount; ++reason, ++sent) {
                record(code, static_cast<Outcome>(code % 4), static_cast<Reason>(reason));
            }
        }
    }
    std::int64_t counted = 0;
    const auto found = series();
    for (const Series& one : found)
        counted += static_cast<std::int64_t>(one.value);
    EXPECT_EQ(counted, sent);
    EXPECT_LE(found.size(), 64U);
}

TEST_F(RequestMetricsTest, MakesASeriesOnceWhenSeveralWorkersMeetItTogether) {
    constexpr int kWorkers = 4;
    constexpr int kRounds = 50;
    std::vector<std::thread> workers;
    for (int i = 0; i < kWorkers; ++i) {
        workers.emplace_back([this, &shard = registry_.make_shard()] {
            for (int round = 0; round < kRounds; ++round) {
                for (std::uint16_t code = 200; code < 520; ++code) {
                    RequestEnd end;
                    end.status = code;
                    metrics_.record(shard, end);
                }
            }
        });
    }
    for (auto& worker : workers)
        worker.join();
    std::int64_t counted = 0;
    std::size_t shown = 0;
    for (const Series& one : series()) {
        counted += static_cast<std::int64_t>(one.value);
        if (one.labels[5] == "none") ++shown;
    }
    EXPECT_EQ(counted, kWorkers * kRounds * 320);
    EXPECT_EQ(shown, RequestMetrics::kMaxCodes + 1);
}

TEST(ClusterMetrics, NamesEachFailureAndLimit) {
    Registry registry;
    Shard& shard = registry.make_shard();
    const ClusterMetrics metrics(registry, "shop");
    shard.add(metrics.of(ConnectFailure::refused));
    shard.add(metrics.of(ConnectFailure::reset), 2);
    shard.add(metrics.of(RetryRefused::budget), 3);
    shard.add(metrics.of(RetryRefused::buffer), 4);
    shard.add(metrics.of(Limit::max_requests), 5);
    shard.add(metrics.of(Limit::queue_timeout), 6);
    EXPECT_EQ(registry.value(Family::upstream_connect_failures, {"shop", "refused"}), 1);
    EXPECT_EQ(registry.value(Family::upstream_connect_failures, {"shop", "reset"}), 2);
    EXPECT_EQ(registry.value(Family::retries_refused, {"shop", "budget"}), 3);
    EXPECT_EQ(registry.value(Family::retries_refused, {"shop", "buffer"}), 4);
    EXPECT_EQ(registry.value(Family::limit_rejected, {"shop", "max_requests"}), 5);
    EXPECT_EQ(registry.value(Family::limit_rejected, {"shop", "queue_timeout"}), 6);
}

// Budget of the reference: an idle cluster with one route has about 14 series, nine of them states
// that are collected elsewhere.
TEST(ClusterMetrics, ShowsLittleOfAnIdleCluster) {
    Registry registry;
    const ClusterMetrics cluster(registry, "shop");
    const RequestMetrics requests(registry, "in", "orders", "shop");
    std::size_t shown = 0;
    const Scrape scrape = RegistryAccess::scrape(registry);
    for (const FamilyInfo& family : families()) {
        if (family.is_low_rate || family.family == Family::metrics_series_dropped) continue;
        shown += scrape[static_cast<std::size_t>(family.family)].size();
    }
    EXPECT_LE(shown, 8U);
}

TEST(ListenerMetrics, CountsConnectionsWithoutTls) {
    Registry registry;
    Shard& shard = registry.make_shard();
    const ListenerMetrics metrics(registry, ":8080");
    shard.add(metrics.connections_active);
    shard.add(metrics.connections);
    shard.add(metrics.requests_active, 2);
    EXPECT_EQ(registry.value(Family::connections_active, {":8080", "no"}), 1);
    EXPECT_EQ(registry.value(Family::connections, {":8080", "no"}), 1);
    EXPECT_EQ(registry.value(Family::requests_active, {":8080"}), 2);
}

}  // namespace
}  // namespace weir::telemetry
