#include "unit/http/support.hpp"
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weir::http {
namespace {

using namespace std::string_view_literals;
using State = HeadParse::State;

// A request line that is good, for vectors about fields: the vector is what follows.
constexpr std::string_view kLine = "GET / HTTP/1.1\r\nHost: a\r\n";

struct Refused {
    std::string_view name;
    std::string_view bytes;  // after kLine if it begins with no method of its own
    std::string_view detail;
    bool is_whole = true;  // false: the fields only
};

constexpr bool kFields = false;

constexpr Refused kRefused[] = {
    // Framing.
    {"length and chunked", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
     "Content-Length with Transfer-Encoding", kFields},
    {"chunked and length", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
     "Content-Length with Transfer-Encoding", kFields},
    {"chunked and length 0", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
     "Content-Length with Transfer-Encoding", kFields},
    {"two equal lengths", "Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
     "more than one Content-Length", kFields},
    {"two lengths", "Content-Length: 3\r\ncontent-length: 4\r\n\r\n",
     "more than one Content-Length", kFields},
    {"two zero lengths", "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
     "more than one Content-Length", kFields},
    {"length list", "Content-Length: 3, 3\r\n\r\n", "Content-Length is not a number", kFields},
    {"length list without blank", "Content-Length: 3,3\r\n\r\n", "Content-Length is not a number",
     kFields},
    {"length empty", "Content-Length:\r\n\r\n", "empty Content-Length", kFields},
    {"length blank", "Content-Length:   \r\n\r\n", "empty Content-Length", kFields},
    {"length negative", "Content-Length: -1\r\n\r\n", "Content-Length is not a number", kFields},
    {"length with plus", "Content-Length: +3\r\n\r\n", "Content-Length is not a number", kFields},
    {"length hexadecimal", "Content-Length: 0x3\r\n\r\n", "Content-Length is not a number",
     kFields},
    {"length with a letter", "Content-Length: 3a\r\n\r\n", "Content-Length is not a number",
     kFields},
    {"length with a blank inside", "Content-Length: 3 4\r\n\r\n", "Content-Length is not a number",
     kFields},
    {"length with a fraction", "Content-Length: 3.0\r\n\r\n", "Content-Length is not a number",
     kFields},
    {"length with an exponent", "Content-Length: 1e3\r\n\r\n", "Content-Length is not a number",
     kFields},
    {"length in quotes", "Content-Length: \"3\"\r\n\r\n", "Content-Length is not a number",
     kFields},
    {"length in other digits", "Content-Length: \xd9\xa3\r\n\r\n", "Content-Length is not a number",
     kFields},
    {"length of 2^63", "Content-Length: 9223372036854775808\r\n\r\n", "Content-Length too large",
     kFields},
    {"length of 2^64", "Content-Length: 18446744073709551616\r\n\r\n", "Content-Length too large",
     kFields},
    {"length of 2^64 + 3", "Content-Length: 18446744073709551619\r\n\r\n",
     "Content-Length too large", kFields},
    {"length of 20 digits", "Content-Length: 00000000000000000003\r\n\r\n",
     "Content-Length too large", kFields},
    {"gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n\r\n",
     "Transfer-Encoding is not chunked", kFields},
    {"chunked, gzip", "Transfer-Encoding: chunked, gzip\r\n\r\n",
     "Transfer-Encoding is not chunked", kFields},
    {"chunked, chunked", "Transfer-Encoding: chunked, chunked\r\n\r\n",
     "Transfer-Encoding is not chunked", kFields},
    {"chunked, identity", "Transfer-Encoding: chunked, identity\r\n\r\n",
     "Transfer-Encoding is not chunked", kFields},
    {"identity", "Transfer-Encoding: identity\r\n\r\n", "Transfer-Encoding is not chunked",
     kFields},
    {"xchunked", "Transfer-Encoding: xchunked\r\n\r\n", "Transfer-Encoding is not chunked",
     kFields},
    {"chunkedx", "Transfer-Encoding: chunkedx\r\n\r\n", "Transfer-Encoding is not chunked",
     kFields},
    {"chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n\r\n",
     "Transfer-Encoding is not chunked", kFields},
    {"chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n\r\n",
     "Transfer-Encoding is not chunked", kFields},
    {"chunked with a comma", "Transfer-Encoding: chunked,\r\n\r\n",
     "Transfer-Encoding is not chunked", kFields},
    {"comma and chunked", "Transfer-Encoding: ,chunked\r\n\r\n", "Transfer-Encoding is not chunked",
     kFields},
    {"empty coding", "Transfer-Encoding:\r\n\r\n", "Transfer-Encoding is not chunked", kFields},
    {"chunked after VT", "Transfer-Encoding: \vchunked\r\n\r\n", "control byte in a field value",
     kFields},
    {"two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     "more than one Transfer-Encoding", kFields},
    {"second coding identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
     "more than one Transfer-Encoding", kFields},
    {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
     "Transfer-Encoding in HTTP/1.0"},
    // Field syntax.
    {"blank before the colon", "X-A : 1\r\n\r\n", "blank in a field name", kFields},
    {"tab before the colon", "X-A\t: 1\r\n\r\n", "blank in a field name", kFields},
    {"blank before the colon of a length", "Content-Length : 3\r\n\r\n", "blank in a field name",
     kFields},
    {"blank before the colon of a coding", "Transfer-Encoding : chunked\r\n\r\n",
     "blank in a field name", kFields},
    {"blank inside a name", "X A: 1\r\n\r\n", "blank in a field name", kFields},
    {"folded line", "X-A: 1\r\n 2\r\n\r\n", "folded line", kFields},
    {"folded by a tab", "X-A: 1\r\n\t2\r\n\r\n", "folded line", kFields},
    {"folded coding", "Transfer-Encoding:\r\n chunked\r\n\r\n", "Transfer-Encoding is not chunked",
     kFields},
    {"blank before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "folded line"},
    {"empty name", ": 1\r\n\r\n", "empty field name", kFields},
    {"empty name and value", ":\r\n\r\n", "empty field name", kFields},
    {"no colon", "X-A\r\n\r\n", "bad byte in a field name", kFields},
    {"NUL in a name", "X\0A: 1\r\n\r\n"sv, "bad byte in a field name", kFields},
    {"CR in a name", "X\rA: 1\r\n\r\n", "bad byte in a field name", kFields},
    {"LF in a name", "X\nA: 1\r\n\r\n", "bare LF", kFields},
    {"obs-text in a name", "X\x80: 1\r\n\r\n", "bad byte in a field name", kFields},
    {"DEL in a name", "X\x7f: 1\r\n\r\n", "bad byte in a field name", kFields},
    {"parenthesis in a name", "X(A): 1\r\n\r\n", "bad byte in a field name", kFields},
    {"slash in a name", "X/A: 1\r\n\r\n", "bad byte in a field name", kFields},
    {"at in a name", "X@A: 1\r\n\r\n", "bad byte in a field name", kFields},
    {"bracket in a name", "X[A]: 1\r\n\r\n", "bad byte in a field name", kFields},
    {"quote in a name", "\"X\": 1\r\n\r\n", "bad byte in a field name", kFields},
    {"semicolon in a name", "X;A: 1\r\n\r\n", "bad byte in a field name", kFields},
    {"NUL in a value", "X-A: 1\0002\r\n\r\n"sv, "NUL in a field value", kFields},
    {"CR in a value", "X-A: 1\r2\r\n\r\n", "bare CR", kFields},
    {"CR CR LF", "X-A: 1\r\r\n\r\n", "bare CR", kFields},
    {"LF ends a field", "X-A: 1\nX-B: 2\r\n\r\n", "bare LF", kFields},
    {"LF ends the head", "X-A: 1\r\n\n", "bare LF", kFields},
    {"LF LF ends the head", "X-A: 1\n\n", "bare LF", kFields},
    {"CR X after the fields", "X-A: 1\r\n\rX\r\n\r\n", "bare CR", kFields},
    {"BEL in a value", "X-A: \a\r\n\r\n", "control byte in a field value", kFields},
    {"ESC in a value", "X-A: a-value-longer-than-a-block \x1b[0m\r\n\r\n",
     "control byte in a field value", kFields},
    {"VT in a value", "X-A: 1\v2\r\n\r\n", "control byte in a field value", kFields},
    {"FF in a value", "X-A: 1\f2\r\n\r\n", "control byte in a field value", kFields},
    {"DEL in a value", "X-A: 1\x7f\r\n\r\n", "control byte in a field value", kFields},
    {"control after a tab", "X-A: 1\t\x01\r\n\r\n", "control byte in a field value", kFields},
    // Host.
    {"no Host", "GET / HTTP/1.1\r\n\r\n", "no Host"},
    {"no Host with other fields", "GET / HTTP/1.1\r\nHosts: a\r\n\r\n", "no Host"},
    {"no Host beside an absolute target", "GET http://a/ HTTP/1.1\r\n\r\n", "no Host"},
    {"two Hosts", "Host: b\r\n\r\n", "more than one Host", kFields},
    {"two equal Hosts", "Host: a\r\n\r\n", "more than one Host", kFields},
    {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n", "more than one Host"},
    {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "bad Host"},
    {"Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "bad Host"},
    {"Host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "bad Host"},
    {"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "bad Host"},
    {"Host with a blank", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "bad Host"},
    {"Host with a bad port", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "bad Host"},
    {"Host with port 65536", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", "bad Host"},
    {"Host in UTF-8", "GET / HTTP/1.1\r\nHost: caf\xc3\xa9\r\n\r\n", "bad Host"},
    {"bad Host beside an absolute target", "GET http://a/ HTTP/1.1\r\nHost: b@c\r\n\r\n",
     "bad Host"},
    {"bad Host in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", "bad Host"},
    // Start line.
    {"LF ends the line", "GET / HTTP/1.1\nHost: a\r\n\r\n", "bare LF"},
    {"CR alone ends the line", "GET / HTTP/1.1\rHost: a\r\n\r\n", "bare CR"},
    {"LF before the line", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bare LF"},
    {"CR before the line", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bare CR"},
    {"blank before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "bad byte in the method"},
    {"five empty lines", "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
     "too many empty lines before the request"},
    {"no version", "GET /\r\nHost: a\r\n\r\n", "bad byte in the target, or no version"},
    {"method only", "GET\r\n\r\n", "bad byte in the method"},
    {"two blanks before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "empty target"},
    {"two blanks before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "unknown version"},
    {"tab before the target", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad byte in the method"},
    {"tab before the version", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n",
     "bad byte in the target, or no version"},
    {"blank after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
     "no CRLF where the line must end"},
    {"blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "unknown version"},
    {"parenthesis in the method", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "bad byte in the method"},
    {"colon in the method", "GET: / HTTP/1.1\r\nHost: a\r\n\r\n", "bad byte in the method"},
    {"obs-text in the method", "G\xc3T / HTTP/1.1\r\nHost: a\r\n\r\n", "bad byte in the method"},
    {"NUL in the method", "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n"sv, "bad byte in the method"},
    {"method of 33 letters", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n",
     "method too long"},
    {"HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", "unknown version"},
    {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", "unknown version"},
    {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "unknown version"},
    {"HTTP/1.11", "GET / HTTP/1.11\r\nHost: a\r\n\r\n", "no CRLF where the line must end"},
    {"HTTP/01.1", "GET / HTTP/01.1\r\nHost: a\r\n\r\n", "unknown version"},
    {"HTTP/1", "GET / HTTP/1\r\nHost: a\r\n\r\n", "unknown version"},
    {"http/1.1", "GET / http/1.1\r\nHost: a\r\n\r\n", "unknown version"},
    {"HTTPS/1.1", "GET / HTTPS/1.1\r\nHost: a\r\n\r\n", "unknown version"},
    {"HTTP/1,1", "GET / HTTP/1,1\r\nHost: a\r\n\r\n", "unknown version"},
    {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "target * is for OPTIONS"},
    {"TLS hello", "\x16\x03\x01\x02\x00\x01"sv, "bad byte in the method"},
    // Target.
    {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "CONNECT is not offered"},
    {"CONNECT with a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT is not offered"},
    {"authority as target", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
     "target is neither path nor http URI"},
    {"relative path", "GET a/b HTTP/1.1\r\nHost: a\r\n\r\n", "target is neither path nor http URI"},
    {"query only", "GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", "target is neither path nor http URI"},
    {"* for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", "target * is for OPTIONS"},
    {"** for OPTIONS", "OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n",
     "target is neither path nor http URI"},
    {"*?q for OPTIONS", "OPTIONS *?q HTTP/1.1\r\nHost: a\r\n\r\n",
     "target is neither path nor http URI"},
    {"ftp", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
     "scheme of the target is not http or https"},
    {"scheme empty", "GET ://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
     "scheme of the target is not http or https"},
    {"javascript", "GET javascript:alert(1) HTTP/1.1\r\nHost: a\r\n\r\n",
     "target is neither path nor http URI"},
    {"http: without slashes", "GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n",
     "target is neither path nor http URI"},
    {"http:// without authority", "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n",
     "bad authority in the target"},
    {"user in the authority", "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
     "bad authority in the target"},
    {"backslash in the authority", "GET http://a\\@b/ HTTP/1.1\r\nHost: a\r\n\r\n",
     "bad authority in the target"},
    {"port 0 in the authority", "GET http://a:0/ HTTP/1.1\r\nHost: a\r\n\r\n",
     "bad authority in the target"},
    {"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "refused byte in the path"},
    {"fragment in the query", "GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n", "fragment in the target"},
    {"fragment after an authority", "GET http://a#b HTTP/1.1\r\nHost: a\r\n\r\n",
     "path without a leading slash"},
    {"path above the root", "GET /../a HTTP/1.1\r\nHost: a\r\n\r\n", "path above the root"},
    {"escaped path above the root", "GET /a/%2e%2e/%2E. HTTP/1.1\r\nHost: a\r\n\r\n",
     "path above the root"},
    {"%2F", "GET /a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n", "%00, %2F or %5C in the path"},
    {"%5c", "GET /a%5cb HTTP/1.1\r\nHost: a\r\n\r\n", "%00, %2F or %5C in the path"},
    {"%00", "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", "%00, %2F or %5C in the path"},
    {"..;", "GET /a/..;/b HTTP/1.1\r\nHost: a\r\n\r\n", "dot segment with a parameter in the path"},
    {"backslash in the path", "GET /a\\..\\b HTTP/1.1\r\nHost: a\r\n\r\n",
     "refused byte in the path"},
    {"broken escape", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "broken escape in the path"},
    {"NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     "bad byte in the target, or no version"},
    {"CR in the target", "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n",
     "bad byte in the target, or no version"},
    {"LF in the target", "GET /a\nb HTTP/1.1\r\nHost: a\r\n\r\n",
     "bad byte in the target, or no version"},
    {"DEL in the target", "GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
     "bad byte in the target, or no version"},
    {"UTF-8 in the target", "GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
     "bad byte in the target, or no version"},
    {"tab in the query", "GET /?a\tb HTTP/1.1\r\nHost: a\r\n\r\n",
     "bad byte in the target, or no version"},
};

std::string whole(const Refused& row) {
    return row.is_whole ? std::string(row.bytes) : std::string(kLine).append(row.bytes);
}

TEST(ParseRequestHead, RefusesWhatIsAmbiguous) {
    static_assert(std::size(kRefused) >= 120);
    RequestHead head;
    for (const Refused& row : kRefused) {
        const HeadParse parse = parse_request_head(whole(row), {}, head);
        ASSERT_EQ(parse.state, State::failed) << row.name;
        EXPECT_EQ(parse.error.reason, Reason::bad_request) << row.name;
        EXPECT_EQ(parse.error.origin, Error::Origin::downstream) << row.name;
        EXPECT_EQ(parse.error.retry, Error::Retry::never) << row.name;
        EXPECT_EQ(parse.error.detail, row.detail) << row.name;
    }
}

// However a refused request is cut, it is refused at some byte, stays so, and is never done.
TEST(ParseRequestHead, RefusesAtEveryCutAlike) {
    RequestHead head;
    for (const Refused& row : kRefused) {
        const std::string bytes = whole(row);
        bool has_failed = false;
        for (std::size_t size = 0; size <= bytes.size(); ++size) {
            // A copy of just these bytes, so that a read past them is seen by the sanitizer.
            const std::string cut = bytes.substr(0, size);
            const HeadParse parse = parse_request_head(cut, {}, head);
            ASSERT_NE(parse.state, State::done) << row.name << " at " << size;
            ASSERT_TRUE(!has_failed || parse.state == State::failed) << row.name << " at " << size;
            has_failed = parse.state == State::failed;
        }
        EXPECT_TRUE(has_failed) << row.name;
    }
}

struct Accepted {
    std::string_view bytes;
    std::string_view expected;  // test::describe
};

constexpr Accepted kAccepted[] = {
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET a / 1.1 framing 0/0 keep\nHost=a\n"},
    {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET a / 1.1 framing 0/0 keep\nHost=a\n"},
    {"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET a / 1.1 framing 0/0 keep\nHost=a\n"},
    {"GET / HTTP/1.0\r\n\r\n", "GET  / 1.0 framing 0/0\n"},
    {"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
     "GET a / 1.0 framing 0/0 keep\nHost=a\nConnection=keep-alive\n"},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive, close\r\n\r\n",
     "GET  / 1.0 framing 0/0\nConnection=Keep-Alive, close\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: CLOSE\r\n\r\n",
     "GET a / 1.1 framing 0/0\nHost=a\nConnection=CLOSE\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive ,\tclose\r\n\r\n",
     "GET a / 1.1 framing 0/0\nHost=a\nConnection=keep-alive ,\tclose\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x-hop\r\nConnection: close\r\n\r\n",
     "GET a / 1.1 framing 0/0 nominated\nHost=a\nConnection=x-hop\nConnection=close\n"},
    {"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n",
     "POST a /p 1.1 framing 1/12 keep\nHost=a\nContent-Length=12\n"},
    {"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length:0\r\n\r\n",
     "POST a /p 1.1 framing 1/0 keep\nHost=a\nContent-Length=0\n"},
    {"POST /p HTTP/1.0\r\nContent-Length: 0000000000000000012\r\n\r\n",
     "POST  /p 1.0 framing 1/12\nContent-Length=0000000000000000012\n"},
    {"PUT /p HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
     "PUT a /p 1.1 framing 1/9223372036854775807 "
     "keep\nHost=a\nContent-Length=9223372036854775807\n"},
    {"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
     "POST a /p 1.1 framing 2/0 keep\nHost=a\nTransfer-Encoding=chunked\n"},
    {"GET /p HTTP/1.1\r\nHost: a\r\ntransfer-encoding:\t CHUNKED \t\r\n\r\n",
     "GET a /p 1.1 framing 2/0 keep\nHost=a\ntransfer-encoding=CHUNKED\n"},
    {"GET /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
     "GET a /body 1.1 framing 1/3 keep\nHost=a\nContent-Length=3\n"},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n",
     "POST a / 1.1 framing 1/3 keep expect\nHost=a\nExpect=100-Continue\nContent-Length=3\n"},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
     "POST a / 1.1 framing 0/0 keep\nHost=a\nExpect=100-continue\n"},
    {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
     "POST  / 1.0 framing 1/3\nExpect=100-continue\nContent-Length=3\n"},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 3\r\n\r\n",
     "POST a / 1.1 framing 1/3 keep\nHost=a\nExpect=a-miracle\nContent-Length=3\n"},
    // Upgrade.
    {"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
     "GET a /ws 1.1 framing 0/0 keep upgrade "
     "websocket\nHost=a\nConnection=Upgrade\nUpgrade=websocket\n"},
    {"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: h2c, websocket\r\nConnection: keep-alive, "
     "upgrade\r\n\r\n",
     "GET a /ws 1.1 framing 0/0 keep upgrade websocket\nHost=a\nUpgrade=h2c, websocket\n"
     "Connection=keep-alive, upgrade\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "
     "h2c\r\nHTTP2-Settings: AAMA\r\n\r\n",
     "GET a / 1.1 framing 0/0 keep nominated\nHost=a\nConnection=Upgrade, "
     "HTTP2-Settings\nUpgrade=h2c\n"
     "HTTP2-Settings=AAMA\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2, HTTP/2.0\r\n\r\n",
     "GET a / 1.1 framing 0/0 keep\nHost=a\nConnection=Upgrade\nUpgrade=TLS/1.2, HTTP/2.0\n"},
    {"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
     "GET a /ws 1.1 framing 0/0 keep\nHost=a\nUpgrade=websocket\n"},
    {"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
     "GET a /ws 1.1 framing 0/0 keep\nHost=a\nConnection=upgrade\n"},
    {"GET /ws HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
     "GET  /ws 1.0 framing 0/0\nConnection=upgrade\nUpgrade=websocket\n"},
    {"POST /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: "
     "1\r\n\r\n",
     "POST a /ws 1.1 framing 1/1 "
     "keep\nHost=a\nConnection=upgrade\nUpgrade=websocket\nContent-Length=1\n"},
    {"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: "
     "0\r\n\r\n",
     "GET a /ws 1.1 framing 1/0 keep upgrade "
     "websocket\nHost=a\nConnection=upgrade\nUpgrade=websocket\n"
     "Content-Length=0\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nTE: gzip, trailers\r\nConnection: te\r\n\r\n",
     "GET a / 1.1 framing 0/0 keep trailers\nHost=a\nTE=gzip, trailers\nConnection=te\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n",
     "GET a / 1.1 framing 0/0 keep\nHost=a\nTE=trailers\n"},
    // Targets.
    {"GET /a?b?c=/../%zz\\ HTTP/1.1\r\nHost: a\r\n\r\n",
     "GET a /a?b?c=/../%zz\\ 1.1 framing 0/0 keep\nHost=a\n"},
    {"GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", "GET a /a? 1.1 framing 0/0 keep\nHost=a\n"},
    {"GET /a/./b/../%7Ec//d HTTP/1.1\r\nHost: a\r\n\r\n",
     "GET a /a/~c/d 1.1 framing 0/0 keep\nHost=a\n"},
    {"GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
     "GET b:81 /x?y 1.1 framing 0/0 keep\nHost=a\n"},
    {"GET HTTPS://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET b / 1.1 framing 0/0 keep\nHost=a\n"},
    {"GET http://[::1]:80?q HTTP/1.1\r\nHost: a\r\n\r\n",
     "GET [::1]:80 /?q 1.1 framing 0/0 keep\nHost=a\n"},
    {"GET http://b/ HTTP/1.0\r\n\r\n", "GET b / 1.0 framing 0/0\n"},
    {"GET http://b//c/%2e HTTP/1.1\r\nHost: b\r\n\r\n", "GET b /c/ 1.1 framing 0/0 keep\nHost=b\n"},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS a * 1.1 framing 0/0 keep\nHost=a\n"},
    {"OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS b * 1.1 framing 0/0 keep\nHost=a\n"},
    {"OPTIONS http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS b / 1.1 framing 0/0 keep\nHost=a\n"},
    {"OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS a /x 1.1 framing 0/0 keep\nHost=a\n"},
    // Methods and fields.
    {"M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", "M-SEARCH a / 1.1 framing 0/0 keep\nHost=a\n"},
    {"!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\nHost: a\r\n\r\n",
     "!#$%&'*+-.^_`|~09azAZ a / 1.1 framing 0/0 keep\nHost=a\n"},
    {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n",
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA a / 1.1 framing 0/0 keep\nHost=a\n"},
    {"GET / HTTP/1.1\r\nhOsT:a\r\n\r\n", "GET a / 1.1 framing 0/0 keep\nhOsT=a\n"},
    {"GET / HTTP/1.1\r\nX-Empty:\r\nX-Blank: \t \r\nHost: a\r\n\r\n",
     "GET a / 1.1 framing 0/0 keep\nX-Empty=\nX-Blank=\nHost=a\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX:\t a\tb  c \t\r\n\r\n",
     "GET a / 1.1 framing 0/0 keep\nHost=a\nX=a\tb  c\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\x80\xff\r\n\r\n",
     "GET a / 1.1 framing 0/0 keep\nHost=a\nX=\xc3\xa9\x80\xff\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^`|~09azAZ: v\r\n\r\n",
     "GET a / 1.1 framing 0/0 keep\nHost=a\n!#$%&'*+-.^`|~09azAZ=v\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX-B3-TraceId-Of-A-Great-Length-0123456789: v:w\r\nX: :\r\n\r\n",
     "GET a / 1.1 framing 0/0 keep\nHost=a\nX-B3-TraceId-Of-A-Great-Length-0123456789=v:w\nX=:\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX_Y: dropped\r\nX-Y: kept\r\n\r\n",
     "GET a / 1.1 framing 0/0 keep\nHost=a\nX-Y=kept\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 3\r\nTransfer_Encoding: chunked\r\n\r\n",
     "GET a / 1.1 framing 0/0 keep\nHost=a\n"},
};

TEST(ParseRequestHead, SaysWhatTheHeadSays) {
    RequestHead head;
    for (const Accepted& row : kAccepted) {
        const HeadParse parse = parse_request_head(row.bytes, {}, head);
        ASSERT_EQ(parse.state, State::done) << row.bytes << parse.error.detail;
        EXPECT_EQ(test::describe(head), row.expected) << row.bytes;
        EXPECT_EQ(parse.consumed, row.bytes.size()) << row.bytes;
    }
}

TEST(ParseRequestHead, LeavesWhatFollowsTheHead) {
    RequestHead head;
    for (const Accepted& row : kAccepted) {
        const std::string bytes = std::string(row.bytes) + "GET /next HTTP/1.1\n\0\r";
        const HeadParse parse = parse_request_head(bytes, {}, head);
        ASSERT_EQ(parse.state, State::done) << row.bytes;
        EXPECT_EQ(parse.consumed, row.bytes.size()) << row.bytes;
        EXPECT_EQ(test::describe(head), row.expected) << row.bytes;
    }
}

// Every cut, parsed anew and as a growing buffer whose bytes were seen already.
TEST(ParseRequestHead, NeedsMoreUntilTheLastByte) {
    RequestHead head;
    for (const Accepted& row : kAccepted) {
        std::size_t seen = 0;
        for (std::size_t size = 0; size < row.bytes.size(); ++size) {
            const std::string cut(row.bytes.substr(0, size));
            ASSERT_EQ(parse_request_head(cut, {}, head).state, State::need_more) << cut;
            ASSERT_EQ(parse_request_head(cut, {}, head, seen).state, State::need_more) << cut;
            seen = size;
        }
        const HeadParse parse = parse_request_head(row.bytes, {}, head, seen);
        ASSERT_EQ(parse.state, State::done) << row.bytes;
        EXPECT_EQ(test::describe(head), row.expected);
    }
}

// The bytes stand at each distance from the end of the buffer and from its beginning: blocks, tails
// and single bytes find the same.
TEST(ParseRequestHead, SeesAControlAtEveryPlaceOfAValue) {
    RequestHead head;
    for (std::size_t size = 1; size < 40; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const int byte : {0x00, 0x01, 0x0a, 0x0b, 0x1f, 0x7f}) {
                std::string value(size, 'v');
                value[at] = static_cast<char>(byte);
                const std::string bytes = std::string(kLine) + "X: " + value + "\r\n\r\n";
                ASSERT_EQ(parse_request_head(bytes, {}, head).state, State::failed)
                    << size << at << byte;
            }
            for (const int byte : {0x09, 0x20, 0x21, 0x7e, 0x80, 0xff}) {
                std::string value(size + 2, 'v');
                value[at + 1] = static_cast<char>(byte);
                const std::string bytes = std::string(kLine) + "X: " + value + "\r\n\r\n";
                ASSERT_EQ(parse_request_head(bytes, {}, head).state, State::done)
                    << size << at << byte;
                ASSERT_EQ(head.headers.find("x")->value, value);
            }
        }
    }
}

TEST(ParseRequestHead, KnowsATokenByteAtEveryPlaceOfAName) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^`|~";
    RequestHead head;
    for (std::size_t size = 1; size < 36; ++size) {
        for (int byte = 0; byte < 256; ++byte) {
            const char letter = static_cast<char>(byte);
            if (letter == ':' || letter == '_') continue;
            std::string name(size, 'n');
            name[size / 2] = letter;
            const std::string bytes =
                std::string(kLine) + name + ": a-value-of-some-length\r\n\r\n";
            const bool is_token =
                (byte < 128 && std::isalnum(byte) != 0) || kMarks.find(letter) != kMarks.npos;
            const HeadParse parse = parse_request_head(bytes, {}, head);
            // A name that begins with CR could be the end of the head: "\r" and not LF.
            ASSERT_EQ(parse.state, is_token ? State::done : State::failed) << size << " " << byte;
            ASSERT_TRUE(!is_token || head.headers.size() == 2) << size << " " << byte;
        }
    }
}

TEST(ParseRequestHead, NeedsMoreOfNothing) {
    RequestHead request;
    ResponseHead response;
    EXPECT_EQ(parse_request_head({}, {}, request).state, State::need_more);
    EXPECT_EQ(parse_response_head({}, Method::get, {}, response).state, State::need_more);
}

TEST(ParseRequestHead, TreatsUnderscoresAsTold) {
    constexpr std::string_view kBytes = "GET / HTTP/1.1\r\nHost: a\r\nX_A: 1\r\n\r\n";
    RequestHead head;
    H1Limits limits;
    limits.underscores = H1Limits::Underscores::allow;
    ASSERT_EQ(parse_request_head(kBytes, limits, head).state, State::done);
    EXPECT_EQ(head.headers.find("x_a")->value, "1");
    limits.underscores = H1Limits::Underscores::drop;
    ASSERT_EQ(parse_request_head(kBytes, limits, head).state, State::done);
    EXPECT_EQ(head.headers.find("x_a"), nullptr);
    limits.underscores = H1Limits::Underscores::reject;
    const HeadParse parse = parse_request_head(kBytes, limits, head);
    ASSERT_EQ(parse.state, State::failed);
    EXPECT_STREQ(parse.error.detail, "underscore in a field name");
}

TEST(ParseRequestHead, ResolvesSlashesAsTold) {
    RequestHead head;
    H1Limits limits;
    limits.merge_slashes = false;
    ASSERT_EQ(parse_request_head("GET //a//b HTTP/1.1\r\nHost: a\r\n\r\n", limits, head).state,
              State::done);
    EXPECT_EQ(head.path, "//a//b");
}

TEST(ParseRequestHead, LimitsTheNumberOfFields) {
    RequestHead head;
    H1Limits limits;
    limits.headers = 3;
    const auto with = [](int fields) {
        std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n";
        for (int field = 1; field < fields; ++field)
            bytes += "X_Y: 1\r\n";  // dropped ones count
        return bytes;
    };
    EXPECT_EQ(parse_request_head(with(3) + "\r\n", limits, head).state, State::done);
    const HeadParse parse = parse_request_head(with(4) + "\r\n", limits, head);
    ASSERT_EQ(parse.state, State::failed);
    EXPECT_EQ(parse.error.reason, Reason::headers_too_large);
    // At the first byte of the field too many.
    EXPECT_EQ(parse_request_head(with(3) + "X", limits, head).state, State::failed);
}

TEST(ParseRequestHead, LimitsTheSizeOfTheHead) {
    RequestHead head;
    H1Limits limits;
    limits.header_size = 100;
    const auto of_size = [](std::size_t size) {
        std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        bytes.append(size - bytes.size() - 4, 'x');
        return bytes + "\r\n\r\n";
    };
    EXPECT_EQ(parse_request_head(of_size(100), limits, head).state, State::done);
    EXPECT_EQ(parse_request_head(of_size(100) + "body body", limits, head).state, State::done);
    const std::string large = of_size(101);
    EXPECT_EQ(parse_request_head(large.substr(0, 99), limits, head).state, State::need_more);
    for (const std::size_t size : {100UL, 101UL}) {
        for (const std::size_t seen : {0UL, 99UL}) {
            const HeadParse parse =
                parse_request_head(std::string_view(large).substr(0, size), limits, head, seen);
            ASSERT_EQ(parse.state, State::failed) << size;
            EXPECT_EQ(parse.error.reason, Reason::headers_too_large) << size;
        }
    }
}

TEST(ParseRequestHead, LimitsTheTarget) {
    RequestHead head;
    H1Limits limits;
    limits.target = 20;
    const std::string fits = "GET /" + std::string(19, 'p');
    EXPECT_EQ(parse_request_head(fits + " HTTP/1.1\r\nHost: a\r\n\r\n", limits, head).state,
              State::done);
    EXPECT_EQ(parse_request_head(fits, limits, head).state, State::need_more);
    for (const char* rest : {"p", "p HTTP/1.1\r\nHost: a\r\n\r\n", "?"}) {
        const HeadParse parse = parse_request_head(fits + rest, limits, head);
        ASSERT_EQ(parse.state, State::failed) << rest;
        EXPECT_EQ(parse.error.reason, Reason::uri_too_long) << rest;
    }
}

// A target above the limit is uri_too_long even if it arrives a byte at a time and was seen before.
TEST(ParseRequestHead, NoticesALongTargetInPieces) {
    RequestHead head;
    const std::string bytes = "GET /" + std::string(31 * 1024, 'p');
    Reason reason = Reason::none;
    std::size_t at = 0;
    while (reason == Reason::none && at < bytes.size()) {
        const HeadParse parse =
            parse_request_head(std::string_view(bytes).substr(0, at + 1), {}, head, at);
        reason = parse.error.reason;
        ++at;
    }
    EXPECT_EQ(reason, Reason::uri_too_long);
    EXPECT_LT(at, 10'300U);  // within 1 KiB of the limit, the method included
}

TEST(ParseRequestHead, BoundsTheOptionsOfConnection) {
    RequestHead head;
    const auto with = [](int options) {
        std::string bytes = std::string(kLine) + "Connection: a";
        for (int option = 1; option < options; ++option)
            bytes += ",,b";
        return bytes + "\r\n\r\n";
    };
    EXPECT_EQ(parse_request_head(with(32), {}, head).state, State::done);
    EXPECT_STREQ(parse_request_head(with(33), {}, head).error.detail,
                 "too many options in Connection");
}

TEST(ParseRequestHead, PointsIntoTheBytes) {
    const std::string bytes = "GET /a/b?c HTTP/1.1\r\nHost: host.example\r\nX: y\r\n\r\n";
    RequestHead head;
    ASSERT_EQ(parse_request_head(bytes, {}, head).state, State::done);
    const auto is_inside = [&bytes](std::string_view view) {
        return view.data() >= bytes.data() &&
               view.data() + view.size() <= bytes.data() + bytes.size();
    };
    EXPECT_TRUE(is_inside(head.method_text) && is_inside(head.path) && is_inside(head.query));
    EXPECT_TRUE(is_inside(head.authority));
    for (const HeaderField& field : head.headers)
        EXPECT_TRUE(is_inside(field.name) && is_inside(field.value));
}

}  // namespace
}  // namespace weir::http
