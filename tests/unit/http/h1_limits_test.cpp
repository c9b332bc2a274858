#include "unit/http/vectors.hpp"
#include <gtest/gtest.h>

#include <string>
#include <string_view>

// Every limit at its edge and one beyond, and heads that arrive in pieces.
namespace weir::http {
namespace {

using namespace std::string_view_literals;
using State = HeadParse::State;

TEST(H1Limits, TakeAHeadOfExactlyItsSize) {
    RequestHead request;
    ResponseHead response;
    for (std::size_t value = 0; value <= 70; ++value) {
        const std::string lines = "X: " + std::string(value, 'v') + "\r\n";
        const test::Exact asked(test::request_with(lines));
        const test::Exact answered(test::response_with("204 No Content", lines));
        for (const std::size_t beyond : {0U, 1U}) {
            H1Limits limits;
            limits.header_size = asked.view().size() - beyond;
            HeadParse parse = test::parse_request(asked.view(), request, limits);
            ASSERT_EQ(parse.state, beyond == 0 ? State::done : State::failed) << value;
            if (beyond != 0) {
                EXPECT_EQ(parse.error.reason, Reason::headers_too_large);
            }
            limits.header_size = answered.view().size() - beyond;
            parse = parse_response_head(answered.view(), Method::get, limits, response);
            ASSERT_EQ(parse.state, beyond == 0 ? State::done : State::failed) << value;
            if (beyond != 0) {
                EXPECT_EQ(parse.error.reason, Reason::upstream_protocol);
            }
        }
    }
}

TEST(H1Limits, HaveTheirDefaults) {
    RequestHead head;
    const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    const auto of_size = [&start](std::size_t size) {
        return start + std::string(size - start.size() - 4, 'v') + "\r\n\r\n";
    };
    EXPECT_EQ(test::parse_request(of_size(32 * 1024), head).state, State::done);
    EXPECT_EQ(test::parse_request(of_size(32 * 1024 + 1), head).error.reason,
              Reason::headers_too_large);
    std::string lines;
    for (int field = 1; field < 128; ++field)
        lines += "X: v\r\n";
    EXPECT_EQ(test::parse_request(test::request_with(lines), head).state, State::done);
    EXPECT_EQ(head.headers.size(), 128U);
    EXPECT_EQ(test::parse_request(test::request_with(lines + "X: v\r\n"), head).error.reason,
              Reason::headers_too_large);
}

TEST(H1Limits, CountFieldsOfEveryKind) {
    RequestHead request;
    ResponseHead response;
    for (const std::string_view line :
         {"A: 1\r\n"sv, "A:\r\n"sv, "X_Y: 1\r\n"sv, "Connection: close\r\n"sv, "Cookie: a=b\r\n"sv,
          "A-Name-Of-More-Than-Sixteen: 1\r\n"sv}) {
        for (const std::size_t limit : {2U, 3U, 16U, 17U}) {
            H1Limits limits;
            limits.headers = limit;
            std::string lines;
            for (std::size_t at = 1; at < limit; ++at)
                lines += line;
            const std::string fits = test::request_with(lines);
            EXPECT_EQ(test::parse_request(fits, request, limits).state, State::done) << line;
            lines += line;
            const std::string over = test::request_with(lines);
            EXPECT_EQ(test::parse_request(over, request, limits).error.reason,
                      Reason::headers_too_large)
                << line;
            const std::string full = test::response_with("204 No Content", lines);
            EXPECT_EQ(parse_response_head(full, Method::get, limits, response).state, State::done);
            lines += line;
            const std::string more = test::response_with("204 No Content", lines);
            EXPECT_EQ(parse_response_head(more, Method::get, limits, response).error.reason,
                      Reason::upstream_protocol);
        }
    }
}

// The whole target counts: path, query, and an authority before them.
TEST(H1Limits, CountTheWholeTarget) {
    RequestHead head;
    for (const std::string_view front :
         {"/"sv, "/?"sv, "/p?q="sv, "http://a/"sv, "http://a?"sv, "/%41/../"sv, "//"sv}) {
        for (const std::size_t limit : {16U, 17U, 31U, 32U, 33U, 100U, 8192U}) {
            H1Limits limits;
            limits.target = limit;
            for (const std::size_t beyond : {0U, 1U}) {
                const std::string target =
                    std::string(front) + std::string(limit + beyond - front.size(), 't');
                const std::string bytes = "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
                const HeadParse parse = test::parse_request(bytes, head, limits);
                ASSERT_EQ(parse.state, beyond == 0 ? State::done : State::failed) << target;
                if (beyond != 0) {
                    EXPECT_EQ(parse.error.reason, Reason::uri_too_long) << target;
                }
            }
        }
    }
}

constexpr std::string_view kHeads[] = {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\n\r\nPOST /a%20b?c HTTP/1.1\r\nHost: a.example:8080\r\nContent-Length: 12\r\n\r\n",
    "GET http://b.example/x//y/../z?q HTTP/1.1\r\nHost: a\r\nConnection: close, x-hop\r\n\r\n",
    "OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "PUT /f HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\nExpect: "
    "100-continue\r\nTE: trailers\r\nConnection: te\r\nX_Y: dropped\r\nX-Empty:\r\n\r\n",
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    "A-Name-Of-More-Than-Sixteen-Letters:\ta value\tof more than sixteen bytes \r\n\r\n",
    // Refused.
    "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "GET /%2f HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: a-value-of-some-length\0\r\n\r\n"sv,
    "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
};

// As a connection reads it: what came so far is given again, with how much of it was seen.
HeadParse arrive(std::string_view bytes, std::size_t piece, RequestHead& head) {
    HeadParse parse;
    std::size_t seen = 0;
    while (parse.state == State::need_more && seen < bytes.size()) {
        const test::Exact have(bytes.substr(0, seen + piece));
        parse = parse_request_head(have.view(), {}, head, seen);
        EXPECT_TRUE(parse.state != State::done || parse.consumed == bytes.size());
        seen = have.view().size();
    }
    return parse;
}

TEST(H1Pieces, ComeToTheSameInPiecesOfAnySize) {
    RequestHead whole;
    for (const std::string_view bytes : kHeads) {
        const HeadParse expected = test::parse_request(bytes, whole);
        ASSERT_NE(expected.state, State::need_more) << bytes;
        for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
            RequestHead head;
            const HeadParse parse = arrive(bytes, piece, head);
            ASSERT_EQ(parse.state, expected.state) << bytes << piece;
            ASSERT_EQ(parse.consumed, expected.consumed) << bytes << piece;
            ASSERT_EQ(parse.error.reason, expected.error.reason) << bytes << piece;
            ASSERT_STREQ(parse.error.detail, expected.error.detail) << bytes << piece;
        }
    }
}

TEST(H1Pieces, SayTheSameOnceTheyAreWhole) {
    RequestHead whole;
    for (const std::string_view bytes : kHeads) {
        if (test::parse_request(bytes, whole).state != State::done) continue;
        const std::string expected = test::describe(whole);
        for (std::size_t seen = 0; seen < bytes.size(); ++seen) {
            RequestHead head;
            const std::string followed = std::string(bytes) + "BODY";
            const HeadParse parse = parse_request_head(followed, {}, head, seen);
            ASSERT_EQ(parse.state, State::done) << bytes << seen;
            ASSERT_EQ(parse.consumed, bytes.size()) << bytes << seen;
            ASSERT_EQ(test::describe(head), expected) << bytes << seen;
        }
    }
}

// A sender of single bytes in a line without end is refused at the limit, not after it.
TEST(H1Pieces, AreBoundedWithoutALineEnd) {
    H1Limits limits;
    limits.header_size = 3000;
    const std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(4000, 'v');
    RequestHead request;
    ResponseHead response;
    std::size_t size = 1;
    while (parse_request_head(std::string_view(bytes).substr(0, size), limits, request, size - 1)
               .state == State::need_more)
        ASSERT_LT(++size, bytes.size());
    EXPECT_EQ(size, limits.header_size);
    const std::string answer = "HTTP/1.1 200 OK\r\nX: " + std::string(4000, 'v');
    size = 1;
    while (parse_response_head(std::string_view(answer).substr(0, size), Method::get, limits,
                               response, size - 1)
               .state == State::need_more)
        ASSERT_LT(++size, answer.size());
    EXPECT_EQ(size, limits.header_size);
}

// Pipelined requests: each head begins where the last ended, and says only its own.
TEST(H1Pieces, FollowEachOther) {
    std::string bytes;
    for (const std::string_view head : kHeads) {
        RequestHead parsed;
        if (test::parse_request(head, parsed).state == State::done) bytes += head;
    }
    RequestHead reused;
    std::string_view rest = bytes;
    for (const std::string_view bytes_of_one : kHeads) {
        RequestHead alone;
        if (test::parse_request(bytes_of_one, alone).state != State::done) continue;
        const HeadParse parse = test::parse_request(rest, reused);
        ASSERT_EQ(parse.state, State::done) << rest;
        EXPECT_EQ(test::describe(reused), test::describe(alone));
        rest.remove_prefix(parse.consumed);
    }
    EXPECT_TRUE(rest.empty());
}

}  // namespace
}  // namespace weir::http
