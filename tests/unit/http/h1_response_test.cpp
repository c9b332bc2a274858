#include "unit/http/support.hpp"
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weir::http {
namespace {

using namespace std::string_view_literals;
using State = HeadParse::State;

constexpr std::string_view kRefused[] = {
    "HTTP/1.1 200 OK\nA: b\r\n\r\n",
    "HTTP/1.1 200 OK\rA: b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\n\r\n",
    "HTTP/1.1 200 OK\r\n\n",
    "\r\nHTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200 O\0K\r\n\r\n"sv,
    "HTTP/1.1 200 O\x7fK\r\n\r\n",
    "HTTP/1.1 200\tOK\r\n\r\n",
    "HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/1.1\t200 OK\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 2x0 OK\r\n\r\n",
    "HTTP/1.1 +20 OK\r\n\r\n",
    "HTTP/1.1 099 No\r\n\r\n",
    "HTTP/1.1 000 No\r\n\r\n",
    "HTTP/1.1 600 No\r\n\r\n",
    "HTTP/1.1 999 No\r\n\r\n",
    "HTTP/1.1 OK\r\n\r\n",
    "HTTP/1.1\r\n\r\n",
    "HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/1.2 200 OK\r\n\r\n",
    "http/1.1 200 OK\r\n\r\n",
    "HTTP/2 200\r\n\r\n",
    "ICY 200 OK\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "<html>",
    "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    "HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
    "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n"sv,
    "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n",
};

TEST(ParseResponseHead, RefusesWhatIsAmbiguousAtEveryCut) {
    ResponseHead head;
    for (const std::string_view bytes : kRefused) {
        bool has_failed = false;
        for (std::size_t size = 0; size <= bytes.size(); ++size) {
            const std::string cut(bytes.substr(0, size));
            const HeadParse parse = parse_response_head(cut, Method::get, {}, head);
            ASSERT_NE(parse.state, State::done) << bytes << size;
            ASSERT_TRUE(!has_failed || parse.state == State::failed) << bytes << size;
            has_failed = parse.state == State::failed;
            if (!has_failed) continue;
            ASSERT_EQ(parse.error.reason, Reason::upstream_protocol) << bytes;
            ASSERT_EQ(parse.error.origin, Error::Origin::upstream) << bytes;
            ASSERT_STRNE(parse.error.detail, "") << bytes;
        }
        EXPECT_TRUE(has_failed) << bytes;
    }
}

struct Accepted {
    Method method;
    std::string_view bytes;
    std::string_view expected;
};

constexpr Accepted kAccepted[] = {
    {Method::get, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
     "200 OK 1.1 framing 1/3 keep 0\nContent-Length=3\n"},
    {Method::get, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
     "200  1.1 framing 1/0 keep 0\nContent-Length=0\n"},
    {Method::get, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
     "200  1.1 framing 1/0 keep 0\nContent-Length=0\n"},
    {Method::get, "HTTP/1.1 404 Pas trouv\xc3\xa9\t!\r\nTransfer-Encoding: chunked\r\n\r\n",
     "404 Pas trouv\xc3\xa9\t! 1.1 framing 2/0 keep 0\nTransfer-Encoding=chunked\n"},
    {Method::get, "HTTP/1.1 200 OK\r\n\r\n", "200 OK 1.1 framing 3/0\n"},
    {Method::get, "HTTP/1.0 200 OK\r\n\r\n", "200 OK 1.0 framing 3/0\n"},
    {Method::get, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
     "200 OK 1.0 framing 1/1\nContent-Length=1\n"},
    {Method::get, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\n",
     "200 OK 1.0 framing 1/1 keep 0\nContent-Length=1\nConnection=Keep-Alive\n"},
    {Method::get, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n",
     "200 OK 1.1 framing 1/1\nContent-Length=1\nConnection=close\n"},
    {Method::get, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nKeep-Alive: max=5, Timeout=15\r\n\r\n",
     "200 OK 1.1 framing 1/1 keep 15\nContent-Length=1\nKeep-Alive=max=5, Timeout=15\n"},
    {Method::get,
     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nKeep-Alive: timeout=9999999999999\r\n\r\n",
     "200 OK 1.1 framing 1/1 keep 0\nContent-Length=1\nKeep-Alive=timeout=9999999999999\n"},
    {Method::get, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nKeep-Alive: timeout=x\r\n\r\n",
     "200 OK 1.1 framing 1/1 keep 0\nContent-Length=1\nKeep-Alive=timeout=x\n"},
    {Method::get, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x-hop\r\n\r\n",
     "200 OK 1.1 framing 1/1 keep 0 nominated\nContent-Length=1\nConnection=x-hop\n"},
    // No body, whatever the fields say (RFC 9112, 6.3).
    {Method::head, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
     "200 OK 1.1 framing 0/3 keep 0\nContent-Length=3\n"},
    {Method::head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     "200 OK 1.1 framing 0/0 keep 0\nTransfer-Encoding=chunked\n"},
    {Method::head, "HTTP/1.1 200 OK\r\n\r\n", "200 OK 1.1 framing 0/0 keep 0\n"},
    {Method::get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
     "304 Not Modified 1.1 framing 0/3 keep 0\nContent-Length=3\n"},
    {Method::get, "HTTP/1.1 204 No Content\r\n\r\n", "204 No Content 1.1 framing 0/0 keep 0\n"},
    {Method::get, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
     "204 No Content 1.1 framing 0/0 keep 0\nContent-Length=0\n"},
    {Method::get, "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
     "204 No Content 1.1 framing 0/3\nContent-Length=3\n"},
    {Method::get, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
     "204 No Content 1.1 framing 0/0\nTransfer-Encoding=chunked\n"},
    {Method::post, "HTTP/1.1 100 Continue\r\n\r\n", "100 Continue 1.1 framing 0/0 keep 0\n"},
    {Method::get, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
     "103 Early Hints 1.1 framing 0/0 keep 0\nLink=</a>\n"},
    {Method::get,
     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
     "101 Switching Protocols 1.1 framing 0/0 keep 0 "
     "upgrade\nUpgrade=websocket\nConnection=Upgrade\n"},
    {Method::get, "HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n",
     "599 Odd 1.1 framing 1/0 keep 0\nContent-Length=0\n"},
    // Several of one field are the response's own business.
    {Method::get,
     "HTTP/1.1 200 OK\r\nHost: a\r\nHost: b\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: "
     "0\r\n\r\n",
     "200 OK 1.1 framing 1/0 keep "
     "0\nHost=a\nHost=b\nSet-Cookie=a\nSet-Cookie=b\nContent-Length=0\n"},
};

TEST(ParseResponseHead, SaysWhatTheHeadSaysAtItsLastByte) {
    ResponseHead head;
    for (const Accepted& row : kAccepted) {
        for (std::size_t size = 0; size < row.bytes.size(); ++size) {
            const std::string cut(row.bytes.substr(0, size));
            ASSERT_EQ(parse_response_head(cut, row.method, {}, head).state, State::need_more)
                << cut;
            ASSERT_EQ(parse_response_head(cut, row.method, {}, head, size / 2).state,
                      State::need_more)
                << cut;
        }
        const std::string followed = std::string(row.bytes) + "HTTP/1.1\n";
        const HeadParse parse = parse_response_head(followed, row.method, {}, head);
        ASSERT_EQ(parse.state, State::done) << row.bytes << parse.error.detail;
        EXPECT_EQ(parse.consumed, row.bytes.size());
        EXPECT_EQ(test::describe(head), row.expected) << row.bytes;
    }
}

TEST(ParseResponseHead, LimitsSizeAndNumber) {
    ResponseHead head;
    H1Limits limits;
    limits.headers = 2;
    limits.header_size = 60;
    const std::string line = "HTTP/1.1 200 OK\r\n";
    EXPECT_EQ(parse_response_head(line + "A: 1\r\nB: 2\r\n\r\n", Method::get, limits, head).state,
              State::done);
    EXPECT_EQ(parse_response_head(line + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", Method::get, limits, head)
                  .error.reason,
              Reason::upstream_protocol);
    const std::string phrase = "HTTP/1.1 200 " + std::string(60, 'x');
    EXPECT_EQ(parse_response_head(phrase, Method::get, limits, head).error.reason,
              Reason::upstream_protocol);
}

}  // namespace
}  // namespace weir::http
