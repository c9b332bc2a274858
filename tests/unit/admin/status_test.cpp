#include "weir/admin/collect.hpp"

#include "unit/admin/support.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

class Collect : public testing::Test {
  protected:
    [[nodiscard]] std::string scrape() { return process_.registry.expose(); }

    FakeProcess process_;
    std::optional<discovery::Status> source_;
    telemetry::Registry::CollectorToken token_ = collect(
        process_.registry,
        [this] { return process_.snapshot; },
        [this](std::string_view name) -> std::optional<discovery::Status> {
            return name == "orders" ? source_ : std::nullopt;
        });
};

TEST_F(Collect, ShowsAllStatesFromTheStart) {
    const std::string text = scrape();
    for (const char* line :
         {"weir_breaker_state{cluster=\"orders\",route=\"_all\",state=\"closed\"} 1",
          "weir_breaker_state{cluster=\"orders\",route=\"_all\",state=\"open\"} 0",
          "weir_breaker_state{cluster=\"orders\",route=\"_all\",state=\"half_open\"} 0",
          "weir_endpoints{cluster=\"orders\",state=\"healthy\"} 2",
          "weir_endpoints{cluster=\"orders\",state=\"penalized\"} 0",
          "weir_endpoints{cluster=\"orders\",state=\"half_open\"} 0",
          "weir_endpoints{cluster=\"orders\",state=\"ejected\"} 0",
          "weir_endpoints{cluster=\"orders\",state=\"unhealthy\"} 0",
          "weir_endpoints{cluster=\"orders\",state=\"draining\"} 0",
          "weir_cluster_none_ready{cluster=\"orders\"} 0"}) {
        EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
    }
}

TEST_F(Collect, FollowsTheBreakerAndTheEndpoints) {
    const TimePoint now = Clock::refresh();
    auto& cluster = process_.cluster("orders");
    cluster.breaker().force(resilience::State::open, now + std::chrono::hours{1}, now);
    for (const auto& endpoint : cluster.endpoints()->endpoints) {
        endpoint->detector().machine().force(resilience::State::open, now + std::chrono::hours{1},
                                             now);
    }
    const std::string text = scrape();
    EXPECT_THAT(
        text,
        HasSubstr("weir_breaker_state{cluster=\"orders\",route=\"_all\",state=\"closed\"} 0\n"));
    EXPECT_THAT(
        text,
        HasSubstr("weir_breaker_state{cluster=\"orders\",route=\"_all\",state=\"open\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("weir_endpoints{cluster=\"orders\",state=\"ejected\"} 2\n"));
    EXPECT_THAT(text, HasSubstr("weir_cluster_none_ready{cluster=\"orders\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("weir_cluster_none_ready{cluster=\"127.0.0.1:9000\"} 0\n"));
}

TEST_F(Collect, ShowsEndpointsOnlyOfClustersThatAskForIt) {
    process_.cluster("orders").endpoints()->endpoints.front()->stats(0).requests = 3;
    const std::string text = scrape();
    EXPECT_THAT(
        text,
        HasSubstr(
            "weir_endpoint_requests_total{cluster=\"orders\",endpoint=\"127.0.0.1:9001\"} 3\n"));
    EXPECT_THAT(
        text,
        HasSubstr("weir_endpoint_active{cluster=\"orders\",endpoint=\"127.0.0.1:9002\"} 0\n"));
    EXPECT_THAT(text, Not(HasSubstr("weir_endpoint_requests_total{cluster=\"127.0.0.1:9000\"")));
}

TEST_F(Collect, AgesNoListOfAddresses) {
    source_ = discovery::Status{.type = "static", .last_contact = Clock::refresh(), .updates = 1};
    const std::string text = scrape();
    EXPECT_THAT(text, Not(HasSubstr("weir_discovery_updates_total{")));
    EXPECT_THAT(text, Not(HasSubstr("weir_discovery_last_success_timestamp_seconds{")));
}

TEST_F(Collect, EndsWithItsToken) {
    token_ = {};
    EXPECT_THAT(scrape(), Not(HasSubstr("weir_breaker_state{")));
}

TEST_F(Collect, TicksWhatIsDueWithoutTraffic) {
    const TimePoint now = Clock::refresh();
    auto& breaker = process_.cluster("127.0.0.1:9000").breaker();
    FakeProcess::trip(breaker, now);
    FakeProcess::trip(breaker, now + std::chrono::milliseconds{200});
    ASSERT_EQ(breaker.state(), resilience::State::open);
    tick(*process_.snapshot, now + std::chrono::seconds{5});
    EXPECT_EQ(breaker.state(), resilience::State::half_open);
}

}  // namespace
}  // namespace weir::admin
