#include "weir/upstream/cluster.hpp"

#include <gtest/gtest.h>

namespace weir::upstream {
namespace {

class ClusterTest : public ::testing::Test {
  protected:
    static discovery::Found at(int port, std::uint32_t weight = 100) {
        return {*Address::from_ip("10.0.0.1", static_cast<std::uint16_t>(port)), "", weight};
    }
    void set(std::vector<discovery::Found> found) {
        cluster.set_endpoints({std::move(found)}, now);
    }
    [[nodiscard]] std::shared_ptr<Endpoint> endpoint(std::size_t index) const {
        return cluster.endpoints()->endpoints.at(index);
    }

    const TimePoint now{std::chrono::hours{1}};
    telemetry::Registry registry;
    telemetry::EventLog events;
    config::Cluster config = [] {
        config::Cluster made;
        made.name = "app";
        return made;
    }();
    Cluster cluster{config, {registry, events, 2, 1}, now};
};

TEST_F(ClusterTest, KeepsAnEndpointByItsAddress) {
    set({at(1), at(2)});
    const auto first = endpoint(0);
    const auto second = endpoint(1);
    set({at(2), at(3)});
    EXPECT_EQ(endpoint(0), second);
    EXPECT_NE(endpoint(1), first);
    EXPECT_NE(endpoint(1)->id(), first->id());
}

TEST_F(ClusterTest, RemembersAnEndpointThatWasGone) {
    set({at(1), at(2)});
    const auto first = endpoint(0);
    set({at(2)});
    set({});
    set({at(1)});
    EXPECT_EQ(endpoint(0), first);
}

TEST_F(ClusterTest, ForgetsThoseThatWentLongAgo) {
    set({at(1)});
    const std::weak_ptr<Endpoint> first = endpoint(0);
    for (int port = 2; port <= 80; ++port)
        set({at(port)});
    EXPECT_TRUE(first.expired());
}

TEST_F(ClusterTest, TakesTheNewWeight) {
    set({at(1, 100)});
    const auto first = endpoint(0);
    set({at(1, 300)});
    EXPECT_EQ(first->weight(), 300U);
}

TEST_F(ClusterTest, TellsItsSubscribersOfEachSet) {
    std::vector<std::shared_ptr<const EndpointSet>> told;
    cluster.subscribe(1, [&](auto set) { told.push_back(std::move(set)); });
    set({at(1)});
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0], cluster.endpoints());
    cluster.unsubscribe(1);
    set({at(2)});
    EXPECT_EQ(told.size(), 1U);
}

TEST_F(ClusterTest, TellsOfAFreeConnectionOnlyIfSomebodyWaits) {
    int told = 0;
    cluster.subscribe(0, [&](const auto& set) { told += set == nullptr ? 1 : 0; });
    cluster.connection_freed();
    EXPECT_EQ(told, 0);
    cluster.add_waiting();
    cluster.connection_freed();
    EXPECT_EQ(told, 1);
    cluster.remove_waiting();
    cluster.connection_freed();
    EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace weir::upstream
