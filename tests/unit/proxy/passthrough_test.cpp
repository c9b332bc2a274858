#include "weir/proxy/passthrough.hpp"

#include "support/clock.hpp"
#include <gtest/gtest.h>

#include <string>

namespace weir::proxy {
namespace {

class PassthroughTest : public ::testing::Test {
  protected:
    PassthroughTest() {
        config.passthrough.name = "passthrough";
        config.limits.passthrough_addresses = 3;
    }
    std::shared_ptr<upstream::Cluster> find(int host) {
        const std::string ip = "10.0.0." + std::to_string(host);
        return passthrough.find(*Address::from_ip(ip, 80), config, clock.now());
    }
    std::int64_t value(telemetry::Family family) const { return registry.value(family, {}); }

    test::SimulatedClock clock;
    telemetry::Registry registry;
    telemetry::EventLog events;
    Passthrough passthrough{{.registry = registry, .events = events}};
    config::Config config;
};

TEST_F(PassthroughTest, EachAddressHasAClusterOfItsOwn) {
    const auto first = find(1);
    EXPECT_NE(first, find(2));
    EXPECT_EQ(first, find(1));
    EXPECT_NE(&first->breaker(), &find(2)->breaker());
    ASSERT_EQ(first->endpoints()->endpoints.size(), 1U);
    EXPECT_EQ(first->endpoints()->endpoints.front()->address().to_string(), "10.0.0.1:80");
}

TEST_F(PassthroughTest, ThoseUsedLastAreKept) {
    const auto first = find(1);
    const auto second = find(2);
    static_cast<void>(find(3));
    EXPECT_EQ(find(1), first);
    static_cast<void>(find(4));  // in place of the second
    EXPECT_EQ(find(1), first);
    EXPECT_EQ(value(telemetry::Family::passthrough_evicted), 1);
    EXPECT_NE(find(2), second);
    EXPECT_EQ(value(telemetry::Family::passthrough_evicted), 2);
}

TEST_F(PassthroughTest, OtherDefaultsMeanAnotherCluster) {
    const auto before = find(1);
    config.passthrough.timeout.connect = std::chrono::milliseconds{7};
    const auto after = find(1);
    EXPECT_NE(after, before);
    EXPECT_EQ(after->config().timeout.connect, std::chrono::milliseconds{7});
    EXPECT_EQ(find(1), after);
}

}  // namespace
}  // namespace weir::proxy
