#include "weir/telemetry/handles.hpp"

#include "telemetry/model.hpp"
#include <gtest/gtest.h>

#include <map>
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

    [[nodiscard]] std::vector<prometheus::ClientMetric> series() {
        for (auto& family : RegistryAccess::scrape(registry_)) {
            if (family.name == info(Family::requests).name) return std::move(family.metric);
        }
        return {};
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
    const auto words = [this] {
        std::vector<std::string> all;
        for (const auto& one : series())
            all.push_back(one.label[3].value + " " + one.label[5].value + " " +
                          std::to_string(static_cast<int>(one.counter.value)));
        return all;
    };
    EXPECT_EQ(words(), (std::vector<std::string>{"200 none 0", "503 upstream_connect_refused 0"}));
    record(200);
    EXPECT_EQ(words(), (std::vector<std::string>{"200 none 1", "503 upstream_connect_refused 0",
                                                 "503 breaker_open 0", "502 upstream_reset 0",
                                                 "504 upstream_timeout 0"}));
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
    EXPECT_EQ(series().size(), 6U);
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
    for (const auto& one : series()) {
        counted += static_cast<std::int64_t>(one.counter.value);
        if (one.label[5].value == "none") ++shown;
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
    for (const auto& one : found)
        counted += static_cast<std::int64_t>(one.counter.value);
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
    for (const auto& one : series()) {
        counted += static_cast<std::int64_t>(one.counter.value);
        if (one.label[5].value == "none") ++shown;
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

// Budget of the reference: an idle cluster with one route has about 14 series. Ten are states that
// `admin` collects, two the openings of its breaker.
TEST(ClusterMetrics, CostsNothingWhileIdle) {
    Registry registry;
    Shard& shard = registry.make_shard();
    const auto families_of = [&] {
        std::map<std::string, std::size_t> found;
        for (const auto& family : RegistryAccess::scrape(registry)) {
            if (family.name.starts_with("weir_") &&
                family.name != info(Family::metrics_series_dropped).name) {
                found[family.name] = family.metric.size();
            }
        }
        return found;
    };
    const ClusterMetrics cluster(registry, "shop");
    const RequestMetrics requests(registry, "in", "orders", "shop");
    using Found = std::map<std::string, std::size_t>;
    EXPECT_EQ(families_of(), (Found{{"weir_requests_total", 2}}));

    shard.observe(cluster.request_duration, milliseconds{1});
    const Found used = families_of();
    for (const char* const name :
         {"weir_upstream_requests_active", "weir_upstream_requests_pending",
          "weir_upstream_connections_active", "weir_upstream_connections_total",
          "weir_retries_total", "weir_breaker_rejected_total"}) {
        EXPECT_TRUE(used.contains(name)) << name;
    }
    EXPECT_FALSE(used.contains("weir_retries_refused_total"));
}

TEST(ListenerMetrics, CountsConnectionsWithoutTls) {
    Registry registry;
    Shard& shard = registry.make_shard();
    const ListenerMetrics metrics(registry, ":8080");
    shard.add(metrics.clear.active);
    shard.add(metrics.clear.total);
    shard.add(metrics.requests_active, 2);
    EXPECT_EQ(registry.value(Family::connections_active, {":8080", "no"}), 1);
    EXPECT_EQ(registry.value(Family::connections, {":8080", "no"}), 1);
    EXPECT_EQ(registry.value(Family::requests_active, {":8080"}), 2);
}

}  // namespace
}  // namespace weir::telemetry
