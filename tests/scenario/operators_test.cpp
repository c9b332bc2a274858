#include "world.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;

// What an operator says about endpoints and breakers, as requests see it.
class Operators : public ::testing::Test {
  protected:
    World world;
    Origin& first = world.origin();
    Origin& second = world.origin();

    upstream::Endpoint& endpoint(const Origin& origin) {
        return const_cast<upstream::Endpoint&>(world.endpoint(origin));
    }
    static upstream::Order order(std::optional<TimePoint> until = {}) {
        return {.until = until, .by = "test", .reason = {}};
    }
    void ask(int times) {
        for (int i = 0; i < times; ++i)
            EXPECT_EQ(world.ask().status, 200);
    }
};

TEST_F(Operators, ADrainedEndpointGetsNoRequestsAndLosesItsIdleConnections) {
    world.start_cluster("    lb: round_robin\n");
    ask(4);
    ASSERT_EQ(first.requests().size(), 2U);
    ASSERT_EQ(endpoint(first).totals().connections, 1U);
    endpoint(first).drain(order(), world.now());
    world.settle();
    EXPECT_EQ(endpoint(first).totals().connections, 0U);
    ask(6);
    EXPECT_EQ(first.requests().size(), 2U);
    endpoint(first).undrain(world.now());
    ask(4);
    EXPECT_EQ(first.requests().size(), 4U);
    world.expect_nothing_leaks();
}

TEST_F(Operators, ARequestInFlightAtADrainedEndpointFinishesAndItsConnectionCloses) {
    world.start_cluster("    lb: round_robin\n");
    first.usually(answer(200).after(50ms));
    second.usually(answer(200).after(50ms));
    Client& client = world.client();
    client.request("GET");
    world.settle();
    const bool is_first = first.requests().size() == 1;
    Origin& busy = is_first ? first : second;
    endpoint(busy).drain(order(), world.now());
    world.settle();
    EXPECT_EQ(endpoint(busy).totals().connections, 1U);
    world.advance(60ms);
    EXPECT_EQ(client.await().status, 200);
    world.settle();
    EXPECT_EQ(endpoint(busy).totals().connections, 0U);
    world.expect_nothing_leaks();
}

TEST_F(Operators, AnEjectedEndpointGetsNoRequestsAlsoWithTheDetectorOff) {
    world.start_cluster("    lb: round_robin\n    outlier: off\n");
    endpoint(first).eject(order(world.now() + 5min), world.now());
    ask(6);
    EXPECT_TRUE(first.requests().empty());
    world.advance(5min);
    endpoint(first).tick(world.now());
    ask(6);
    EXPECT_EQ(first.requests().size(), 3U);
    world.expect_nothing_leaks();
}

TEST_F(Operators, WithAllEndpointsTakenOutRequestsAreRefusedNotSent) {
    world.start_cluster();
    endpoint(first).drain(order(), world.now());
    endpoint(second).eject(order(world.now() + 5min), world.now());
    const Message got = world.ask();
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.field("weir-error"), "no_healthy_endpoint");
    EXPECT_TRUE(first.requests().empty());
    EXPECT_TRUE(second.requests().empty());
    world.expect_nothing_leaks();
}

TEST_F(Operators, ABreakerIsOpenedByForceInAnyMode) {
    for (const char* mode : {"enforce", "shadow", "off"}) {
        World own;
        own.origin();
        own.start_cluster(std::string("    breaker: {mode: ") + mode + "}\n");
        own.cluster().force_breaker(resilience::State::open, order(own.now() + 10min), own.now());
        const Message got = own.ask();
        EXPECT_EQ(got.status, 503) << mode;
        EXPECT_EQ(got.field("weir-error"), "breaker_open") << mode;
        own.advance(10min);
        EXPECT_EQ(own.ask().status, 200) << mode;
        own.expect_nothing_leaks();
    }
}

}  // namespace
}  // namespace weir::test
