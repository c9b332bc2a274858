#include "world.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;

class Timeouts : public ::testing::Test {
  protected:
    World world;
    Origin& origin = world.origin();

    // Nothing until just before, then the end.
    void expect_silence_until(Client& client, Duration from_now) {
        world.advance(from_now - 5ms);
        EXPECT_EQ(client.received(), "");
        EXPECT_FALSE(client.has_ended());
        world.advance(10ms);
    }
    static void expect_timed_out(const Message& message) {
        EXPECT_EQ(message.status, 504);
        EXPECT_EQ(message.field("weir-error"), "upstream_timeout");
    }
};

TEST_F(Timeouts, RequestEndsTheWaitForAnAnswer) {
    world.start_cluster("    timeout: {request: 3s}\n");
    origin.usually(hang());
    Client& client = world.client();
    client.request("GET");
    expect_silence_until(client, 3s);
    const Message got = client.await();
    expect_timed_out(got);
    EXPECT_NE(got.body.find("timeout.request"), std::string::npos);
    world.expect_nothing_leaks();
}

TEST_F(Timeouts, RequestBeginsWithTheEndOfTheRequest) {
    world.start_cluster("    timeout: {request: 3s}\n");
    origin.usually(hang());
    Client& client = world.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    world.advance(10s);
    EXPECT_EQ(client.received(), "");
    client.send("cd");
    expect_silence_until(client, 3s);
    expect_timed_out(client.await());
    world.expect_nothing_leaks();
}

TEST_F(Timeouts, RequestDoesNotEndAnAnswerThatHasBegun) {
    world.start_cluster("    timeout: {request: 1s}\n");
    origin.usually(answer(200, "0123456789").cut(45, Act::Then::keep));
    Client& client = world.client();
    client.request("GET");
    world.advance(10s);
    EXPECT_FALSE(client.has_ended());
}

TEST_F(Timeouts, ResponseHeaderEndsOneTry) {
    world.start_cluster("    timeout: {response_header: 200ms}\n");
    origin.usually(hang());
    Client& client = world.client();
    client.request("GET");
    expect_silence_until(client, 200ms);
    const Message got = client.await();
    expect_timed_out(got);
    EXPECT_NE(got.body.find("timeout.response_header"), std::string::npos);
    world.expect_nothing_leaks();
}

TEST_F(Timeouts, PerTryIsFollowedByAnotherTry) {
    Origin& other = world.origin();
    world.start_cluster(
        "    lb: round_robin\n    retry: {per_try_timeout: 200ms, on: [timeout]}\n");
    origin.usually(hang());
    other.usually(hang());
    Client& client = world.client();
    client.request("GET");
    world.advance(201ms);
    EXPECT_EQ(origin.requests().size() + other.requests().size(), 1U);
    world.advance(30ms);  // the back-off is at most 25 ms
    EXPECT_EQ(origin.requests().size(), 1U);
    EXPECT_EQ(other.requests().size(), 1U);
    world.advance(2s);
    expect_timed_out(client.await());
    EXPECT_EQ(origin.requests().size() + other.requests().size(), 3U);
    world.expect_nothing_leaks();
}

TEST_F(Timeouts, TotalEndsAWholeExchange) {
    world.start_cluster("    timeout: {total: 2s}\n");
    origin.usually(answer(200, std::string(100, 'x')).cut(60, Act::Then::keep));
    Client& client = world.client();
    client.request("GET");
    world.advance(1990ms);
    EXPECT_FALSE(client.has_ended());
    world.advance(20ms);
    EXPECT_EQ(client.end(), Peer::End::reset);  // it must not look whole
    world.expect_nothing_leaks();
}

TEST_F(Timeouts, StreamIdleEndsAnAnswerThatStandsStill) {
    world.start_cluster("    timeout: {stream_idle: 1s}\n");
    origin.usually(answer(200, std::string(100, 'x')).cut(60, Act::Then::keep));
    Client& client = world.client();
    client.request("GET");
    world.advance(990ms);
    EXPECT_FALSE(client.has_ended());
    world.advance(20ms);
    EXPECT_EQ(client.end(), Peer::End::reset);
    world.expect_nothing_leaks();
}

