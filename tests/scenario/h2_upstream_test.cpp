#include "h2_origin.hpp"
#include "world.hpp"

#include <list>

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using http::H2Code;
using telemetry::Family;

class H2Upstream : public ::testing::Test {
  protected:
    // Clients of HTTP/1 in front of a cluster that speaks HTTP/2 in clear.
    void start(const std::string& lines = {}) {
        std::string addresses = "\"" + origin.address() + "\"";
        for (const H2Origin& other : others)
            addresses += ", \"" + other.address() + "\"";
        world.start(
            "version: 1\nlisteners:\n  - {name: in, listen: \":8080\", to: app}\nclusters:\n  "
            "app:\n    protocol: h2c\n    endpoints: [" +
            addresses + "]\n" + lines);
    }
    Client& get(std::string_view path = "/") {
        Client& asking = world.client();
        asking.request("GET", path);
        return asking;
    }
    void expect_nothing_leaks() {
        world.settle();
        origin.reset_connections();
        for (H2Origin& other : others)
            other.reset_connections();
        world.settle();
        world.expect_nothing_leaks();
    }
    [[nodiscard]] std::int64_t connections() const {
        return world.value(Family::upstream_connections_active, {"app"});
    }

    World world;
    H2Origin origin{world.loop()};
    std::list<H2Origin> others;
};

TEST_F(H2Upstream, ARequestPassesBothWays) {
    start();
    origin.on_whole = [](H2Origin::Stream& asked) { asked.answer(201, "hello", "x-end: 1\r\n"); };
    Client& one = world.client();
    one.request("POST", "/a?b", "body",
                "Cookie: a=b\r\nTE: trailers\r\nConnection: te, x-mine\r\nX-Mine: 1\r\n");
    world.settle();
    EXPECT_NE(one.received().find("x-end: 1"), std::string::npos) << one.received();
    const Message answer = one.await();
    EXPECT_EQ(answer.status, 201);
    EXPECT_EQ(answer.body, "hello");

    const H2Origin::Stream& asked = origin.stream(0);
    EXPECT_EQ(asked.method, "POST");
    EXPECT_EQ(asked.body, "body");
    EXPECT_NE(asked.fields.find("cookie: a=b\n"), std::string::npos) << asked.fields;
    EXPECT_NE(asked.fields.find("te: trailers\n"), std::string::npos) << asked.fields;
    EXPECT_EQ(asked.fields.find("connection"), std::string::npos) << asked.fields;
    EXPECT_EQ(asked.fields.find("x-mine"), std::string::npos) << asked.fields;
    EXPECT_EQ(asked.fields.find("\nhost:"), std::string::npos) << asked.fields;
    expect_nothing_leaks();
}

TEST_F(H2Upstream, RequestsShareAConnectionThatStillConnects) {
    start();
    for (int i = 0; i < 60; ++i)
        get();
    world.settle();
    EXPECT_EQ(origin.connections.size(), 1U);
    EXPECT_EQ(origin.requests(), 60U);
    EXPECT_EQ(world.value(Family::upstream_connections, {"app"}), 1);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, TheFirstRequestAloneGoesBeforeTheSettings) {
    origin.is_deaf = true;
    start();
    for (int i = 0; i < 3; ++i)
        get();
    world.settle();
    ASSERT_EQ(origin.connections.size(), 1U);
    int heads = 0;
    const std::string& said = origin.connections[0]->unheard();
    for (std::size_t at = http::kH2Preface.size(); at + 9 <= said.size();) {
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(said[at + i]); };
        heads += byte(3) == 1 ? 1 : 0;
        at += 9U + (byte(0) << 16U | byte(1) << 8U | byte(2));
    }
    EXPECT_EQ(heads, 1);
    origin.connections[0]->hear_again();
    world.settle();
    EXPECT_EQ(origin.requests(), 3U);
    expect_nothing_leaks();
}

