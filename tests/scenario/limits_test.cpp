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