TEST_F(Timeouts, StreamIdleEndsARequestThatStandsStill) {
    world.start_cluster("    timeout: {stream_idle: 1s}\n");
    Client& client = world.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    expect_silence_until(client, 1s);
    const Message got = client.await();
    EXPECT_EQ(got.status, 408);
    EXPECT_EQ(got.field("weir-error"), "request_timeout");
    EXPECT_EQ(got.field("connection"), "close");
    world.expect_nothing_leaks();
}

TEST_F(Timeouts, ABodyThatNeverBeginsIsNotWaitedForForEver) {
    world.start_cluster("    timeout: {stream_idle: 1s}\n");
    Client& client = world.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    world.advance(2s);
    EXPECT_EQ(client.await().status, 408);
    world.expect_nothing_leaks();
}

TEST_F(Timeouts, ClientHeaderEndsASlowHead) {
    world.start_cluster();
    Client& client = world.client();
    client.send("GET / HTTP/1.1\r\nHo");
    for (int i = 0; i < 9; ++i) {
        world.advance(1s);
        client.send("o");  // a byte now and then wins no time
    }
    EXPECT_EQ(client.received(), "");
    world.advance(1010ms);
    const Message got = client.await();
    EXPECT_EQ(got.status, 408);
    EXPECT_EQ(got.field("weir-error"), "request_timeout");
    EXPECT_TRUE(world.until([&] { return client.has_ended(); }));
    world.expect_nothing_leaks();
}

TEST_F(Timeouts, ClientHeaderEndsASlowHeadOfALaterRequest) {
    world.start_cluster();
    Client& client = world.client();
    EXPECT_EQ(client.exchange("GET").status, 200);
    world.advance(5s);
    client.send("GET / HTTP/1.1\r\nHo");
    expect_silence_until(client, 10s);
    EXPECT_EQ(client.await().status, 408);
    world.expect_nothing_leaks();
}

TEST_F(Timeouts, AConnectionThatSendsNothingIsClosedSilently) {
    world.start_cluster();
    Client& client = world.client();
    expect_silence_until(client, 10s);
    EXPECT_EQ(client.end(), Peer::End::eof);
    EXPECT_EQ(client.received(), "");
    world.expect_nothing_leaks();
}

TEST_F(Timeouts, ClientIdleClosesAKeptConnection) {
    world.start_cluster();
    Client& client = world.client();
    EXPECT_EQ(client.exchange("GET").status, 200);
    expect_silence_until(client, 75s);
    EXPECT_EQ(client.end(), Peer::End::eof);
    world.expect_nothing_leaks();
}

TEST_F(Timeouts, IdleClosesAPooledConnection) {
    world.start_cluster("    timeout: {idle: 5s}\n");
    EXPECT_EQ(world.ask().status, 200);
    world.advance(4s);
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(origin.accepted(), 1U);
    world.advance(4990ms);
    EXPECT_EQ(origin.open_connections(), 1U);
    world.advance(20ms);
    EXPECT_EQ(origin.open_connections(), 0U);
}

TEST_F(Timeouts, TcpIdleEndsATunnel) {
    world.start_cluster("    timeout: {tcp_idle: 60s}\n");
    Act act;
    act.bytes = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    origin.usually(act);
    Client& client = world.client();
    client.request("GET", "/", {}, "Connection: upgrade\r\nUpgrade: echo\r\n");
    EXPECT_EQ(client.await().status, 101);
    world.advance(30s);
    client.send("alive");
    world.advance(59s);
    EXPECT_FALSE(client.has_ended());
    world.advance(2s);
    EXPECT_TRUE(client.has_ended());
    world.expect_nothing_leaks();
}

}  // namespace
}  // namespace weir::test