// Servers of gRPC wait for it.
TEST_F(H2Upstream, AnEmptyBodyThatWasAnnouncedEndsByAFrame) {
    origin.is_deaf = true;
    std::vector<bool> ends_with_head;
    origin.on_head = [&](H2Origin::Stream& asked) { ends_with_head.push_back(asked.is_whole); };
    start();
    for (int i = 0; i < 2; ++i)
        world.client().send(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    get();
    world.settle();
    ASSERT_EQ(origin.connections.size(), 1U);
    origin.connections[0]->hear_again();
    world.settle();
    EXPECT_EQ(ends_with_head, (std::vector<bool>{false, false, true}));
    EXPECT_TRUE(origin.stream(1).is_whole);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, AFullConnectionGetsASecondAndNoStreamIsRefused) {
    http::H2Limits limits;
    limits.streams = 4;
    others.emplace_back(world.loop(), limits);
    H2Origin& small = others.back();
    small.on_whole = [](H2Origin::Stream&) {};
    world.start(
        "version: 1\nlisteners:\n  - {name: in, listen: \":8080\", to: app}\nclusters:\n  app:\n"
        "    protocol: h2c\n    endpoints: [\"" +
        small.address() + "\"]\n    limits: {max_connections: 3}\n");
    std::vector<Client*> asking;
    for (int i = 0; i < 20; ++i)
        asking.push_back(&get());
    world.settle();
    EXPECT_EQ(small.connections.size(), 3U);
    EXPECT_EQ(small.requests(), 12U);
    EXPECT_EQ(world.value(Family::upstream_requests_pending, {"app"}), 8);
    small.on_whole = [](H2Origin::Stream& asked) { asked.answer(200, "x"); };
    for (const auto& connection : small.connections) {
        for (std::size_t i = 0; i < 4; ++i)
            connection->streams[i]->answer(200, "x");
    }
    world.advance(10ms);
    for (Client* const each : asking)
        EXPECT_EQ(each->await().status, 200);
    EXPECT_EQ(small.connections.size(), 3U);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, AClientThatLeavesEndsItsStreamOnly) {
    start();
    origin.on_whole = [](H2Origin::Stream& asked) {
        if (asked.is("/good")) asked.answer(200, "good");
    };
    Client& leaving = get("/hang");
    world.settle();
    leaving.reset();
    Client& staying = get("/good");
    EXPECT_EQ(staying.await().status, 200);
    world.settle();
    EXPECT_TRUE(origin.stream(0).is_over);
    EXPECT_EQ(origin.stream(0).code, static_cast<std::uint32_t>(H2Code::cancel));
    EXPECT_EQ(origin.connections.size(), 1U);
    EXPECT_TRUE(origin.connections[0]->is_open());
    expect_nothing_leaks();
}

TEST_F(H2Upstream, ARefusedStreamIsSentAgainWhateverItsMethod) {
    start();
    int refused = 0;
    origin.on_head = [&](H2Origin::Stream& asked) {
        if (refused++ == 0) asked.reset(H2Code::refused_stream);
    };
    Client& one = world.client();
    one.request("POST", "/", "body");
    world.advance(1s);
    EXPECT_EQ(one.await().status, 200);
    EXPECT_EQ(origin.requests(), 2U);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, AStreamThatIsResetIsNotSentAgain) {
    start("    retry: {on: [connect, refused, reused, reset]}\n");
    origin.on_head = [&](H2Origin::Stream& asked) { asked.reset(H2Code::internal_error); };
    Client& one = world.client();
    one.request("POST", "/", "body");
    world.advance(1s);
    EXPECT_EQ(one.await().status, 502);
    EXPECT_EQ(world.failure().reason, Reason::upstream_reset);
    EXPECT_EQ(origin.requests(), 1U);
    EXPECT_TRUE(origin.connections[0]->is_open());
    expect_nothing_leaks();
}

TEST_F(H2Upstream, GoawayMovesNewRequestsAndFinishesOldOnes) {
    start();
    origin.on_whole = [](H2Origin::Stream& asked) {
        if (!asked.is("/slow")) asked.answer(200, "quick");
    };
    Client& slow = get("/slow");
    world.settle();
    origin.connections[0]->go_away();
    world.settle();
    EXPECT_EQ(get("/").await().body, "quick");
    EXPECT_EQ(origin.connections.size(), 2U);
    EXPECT_TRUE(origin.connections[0]->is_open());
    origin.stream(0).answer(200, "slow");
    EXPECT_EQ(slow.await().body, "slow");
    world.settle();
    EXPECT_FALSE(origin.connections[0]->is_open());
    EXPECT_EQ(connections(), 1);
    expect_nothing_leaks();
}

// Above the last stream the origin says it has seen, nothing was processed.
TEST_F(H2Upstream, WhatGoawayLeavesOutIsSentAgain) {
    start();
    origin.on_whole = [](H2Origin::Stream&) {};
    Client& first = get("/first");
    world.settle();
    origin.connections[0]->hears = false;  // what follows is not read before it goes
    Client& second = world.client();
    second.request("POST", "/second", "body");
    world.settle();
    origin.on_whole = [](H2Origin::Stream& asked) { asked.answer(200, "again"); };
    origin.connections[0]->go_away();
    world.advance(1s);
    EXPECT_EQ(second.await().body, "again");
    EXPECT_EQ(origin.connections.size(), 2U);
    origin.stream(0).answer(200, "one");
    EXPECT_EQ(first.await().body, "one");
    EXPECT_EQ(world.cluster().endpoints()->endpoints[0]->state_word(), "healthy");
    expect_nothing_leaks();
}

// What it has not looked at goes by another connection, and that is no try.
TEST_F(H2Upstream, AnOriginThatGoesAfterEachRequestServesAll) {
    start("    retry: off\n");
    origin.on_whole = [](H2Origin::Stream& asked) {
        asked.answer(200, "x");
        asked.connection.codec.end();
    };
    std::vector<Client*> asking;
    for (int i = 0; i < 40; ++i) {
        asking.push_back(&get());
        if (i % 7 == 0) world.settle();
    }
    for (Client* const each : asking)
        EXPECT_EQ(each->await().status, 200);
    EXPECT_EQ(world.value(Family::upstream_requests_active, {"app"}), 0);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, ADeadConnectionFailsItsStreamsAndSaysOneThing) {
    start("    retry: off\n");
    EXPECT_EQ(get().await().status, 200);
    origin.on_whole = [](H2Origin::Stream&) {};
    std::vector<Client*> asking;
    for (int i = 0; i < 30; ++i)
        asking.push_back(&get());
    world.advance(100ms);
    origin.reset_connections();
    for (Client* const each : asking)
        EXPECT_EQ(each->await().status, 502);
    EXPECT_EQ(world.breaker(), resilience::State::closed);
    origin.on_whole = [](H2Origin::Stream& asked) { asked.answer(200); };
    EXPECT_EQ(get().await().status, 200);
    EXPECT_EQ(origin.connections.size(), 2U);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, SilenceIsAskedByPingAndEndsTheConnection) {
    start("    retry: off\n    timeout: {request: never}\n    outlier: off\n");
    origin.on_whole = [](H2Origin::Stream&) {};
    Client& one = get();
    world.advance(30s);  // asked, and answered
    EXPECT_TRUE(origin.connections[0]->is_open());
    EXPECT_EQ(connections(), 1);
    origin.connections[0]->hears = false;
    world.advance(6min);
    EXPECT_EQ(one.await().status, 502);
    EXPECT_EQ(connections(), 0);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, AConnectionThatAnsweredNobodyIsNotUsedUntilItSpeaks) {
    start(
        "    retry: off\n    timeout: {response_header: 2s}\n    breaker: off\n    outlier: off\n");
    EXPECT_EQ(get().await().status, 200);
    origin.connections[0]->hears = false;
    Client& lost = get();
    world.advance(2500ms);
    EXPECT_EQ(lost.await().status, 504);
    EXPECT_EQ(get().await().status, 200);
    EXPECT_EQ(origin.connections.size(), 2U);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, AnIdleConnectionEndsInTime) {
    start("    timeout: {idle: 3s}\n");
    EXPECT_EQ(get().await().status, 200);
    world.advance(2s);
    EXPECT_EQ(get().await().status, 200);
    world.advance(2500ms);
    EXPECT_EQ(connections(), 1);
    world.advance(1s);
    EXPECT_EQ(connections(), 0);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, WhoDoesNotReadStopsItsStreamAlone) {
    start("    timeout: {stream_idle: 1h}\n");
    const std::string large(20'000'000, 'x');
    origin.on_whole = [&](H2Origin::Stream& asked) {
        asked.answer(200, asked.is("/large") ? std::string_view(large) : "small");
    };
    Client& slow = world.client();
    slow.set_reading(false);
    slow.request("GET", "/large");
    world.settle();
    EXPECT_GT(origin.stream(0).waiting(), 1'000'000U);
    for (int i = 0; i < 50; ++i)
        EXPECT_EQ(get().await().body, "small");
    EXPECT_EQ(origin.connections.size(), 1U);
    slow.set_reading(true);
    EXPECT_TRUE(slow.await().body == large);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, AnOriginThatDoesNotTakeTheBodyStopsTheClient) {
    start("    timeout: {stream_idle: 1h}\n");
    origin.on_head = [](H2Origin::Stream& asked) { asked.reads = false; };
    Client& one = world.client();
    one.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 30000000\r\n\r\n");
    one.send(std::string(30'000'000, 'y'));
    world.settle();
    EXPECT_GT(one.unsent(), 10'000'000U);
    EXPECT_LT(origin.stream(0).body.size(), 100'000U);
    EXPECT_EQ(get().await().status, 200);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, AnUpgradeIsRefused) {
    start();
    Client& one = world.client();
    one.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    world.settle();
    EXPECT_EQ(one.await().status, 502);
    EXPECT_EQ(world.failure().reason, Reason::upstream_protocol);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, AnOriginOfHttp1IsRefused) {
    Origin& old = world.origin();
    old.decide([](const Origin::Request&) { return answer(400); });
    world.start_cluster("    protocol: h2c\n    retry: off\n");
    EXPECT_EQ(get().await().status, 502);
    EXPECT_EQ(world.failure().reason, Reason::upstream_protocol);
    expect_nothing_leaks();
}

TEST_F(H2Upstream, ABrokenFrameFailsItsConnection) {
    start("    retry: off\n");
    origin.on_whole = [](H2Origin::Stream& asked) {
        asked.connection.send(std::string("\0\0\1\0\0\0\0\0\0x", 10));  // DATA of stream 0
    };
    EXPECT_EQ(get().await().status, 502);
    EXPECT_EQ(world.failure().reason, Reason::upstream_protocol);
    world.settle();
    EXPECT_EQ(connections(), 0);
    expect_nothing_leaks();
}

// Whoever leaves, at whatever turn, leaves nothing behind.
enum class Leaver { client_resets, origin_resets, origin_closes, origin_goes, stream_is_reset };
class H2UpstreamLeaving : public ::testing::TestWithParam<Leaver> {};

bool leave_after(Leaver who, int turns) {
    World world;
    H2Origin origin(world.loop());
    world.start(
        "version: 1\nlisteners:\n  - {name: in, listen: \":8080\", to: app}\nclusters:\n  app:\n"
        "    protocol: h2c\n    retry: off\n    endpoints: [\"" +
        origin.address() + "\"]\n");
    const std::string large(300'000, 'x');
    origin.on_whole = [&](H2Origin::Stream& asked) { asked.answer(200, large, "x: y\r\n"); };
    Client& one = world.client();
    one.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    Client& two = world.client();
    two.request("GET", "/");
    bool is_over = false;
    for (int i = 0; i < turns; ++i) {
        if (i == 2) one.send("3\r\ndef\r\n0\r\n\r\n");
        is_over = !world.loop().turn(std::chrono::milliseconds{2}) || is_over;
    }
    switch (who) {
        case Leaver::client_resets:
            one.reset();
            break;
        case Leaver::origin_resets:
            origin.reset_connections();
            break;
        case Leaver::origin_closes:
            origin.close_connections();
            break;
        case Leaver::origin_goes:
            for (const auto& each : origin.connections)
                each->go_away();
            break;
        case Leaver::stream_is_reset:
            for (const auto& each : origin.connections) {
                if (!each->streams.empty() && !each->streams[0]->is_over)
                    each->streams[0]->reset(H2Code::internal_error);
            }
            break;
    }
    world.settle();
    origin.reset_connections();
    world.settle();
    world.expect_nothing_leaks();
    return is_over;
}

TEST_P(H2UpstreamLeaving, AtAnyTurnLeavesNothingBehind) {
    int turns = 0;
    while (!leave_after(GetParam(), turns) && turns < 60)
        ++turns;
    EXPECT_GT(turns, 5);
}

INSTANTIATE_TEST_SUITE_P(Everyone,
                         H2UpstreamLeaving,
                         ::testing::Values(Leaver::client_resets,
                                           Leaver::origin_resets,
                                           Leaver::origin_closes,
                                           Leaver::origin_goes,
                                           Leaver::stream_is_reset));

// The answer is cut off after so many bytes; how many there would have been.
std::size_t cut_after(std::size_t size) {
    World world;
    H2Origin origin(world.loop());
    origin.on_whole = [&](H2Origin::Stream& asked) {
        asked.connection.cut = size;
        asked.answer(200, "hello", "t: u\r\n");
    };
    world.start(
        "version: 1\nlisteners:\n  - {name: in, listen: \":8080\", to: app}\nclusters:\n  app:\n"
        "    protocol: h2c\n    retry: off\n    endpoints: [\"" +
        origin.address() + "\"]\n");
    Client& one = world.client();
    one.request("GET", "/");
    world.settle();
    const std::size_t said = origin.connections.at(0)->said;
    const bool is_whole = one.received().find("\r\n0\r\n") != std::string::npos;
    EXPECT_TRUE(is_whole || one.has_ended() || one.received().find(" 502 ") != std::string::npos)
        << size << " of " << said << ": " << one.received();
    EXPECT_EQ(is_whole, size >= said) << size << " of " << said;
    origin.reset_connections();
    world.expect_nothing_leaks();
    return said;
}

TEST(H2UpstreamCut, AfterEveryByteTheRequestEnds) {
    const std::size_t whole = cut_after(100'000);
    ASSERT_GT(whole, 30U);
    for (std::size_t size = 0; size < whole; ++size)
        EXPECT_EQ(cut_after(size), whole);
}

}  // namespace
}  // namespace weir::test
