#include "h2_client.hpp"
#include "h2_origin.hpp"
#include "switching_origin.hpp"
#include "world.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using http::H2Code;
using telemetry::Family;

constexpr std::string_view kAsk =
    "GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

enum class Way : std::uint8_t { h2_to_h1, h1_to_h2, h2_to_h2 };
constexpr Way kWays[] = {Way::h2_to_h1, Way::h1_to_h2, Way::h2_to_h2};

// A WebSocket through Weir, with HTTP/2 on one side or both: each end in the same words.
class Bed {
  public:
    explicit Bed(Way way, const std::string& lines = {})
        : h2_client_(way != Way::h1_to_h2), h2_origin_(way != Way::h2_to_h1) {
        h2.on_head = [this](H2Origin::Stream& asked) {
            asked.connection.codec.send_head(
                asked, "HTTP/1.1 101 Switching\r\nSec-WebSocket-Protocol: chat\r\n\r\n", false);
        };
        h2.on_whole = [](H2Origin::Stream&) {};
        world.start(
            "version: 1\nlisteners:\n  - {name: in, listen: \":8080\", to: app}\nclusters:\n"
            "  app:\n    endpoints: [\"" +
            (h2_origin_ ? h2.address() : h1.address()) + "\"]\n" +
            (h2_origin_ ? "    protocol: h2c\n" : "") + lines);
    }

    void ask() {
        if (h2_client_) {
            two = std::make_unique<H2Client>(world, world.listen_address());
            stream = &two->websocket("/chat", "Sec-WebSocket-Version: 13\r\n");
        } else {
            one = &world.client();
            one->send(kAsk);
        }
    }
    [[nodiscard]] bool is_open() const {
        return h2_client_ ? two->peer.told.find("response 1 101") != std::string::npos
                          : one->received().find(" 101 ") != std::string::npos;
    }
    void open() {
        ask();
        world.settle();
        ASSERT_TRUE(is_open()) << (h2_client_ ? two->peer.told : one->received());
    }

    // ---- the client
    void client_says(std::string_view bytes, bool is_last = false) {
        if (h2_client_) {
            two->peer.codec.send_body(*stream, bytes, is_last, {});
            two->say();
        } else {
            one->send(bytes);
            if (is_last) one->shutdown_send();
        }
    }
    void client_resets() {
        if (!h2_client_) return one->reset();
        two->peer.codec.reset(*stream, H2Code::cancel);
        two->say();
    }
    void client_is_gone() {
        if (h2_client_) {
            two->reset();
        } else {
            one->reset();
        }
    }
    void client_reads(bool reads) {
        if (!h2_client_) return one->set_reading(reads);
        two->peer.consumes = reads;
        if (!reads) return;
        two->peer.codec.consume(*stream, two->peer.body.size());
        two->say();
    }
    [[nodiscard]] std::string client_heard() const {
        if (h2_client_) return two->peer.body;
        const std::size_t head = one->received().find("\r\n\r\n");
        return head == std::string::npos ? "" : one->received().substr(head + 4);
    }
    // As its side of the connection says: "", "end" or "reset".
    [[nodiscard]] std::string client_end() const {
        if (!h2_client_)
            return one->end() == Peer::End::none  ? ""
                   : one->end() == Peer::End::eof ? "end"
                                                  : "reset";
        const std::string& told = two->peer.told;
        if (told.find("closed 1 8") != std::string::npos) return "reset";
        if (told.find("closed 1 0") != std::string::npos || told.find("end 1") != std::string::npos)
            return "end";
        return told.find("closed 1") != std::string::npos ? told : "";
    }

