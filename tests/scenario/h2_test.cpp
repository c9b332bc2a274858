#include "h2_client.hpp"
#include "world.hpp"

#include <functional>

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using telemetry::Family;

class Http2 : public ::testing::Test {
  protected:
    H2Client& client() {
        return *clients.emplace_back(std::make_unique<H2Client>(world, world.listen_address()));
    }
    void expect_nothing_leaks() {
        for (const auto& each : clients)
            each->reset();
        world.settle();
        world.expect_nothing_leaks();
    }

    World world;
    Origin& origin = world.origin();
    std::vector<std::unique_ptr<H2Client>> clients;
};

TEST_F(Http2, ARequestPasses) {
    world.start_cluster();
    origin.usually(answer(200, "hello", "X-Said: so\r\n"));
    H2Client& one = client();
    one.get("/a?b");

    ASSERT_TRUE(one.await("closed 1 0")) << one.peer.told;
    EXPECT_NE(one.peer.told.find("response 1 200 length=5"), std::string::npos) << one.peer.told;
    EXPECT_NE(one.peer.told.find(" x-said=so"), std::string::npos);
    EXPECT_EQ(one.peer.body, "hello");
    EXPECT_EQ(origin.requests()[0].head.rfind("GET /a?b HTTP/1.1\r\n", 0), 0U);
    expect_nothing_leaks();
}

TEST_F(Http2, ManyStreamsShareAConnection) {
    world.start_cluster();
    origin.decide([](const Origin::Request& request) {
        return answer(200, "x").after(request.head[5] == '1' ? 20ms : 0ms);
    });
    H2Client& one = client();
    for (int i = 0; i < 100; ++i)
        one.get(i % 2 == 0 ? "/1" : "/2");
    world.settle();
    EXPECT_EQ(one.peer.body.size(), 50U);
    world.advance(30ms);
    EXPECT_EQ(one.peer.body.size(), 100U);
    EXPECT_EQ(world.value(Family::connections, {"in", "no"}), 1);
    expect_nothing_leaks();
}

TEST_F(Http2, LargeBodiesPassBothWays) {
    world.start_cluster();
    origin.decide([](const Origin::Request& request) { return answer(200, request.body); });
    std::string body(3'000'000, 'x');
    for (std::size_t i = 0; i < body.size(); i += 1000)
        body[i] = static_cast<char>('a' + i / 1000 % 26);
    H2Client& one = client();
    auto& stream =
        one.request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n", false);
    one.peer.codec.send_body(stream, body, true, {});
    one.say();

    ASSERT_TRUE(one.await("closed 1 0")) << one.peer.told;
    EXPECT_TRUE(one.peer.body == body);
    expect_nothing_leaks();
}

TEST_F(Http2, AFailedRequestIsTriedAgain) {
    world.start_cluster();
    origin.next(answer(503)).usually(answer(200, "good"));
    H2Client& one = client();
    one.get();
    world.advance(1s);
    ASSERT_TRUE(one.await("closed 1 0")) << one.peer.told;
    EXPECT_EQ(one.peer.body, "good");
    expect_nothing_leaks();
}

