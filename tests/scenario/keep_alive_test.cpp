#include "world.hpp"

#include <map>
#include <vector>

// The keep-alive race: an origin closes an idle connection just when a request is sent on it.
namespace weir::test {
namespace {

using namespace std::chrono_literals;
using telemetry::Family;

class KeepAlive : public ::testing::Test {
  protected:
    World world;
    Origin& origin = world.origin();

    // Closes of idle connections, until it is known after how long this origin does it.
    void teach(Duration timeout) {
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(world.ask("POST").status, 200);
            world.advance(timeout);
            origin.close_connections();
            world.settle();
        }
        ASSERT_EQ(idle_timeout().learned(), timeout);
    }
    resilience::IdleTimeout& idle_timeout() {
        return world.cluster().endpoints()->endpoints.front()->idle_timeout();
    }
    std::int64_t stale(std::string_view result) const {
        return world.value(Family::upstream_stale_reuse, {"app", result});
    }
};

TEST_F(KeepAlive, LearnsWhenTheOriginClosesIdleConnections) {
    world.start_cluster();
    teach(200ms);
    EXPECT_EQ(world.ask().status, 200);
    const std::size_t before = origin.accepted();
    world.advance(170ms);
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(origin.accepted(), before) << "it is good until shortly before the close";
    world.advance(185ms);
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(origin.accepted(), before + 1) << "and not then";
    world.expect_nothing_leaks();
}

TEST_F(KeepAlive, WhatMustNotRunTwiceTakesAFresherOne) {
    world.start_cluster();
    teach(200ms);
    EXPECT_EQ(world.ask().status, 200);
    const std::size_t before = origin.accepted();
    world.advance(90ms);
    EXPECT_EQ(world.ask("POST").status, 200);
    EXPECT_EQ(origin.accepted(), before);
    world.advance(110ms);
    EXPECT_EQ(world.ask("POST").status, 200);
    EXPECT_EQ(origin.accepted(), before + 1);
    world.expect_nothing_leaks();
}

TEST_F(KeepAlive, BelievesWhatTheAnswerPromises) {
    world.start_cluster();
    origin.usually(answer(200, "ok", "Keep-Alive: timeout=4, max=100\r\n"));
    EXPECT_EQ(world.ask().status, 200);
    world.advance(3400ms);
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(origin.accepted(), 1U);
    world.advance(2100ms);
    EXPECT_EQ(world.ask("POST").status, 200);
    EXPECT_EQ(origin.accepted(), 2U) << "half of it for a POST";
    world.advance(3600ms);
    EXPECT_EQ(origin.open_connections(), 0U) << "retired before the origin closes them";
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(origin.accepted(), 3U);
    world.expect_nothing_leaks();
}

TEST_F(KeepAlive, FindsOutThatTheOriginWaitsLongerNow) {
    world.start_cluster();
    teach(200ms);
    EXPECT_EQ(world.ask().status, 200);
    world.advance(10s);
    EXPECT_GT(*idle_timeout().learned(), 5s);
    EXPECT_EQ(origin.open_connections(), 1U);
    world.expect_nothing_leaks();
}

TEST_F(KeepAlive, OnlyOneConnectionStaysAsAWitness) {
    world.start_cluster();
    teach(200ms);
    origin.usually(answer(200).after(10ms));
    for (int i = 0; i < 5; ++i)
        world.client().request("GET");
    world.advance(20ms);
    EXPECT_EQ(origin.open_connections(), 5U);
    world.advance(195ms);
    EXPECT_EQ(origin.open_connections(), 1U);
    world.expect_nothing_leaks();
}

TEST_F(KeepAlive, APostFindsOneGoodConnectionOnceTimeHasShownThatTheyLive) {
    world.start_cluster();
    for (int second = 0; second < 50; ++second) {
        EXPECT_EQ(world.ask("POST").status, 200);
        world.advance(1s);
    }
    EXPECT_LE(origin.accepted(), 3U);
    world.expect_nothing_leaks();
}

TEST_F(KeepAlive, AnIdempotentRequestOnADeadConnectionGoesToAFreshOne) {
    world.start_cluster();
    origin.usually(answer(200).after(10ms));
    for (int i = 0; i < 8; ++i)
        world.client().request("GET");
    world.advance(100ms);
    ASSERT_EQ(origin.open_connections(), 8U);
    origin.usually(answer(200));
    // All of them die unseen: the news is still in the kernel when the request is sent.
    origin.reset_connections();
    const std::size_t before = origin.accepted();
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_LE(origin.accepted(), before + 1);
    EXPECT_EQ(stale("failure"), 0);
    world.expect_nothing_leaks();
}

// Forty requests on as many connections, all of which turn out to be dead.
class DeadConnections : public KeepAlive {
  protected:
    std::map<int, int> statuses() {
        origin.usually(answer(200).after(10ms));
        for (int i = 0; i < 40; ++i)
            world.client().request("GET");
        world.advance(100ms);
        EXPECT_EQ(origin.open_connections(), 40U);
        int lost = 0;
        origin.decide([&lost](const Origin::Request& request) {
            if (request.connection >= 40 || lost == 40) return answer(200);
            ++lost;
            return reset_unanswered();
        });
        std::vector<Client*> clients;
        for (int i = 0; i < 40; ++i) {
            clients.push_back(&world.client());
            clients.back()->request("GET");
        }
        world.settle();
        world.advance(100ms);
        std::map<int, int> counts;
        for (Client* const client : clients)
            ++counts[client->await().status];
        EXPECT_EQ(lost, 40);
        world.expect_nothing_leaks();
        return counts;
    }
};

// Nobody worked on what they got: no budget has to pay for sending it again.
TEST_F(DeadConnections, CostNoIdempotentRequestEvenWithoutABudget) {
    world.start_cluster("    retry: {budget: 0%, budget_min: 0/s}\n");
    EXPECT_EQ(statuses(), (std::map<int, int>{{200, 40}}));
    EXPECT_EQ(stale("success"), 40);
    EXPECT_EQ(world.state(origin), "healthy");
}

TEST_F(DeadConnections, CostAllOfThemWithoutRetries) {
    world.start_cluster("    retry: off\n");
    EXPECT_EQ(statuses(), (std::map<int, int>{{502, 40}}));
    EXPECT_EQ(stale("failure"), 40);
    EXPECT_EQ(world.state(origin), "healthy") << "it has done nothing wrong";
}

class ExecuteThenReset : public KeepAlive, public ::testing::WithParamInterface<int> {};

// "execute, then RST, after 3 and after 20 earlier requests: no POST twice"
TEST_P(ExecuteThenReset, NoPostTwice) {
    world.start_cluster();
    Client& client = world.client();
    for (int i = 0; i < GetParam(); ++i)
        ASSERT_EQ(client.exchange("POST", "/", "warm").status, 200);
    origin.next(reset_unanswered());
    EXPECT_EQ(client.exchange("POST", "/", "once").status, 502);
    std::size_t executed = 0;
    for (const Origin::Request& request : origin.requests())
        executed += request.body == "once" ? 1 : 0;
    EXPECT_EQ(executed, 1U);
    world.expect_nothing_leaks();
}

// The same request, were it not known to do harm: it is sent again.
TEST_P(ExecuteThenReset, ButTwiceWhereTheUserListsPost) {
    world.start_cluster("    retry: {methods: [GET, POST]}\n");
    Client& client = world.client();
    for (int i = 0; i < GetParam(); ++i)
        ASSERT_EQ(client.exchange("POST", "/", "warm").status, 200);
    origin.next(reset_unanswered());
    client.request("POST", "/", "twice");
    world.settle();
    world.advance(1s);
    EXPECT_EQ(client.await().status, 200);
    std::size_t executed = 0;
    for (const Origin::Request& request : origin.requests())
        executed += request.body == "twice" ? 1 : 0;
    EXPECT_EQ(executed, 2U);
    world.expect_nothing_leaks();
}

INSTANTIATE_TEST_SUITE_P(AfterEarlierRequests, ExecuteThenReset, ::testing::Values(3, 20));

// "a POST whose bytes were acknowledged is never sent twice": the origin ends the connection in
// order, but it has read the request.
TEST_F(KeepAlive, APostWhoseBytesWereAcknowledgedIsNeverSentTwice) {
    world.start_cluster();
    Client& client = world.client();
    ASSERT_EQ(client.exchange("POST", "/", "warm").status, 200);
    origin.next(close_unanswered());
    EXPECT_EQ(client.exchange("POST", "/", "once").status, 502);
    EXPECT_EQ(origin.count("POST"), 2U);
    EXPECT_EQ(stale("failure"), 1);
    world.expect_nothing_leaks();
}

// The same where the user lists POST: the proof is not asked for.
TEST_F(KeepAlive, AnAcknowledgedPostIsSentTwiceWhereTheUserListsPost) {
    world.start_cluster("    retry: {methods: [GET, POST]}\n");
    Client& client = world.client();
    ASSERT_EQ(client.exchange("POST", "/", "warm").status, 200);
    origin.next(close_unanswered());
    client.request("POST", "/", "twice");
    world.settle();
    world.advance(1s);
    EXPECT_EQ(client.await().status, 200);
    EXPECT_EQ(origin.count("POST"), 3U);
    world.expect_nothing_leaks();
}

// The other side of it: the connection ended before the request, and nobody has read it.
TEST_F(KeepAlive, APostOnAConnectionThatHadEndedIsSentAgain) {
    world.start_cluster();
    Client& client = world.client();
    ASSERT_EQ(client.exchange("POST", "/", "warm").status, 200);
    // The end is in the kernel, unread: both happen in one turn.
    client.request("POST", "/", "again");
    origin.close_connections();
    world.settle();
    world.advance(10ms);
    EXPECT_EQ(client.await().status, 200);
    EXPECT_EQ(origin.count("POST"), 2U);
    world.expect_nothing_leaks();
}

TEST_F(KeepAlive, AnIdleConnectionOfAFullPoolMakesRoomForAFreshOne) {
    world.start_cluster("    limits: {max_connections: 1}\n");
    ASSERT_EQ(world.ask("POST").status, 200);
    world.advance(300ms);
    ASSERT_EQ(world.ask("POST").status, 200) << "the old one is no good for a POST";
    EXPECT_EQ(origin.accepted(), 2U);
    EXPECT_EQ(origin.open_connections(), 1U);
    world.expect_nothing_leaks();
}

// "300 idle connections closed by the origin eject nobody", here through the whole path.
TEST_F(KeepAlive, ThreeHundredIdleConnectionsClosedByTheOriginEjectNobody) {
    Origin& other = world.origin();
    world.start_cluster("    limits: {idle_connections: 1000, max_connecting: 1000}\n");
    for (Origin* each : {&origin, &other})
        each->usually(answer(200).after(20ms));
    for (int i = 0; i < 600; ++i)
        world.client().request("GET");
    world.advance(500ms);
    ASSERT_GE(origin.open_connections(), 200U);
    origin.reset_connections();
    std::vector<Client*> clients;
    for (int i = 0; i < 300; ++i) {
        clients.push_back(&world.client());
        clients.back()->request("GET");
    }
    world.advance(500ms);
    for (Client* const client : clients)
        EXPECT_EQ(client->await().status, 200);
    EXPECT_EQ(world.state(origin), "healthy");
    EXPECT_EQ(world.state(other), "healthy");
    EXPECT_EQ(world.breaker(), resilience::State::closed);
    world.expect_nothing_leaks();
}

}  // namespace
}  // namespace weir::test
