#include "world.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using telemetry::Family;

class Retries : public ::testing::Test {
  protected:
    World world;
    Origin& a = world.origin();

    // A reused connection from the client and to the origin.
    Client& warm_client() {
        Client& client = world.client();
        EXPECT_EQ(client.exchange("GET").status, 200);
        return client;
    }
    // Back-off included.
    Message answer_to(Client& client) {
        world.advance(600ms);
        return client.await();
    }
};

TEST_F(Retries, ARefusedConnectionIsTriedAtTheOtherEndpoint) {
    Origin& b = world.origin();
    world.start_cluster();
    a.refuse();
    for (int i = 0; i < 10; ++i) {
        Client& client = world.client();
        client.request("POST", "/", "body");
        EXPECT_EQ(answer_to(client).status, 200);
        client.close();
    }
    EXPECT_EQ(b.count("POST"), 10U);
    EXPECT_GE(world.value(Family::retries, {"app", "success"}), 1);
    world.expect_nothing_leaks();
}

TEST_F(Retries, ARefusalWithoutAnotherEndpointIsSaid) {
    world.start_cluster();
    a.refuse();
    Client& client = world.client();
    client.request("GET");
    const Message got = answer_to(client);
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.field("weir-error"), "upstream_connect_refused");
    world.expect_nothing_leaks();
}

TEST_F(Retries, A503IsTriedAgainIfTheMethodMay) {
    world.start_cluster("    retry: {attempts: 1}\n");
    a.next(answer(503)).usually(answer(200));
    Client& client = world.client();
    client.request("GET");
    EXPECT_EQ(answer_to(client).status, 200);
    EXPECT_EQ(a.count("GET"), 2U);
    EXPECT_EQ(world.value(Family::retries, {"app", "success"}), 1);

    a.next(answer(503));
    client.request("POST", "/", "body");
    EXPECT_EQ(answer_to(client).status, 503);
    EXPECT_EQ(a.count("POST"), 1U);
    world.expect_nothing_leaks();
}

TEST_F(Retries, ARetryCarriesTheWholeBodyAndItsDepth) {
    world.start_cluster();
    a.next(answer(503));
    Client& client = world.client();
    client.request("PUT", "/", "the body");
    EXPECT_EQ(answer_to(client).status, 200);
    ASSERT_EQ(a.requests().size(), 2U);
    EXPECT_EQ(a.requests()[1].body, "the body");
    EXPECT_EQ(a.requests()[0].head.find("x-weir-retry-depth"), std::string::npos);
    EXPECT_NE(a.requests()[1].head.find("x-weir-retry-depth: 1\r\n"), std::string::npos);
}

