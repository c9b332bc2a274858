#include "unit/http/vectors.hpp"
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

// What the fields of a head say about its body and its connection (RFC 9112, 6 and 9; RFC 9110,
// 7.6 to 7.8 and 10.1): one spelling a line.
namespace weir::http {
namespace {

using namespace std::string_view_literals;
using State = HeadParse::State;

constexpr std::optional<std::uint64_t> kNo = std::nullopt;

struct Length {
    std::string_view value;
    std::optional<std::uint64_t> length;
};

// Digits only, at most 2^63 - 1: every other spelling has been read differently by somebody.
constexpr Length kLengths[] = {
    {"0", 0},
    {"1", 1},
    {"9", 9},
    {"10", 10},
    {"00", 0},
    {"007", 7},
    {"0000000000000000000", 0},
    {"4294967295", 4294967295U},
    {"4294967296", 4294967296U},
    {"9223372036854775806", 9223372036854775806U},
    {"9223372036854775807", 9223372036854775807U},
    {"9223372036854775808", kNo},
    {"9999999999999999999", kNo},
    {"10000000000000000000", kNo},
    {"18446744073709551615", kNo},
    {"18446744073709551617", kNo},
    {"36893488147419103233", kNo},
    {"340282366920938463463374607431768211457", kNo},
    {"", kNo},
    {"-", kNo},
    {"+", kNo},
    {"-0", kNo},
    {"+0", kNo},
    {"--1", kNo},
    {"1-", kNo},
    {"1+1", kNo},
    {".", kNo},
    {"1.", kNo},
    {".1", kNo},
    {"1,", kNo},
    {",1", kNo},
    {",", kNo},
    {"1,1", kNo},
    {"1 ,1", kNo},
    {"1, 2", kNo},
    {"1;1", kNo},
    {"1;q=1", kNo},
    {"1 1", kNo},
    {"1\t1", kNo},
    {"0x", kNo},
    {"0x10", kNo},
    {"0X10", kNo},
    {"0b1", kNo},
    {"0o7", kNo},
    {"1h", kNo},
    {"a", kNo},
    {"F", kNo},
    {"1k", kNo},
    {"1e0", kNo},
    {"1_000", kNo},
    {"1'000", kNo},
    {"'1'", kNo},
    {"\"1\"", kNo},
    {"(1)", kNo},
    {"1/", kNo},
    {"1:", kNo},
    {"/", kNo},
    {":", kNo},
    {"NaN", kNo},
    {"inf", kNo},
    {"chunked", kNo},
    {"%31", kNo},
    {"\xb2", kNo},
    {"1\xa0", kNo},
    {"\xef\xbc\x91", kNo},
};

TEST(H1Framing, ReadsALengthOfDigitsOnly) {
    RequestHead request;
    ResponseHead response;
    for (const Length& row : kLengths) {
        for (const std::string_view name : {"Content-Length: "sv, "CONTENT-LENGTH:"sv}) {
            const std::string line = std::string(name).append(row.value) + " \r\n";
            const State expected = row.length ? State::done : State::failed;
            ASSERT_EQ(test::parse_request(test::request_with(line), request).state, expected)
                << line;
            ASSERT_EQ(
                parse_response_head(test::response_with("200 OK", line), Method::get, {}, response)
                    .state,
                expected)
                << line;
            if (!row.length) continue;
            EXPECT_EQ(request.framing, Framing::length) << line;
            EXPECT_EQ(request.content_length, *row.length) << line;
            EXPECT_EQ(response.framing, Framing::length) << line;
            EXPECT_EQ(response.content_length, *row.length) << line;
        }
    }
}

TEST(H1Framing, RefusesAnyOtherByteBesideADigit) {
    RequestHead head;
    for (int byte = 0; byte < 256; ++byte) {
        const char other = static_cast<char>(byte);
        if ((other >= '0' && other <= '9') || other == ' ' || other == '\t') continue;
        for (const std::string_view digits : {"1"sv, "12345678"sv, "123456789012345678"sv}) {
            for (std::size_t at = 0; at <= digits.size(); ++at) {
                std::string value(digits);
                value.insert(at, 1, other);
                const std::string bytes = test::request_with("Content-Length: " + value + "\r\n");
                ASSERT_EQ(test::parse_request(bytes, head).state, State::failed) << byte << value;
            }
        }
    }
}

struct Coding {
    std::string_view lines;
    bool is_chunked;  // else refused
};

// `chunked` alone, once: any list is refused, and so is anything that only looks like it.
constexpr Coding kCodings[] = {
    {"Transfer-Encoding: chunked\r\n", true},
    {"transfer-encoding:chunked\r\n", true},
    {"TRANSFER-ENCODING: CHUNKED\r\n", true},
    {"Transfer-Encoding: Chunked\r\n", true},
    {"Transfer-Encoding: cHuNkEd\r\n", true},
    {"Transfer-Encoding: \t chunked \t\r\n", true},
    {"Transfer-Encoding: \r\n", false},
    {"Transfer-Encoding: ,\r\n", false},
    {"Transfer-Encoding: chunke\r\n", false},
    {"Transfer-Encoding: hunked\r\n", false},
    {"Transfer-Encoding: chunkee\r\n", false},
    {"Transfer-Encoding: Xhunked\r\n", false},
    {"Transfer-Encoding: chun ked\r\n", false},
    {"Transfer-Encoding: chun-ked\r\n", false},
    {"Transfer-Encoding: chunked chunked\r\n", false},
    {"Transfer-Encoding: chunked ,\r\n", false},
    {"Transfer-Encoding: , chunked\r\n", false},
    {"Transfer-Encoding: chunked;\r\n", false},
    {"Transfer-Encoding: chunked; a=b\r\n", false},
    {"Transfer-Encoding: chunked;q=0\r\n", false},
    {"Transfer-Encoding: 'chunked'\r\n", false},
    {"Transfer-Encoding: (x)chunked\r\n", false},
    {"Transfer-Encoding: =chunked\r\n", false},
    {"Transfer-Encoding: :chunked\r\n", false},
    {"Transfer-Encoding: chunked\xa0\r\n", false},
    {"Transfer-Encoding: \xe2\x80\x8b"
     "chunked\r\n",
     false},
    {"Transfer-Encoding: c\xd2\xbbunked\r\n", false},
    {"Transfer-Encoding: compress\r\n", false},
    {"Transfer-Encoding: deflate\r\n", false},
    {"Transfer-Encoding: gzip\r\n", false},
    {"Transfer-Encoding: x-gzip, chunked\r\n", false},
    {"Transfer-Encoding: gzip,chunked\r\n", false},
    {"Transfer-Encoding: identity, chunked\r\n", false},
    {"Transfer-Encoding: trailers\r\n", false},
    {"Transfer-Encoding: cow\r\n", false},
    {"Transfer-Encoding: 0\r\n", false},
    {"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", false},
    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", false},
    {"Transfer-Encoding: chunked\r\ntransfer-encoding:\r\n", false},
    {"Transfer-Encoding: chunked\r\nA: b\r\nTRANSFER-ENCODING: chunked\r\n", false},
    {"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", false},
    {"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", false},
    {"Content-Length: 5\r\nA: b\r\nTransfer-Encoding: identity\r\n", false},
    {"Content-Length: 5\r\nTransfer-Encoding:\r\n", false},
};

TEST(H1Framing, KnowsOneCodingInOneSpelling) {
    RequestHead request;
    ResponseHead response;
    for (const Coding& row : kCodings) {
        const State expected = row.is_chunked ? State::done : State::failed;
        ASSERT_EQ(test::parse_request(test::request_with(row.lines), request).state, expected)
            << row.lines;
        const std::string answer = test::response_with("200 OK", row.lines);
        ASSERT_EQ(parse_response_head(answer, Method::get, {}, response).state, expected)
            << row.lines;
        if (!row.is_chunked) continue;
        EXPECT_EQ(request.framing, Framing::chunked) << row.lines;
        EXPECT_EQ(response.framing, Framing::chunked) << row.lines;
    }
}

// What the head of an answer without a body claims is checked like any other: the next message on
// that connection begins where somebody else may see a body.
TEST(H1Framing, RefusesTheSameInHeadsWithoutABody) {
    ResponseHead head;
    for (const Coding& row : kCodings) {
        if (row.is_chunked) continue;
        for (const std::string_view status : {"204 No Content"sv, "304 Not Modified"sv}) {
            const std::string bytes = test::response_with(status, row.lines);
            EXPECT_EQ(parse_response_head(bytes, Method::get, {}, head).state, State::failed)
                << row.lines;
        }
        const std::string bytes = test::response_with("200 OK", row.lines);
        EXPECT_EQ(parse_response_head(bytes, Method::head, {}, head).state, State::failed)
            << row.lines;
    }
}

struct Options {
    int minor;
    std::string_view lines;
    bool keeps;
    bool has_nominated;
};

// RFC 9112, 9.3: close wins; HTTP/1.1 stays open else; HTTP/1.0 closes unless told.
constexpr Options kOptions[] = {
    {1, "", true, false},
    {0, "", false, false},
    {1, "Connection:\r\n", true, false},
    {1, "Connection: ,,\r\n", true, false},
    {1, "Connection: , \t,\r\n", true, false},
    {0, "Connection: ,\r\n", false, false},
    {1, "Connection: keep-alive\r\n", true, false},
    {1, "Connection: Keep-Alive\r\n", true, false},
    {0, "Connection: keep-alive\r\n", true, false},
    {0, "Connection: KEEP-ALIVE\r\n", true, false},
    {0, "Connection: , keep-alive\r\n", true, false},
    {0, "Connection:keep-alive,\r\n", true, false},
    {0, "Connection:\r\nConnection: keep-alive\r\n", true, false},
    {0, "Connection: keepalive\r\n", false, true},
    {0, "Connection: keep-alives\r\n", false, true},
    {0, "Connection: keep alive\r\n", false, true},
    {0, "Keep-Alive: timeout=5\r\n", false, false},
    {0, "Proxy-Connection: keep-alive\r\n", false, false},
    {1, "Proxy-Connection: close\r\n", true, false},
    {1, "Connection: close\r\n", false, false},
    {1, "Connection: Close\r\n", false, false},
    {1, "Connection: ,close,\r\n", false, false},
    {1, "Connection: close, keep-alive\r\n", false, false},
    {1, "Connection: keep-alive, close\r\n", false, false},
    {1, "Connection: keep-alive\r\nConnection: close\r\n", false, false},
    {1, "Connection: close\r\nConnection: keep-alive\r\n", false, false},
    {0, "Connection: close\r\nConnection: keep-alive\r\n", false, false},
    {1, "Connection: closed\r\n", true, true},
    {1, "Connection: clos\r\n", true, true},
    {1, "Connection: close;now\r\n", true, true},
    {1, "Connection: \"close\"\r\n", true, true},
    {1, "Connection: x-close\r\n", true, true},
    {1, "Connection: x-hop, close\r\n", false, true},
    {1, "Connection: x-hop,y-hop\r\n", true, true},
    {1, "Connection: close\r\nConnection: x-hop\r\n", false, true},
    {1, "Connection: te\r\n", true, false},
    {1, "Connection: TE, close\r\n", false, false},
    {1, "Connection: upgrade\r\n", true, false},
    {1, "Connection: upgrade, close\r\n", false, false},
    {1, "Connection: keep-alive, Upgrade, TE\r\n", true, false},
};

TEST(H1Framing, KeepsTheConnectionAsBothSidesSay) {
    RequestHead request;
    ResponseHead response;
    for (const Options& row : kOptions) {
        const std::string version = "HTTP/1." + std::to_string(row.minor);
        const std::string asked =
            "GET / " + version + "\r\nHost: a\r\n" + std::string(row.lines) + "\r\n";
        ASSERT_EQ(test::parse_request(asked, request).state, State::done) << asked;
        EXPECT_EQ(request.keep_alive, row.keeps) << asked;
        EXPECT_EQ(request.has_nominated, row.has_nominated) << asked;
        const std::string answered =
            version + " 200 OK\r\nContent-Length: 0\r\n" + std::string(row.lines) + "\r\n";
        ASSERT_EQ(parse_response_head(answered, Method::get, {}, response).state, State::done);
        EXPECT_EQ(response.keep_alive, row.keeps) << answered;
        EXPECT_EQ(response.has_nominated, row.has_nominated) << answered;
    }
}

struct Waits {
    std::string_view lines;
    bool expects;
};

// RFC 9110, 10.1.1: only with a body to wait for; the value is compared in any case.
constexpr Waits kExpects[] = {
    {"Expect: 100-continue\r\nContent-Length: 1\r\n", true},
    {"Content-Length: 1\r\nExpect: 100-continue\r\n", true},
    {"EXPECT:100-CONTINUE\r\nTransfer-Encoding: chunked\r\n", true},
    {"expect: \t100-Continue \r\nContent-Length: 1\r\n", true},
    {"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n", true},
    {"Expect: 100-continue\r\n", false},
    {"Expect: 100-continue\r\nContent-Length: 0\r\n", false},
    {"Expect:\r\nContent-Length: 1\r\n", false},
    {"Expect: 100\r\nContent-Length: 1\r\n", false},
    {"Expect: continue\r\nContent-Length: 1\r\n", false},
    {"Expect: 100 continue\r\nContent-Length: 1\r\n", false},
    {"Expect: 100-continues\r\nContent-Length: 1\r\n", false},
    {"Expect: 200-ok\r\nContent-Length: 1\r\n", false},
    {"X-Expect: 100-continue\r\nContent-Length: 1\r\n", false},
    {"Expects: 100-continue\r\nContent-Length: 1\r\n", false},
};

TEST(H1Framing, WaitsForContinueOnlyWithABody) {
    RequestHead head;
    for (const Waits& row : kExpects) {
        ASSERT_EQ(test::parse_request(test::request_with(row.lines), head).state, State::done);
        EXPECT_EQ(head.expect_continue, row.expects) << row.lines;
    }
}

struct Switches {
    std::string_view lines;
    std::string_view protocol;  // empty: no upgrade
};

// RFC 9110, 7.8: Upgrade counts if Connection names it. What carries HTTP or TLS again is not
// passed on: it would go past every rule.
constexpr Switches kUpgrades[] = {
    {"Connection: upgrade\r\nUpgrade: websocket\r\n", "websocket"},
    {"Upgrade: websocket\r\nConnection: upgrade\r\n", "websocket"},
    {"CONNECTION: UPGRADE\r\nUPGRADE: WebSocket\r\n", "WebSocket"},
    {"Connection:upgrade\r\nUpgrade:websocket\r\n", "websocket"},
    {"Connection: close, upgrade\r\nUpgrade: websocket\r\n", "websocket"},
    {"Connection: x-a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", "websocket"},
    {"Connection: upgrade\r\nUpgrade: ,websocket\r\n", "websocket"},
    {"Connection: upgrade\r\nUpgrade: websocket, foo\r\n", "websocket"},
    {"Connection: upgrade\r\nUpgrade: foo/2 , websocket\r\n", "foo/2"},
    {"Connection: upgrade\r\nUpgrade: h2c,HTTP/2.0, websocket\r\n", "websocket"},
    {"Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n", "websocket"},
    {"Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: foo\r\n", "websocket"},
    {"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n", "websocket"},
    {"Connection: upgrade\r\nUpgrade: IRC/6.9\r\n", "IRC/6.9"},
    {"Upgrade: websocket\r\n", ""},
    {"Connection: upgrade\r\n", ""},
    {"Connection: upgrade\r\nUpgrade:\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: ,\r\n", ""},
    {"Connection: keep-alive\r\nUpgrade: websocket\r\n", ""},
    {"Connection: upgrades\r\nUpgrade: websocket\r\n", ""},
    {"Connection: x-upgrade\r\nUpgrade: websocket\r\n", ""},
    {"Connection: websocket\r\nUpgrade: websocket\r\n", ""},
    {"Connection: upgrade\r\nX-Upgrade: websocket\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: h2c\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: H2C\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: h2\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: h2c-14\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: h3\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: http/1.1\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: TLS/1.0\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: tls\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: h2c, h2c\r\nUpgrade: TLS/1.3\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", ""},
    {"Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n", ""},
};

TEST(H1Framing, UpgradesToWhatConnectionNamesAndMayBeTunnelled) {
    RequestHead head;
    for (const Switches& row : kUpgrades) {
        const std::string bytes = test::request_with(row.lines);
        ASSERT_EQ(test::parse_request(bytes, head).state, State::done) << bytes;
        EXPECT_EQ(head.is_upgrade, !row.protocol.empty()) << row.lines;
        EXPECT_EQ(head.upgrade_protocol, row.protocol) << row.lines;
        const std::string old = "GET / HTTP/1.0\r\nHost: a\r\n" + std::string(row.lines) + "\r\n";
        if (old.find("Transfer-Encoding") != std::string::npos) continue;
        ASSERT_EQ(test::parse_request(old, head).state, State::done) << old;
        EXPECT_FALSE(head.is_upgrade) << old;
    }
}

struct Trailers {
    std::string_view lines;
    bool takes;
};

// RFC 9110, 10.1.4: TE is for the next hop only, so Connection must name it.
constexpr Trailers kTe[] = {
    {"TE: trailers\r\nConnection: te\r\n", true},
    {"Connection: TE\r\nTe: Trailers\r\n", true},
    {"TE: gzip;q=0.5,TRAILERS\r\nConnection: close, te\r\n", true},
    {"TE: gzip\r\nTE: trailers\r\nConnection: te\r\n", true},
    {"TE: ,trailers,\r\nConnection: te\r\n", true},
    {"TE: trailers\r\n", false},
    {"Connection: te\r\n", false},
    {"TE:\r\nConnection: te\r\n", false},
    {"TE: trailer\r\nConnection: te\r\n", false},
    {"TE: x-trailers\r\nConnection: te\r\n", false},
    {"TE: deflate, gzip\r\nConnection: te\r\n", false},
    {"TE: trailers\r\nConnection: tee\r\n", false},
    {"TE: trailers\r\nConnection: trailers\r\n", false},
    {"Trailer: te\r\nConnection: te\r\n", false},
};

TEST(H1Framing, TakesTrailersIfConnectionNamesTe) {
    RequestHead head;
    for (const Trailers& row : kTe) {
        ASSERT_EQ(test::parse_request(test::request_with(row.lines), head).state, State::done);
        EXPECT_EQ(head.takes_trailers, row.takes) << row.lines;
    }
}

struct Stays {
    std::string_view lines;
    std::uint32_t seconds;
};

constexpr Stays kKeepAlives[] = {
    {"", 0},
    {"Keep-Alive:\r\n", 0},
    {"Keep-Alive: timeout=5\r\n", 5},
    {"keep-alive:timeout=5\r\n", 5},
    {"Keep-Alive: TIMEOUT=75\r\n", 75},
    {"Keep-Alive: timeout=5,max=100\r\n", 5},
    {"Keep-Alive: max=100 ,\ttimeout=5\r\n", 5},
    {"Keep-Alive: ,timeout=5,\r\n", 5},
    {"Keep-Alive: timeout=005\r\n", 5},
    {"Keep-Alive: timeout=0\r\n", 0},
    {"Keep-Alive: timeout=86400\r\n", 86400},
    {"Keep-Alive: max=7\r\n", 0},
    {"Keep-Alive: 5\r\n", 0},
    {"Keep-Alive: timeout\r\n", 0},
    {"Keep-Alive: timeout=\r\n", 0},
    {"Keep-Alive: timeout=-5\r\n", 0},
    {"Keep-Alive: timeout=+5\r\n", 0},
    {"Keep-Alive: timeout=5s\r\n", 0},
    {"Keep-Alive: timeout=5.5\r\n", 0},
    {"Keep-Alive: timeout=0x5\r\n", 0},
    {"Keep-Alive: xtimeout=5\r\n", 0},
    {"Keep-Alive: timeouts=5\r\n", 0},
    {"Keep-Alive: timeout:5\r\n", 0},
    {"Keep-Alive: timeout=4294967301\r\n", 0},
    {"Keep-Alive: timeout=18446744073709551621\r\n", 0},
    {"X-Keep-Alive: timeout=5\r\n", 0},
};

TEST(H1Framing, ReadsHowLongTheUpstreamWaits) {
    ResponseHead head;
    for (const Stays& row : kKeepAlives) {
        const std::string bytes =
            test::response_with("200 OK", "Content-Length: 0\r\n" + std::string(row.lines));
        ASSERT_EQ(parse_response_head(bytes, Method::get, {}, head).state, State::done) << bytes;
        EXPECT_EQ(head.keep_alive_timeout, row.seconds) << row.lines;
        EXPECT_TRUE(head.keep_alive) << row.lines;
    }
}

struct Body {
    std::string_view lines;
    Framing framing;
    std::uint64_t length;
};
constexpr Body kBodies[] = {
    {"", Framing::until_close, 0},
    {"Content-Length: 0\r\n", Framing::length, 0},
    {"Content-Length: 7\r\n", Framing::length, 7},
    {"Transfer-Encoding: chunked\r\n", Framing::chunked, 0},
};
constexpr Method kMethods[] = {Method::get,   Method::head,  Method::post,
                               Method::put,   Method::del,   Method::options,
                               Method::trace, Method::patch, Method::other};

// RFC 9112, 6.3: HEAD, 1xx, 204 and 304 have no body; then chunked, then the length, then the end
// of the connection. The method says nothing else, nor does any other status.
TEST(H1Framing, FindsTheEndOfABodyByStatusMethodAndFields) {
    ResponseHead head;
    for (unsigned status = 200; status < 600; ++status) {
        for (const Method method : kMethods) {
            for (const Body& row : kBodies) {
                const std::string bytes =
                    test::response_with(std::to_string(status) + " X", row.lines);
                const HeadParse parse = parse_response_head(bytes, method, {}, head);
                ASSERT_EQ(parse.state, State::done) << bytes;
                ASSERT_EQ(head.status, status);
                const bool is_bodiless = method == Method::head || status == 204 || status == 304;
                ASSERT_EQ(head.framing, is_bodiless ? Framing::none : row.framing) << bytes;
                if (head.framing == Framing::length) {
                    ASSERT_EQ(head.content_length, row.length);
                }
                // Only the end of the connection can end a body without framing.
                const bool ends_with_it = head.framing == Framing::until_close;
                ASSERT_TRUE(status == 204 || head.keep_alive == !ends_with_it) << bytes;
            }
        }
    }
}

TEST(H1Framing, GivesNoInterimHeadABody) {
    ResponseHead head;
    for (unsigned status = 100; status < 200; ++status) {
        for (const Method method : kMethods) {
            for (const Body& row : kBodies) {
                const bool claims = row.length != 0 || row.framing == Framing::chunked;
                const std::string lines = "Upgrade: websocket\r\n" + std::string(row.lines);
                const std::string bytes = test::response_with(std::to_string(status), lines);
                const HeadParse parse = parse_response_head(bytes, method, {}, head);
                ASSERT_EQ(parse.state, claims ? State::failed : State::done) << bytes;
                if (claims) continue;
                ASSERT_EQ(head.framing, Framing::none) << bytes;
                ASSERT_EQ(head.is_upgrade, status == 101) << bytes;
                ASSERT_TRUE(head.keep_alive) << bytes;
            }
        }
    }
}

TEST(H1Framing, LeavesARequestWithoutFramingWithoutABody) {
    RequestHead head;
    for (const std::string_view method : {"GET"sv, "HEAD"sv, "POST"sv, "PUT"sv, "DELETE"sv,
                                          "OPTIONS"sv, "TRACE"sv, "PATCH"sv, "QUERY"sv}) {
        for (const int minor : {0, 1}) {
            const std::string bytes = std::string(method) + " / HTTP/1." + std::to_string(minor) +
                                      "\r\nHost: a\r\nContent-Type: text/plain\r\n\r\n";
            ASSERT_EQ(test::parse_request(bytes, head).state, State::done) << bytes;
            EXPECT_EQ(head.framing, Framing::none) << bytes;
            EXPECT_EQ(head.method_text, method);
            EXPECT_EQ(head.minor_version, minor);
        }
    }
}

}  // namespace
}  // namespace weir::http
