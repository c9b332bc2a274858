#include "weir/http/h1.hpp"

#include "world.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using telemetry::Family;

class Limits : public ::testing::Test {
  protected:
    World world;
    Origin& origin = world.origin();

    Client& asking() {
        Client& client = world.client();
        client.request("GET");
        world.settle();
        return client;
    }
    std::int64_t rejected(std::string_view limit) const {
        return world.value(Family::limit_rejected, {"app", limit});
    }
};

TEST_F(Limits, MaxRequestsRefusesTheOneTooMany) {
    world.start_cluster("    limits: {max_requests: 2}\n");
    origin.usually(answer(200).after(50ms));
    Client& first = asking();
    Client& second = asking();

    const Message got = world.ask();
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.field("weir-error"), "limit_exceeded");
    EXPECT_EQ(got.field("retry-after"), "1");
    EXPECT_EQ(rejected("max_requests"), 1);

    world.advance(60ms);
    EXPECT_EQ(first.await().status, 200);
    EXPECT_EQ(second.await().status, 200);
    Client& later = asking();
    world.advance(60ms);
    EXPECT_EQ(later.await().status, 200);
    world.expect_nothing_leaks();
}

// It comes in pieces, the later ones greater, while there is no connection for it.
TEST_F(Limits, ABodyThatWaitsIsKeptWhole) {
    world.start_cluster("    limits: {max_connections: 1}\n");
    origin.usually(answer(200).after(50ms));
    Client& first = asking();
    Client& second = world.client();
    second.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::string sent;
    for (const auto& [letter, size] :
         {std::pair{'a', 100}, std::pair{'b', 5000}, std::pair{'c', 20000}}) {
        const std::string piece(static_cast<std::size_t>(size), letter);
        char hex[20];
        second.send(std::string(http::chunk_prefix(piece.size(), hex)) + piece + "\r\n");
        sent += piece;
        world.settle();
    }
    second.send("0\r\n\r\n");
    world.advance(55ms);
    EXPECT_EQ(first.await().status, 200);
    world.advance(55ms);
    EXPECT_EQ(second.await().status, 200);
    ASSERT_EQ(origin.requests().size(), 2U);
    EXPECT_EQ(origin.requests()[1].body, sent);
    world.expect_nothing_leaks();
}

TEST_F(Limits, MaxConnectionsMakesRequestsWait) {
    world.start_cluster("    limits: {max_connections: 1}\n");
    origin.usually(answer(200).after(50ms));
    Client& first = asking();
    Client& second = asking();
    EXPECT_EQ(origin.requests().size(), 1U);
    EXPECT_EQ(world.value(Family::upstream_requests_pending, {"app"}), 1);

    world.advance(55ms);
    EXPECT_EQ(first.await().status, 200);
    EXPECT_EQ(origin.requests().size(), 2U);
    world.advance(55ms);
    EXPECT_EQ(second.await().status, 200);
    EXPECT_EQ(origin.accepted(), 1U);
    world.expect_nothing_leaks();
}

TEST_F(Limits, MaxPendingRefusesWhenTheQueueIsFull) {
    world.start_cluster("    limits: {max_connections: 1, max_pending: 1}\n");
    origin.usually(hang());
    asking();
    asking();
    const Message got = world.ask();
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.field("weir-error"), "queue_full");
    EXPECT_EQ(rejected("max_pending"), 1);
    world.expect_nothing_leaks();
}

TEST_F(Limits, QueueTimeoutEndsTheWait) {
    world.start_cluster("    limits: {max_connections: 1, queue_timeout: 300ms}\n");
    origin.usually(hang());
    asking();
    Client& waiting = asking();
    world.advance(295ms);
    EXPECT_EQ(waiting.received(), "");
    world.advance(10ms);
    const Message got = waiting.await();
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.field("weir-error"), "queue_timeout");
    EXPECT_EQ(rejected("queue_timeout"), 1);
    world.expect_nothing_leaks();
}

