#include "weir/http/h2.hpp"

#include "support/h2_peer.hpp"
#include <gtest/gtest.h>

namespace weir::http {
namespace {

using test::H2Peer;
using test::talk;
using Side = H2Codec::Side;
namespace h2 = test::h2;

struct Pair {
    H2Peer client{Side::client};
    H2Peer server{Side::server};
    H2Peer::Stream stream;

    void ask(std::string_view head, bool ends = true) {
        ASSERT_TRUE(client.codec.open(stream, head, "http", ends));
        talk(client, server);
    }
    H2Stream& answered() { return server.streams.back(); }
};

TEST(H2Codec, ARequestAndItsAnswerPass) {
    Pair pair;
    pair.ask(
        "GET /a?b HTTP/1.1\r\nHost: example.com\r\nX-Said: so\r\nConnection: te\r\n"
        "TE: trailers\r\n\r\n");
    pair.server.codec.send_head(
        pair.answered(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: x\r\n\r\n", false);
    pair.server.codec.send_body(pair.answered(), "ok", true, {});
    talk(pair.client, pair.server);

    EXPECT_EQ(pair.server.told,
              "request 1 GET example.com /a?b x-said=so te=trailers .\nclosed 1 0\n");
    EXPECT_EQ(pair.client.told, "response 1 200 length=2 content-length=2\nend 1 \nclosed 1 0\n");
    EXPECT_EQ(pair.client.body, "ok");
}

TEST(H2Codec, WhereTheBytesAreCutMakesNoDifference) {
    std::string whole;
    for (const std::size_t piece : {std::string_view::npos, std::size_t{1}, std::size_t{7}}) {
        Pair pair;
        ASSERT_TRUE(pair.client.codec.open(
            pair.stream, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "http",
            false));
        pair.client.codec.send_body(pair.stream, "body", true, "X-End: yes\r\n");
        talk(pair.client, pair.server, piece);
        pair.server.codec.send_head(pair.answered(), "HTTP/1.1 204 No Content\r\n\r\n", true);
        talk(pair.client, pair.server, piece);
        const std::string seen = pair.server.told + pair.server.body + pair.client.told;
        if (whole.empty()) whole = seen;
        EXPECT_EQ(seen, whole);
    }
    EXPECT_EQ(whole,
              "request 1 POST h / streamed\nend 1 x-end: yes\r\n\nclosed 1 0\nbody"
              "response 1 204 .\nclosed 1 0\n");
}

TEST(H2Codec, AnAnswerOfTrailersOnlyIsOneFrame) {
    Pair pair;
    pair.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    pair.server.codec.send_head(pair.answered(), "HTTP/1.1 200 OK\r\ngrpc-status: 5\r\n\r\n", true);
    talk(pair.client, pair.server);
    EXPECT_EQ(pair.client.told, "response 1 200 grpc-status=5 .\nclosed 1 0\n");
}

TEST(H2Codec, InterimAnswersComeFirst) {
    Pair pair;
    pair.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    pair.server.codec.send_interim(pair.answered(), "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n");
    pair.server.codec.send_head(pair.answered(), "HTTP/1.1 200 OK\r\n\r\n", true);
    talk(pair.client, pair.server);
    EXPECT_EQ(pair.client.told, "response 1 103 link=x\nresponse 1 200 .\nclosed 1 0\n");
}

TEST(H2Codec, WhatTheWindowHoldsBackWaitsAndGoesOn) {
    Pair pair;
    pair.client.consumes = false;
    pair.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    pair.server.codec.send_head(pair.answered(), "HTTP/1.1 200 OK\r\n\r\n", false);
    const std::string body(100'000, 'x');
    pair.server.codec.send_body(pair.answered(), body, false, {});
    talk(pair.client, pair.server);
    EXPECT_EQ(pair.client.body.size(), 65'536U);
    EXPECT_EQ(pair.answered().waiting(), body.size() - 65'536);
    EXPECT_EQ(pair.server.told.find("drained"), std::string::npos);

    pair.client.codec.consume(pair.stream, 65'536);
    talk(pair.client, pair.server);
    EXPECT_EQ(pair.client.body, body);
    EXPECT_NE(pair.server.told.find("drained 1\n"), std::string::npos);
}

TEST(H2Codec, NothingIsFramedWhileTheConnectionIsBlocked) {
    Pair pair;
    pair.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    pair.server.codec.set_blocked(true);
    pair.server.codec.send_head(pair.answered(), "HTTP/1.1 200 OK\r\n\r\n", false);
    pair.server.codec.send_body(pair.answered(), "ok", true, {});
    EXPECT_TRUE(pair.server.speak().empty());
    EXPECT_EQ(pair.answered().waiting(), 2U);
    pair.server.codec.set_blocked(false);
    talk(pair.client, pair.server);
    EXPECT_EQ(pair.client.body, "ok");
}

TEST(H2Codec, AnEarlyAnswerEndsTheRequest) {
    Pair pair;
    pair.ask("POST / HTTP/1.1\r\nHost: h\r\n\r\n", false);
    pair.server.codec.send_head(pair.answered(), "HTTP/1.1 413 No\r\n\r\n", true);
    pair.server.codec.reset_after_end(pair.answered());
    talk(pair.client, pair.server);
    EXPECT_EQ(pair.client.told, "response 1 413 .\nclosed 1 0\n");
}

TEST(H2Codec, WhatCameAfterAGoawayWasNotLookedAt) {
    Pair pair;
    pair.ask("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    H2Peer::Stream late;
    pair.server.codec.end();
    const std::string goaway = pair.server.speak();
    ASSERT_TRUE(pair.client.codec.open(late, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n", "http", true));
    pair.server.hear(pair.client.speak());
    pair.client.hear(goaway);
    EXPECT_EQ(pair.client.told, "goaway\nclosed 3 7\n");
    EXPECT_FALSE(pair.client.codec.may_open());
    pair.server.codec.send_head(pair.answered(), "HTTP/1.1 200 OK\r\n\r\n", true);
    talk(pair.client, pair.server);
    EXPECT_NE(pair.client.told.find("response 1 200 ."), std::string::npos);
    EXPECT_TRUE(pair.server.codec.is_over());
}

TEST(H2Codec, APingIsAnswered) {
    Pair pair;
    pair.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    pair.client.codec.ping();
    talk(pair.client, pair.server);
    EXPECT_EQ(pair.client.told, "pong\n");
    EXPECT_EQ(pair.client.count(H2Fault::glitches), 0);
}

// It is told of once, and the peer hears nothing of it.
TEST(H2Codec, ARequestTakenBackBeforeItWentOutIsClosed) {
    Pair pair;
    talk(pair.client, pair.server);
    ASSERT_TRUE(
        pair.client.codec.open(pair.stream, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "http", true));
    pair.client.codec.reset(pair.stream, H2Code::cancel);
    talk(pair.client, pair.server);
    EXPECT_EQ(pair.client.told.find("closed 1"), 0U) << pair.client.told;
    EXPECT_EQ(pair.client.told.find("closed", 1), std::string::npos) << pair.client.told;
    EXPECT_EQ(pair.server.told, "");
}

TEST(H2Codec, WhatGoawayLeavesOutIsRefused) {
    Pair pair;
    pair.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    H2Peer::Stream late;
    ASSERT_TRUE(pair.client.codec.open(late, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "http", true));
    static_cast<void>(pair.client.speak());  // lost on its way
    pair.server.codec.end();
    talk(pair.client, pair.server);
    EXPECT_EQ(pair.client.told, "goaway\nclosed 3 7\n");
    EXPECT_FALSE(late.was_reset_by_peer());
    EXPECT_FALSE(pair.client.codec.may_open());
}

// One answer that nobody takes holds up its stream, and no other.
TEST(H2Codec, AClientOpensTheWindowOfTheConnectionAtOnce) {
    Pair pair;
    pair.client.consumes = false;
    const std::string large(60'000, 'x');
    std::list<H2Peer::Stream> streams;
    for (int i = 0; i < 30; ++i) {
        H2Peer::Stream& stream = streams.emplace_back();
        ASSERT_TRUE(
            pair.client.codec.open(stream, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "http", true));
        talk(pair.client, pair.server);
        pair.server.codec.send_head(pair.answered(), "HTTP/1.1 200 OK\r\n\r\n", false);
        pair.server.codec.send_body(pair.answered(), large, true, {});
        talk(pair.client, pair.server);
    }
    EXPECT_EQ(pair.client.body.size(), 30 * large.size());
}

TEST(H2Codec, ARequestWithoutAHostGetsOne) {
    for (const std::string_view host : {"", "Host: \r\n"}) {
        Pair pair;
        const std::string head = "GET / HTTP/1.1\r\n" + std::string(host) + "X: y\r\n\r\n";
        ASSERT_TRUE(pair.client.codec.open(pair.stream, head, "http", true, "orders:80"));
        talk(pair.client, pair.server);
        EXPECT_EQ(pair.server.told, "request 1 GET orders:80 / x=y .\n");
    }
}

TEST(H2Codec, NumbersThatWereLeftOutAreLost) {
    H2Peer server(Side::server);
    server.hear(h2::begin() + h2::get(1) + h2::get(3) + h2::get(9));
    EXPECT_FALSE(server.codec.is_over());
    server.hear(h2::get(5));
    EXPECT_EQ(server.count(H2Fault::protocol), 1);
    static_cast<void>(server.speak());
    EXPECT_TRUE(server.codec.is_over());
    EXPECT_EQ(server.told.find("request 5"), std::string::npos);
}

// ---- the rules for heads

std::string told_of(const std::string& frames, const H2Limits& limits = {}) {
    H2Peer server(Side::server, limits);
    server.hear(h2::begin() + frames);
    static_cast<void>(server.speak());
    return server.told;
}

TEST(H2Codec, CookieCrumbsBecomeOneField) {
    EXPECT_EQ(told_of(h2::get(1, {{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}})),
              "request 1 GET example.com / x=y cookie=a=1; b=2 .\n");
}

TEST(H2Codec, HostStandsInForAuthorityAndMustAgreeWithIt) {
    const auto with = [](h2::Fields fields) {
        return told_of(
            h2::frame(h2::headers, h2::kEndStream | h2::kEndHeaders, 1, h2::block(fields)));
    };
    EXPECT_EQ(with({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "h"}}),
              "request 1 GET h / host=h .\n");
    EXPECT_EQ(told_of(h2::get(1, {{"host", "other"}})),
              "refused 1 bad_request: :authority and Host differ .\n");
}

TEST(H2Codec, PathsFollowTheRulesOfHttp1) {
    const auto path = [](std::string_view text) {
        return told_of(h2::frame(
            h2::headers, h2::kEndStream | h2::kEndHeaders, 1,
            h2::block(
                {{":method", "GET"}, {":scheme", "http"}, {":authority", "h"}, {":path", text}})));
    };
    EXPECT_EQ(path("/a/./b//c?d"), "request 1 GET h /a/b/c?d .\n");
    EXPECT_NE(path("/a%2Fb").find("refused 1 bad_request"), std::string::npos);
    EXPECT_NE(path("/../a").find("refused 1 bad_request"), std::string::npos);
    EXPECT_NE(path("/" + std::string(9000, 'a')).find("refused 1 uri_too_long"), std::string::npos);
    EXPECT_EQ(path("/a b").find("request "), std::string::npos);
    EXPECT_EQ(path("*").find("request "), std::string::npos);
}

// What HTTP/1 would read as something else never becomes a request.
TEST(H2Codec, NothingSmuggledBecomesARequest) {
    const h2::Fields kBad[] = {
        {{"transfer-encoding", "chunked"}},
        {{"connection", "close"}},
        {{"upgrade", "h2c"}},
        {{"te", "gzip"}},
        {{"content-length", "5"}},
        {{"content-length", "0"}, {"content-length", "0"}},
        {{"content-length", "+0"}},
        {{"x", "a\r\nb: c"}},
        {{"x", std::string_view("a\0b", 3)}},
        {{"x\r\ny", "a"}},
        {{"x y", "a"}},
        {{"x:", "a"}},
        {{"X", "a"}},
        {{"", "a"}},
        {{":path", "/two"}},
        {{":unknown", "x"}},
    };
    for (const h2::Fields& fields : kBad) {
        const std::string told = told_of(h2::get(1, fields));
        EXPECT_EQ(told.find("request "), std::string::npos) << told;
    }
    EXPECT_EQ(told_of(h2::get(1, {{"x", "y"}})), "request 1 GET example.com / x=y .\n");
}

// Whoever answers it speaks the language of its client.
TEST(H2Codec, ARefusedHeadTellsItsContentType) {
    H2Limits limits;
    limits.head.header_size = 1000;
    const auto type_of = [&](h2::Fields fields) {
        H2Peer server{Side::server, limits};
        server.hear(h2::begin() + h2::get(1, fields));
        EXPECT_NE(server.told.find("refused 1"), std::string::npos) << server.told;
        return server.refused_type;
    };
    const std::string large(900, 'a');
    EXPECT_EQ(type_of({{"content-type", "application/grpc"}, {"x", large}}), "application/grpc");
    EXPECT_EQ(type_of({{"x", large}, {"content-type", "application/grpc"}}), "");
    EXPECT_EQ(type_of({{"content-type", "application/grpc"}, {"host", "other"}}),
              "application/grpc");
    EXPECT_EQ(type_of({{"host", "other"}}), "");
}

TEST(H2Codec, AWebSocketIsToldAsHttp1SaysIt) {
    Pair pair;
    talk(pair.client, pair.server);
    EXPECT_TRUE(pair.client.codec.takes_websockets());
    ASSERT_TRUE(pair.client.codec.open_websocket(
        pair.stream,
        "GET /chat?a HTTP/1.1\r\nHost: example.com\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "http"));
    talk(pair.client, pair.server);
    EXPECT_EQ(pair.server.told, "request 1 GET example.com /chat?a sec-websocket-version=13\n");

    pair.server.codec.send_head(
        pair.answered(),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: "
        "websocket\r\nSec-WebSocket-Accept: a\r\nX: y\r\n\r\n",
        false);
    pair.server.codec.send_body(pair.answered(), "down", false, {});
    pair.client.codec.send_body(pair.stream, "up", true, {});
    talk(pair.client, pair.server);
    EXPECT_EQ(pair.client.told, "response 1 101 x=y\n");
    EXPECT_EQ(pair.client.body, "down");
    EXPECT_EQ(pair.server.body, "up");
    pair.server.codec.send_body(pair.answered(), "", true, {});
    talk(pair.client, pair.server);
    EXPECT_NE(pair.client.told.find("closed 1 0"), std::string::npos);
}

TEST(H2Codec, ConnectIsTakenForWebSocketAlone) {
    const auto connect = [](h2::Fields fields, std::uint8_t flags = h2::kEndHeaders) {
        return told_of(h2::frame(h2::headers, flags, 1,
                                 h2::block({{":method", "CONNECT"}}) + h2::block(fields)));
    };
    const h2::Fields kWhole{{":scheme", "https"}, {":authority", "h"}, {":path", "/"}};
    const auto with = [&](h2::Fields more, std::uint8_t flags = h2::kEndHeaders) {
        return told_of(
            h2::frame(h2::headers, flags, 1,
                      h2::block({{":method", "CONNECT"}}) + h2::block(kWhole) + h2::block(more)));
    };
    EXPECT_EQ(with({{":protocol", "websocket"}, {"sec-websocket-key", "k"}, {"origin", "o"}}),
              "request 1 GET h / origin=o\n");
    EXPECT_EQ(with({{":protocol", "connect-udp"}}),
              "refused 1 bad_request: CONNECT is offered for WebSocket alone\n");
    EXPECT_EQ(with({{":protocol", "websocket"}}, h2::kEndHeaders | h2::kEndStream),
              "refused 1 bad_request: CONNECT is offered for WebSocket alone .\n");
    EXPECT_EQ(with({{":protocol", "websocket"}, {"content-length", "0"}}),
              "refused 1 bad_request: Content-Length in a CONNECT\n");
    EXPECT_EQ(with({{":protocol", "websocket"}, {"upgrade", "h2c"}}).find("request "),
              std::string::npos);
    EXPECT_EQ(connect({{":authority", "h:80"}}), "refused 1 bad_request: CONNECT is not offered\n");
    EXPECT_EQ(connect({{":authority", "h"}, {":protocol", "websocket"}}).find("request "),
              std::string::npos);
    EXPECT_EQ(told_of(h2::get(1, {{":protocol", "websocket"}})).find("request "),
              std::string::npos);
}

TEST(H2Codec, WithoutTheSettingThereIsNoWebSocket) {
    H2Peer client{Side::client};
    H2Peer server{Side::server, {.takes_websockets = false}};
    H2Peer::Stream stream;
    talk(client, server);
    EXPECT_FALSE(client.codec.takes_websockets());
    ASSERT_TRUE(client.codec.open_websocket(stream, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "http"));
    talk(client, server);
    EXPECT_EQ(server.told.find("request "), std::string::npos) << server.told;
}

TEST(H2Codec, DecodedBytesAreLimitedWhateverTheyWereOnTheWire) {
    H2Limits limits;
    limits.head.header_size = 1000;
    EXPECT_EQ(told_of(h2::get(1, {{"x", std::string(900, 'a')}}), limits),
              "refused 1 headers_too_large: head too large .\n");
    limits.head.header_size = 100'000;
    limits.head.headers = 3;
    EXPECT_EQ(told_of(h2::get(1, {{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}}), limits),
              "refused 1 headers_too_large: head too large .\n");
    EXPECT_EQ(
        told_of(h2::get(1, {{"cookie", "a"}, {"cookie", "b"}, {"cookie", "c"}, {"cookie", "d"}}),
                limits),
        "request 1 GET example.com / cookie=a; b; c; d .\n");
}

}  // namespace
}  // namespace weir::http