TEST_F(Http2, AStalledAnswerIsCutOff) {
    world.start_cluster("    timeout: {stream_idle: 1s}\n");
    origin.usually(answer(200, std::string(10'000'000, 'x')));
    H2Client& one = client();
    one.peer.consumes = false;
    one.get();
    world.settle();
    EXPECT_LT(one.peer.body.size(), 70'000U);
    world.advance(3s);
    EXPECT_TRUE(one.await("closed 1 2")) << one.peer.told;
    expect_nothing_leaks();
}

TEST_F(Http2, AClientThatReadsNothingIsLeftInTheEnd) {
    world.start(
        "version: 1\nlisteners:\n  - {name: in, listen: \":8080\", to: app}\nclusters:\n  app:\n"
        "    endpoints: [\"${A}\"]\n    timeout: {stream_idle: 1s}\n"
        "defaults: {timeout: {client_idle: 2s}}\n");
    origin.usually(answer(200, std::string(30'000'000, 'x')));
    constexpr std::uint32_t kWide = 1U << 30U;
    H2Client one(world, world.listen_address(),
                 {.stream_window = kWide, .connection_window = kWide});
    one.get();
    world.settle();
    one.set_reading(false);
    world.advance(20s);
    EXPECT_EQ(world.value(Family::connections_active, {"in", "no"}), 0);
    expect_nothing_leaks();
}

// Though its client is gone in the same moment.
TEST_F(Http2, ABrokenRuleIsCounted) {
    world.start_cluster();
    const auto count = [&] {
        return world.value(Family::protocol_refused, {"in", "h2_protocol", "enforce"});
    };
    enum class Then : std::uint8_t { stay, end, close, reset };
    std::int64_t broken = 0;
    for (const Then then : {Then::stay, Then::end, Then::close, Then::reset}) {
        for (const bool says_goodbye : {false, true}) {
            H2Client& one = client();
            one.get();
            ASSERT_TRUE(one.await("closed 1 0"));
            if (says_goodbye) one.send(test::h2::frame(h2::goaway, 0, 0, std::string(8, '\0')));
            one.send(test::h2::frame(h2::ping, 0, 0, "1234567"));
            if (then == Then::end) one.shutdown_send();
            if (then == Then::close) one.close();
            if (then == Then::reset) one.reset();
            world.settle();
            EXPECT_EQ(count(), ++broken) << static_cast<int>(then) << says_goodbye;
        }
    }
    expect_nothing_leaks();
}

TEST_F(Http2, ADrainTellsTheClient) {
    world.start_cluster();
    origin.usually(answer(200, "late").after(100ms));
    H2Client& one = client();
    one.get();
    world.settle();
    world.drain();
    ASSERT_TRUE(one.await("goaway"));
    world.advance(200ms);
    EXPECT_TRUE(one.await("response 1 200")) << one.peer.told;
    expect_nothing_leaks();
}

// Whoever leaves, at whatever turn, leaves nothing behind.
enum class Leaver { client_resets, client_closes, stream_is_reset, origin_resets, origin_closes };
class Http2Leaving : public ::testing::TestWithParam<Leaver> {};

bool leave_after(Leaver who, int turns) {
    World world;
    Origin& origin = world.origin();
    world.start_cluster("    retry: off\n");
    origin.usually(answer_chunked(std::string(50'000, 'x'), 20'000));
    H2Client one(world, world.listen_address());
    auto& stream =
        one.request("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", false);
    one.peer.codec.send_body(stream, std::string(30'000, 'y'), true, "x: y\r\n");
    one.get();
    one.say();
    bool is_over = false;
    for (int i = 0; i < turns; ++i)
        is_over = !world.loop().turn(std::chrono::milliseconds{2}) || is_over;
    switch (who) {
        case Leaver::client_resets:
            one.reset();
            break;
        case Leaver::client_closes:
            one.close();
            break;
        case Leaver::stream_is_reset:
            one.peer.codec.reset(stream, http::H2Code::cancel);
            one.say();
            break;
        case Leaver::origin_resets:
            origin.reset_connections();
            break;
        case Leaver::origin_closes:
            origin.close_connections();
            break;
    }
    world.settle();
    if (one.is_open()) one.reset();
    world.settle();
    world.expect_nothing_leaks();
    return is_over;
}

TEST_P(Http2Leaving, AtAnyTurnLeavesNothingBehind) {
    int turns = 0;
    while (!leave_after(GetParam(), turns) && turns < 40)
        ++turns;
    EXPECT_GT(turns, 3);
}

INSTANTIATE_TEST_SUITE_P(Everyone,
                         Http2Leaving,
                         ::testing::Values(Leaver::client_resets,
                                           Leaver::client_closes,
                                           Leaver::stream_is_reset,
                                           Leaver::origin_resets,
                                           Leaver::origin_closes));

}  // namespace
}  // namespace weir::test