TEST_F(Limits, AClientThatLeavesTheQueueIsNotSent) {
    world.start_cluster("    limits: {max_connections: 1}\n");
    origin.usually(answer(200).after(50ms));
    Client& first = asking();
    Client& second = asking();
    Client& third = asking();
    second.reset();
    world.settle();
    world.advance(55ms);
    world.advance(55ms);
    EXPECT_EQ(first.await().status, 200);
    EXPECT_EQ(third.await().status, 200);
    EXPECT_EQ(origin.requests().size(), 2U);
    world.expect_nothing_leaks();
}

// Newest first after 100 ms: the upstream works for clients that still wait.
TEST_F(Limits, AQueueThatHasStoodIsServedNewestFirst) {
    world.start_cluster("    limits: {max_connections: 1}\n");
    origin.next(answer(200).after(150ms)).usually(answer(200).after(10ms));
    asking();
    Client& old = asking();
    world.advance(50ms);
    Client& young = asking();
    world.advance(112ms);
    EXPECT_TRUE(young.take());
    EXPECT_FALSE(old.take());
    world.advance(20ms);
    EXPECT_TRUE(old.take());
    world.expect_nothing_leaks();
}

TEST_F(Limits, AConnectionThatDiesMakesRoomForWhoWaits) {
    world.start_cluster("    limits: {max_connections: 1}\n    retry: off\n");
    origin.next(reset_unanswered().after(50ms));
    Client& first = asking();
    Client& second = asking();
    world.advance(60ms);
    EXPECT_EQ(first.await().status, 502);
    EXPECT_EQ(second.await().status, 200);
    world.expect_nothing_leaks();
}

// A refusal names the limit, its value and where it was set, to those who may know.
TEST_F(Limits, ARefusalNamesItsLimit) {
    world.start(
        "version: 1\nerrors: {detail: internal}\nlisteners:\n  - {name: in, listen: \":8080\", to: "
        "app}\nclusters:\n  app:\n    endpoints: [\"${A}\"]\n    limits: {max_requests: 1}\n");
    origin.usually(hang());
    asking();
    const std::string body = world.ask().body;
    EXPECT_NE(body.find("(limits.max_requests is 1 (weir.yaml:8); 1 attempt)"), std::string::npos)
        << body;
    world.expect_nothing_leaks();
}

TEST_F(Limits, InShadowModeNothingIsRefusedAndAllIsCounted) {
    world.start_cluster(
        "    limits: {mode: shadow, max_requests: 2, max_connections: 3, max_pending: 1}\n");
    origin.usually(answer(200).after(50ms));
    std::vector<Client*> clients;
    for (int i = 0; i < 6; ++i)
        clients.push_back(&asking());
    EXPECT_EQ(origin.requests().size(), 6U) << "nobody waits either";
    EXPECT_EQ(world.cluster().would_limit_total(), 4U + 3U);
    world.advance(60ms);
    for (Client* const client : clients)
        EXPECT_EQ(client->await().status, 200);
    EXPECT_EQ(rejected("max_requests"), 0);
    EXPECT_EQ(world.cluster().requests().in_use(), 0U);
    world.expect_nothing_leaks();
}

// The same, enforced.
TEST_F(Limits, WithoutShadowModeTheSameIsRefused) {
    world.start_cluster("    limits: {max_requests: 2, max_connections: 3, max_pending: 1}\n");
    origin.usually(answer(200).after(50ms));
    for (int i = 0; i < 6; ++i)
        asking();
    EXPECT_EQ(origin.requests().size(), 2U);
    EXPECT_EQ(rejected("max_requests"), 4);
    EXPECT_EQ(world.cluster().would_limit_total(), 0U);
    world.expect_nothing_leaks();
}