    // ---- the origin
    [[nodiscard]] H2Origin::Stream& origin_stream() { return h2.stream(0); }
    [[nodiscard]] SwitchingOrigin::Connection& origin_peer() { return *h1.connections.at(0); }
    void origin_says(std::string_view bytes, bool is_last = false) {
        if (h2_origin_) {
            origin_stream().connection.codec.send_body(origin_stream(), bytes, is_last, {});
            origin_stream().connection.say();
        } else {
            origin_peer().send(bytes);
            if (is_last) origin_peer().shutdown_send();
        }
    }
    void origin_resets() {
        if (h2_origin_) {
            for (const auto& each : h2.connections) {
                if (!each->streams.empty() && !each->streams[0]->is_over)
                    each->streams[0]->reset(H2Code::cancel);
            }
        } else {
            for (const auto& each : h1.connections)
                each->reset();
        }
    }
    void origin_is_gone(bool resets) {
        for (const auto& each : h1.connections)
            resets ? each->reset() : each->close();
        if (resets) {
            h2.reset_connections();
        } else {
            h2.close_connections();
        }
    }
    void origin_reads(bool reads) {
        if (!h2_origin_) return origin_peer().set_reading(reads);
        origin_stream().reads = reads;
        if (!reads) return;
        origin_stream().connection.codec.consume(origin_stream(), origin_stream().body.size());
        origin_stream().connection.say();
    }
    [[nodiscard]] std::string origin_heard() {
        return h2_origin_ ? origin_stream().body : origin_peer().heard;
    }
    [[nodiscard]] std::string origin_end() {
        if (h2_origin_) {
            if (origin_stream().is_over && origin_stream().code != 0) return "reset";
            return origin_stream().is_whole ? "end" : "";
        }
        const Peer::End end = origin_peer().end();
        return end == Peer::End::none ? "" : end == Peer::End::eof ? "end" : "reset";
    }

    void expect_nothing_leaks() {
        world.settle();
        if (two && two->is_open()) two->reset();
        world.settle();
        origin_is_gone(true);
        world.settle();
        world.expect_nothing_leaks();
    }

    World world;
    SwitchingOrigin h1{world.loop()};
    H2Origin h2{world.loop()};
    Client* one = nullptr;
    std::unique_ptr<H2Client> two;
    H2Peer::Stream* stream = nullptr;

  private:
    const bool h2_client_;
    const bool h2_origin_;
};

class WebSocket : public ::testing::TestWithParam<Way> {};
INSTANTIATE_TEST_SUITE_P(AllWays, WebSocket, ::testing::ValuesIn(kWays));

TEST_P(WebSocket, BytesPassBothWaysUntilBothEnd) {
    Bed bed(GetParam());
    bed.open();
    bed.client_says("ping");
    bed.origin_says("pong");
    bed.world.settle();
    EXPECT_EQ(bed.origin_heard(), "ping");
    EXPECT_EQ(bed.client_heard(), "pong");
    EXPECT_EQ(bed.world.value(Family::requests_active, {"in"}), 1);

    bed.client_says(" bye", true);
    bed.world.settle();
    EXPECT_EQ(bed.origin_heard(), "ping bye");
    EXPECT_EQ(bed.origin_end(), "end");
    EXPECT_EQ(bed.client_end(), "");
    bed.origin_says(" yes", true);
    bed.world.settle();
    EXPECT_EQ(bed.client_heard(), "pong yes");
    EXPECT_EQ(bed.client_end(), "end");
    EXPECT_EQ(bed.world.value(Family::requests_active, {"in"}), 0);
    bed.expect_nothing_leaks();
}

TEST_P(WebSocket, TheOriginMayEndFirst) {
    Bed bed(GetParam());
    bed.open();
    bed.origin_says("so long", true);
    bed.world.settle();
    EXPECT_EQ(bed.client_heard(), "so long");
    EXPECT_EQ(bed.client_end(), "end");
    bed.client_says("wait");
    bed.world.settle();
    EXPECT_EQ(bed.origin_heard(), "wait");
    EXPECT_EQ(bed.origin_end(), "");
    bed.client_says("", true);
    bed.world.settle();
    EXPECT_EQ(bed.origin_end(), "end");
    EXPECT_EQ(bed.world.value(Family::requests_active, {"in"}), 0);
    bed.expect_nothing_leaks();
}

TEST_P(WebSocket, AResetOfTheClientIsOneForTheOrigin) {
    Bed bed(GetParam());
    bed.open();
    bed.client_resets();
    bed.world.settle();
    EXPECT_EQ(bed.origin_end(), "reset");
    bed.expect_nothing_leaks();
}

TEST_P(WebSocket, AResetOfTheOriginIsOneForTheClient) {
    Bed bed(GetParam());
    bed.open();
    bed.origin_resets();
    bed.world.settle();
    EXPECT_EQ(bed.client_end(), "reset");
    EXPECT_EQ(bed.world.breaker(), resilience::State::closed);
    bed.expect_nothing_leaks();
}

