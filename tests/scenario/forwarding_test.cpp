#include "world.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using telemetry::Family;

class Forwarding : public ::testing::Test {
  protected:
    World world;
    Origin& origin = world.origin();
};

TEST_F(Forwarding, ARequestPasses) {
    world.start_cluster();
    origin.usually(answer(200, "hello", "X-Said: so\r\n"));

    const Message got = world.ask("GET", "/a/b?c=d");

    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.body, "hello");
    EXPECT_EQ(got.field("x-said"), "so");
    ASSERT_EQ(origin.requests().size(), 1U);
    EXPECT_EQ(origin.requests()[0].head.rfind("GET /a/b?c=d HTTP/1.1\r\n", 0), 0U);
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, ABodyPassesInBothDirections) {
    world.start_cluster();
    origin.decide([](const Origin::Request& request) { return answer(200, request.body); });

    // Above retry.buffer and what socket buffers hold.
    std::string body(3'000'000, 'x');
    for (std::size_t i = 0; i < body.size(); i += 1000)
        body[i] = static_cast<char>('a' + i / 1000 % 26);
    Client& client = world.client();
    const Message got = client.exchange("POST", "/", body);

    EXPECT_EQ(got.status, 200);
    EXPECT_TRUE(got.body == body);
    world.expect_nothing_leaks();
}

// Exchanges are used again; bodies this short need no buffer.
TEST_F(Forwarding, NothingOfABodyIsLeftForTheNextRequest) {
    world.start_cluster();
    origin.decide([](const Origin::Request& request) { return answer(200, request.body); });
    Client& client = world.client();
    for (const char* body :
         {"first", "2nd", "a third one here", "4th", "and a longer one than before", "5"})
        EXPECT_EQ(client.exchange("POST", "/", body).body, body);
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, AChunkedAnswerPasses) {
    world.start_cluster();
    origin.usually(answer_chunked("one two three four", 5));

    EXPECT_EQ(world.ask().body, "one two three four");
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, AChunkedRequestPasses) {
    world.start_cluster();
    Client& client = world.client();
    client.request("POST", "/", {}, "Transfer-Encoding: chunked\r\n");
    client.send("4\r\nwiki\r\n");
    world.settle();
    client.send("5\r\npedia\r\n0\r\n\r\n");

    EXPECT_EQ(client.await().status, 200);
    ASSERT_EQ(origin.requests().size(), 1U);
    EXPECT_EQ(origin.requests()[0].body, "wikipedia");
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, BothSidesKeepTheirConnections) {
    world.start_cluster();
    Client& client = world.client();
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(client.exchange("GET").status, 200);

    EXPECT_EQ(origin.accepted(), 1U);
    EXPECT_EQ(world.value(Family::connections, {"in", "no"}), 1);
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, ConnectionsAreSharedBetweenClients) {
    world.start_cluster();
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(origin.accepted(), 1U);
}

