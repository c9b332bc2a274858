#include "world.hpp"

// Bytes of any protocol: either side leaves at every byte and between any two turns, every read and
// write of Weir fails once. (Client and origin speak HTTP here, but Weir is not to know.)
namespace weir::test {
namespace {

using namespace std::chrono_literals;
using telemetry::Family;

const std::string kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kBody = "what the origin says";

struct Case {
    const char* name;
    const char* listener;
};
constexpr std::array kCases{Case{"tcp", "protocol: tcp"},
                            Case{"detected", "mode: inbound, detect_timeout: 1ms"}};

class Opaque : public ::testing::TestWithParam<Case> {
  protected:
    static void start(World& world, const std::string& lines = {}) {
        std::string yaml =
            "version: 1\nlisteners:\n  - {name: in, listen: \"127.0.0.1:0\", to: app, ";
        yaml += GetParam().listener;
        yaml += "}\nclusters:\n  app:\n    endpoints: [\"${A}\"]\n" + lines;
        world.start(yaml);
    }
    // Connected, and past detection.
    static Client& client(World& world) {
        Client& made = world.client();
        world.settle();
        world.advance(1ms);
        world.settle();
        return made;
    }
};

TEST_P(Opaque, CarriesBothWays) {
    World world;
    Origin& origin = world.origin();
    start(world);
    origin.usually(answer(200, kBody));
    Client& peer = client(world);
    peer.send(kRequest);
    ASSERT_TRUE(world.until([&] { return peer.received().ends_with(kBody); }));
    EXPECT_EQ(world.value(Family::connections, {"in", "no"}), 1);
    EXPECT_EQ(world.value(Family::upstream_connections_active, {"app"}), 1);
    world.expect_nothing_leaks();
    EXPECT_EQ(world.value(Family::request_bytes, {"default"}),
              static_cast<std::int64_t>(kRequest.size()));
}

TEST_P(Opaque, AClientMayLeaveAtEveryByte) {
    for (const bool is_reset : {false, true}) {
        World world;
        Origin& origin = world.origin();
        start(world);
        origin.usually(answer(200, kBody));
        for (std::size_t size = 0; size <= kRequest.size(); ++size) {
            SCOPED_TRACE(size);
            Client& peer = client(world);
            peer.send(std::string_view(kRequest).substr(0, size));
            if (size % 2 == 0) world.settle();
            is_reset ? peer.reset() : peer.close();
            ASSERT_TRUE(world.until([&] { return world.begun() == 0; })) << world.begun();
        }
        EXPECT_EQ(world.state(origin), "healthy");
        world.expect_nothing_leaks();
    }
}

TEST_P(Opaque, AClientMayLeaveBetweenAnyTwoTurns) {
    bool was_done = false;
    for (int turns = 0; turns < 100 && !was_done; ++turns) {
        SCOPED_TRACE(turns);
        World world;
        Origin& origin = world.origin();
        start(world);
        origin.usually(answer(200, kBody));
        Client& peer = world.client();
        for (int i = 0; i < turns; ++i) {
            if (i == 3) world.advance(1ms);
            if (i == 5) peer.send(kRequest);
            world.turn();
        }
        was_done = peer.received().ends_with(kBody);
        peer.reset();
        world.expect_nothing_leaks();
        EXPECT_EQ(world.state(origin), "healthy");
    }
    EXPECT_TRUE(was_done);
}

TEST_P(Opaque, AnOriginMayLeaveAtEveryByte) {
    const Act whole = answer(200, kBody);
    for (const Act::Then how : {Act::Then::close, Act::Then::reset}) {
        World world;
        Origin& origin = world.origin();
        start(world, "    breaker: off\n    outlier: off\n    retry: off\n");
        for (std::size_t size = 0; size < whole.bytes.size(); ++size) {
            SCOPED_TRACE(size);
            origin.next(whole.cut(size, how));
            Client& peer = client(world);
            peer.send(kRequest);
            ASSERT_TRUE(world.until([&] { return peer.has_ended(); }));
            if (how == Act::Then::close) {
                EXPECT_EQ(peer.end(), Peer::End::eof);
                EXPECT_EQ(peer.received(), whole.bytes.substr(0, size));
            }
            peer.close();
            ASSERT_TRUE(world.until([&] { return world.begun() == 0; }));
        }
        world.expect_nothing_leaks();
    }
}

TEST_P(Opaque, EveryReadAndWriteMayFailOnce) {
    for (std::int64_t call = 0; call < 12; ++call) {
        SCOPED_TRACE(call);
        World world;
        Origin& origin = world.origin();
        start(world, "    breaker: off\n    outlier: off\n");
        origin.usually(answer(200, kBody));
        Client& peer = client(world);
        transport::FailPoint point{call};
        transport::Socket::set_fail_point(&point);
        peer.send(kRequest);
        world.settle();
        transport::Socket::set_fail_point(nullptr);
        EXPECT_TRUE(peer.received().ends_with(kBody) || peer.has_ended()) << peer.received();
        world.expect_nothing_leaks();
    }
}

TEST_P(Opaque, RefusedConnectionsAreTheEndpointsFailures) {
    World world;
    Origin& origin = world.origin();
    start(world, "    retry: off\n");
    origin.refuse();
    for (int i = 0; i < 6; ++i) {
        Client& peer = client(world);
        ASSERT_TRUE(world.until([&] { return peer.has_ended(); }));
        world.advance(60ms);
    }
    EXPECT_EQ(world.breaker(), resilience::State::open);
    EXPECT_GT(world.value(Family::upstream_connect_failures, {"app", "refused"}), 0);
    origin.accept_again();
    world.advance(2s);
    origin.usually(answer(200, kBody));
    for (int i = 0; i < 4 && world.breaker() != resilience::State::closed; ++i) {
        Client& peer = client(world);
        peer.send(kRequest);
        world.settle();
        peer.close();
        world.settle();
        world.advance(100ms);
    }
    EXPECT_EQ(world.breaker(), resilience::State::closed) << "connecting is all there is to see";
    world.expect_nothing_leaks();
}

TEST_P(Opaque, AConnectionThatIsNotTakenInTimeIsGivenUp) {
    World world;
    Origin& origin = world.origin();
    start(world, "    retry: off\n    limits: {max_connections: 1, queue_timeout: 100ms}\n");
    origin.usually(answer(200, kBody));
    Client& first = client(world);
    Client& second = client(world);
    EXPECT_FALSE(first.has_ended());
    world.advance(150ms);
    ASSERT_TRUE(world.until([&] { return second.has_ended(); }));
    EXPECT_FALSE(first.has_ended());
    world.expect_nothing_leaks();
}

INSTANTIATE_TEST_SUITE_P(Listeners, Opaque, ::testing::ValuesIn(kCases), [](const auto& each) {
    return std::string(each.param.name);
});

}  // namespace
}  // namespace weir::test