TEST_F(Retries, ABodyAboveTheBufferIsNotSentTwice) {
    world.start_cluster("    retry: {buffer: 1KiB}\n");
    Client& client = warm_client();
    a.next(answer(503));
    client.request("PUT", "/", std::string(500'000, 'x'));
    EXPECT_EQ(answer_to(client).status, 503);
    EXPECT_EQ(a.count("PUT"), 1U);
    world.expect_nothing_leaks();
}

TEST_F(Retries, NothingIsSentAgainOnceAnAnswerHasBegun) {
    world.start_cluster("    retry: {on: [connect, reused, reset, 5xx]}\n");
    a.next(answer(200, "0123456789").cut(50, Act::Then::close));
    Client& client = world.client();
    client.request("GET");
    world.advance(600ms);
    EXPECT_TRUE(world.until([&] { return client.has_ended(); }));
    EXPECT_FALSE(client.take());
    EXPECT_EQ(a.count("GET"), 1U);
    world.expect_nothing_leaks();
}

TEST_F(Retries, AGetIsSentAgainWhenAReusedConnectionDies) {
    for (const Act& death : {close_unanswered(), reset_unanswered()}) {
        World each;
        Origin& origin = each.origin();
        each.start_cluster();
        Client& client = each.client();
        EXPECT_EQ(client.exchange("GET").status, 200);
        origin.next(death);
        client.request("GET");
        each.advance(600ms);
        EXPECT_EQ(client.await().status, 200);
        EXPECT_EQ(origin.count("GET"), 3U);
        EXPECT_EQ(each.state(origin), "healthy");
        each.expect_nothing_leaks();
    }
}

// It was executed: the connection died after the origin had read it.
TEST_F(Retries, APostThatWasReadIsNotSentTwiceWhenAReusedConnectionDies) {
    for (const Act& death : {close_unanswered(), reset_unanswered()}) {
        World each;
        Origin& origin = each.origin();
        each.start_cluster();
        Client& client = each.client();
        EXPECT_EQ(client.exchange("GET").status, 200);
        origin.next(death);
        client.request("POST", "/", "pay");
        each.advance(600ms);
        const Message got = client.await();
        EXPECT_EQ(got.status, 502);
        EXPECT_EQ(got.field("weir-error"), "upstream_reset");
        EXPECT_EQ(origin.count("POST"), 1U);
        each.expect_nothing_leaks();
    }
}

// The keep-alive race: the origin closed while the request was on its way.
TEST_F(Retries, APostNobodyReadIsSentAgain) {
    world.start_cluster();
    Client& client = warm_client();
    client.request("POST", "/", "pay");
    a.close_connections();
    EXPECT_EQ(answer_to(client).status, 200);
    EXPECT_EQ(a.count("POST"), 1U);
    EXPECT_EQ(a.accepted(), 2U);
    world.expect_nothing_leaks();
}

TEST_F(Retries, AnIdleConnectionThatWasClosedIsNotUsed) {
    world.start_cluster();
    Client& client = warm_client();
    a.close_connections();
    world.settle();
    client.request("POST", "/", "pay");
    EXPECT_EQ(client.await().status, 200);  // without a retry: no time has passed
    EXPECT_EQ(a.count("POST"), 1U);
    world.expect_nothing_leaks();
}

TEST_F(Retries, ConnectionsThatDieIdleEjectNobody) {
    world.start_cluster();
    for (int i = 0; i < 30; ++i) {
        Client& client = warm_client();
        client.request("GET");
        a.close_connections();
        EXPECT_EQ(answer_to(client).status, 200);
        client.close();
    }
    EXPECT_EQ(world.state(a), "healthy");
    EXPECT_EQ(world.breaker(), resilience::State::closed);
    world.expect_nothing_leaks();
}

// 20 % of the requests and 3 a second, the latter for a window of 10 s at most.
TEST_F(Retries, AnOutageIsNotMultiplied) {
    world.start_cluster("    breaker: off\n    outlier: off\n");
    a.usually(answer(503));
    constexpr int kSeconds = 10;
    constexpr int kRate = 50;
    for (int i = 0; i < kSeconds * kRate; ++i) {
        Client& client = world.client();
        client.request("GET");
        world.advance(std::chrono::milliseconds{1000 / kRate});
        client.close();
    }
    const double attempts = static_cast<double>(a.requests().size());
    EXPECT_LE(attempts, 1.2 * kSeconds * kRate + 3 * (kSeconds + 1));
    EXPECT_GT(attempts, 1.0 * kSeconds * kRate);
    EXPECT_GT(world.value(Family::retries_refused, {"app", "budget"}), 0);
    world.expect_nothing_leaks();
}

TEST_F(Retries, AClientThatLeavesInABackOffIsNotRetried) {
    world.start_cluster("    retry: {backoff: 10s, max_backoff: 10s}\n");
    a.usually(answer(503));
    Client& client = world.client();
    client.request("GET");
    world.settle();
    client.reset();
    world.settle();
    world.advance(11s);
    EXPECT_EQ(a.count("GET"), 1U);
    world.expect_nothing_leaks();
}

}  // namespace
}  // namespace weir::test