TEST_F(Forwarding, PipelinedRequestsAreAnsweredInOrder) {
    world.start_cluster();
    origin.decide([](const Origin::Request& request) {
        return answer(200, request.head.substr(4, 2)).after(request.head[5] == '1' ? 20ms : 0ms);
    });
    Client& client = world.client();
    for (const std::string_view path : {"/1", "/2", "/3"})
        client.request("GET", path);
    world.advance(30ms);

    for (const std::string_view path : {"/1", "/2", "/3"})
        EXPECT_EQ(client.await().body, path);
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, AnAnswerToHeadHasNoBody) {
    world.start_cluster();
    origin.decide([](const Origin::Request& request) {
        Act act = answer(200, "12345");
        if (request.is("HEAD")) act.bytes.resize(act.bytes.size() - 5);
        return act;
    });
    Client& client = world.client();

    EXPECT_EQ(client.exchange("HEAD").field("content-length"), "5");
    EXPECT_EQ(client.exchange("GET").body, "12345");
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, AnAnswerWithoutALengthEndsWithItsConnection) {
    world.start_cluster();
    Act act;
    act.bytes = "HTTP/1.1 200 Said\r\n\r\nuntil the end";
    act.then = Act::Then::close;
    origin.usually(act);

    EXPECT_EQ(world.ask().body, "until the end");
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, AHalfClosedClientGetsItsAnswer) {
    world.start_cluster();
    origin.usually(answer(200).after(20ms));
    Client& client = world.client();
    client.request("GET");
    client.shutdown_send();
    world.advance(30ms);

    EXPECT_EQ(client.await().body, "ok");
    EXPECT_TRUE(world.until([&] { return client.has_ended(); }));
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, ASlowClientStopsTheOriginAndLosesNothing) {
    world.start_cluster();
    const std::string body(20'000'000, 'y');
    origin.usually(answer(200, body));
    Client& client = world.client();
    client.set_reading(false);
    client.request("GET");
    world.settle();
    // Buffers are full; the rest waits at the origin, not in Weir.
    world.advance(1s);
    EXPECT_EQ(world.value(Family::requests_active, {"in"}), 1);

    client.set_reading(true);
    const Message got = client.await();
    EXPECT_TRUE(got.body == body);
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, ASlowOriginStopsTheClientAndLosesNothing) {
    world.start_cluster();
    const std::string body(20'000'000, 'z');
    Client& client = world.client();
    EXPECT_EQ(client.exchange("GET").status, 200);  // the connection is there
    origin.stop_reading();
    client.request("POST", "/", body);
    world.settle();
    EXPECT_GT(client.unsent(), body.size() / 4);

    origin.read_again();
    EXPECT_EQ(client.await().status, 200);
    ASSERT_EQ(origin.requests().size(), 2U);
    EXPECT_TRUE(origin.requests()[1].body == body);
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, AnInterimAnswerPasses) {
    world.start_cluster();
    Act act = answer(200);
    act.bytes.insert(0, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    origin.usually(act);
    Client& client = world.client();

    EXPECT_EQ(client.exchange("GET").status, 103);
    EXPECT_EQ(client.await().status, 200);
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, AnUpgradeBecomesATunnelUntilBothEnd) {
    world.start_cluster();
    Act act;
    act.bytes = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello";
    origin.usually(act);
    Client& client = world.client();
    client.request("GET", "/", {}, "Connection: upgrade\r\nUpgrade: echo\r\n");
    EXPECT_EQ(client.await().status, 101);
    EXPECT_TRUE(world.until([&] { return client.received() == "hello"; }));

    client.send("ping ping");
    world.settle();
    EXPECT_EQ(world.value(Family::requests_active, {"in"}), 1);
    client.shutdown_send();
    EXPECT_TRUE(world.until([&] { return client.has_ended(); }));
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, DrainingClosesConnectionsAfterTheirRequest) {
    world.start_cluster();
    Client& client = world.client();
    EXPECT_EQ(client.exchange("GET").field("connection"), "");
    world.drain();

    EXPECT_EQ(client.exchange("GET").field("connection"), "close");
    EXPECT_TRUE(world.until([&] { return client.end() == Peer::End::eof; }));
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, AnEmptyClusterAnswersSo) {
    world.start_cluster();
    world.set_endpoints({});
    const Message got = world.ask();
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.field("weir-error"), "no_healthy_endpoint");
    world.expect_nothing_leaks();
}

TEST_F(Forwarding, AnEndpointThatGoesFinishesItsRequest) {
    world.start_cluster();
    origin.usually(answer(200).after(50ms));
    Client& client = world.client();
    client.request("GET");
    world.settle();
    world.set_endpoints({});
    world.advance(60ms);

    EXPECT_EQ(client.await().status, 200);
    EXPECT_TRUE(world.until([&] { return origin.open_connections() == 0; }));
}

}  // namespace
}  // namespace weir::test