TEST_F(Limits, TheAdaptiveLimitRefusesWhatWouldQueueAtTheUpstream) {
    world.start_cluster("    limits: {adaptive: true}\n");
    origin.usually(hang());
    for (int i = 0; i < 20; ++i)
        asking();
    const Message got = world.ask();
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.field("weir-error"), "limit_exceeded");
    EXPECT_EQ(rejected("adaptive"), 1);
    ASSERT_NE(world.cluster().adaptive(), nullptr);
    EXPECT_EQ(world.cluster().adaptive()->in_flight(), 20U);
    world.expect_nothing_leaks();
    EXPECT_EQ(world.cluster().adaptive()->in_flight(), 0U);
}

TEST_F(Limits, TheAdaptiveLimitLearnsFromAnswers) {
    world.start_cluster("    limits: {adaptive: true}\n");
    origin.usually(answer(200).after(20ms));
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 15; ++i)
            world.client().request("GET");
        world.settle();
        world.advance(30ms);
    }
    EXPECT_GE(world.cluster().adaptive()->base(), 18ms);
    EXPECT_LE(world.cluster().adaptive()->base(), 25ms);
    world.expect_nothing_leaks();
}

// Many that leave at once, from anywhere in the queue: each costs the same, and order holds.
TEST_F(Limits, TheQueueServesThoseThatStayedInTheirOrder) {
    world.start_cluster("    limits: {max_connections: 1}\n");
    origin.usually(answer(200).after(10ms));
    std::vector<Client*> clients;
    for (int i = 0; i < 9; ++i) {
        clients.push_back(&world.client());
        clients.back()->request("GET", "/" + std::to_string(i));
        world.settle();
    }
    for (const std::size_t gone : {8U, 1U, 4U, 5U})
        clients[gone]->reset();
    world.settle();
    world.advance(60ms);
    std::string order;
    for (const Origin::Request& request : origin.requests())
        order += request.head.substr(5, 1);
    EXPECT_EQ(order, "02367");
    world.expect_nothing_leaks();
}

TEST_F(Limits, RequestsPerConnectionEndsIt) {
    world.start(
        "version: 1\nlisteners:\n  - {name: in, listen: \":8080\", to: app, limits: "
        "{requests_per_connection: 2}}\nclusters: {app: {endpoints: [\"${A}\"]}}\n");
    Client& client = world.client();
    EXPECT_EQ(client.exchange("GET").field("connection"), "");
    EXPECT_EQ(client.exchange("GET").field("connection"), "close");
    EXPECT_TRUE(world.until([&] { return client.has_ended(); }));
    world.expect_nothing_leaks();
}

TEST_F(Limits, ConnectionsBeyondTheLimitAreClosed) {
    world.start(
        "version: 1\nlimits: {connections: 2}\nlisteners:\n  - {name: in, listen: "
        "\":8080\", to: app}\nclusters: {app: {endpoints: [\"${A}\"]}}\n");
    Client& first = world.client();
    Client& second = world.client();
    EXPECT_EQ(first.exchange("GET").status, 200);
    EXPECT_EQ(second.exchange("GET").status, 200);
    Client& third = world.client();
    EXPECT_TRUE(world.until([&] { return third.has_ended(); }));
    first.close();
    world.settle();
    EXPECT_EQ(world.ask().status, 200);
    world.expect_nothing_leaks();
}

TEST_F(Limits, ABodyBeyondTheLimitIsRefused) {
    world.start(
        "version: 1\nlisteners:\n  - {name: in, listen: \":8080\", to: app, limits: "
        "{body: 1KiB}}\nclusters: {app: {endpoints: [\"${A}\"]}}\n");
    Client& client = world.client();
    const Message got = client.exchange("POST", "/", std::string(2000, 'x'));
    EXPECT_EQ(got.status, 413);
    EXPECT_EQ(got.field("weir-error"), "body_too_large");

    Client& chunked = world.client();
    chunked.request("POST", "/", {}, "Transfer-Encoding: chunked\r\n");
    for (int i = 0; i < 3; ++i)
        chunked.send("200\r\n" + std::string(512, 'x') + "\r\n");
    EXPECT_EQ(chunked.await().status, 413);
    EXPECT_EQ(origin.requests().size(), 0U);
    world.expect_nothing_leaks();
}

}  // namespace
}  // namespace weir::test