// What it said before goes out.
TEST_P(WebSocket, TheLastWordOfAnOriginThatResetsArrives) {
    Bed bed(GetParam());
    bed.open();
    bed.client_reads(false);
    bed.origin_says(std::string(40'000, 'x'));
    bed.world.settle();
    bed.origin_resets();
    bed.world.settle();
    bed.client_reads(true);
    bed.world.settle();
    EXPECT_EQ(bed.client_heard().size(), 40'000U);
    EXPECT_EQ(bed.client_end(), "reset");
    bed.expect_nothing_leaks();
}

TEST_P(WebSocket, MuchPassesWhole) {
    Bed bed(GetParam());
    bed.open();
    std::string much(3'000'000, 'x');
    for (std::size_t i = 0; i < much.size(); i += 1000)
        much[i] = static_cast<char>('a' + i / 1000 % 26);
    bed.client_says(much, true);
    bed.origin_says(much, true);
    bed.world.settle();
    EXPECT_TRUE(bed.origin_heard() == much);
    EXPECT_TRUE(bed.client_heard() == much);
    EXPECT_EQ(bed.world.value(Family::requests_active, {"in"}), 0);
    bed.expect_nothing_leaks();
}

TEST_P(WebSocket, WhoDoesNotReadStopsTheOther) {
    Bed bed(GetParam());
    bed.open();
    const std::string much(30'000'000, 'x');
    bed.origin_reads(false);
    bed.client_says(much);
    bed.world.settle();
    if (bed.one != nullptr) {
        EXPECT_GT(bed.one->unsent(), 10'000'000U);
    } else {
        EXPECT_GT(bed.stream->waiting(), 10'000'000U);
    }
    bed.client_says("", true);
    bed.origin_reads(true);
    bed.world.settle();
    EXPECT_EQ(bed.origin_heard().size(), much.size());

    bed.client_reads(false);
    bed.origin_says(much, true);
    bed.world.settle();
    EXPECT_LT(bed.client_heard().size(), 1'000'000U);
    bed.client_reads(true);
    bed.world.settle();
    EXPECT_EQ(bed.client_heard().size(), much.size());
    EXPECT_EQ(bed.world.value(Family::requests_active, {"in"}), 0);
    bed.expect_nothing_leaks();
}

TEST_P(WebSocket, ItEndsWhenNothingMovesForTcpIdle) {
    Bed bed(GetParam(), "    timeout: {stream_idle: 1s, total: 5s, request: 2s, tcp_idle: 10s}\n");
    bed.open();
    for (int i = 0; i < 4; ++i) {
        bed.world.advance(6s);
        bed.client_says("x");
        bed.world.settle();
    }
    EXPECT_EQ(bed.client_end(), "");
    bed.world.advance(11s);
    bed.world.settle();
    EXPECT_EQ(bed.client_end(), "end");
    EXPECT_NE(bed.origin_end(), "");
    EXPECT_EQ(bed.world.value(Family::requests_active, {"in"}), 0);
    bed.expect_nothing_leaks();
}

// Who ends its side is not waited for by the other for an hour.
TEST_P(WebSocket, HalfOpenItEndsSoon) {
    for (const bool is_client : {true, false}) {
        Bed bed(GetParam());
        bed.open();
        if (is_client) {
            bed.client_says("bye", true);
        } else {
            bed.origin_says("bye", true);
        }
        bed.world.settle();
        for (int i = 0; i < 3; ++i) {
            bed.world.advance(1s);
            if (is_client) {
                bed.origin_says("wait");
            } else {
                bed.client_says("wait");
            }
            bed.world.settle();
        }
        EXPECT_EQ(bed.world.value(Family::requests_active, {"in"}), 1);
        bed.world.advance(3s);
        bed.world.settle();
        EXPECT_EQ(bed.world.value(Family::requests_active, {"in"}), 0);
        bed.expect_nothing_leaks();
    }
}

TEST_P(WebSocket, ItGoesOnWhileTheListenerDrains) {
    Bed bed(GetParam());
    bed.open();
    bed.world.drain();
    bed.client_says("still");
    bed.world.settle();
    EXPECT_EQ(bed.origin_heard(), "still");
    EXPECT_EQ(bed.client_end(), "");
    bed.expect_nothing_leaks();
}

TEST_P(WebSocket, ItIsOneRequestThatSucceeded) {
    Bed bed(GetParam());
    bed.open();
    bed.client_says("x", true);
    bed.origin_says("y", true);
    bed.world.settle();
    EXPECT_EQ(bed.world.value(Family::upstream_requests_active, {"app"}), 0);
    const std::string_view status = GetParam() == Way::h1_to_h2 ? "101" : "200";
    EXPECT_EQ(bed.world.value(Family::requests, {"in", "default", "app", status, "ok", "none"}), 1);
    bed.expect_nothing_leaks();
}

enum class Leaver : std::uint8_t {
    client_resets,
    client_is_gone,
    client_ends,
    origin_resets,
    origin_is_gone,
    origin_closes,
    origin_goes,
    both_end
};
class WebSocketLeaving : public ::testing::TestWithParam<std::tuple<Way, Leaver>> {};

bool leave_after(Way way, Leaver who, int turns) {
    Bed bed(way, "    retry: off\n");
    bed.ask();
    bed.h1.first_words = "hello";
    bool is_over = false;
    for (int i = 0; i < turns; ++i) {
        if (i == 3) bed.client_says(std::string(100'000, 'c'));
        if (bed.is_open() && i % 3 == 0) bed.origin_says(std::string(30'000, 'o'));
        is_over = !bed.world.loop().turn(std::chrono::milliseconds{2}) || is_over;
    }
    switch (who) {
        case Leaver::client_resets:
            bed.client_resets();
            break;
        case Leaver::client_is_gone:
            bed.client_is_gone();
            break;
        case Leaver::client_ends:
            bed.client_says("", true);
            break;
        case Leaver::origin_resets:
            bed.origin_resets();
            break;
        case Leaver::origin_is_gone:
            bed.origin_is_gone(true);
            break;
        case Leaver::origin_closes:
            bed.origin_is_gone(false);
            break;
        case Leaver::origin_goes:
            for (const auto& each : bed.h2.connections)
                each->go_away();
            break;
        case Leaver::both_end:
            if (bed.is_open()) bed.origin_says("", true);
            bed.client_says("", true);
            break;
    }
    if (turns % 2 == 0) bed.world.settle();
    bed.client_is_gone();
    bed.expect_nothing_leaks();
    return is_over;
}

TEST_P(WebSocketLeaving, AtAnyTurnLeavesNothingBehind) {
    int turns = 0;
    while (!leave_after(std::get<0>(GetParam()), std::get<1>(GetParam()), turns) && turns < 40)
        ++turns;
    EXPECT_GT(turns, 5);
}

INSTANTIATE_TEST_SUITE_P(Everyone,
                         WebSocketLeaving,
                         ::testing::Combine(::testing::ValuesIn(kWays),
                                            ::testing::Values(Leaver::client_resets,
                                                              Leaver::client_is_gone,
                                                              Leaver::client_ends,
                                                              Leaver::origin_resets,
                                                              Leaver::origin_is_gone,
                                                              Leaver::origin_closes,
                                                              Leaver::origin_goes,
                                                              Leaver::both_end)));

// ---- the handshake

TEST(WebSocketHandshake, Http1GetsAKeyOfOurs) {
    Bed bed(Way::h2_to_h1);
    bed.h1.first_words = "hello";
    bed.ask();
    bed.client_says("early");  // nobody asked for it yet
    bed.world.settle();
    const std::string& head = bed.origin_peer().head;
    EXPECT_EQ(head.rfind("GET /chat HTTP/1.1\r\nHost: example.com\r\n", 0), 0U) << head;
    EXPECT_NE(head.find("\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"), std::string::npos);
    EXPECT_NE(head.find("\r\nsec-websocket-version: 13\r\n"), std::string::npos) << head;
    EXPECT_EQ(http::find_websocket_key(head).size(), 24U) << head;
    EXPECT_EQ(bed.origin_heard(), "early");
    EXPECT_EQ(bed.client_heard(), "hello");
    EXPECT_NE(bed.two->peer.told.find("response 1 101 sec-websocket-protocol=chat"),
              std::string::npos)
        << bed.two->peer.told;
    EXPECT_EQ(bed.two->peer.told.find("sec-websocket-accept"), std::string::npos);
    bed.expect_nothing_leaks();
}

TEST(WebSocketHandshake, Http1GetsTheAnswerToItsKey) {
    Bed bed(Way::h1_to_h2);
    bed.ask();
    bed.client_says("early");
    bed.world.settle();
    const std::string& answer = bed.one->received();
    EXPECT_EQ(answer.rfind("HTTP/1.1 101 Switching Protocols\r\n", 0), 0U) << answer;
    EXPECT_NE(answer.find("\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"), std::string::npos);
    EXPECT_NE(answer.find("\r\nSec-WebSocket-Accept: " + std::string(kAccept) + "\r\n"),
              std::string::npos)
        << answer;
    EXPECT_EQ(bed.origin_heard(), "early");
    EXPECT_EQ(bed.origin_stream().fields.find("sec-websocket-key"), std::string::npos);
    EXPECT_NE(bed.origin_stream().fields.find("sec-websocket-version: 13\n"), std::string::npos);
    bed.expect_nothing_leaks();
}

// What an origin of HTTP/1 answers to a WebSocket, and the status that its client gets.
TEST(WebSocketHandshake, OnlyARealSwitchIsOne) {
    const std::pair<std::string, std::string> kCases[] = {
        {"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "502"},
        {"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
         "502"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "502"},
        {"HTTP/1.1 204 Gone\r\n\r\n", "502"},
        {"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", "403"},
        {"HTTP/1.1 426 Old\r\nContent-Length: 0\r\n\r\n", "426"},
    };
    for (const auto& [answer, status] : kCases) {
        Bed bed(Way::h2_to_h1, "    retry: off\n");
        bed.h1.answer = answer;
        bed.ask();
        bed.world.settle();
        EXPECT_NE(bed.two->peer.told.find("response 1 " + status), std::string::npos)
            << answer << bed.two->peer.told;
        bed.expect_nothing_leaks();
    }
}

TEST(WebSocketHandshake, ARefusalOfHttp2Passes) {
    Bed bed(Way::h1_to_h2);
    bed.h2.on_head = [](H2Origin::Stream& asked) { asked.answer(403, "no"); };
    bed.ask();
    EXPECT_EQ(bed.one->received().find(" 101 "), std::string::npos);
    bed.world.settle();
    EXPECT_EQ(bed.one->received().rfind("HTTP/1.1 403", 0), 0U) << bed.one->received();
    bed.expect_nothing_leaks();
}

// Its settings tell, and may come after the connection: the request waits for them.
TEST(WebSocketHandshake, AnUpstreamThatTakesNoneIsNotAsked) {
    World world;
    H2Origin origin(world.loop(), {.takes_websockets = false});
    world.start(
        "version: 1\nlisteners:\n  - {name: in, listen: \":8080\", to: app}\nclusters:\n  app:\n"
        "    protocol: h2c\n    endpoints: [\"" +
        origin.address() + "\"]\n");
    for (int i = 0; i < 2; ++i) {
        Client& one = world.client();
        one.send(kAsk);
        world.settle();
        EXPECT_EQ(one.received().rfind("HTTP/1.1 502", 0), 0U) << one.received();
        EXPECT_EQ(world.failure().reason, Reason::upstream_protocol);
    }
    EXPECT_EQ(origin.requests(), 0U);
    EXPECT_EQ(world.ask().status, 200);
    origin.reset_connections();
    world.settle();
    world.expect_nothing_leaks();
}

TEST(WebSocketHandshake, AnswersOfOurOwnAreNoTunnel) {
    World world;
    world.start(
        "version: 1\nlisteners:\n  - {name: in, listen: \":8080\", routes: [{respond: {status: "
        "200, "
        "body: hi}}]}\n");
    H2Client one(world, world.listen_address());
    one.websocket();
    ASSERT_TRUE(one.await("response 1 400")) << one.peer.told;
    one.get();
    ASSERT_TRUE(one.await("response 3 200")) << one.peer.told;
    one.reset();
    world.settle();
    world.expect_nothing_leaks();
}

}  // namespace
}  // namespace weir::test
