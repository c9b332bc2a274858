#include "unit/http/support.hpp"
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weir::http {
namespace {

constexpr ForwardRequest kStranger{.client_ip = "10.0.0.9", .request_id = "id-1"};
constexpr ForwardRequest kTrusted{
    .client_ip = "10.0.0.9", .request_id = "id-1", .trusts_client = true};
constexpr std::string_view kAdded =
    "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n"
    "x-request-id: id-1\r\nVia: 1.1 weir\r\n\r\n";

std::string forward(std::string_view bytes, const ForwardRequest& how = kStranger) {
    RequestHead head;
    const HeadParse parse = parse_request_head(bytes, {}, head);
    EXPECT_EQ(parse.state, HeadParse::State::done) << bytes << parse.error.detail;
    std::string out;
    write_request_head(out, head, how);
    return out;
}

struct RequestCase {
    std::string_view fields;    // after "GET /p HTTP/1.1" and Host: a
    std::string_view expected;  // between Host: a and what is always added
};

constexpr RequestCase kRequests[] = {
    {"", ""},
    {"Accept: */*\r\nUser-Agent: u\r\n", "Accept: */*\r\nUser-Agent: u\r\n"},
    // Blanks around a value do not matter; the line goes out well formed.
    {"A:1\r\nB:  2\r\nC: 3 \t\r\nD: 4\r\nE:\r\n", "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: \r\n"},
    {"X: caf\xc3\xa9\ta\r\n", "X: caf\xc3\xa9\ta\r\n"},
    // Framing.
    {"Content-Length: 5\r\nA: 1\r\n", "Content-Length: 5\r\nA: 1\r\n"},
    {"content-length:5\r\n", "content-length: 5\r\n"},
    {"A: 1\r\nContent-Length: 005\r\nB: 2\r\n", "A: 1\r\nB: 2\r\nContent-Length: 5\r\n"},
    {"Content-Length: 0\r\n", "Content-Length: 0\r\n"},
    {"Transfer-Encoding:  Chunked\r\nA: 1\r\n", "A: 1\r\nTransfer-Encoding: chunked\r\n"},
    {"Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n",
     "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n"},
    {"Trailer: X-Sum\r\n", ""},
    {"Expect: 100-continue\r\nContent-Length: 5\r\n", "Content-Length: 5\r\n"},
    // Hop by hop.
    {"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nA: 1\r\n", "A: 1\r\n"},
    {"Connection: close\r\nProxy-Connection: close\r\nA: 1\r\n", "A: 1\r\n"},
    {"Proxy-Authorization: Basic x\r\nA: 1\r\n", "A: 1\r\n"},
    {"A: 1\r\nX-Hop: 1\r\nConnection: x-hop\r\nB: 2\r\nx-HOP: 2\r\n", "A: 1\r\nB: 2\r\n"},
    {"Connection: a, ,b\r\nConnection: c\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n", "D: 1\r\n"},
    {"Upgrade: websocket\r\nConnection: upgrade\r\nA: 1\r\n", "A: 1\r\n"},
    {"Upgrade: h2c\r\nHTTP2-Settings: x\r\nConnection: upgrade, http2-settings\r\n", ""},
    {"TE: trailers\r\n", ""},
    {"TE: gzip\r\nConnection: te\r\n", ""},
    {"TE: gzip, trailers\r\nConnection: te\r\nA: 1\r\n",
     "A: 1\r\nConnection: te\r\nTE: trailers\r\n"},
    // What Connection cannot take away.
    {"Connection: content-length\r\nContent-Length: 5\r\n", "Content-Length: 5\r\n"},
    {"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
     "Transfer-Encoding: chunked\r\n"},
    {"Connection: host, x-forwarded-for, x-request-id, via\r\nVia: 1.0 b\r\n", "Via: 1.0 b\r\n"},
    {"Connection: authorization, cookie\r\nAuthorization: x\r\nCookie: y\r\n",
     "Authorization: x\r\nCookie: y\r\n"},
    {"Connection: content-type, traceparent\r\nContent-Type: x\r\nTraceparent: y\r\n",
     "Content-Type: x\r\nTraceparent: y\r\n"},
    // Of a stranger.
    {"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nA: 1\r\n",
     "A: 1\r\n"},
    {"X-Forwarded-Port: 1\r\nForwarded: for=1.1.1.1\r\nA: 1\r\n", "A: 1\r\n"},
    {"x-weir-timeout: 1s\r\nweir-error: x\r\nWeir-Route: r\r\nA: 1\r\n", "A: 1\r\n"},
    {"x-request-id: theirs\r\nX-Request-ID: again\r\nA: 1\r\n", "A: 1\r\n"},
    {"Via: 1.1 front\r\n", "Via: 1.1 front\r\n"},
};

TEST(WriteRequestHead, ForwardsWhatGoesOn) {
    for (const RequestCase& row : kRequests) {
        const std::string bytes =
            std::string("GET /p HTTP/1.1\r\nHost: a\r\n").append(row.fields) + "\r\n";
        const std::string expected =
            std::string("GET /p HTTP/1.1\r\nHost: a\r\n").append(row.expected).append(kAdded);
        EXPECT_EQ(forward(bytes), expected) << row.fields;
    }
}

// The same fields with Host in any place: the stretches that are copied break elsewhere.
TEST(WriteRequestHead, DoesNotDependOnThePlaceOfHost) {
    for (const RequestCase& row : kRequests) {
        const std::string bytes =
            std::string("GET /p HTTP/1.1\r\n").append(row.fields) + "Host: a\r\n\r\n";
        const std::string expected =
            std::string("GET /p HTTP/1.1\r\nHost: a\r\n").append(row.expected).append(kAdded);
        EXPECT_EQ(forward(bytes), expected) << row.fields;
    }
}

TEST(WriteRequestHead, DropsAnUnderscoredFieldFromBetweenCopiedOnes) {
    EXPECT_EQ(forward("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nX_B: 2\r\nC: 3\r\n\r\n"),
              std::string("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nC: 3\r\n").append(kAdded));
}

TEST(WriteRequestHead, WritesTheRequestLine) {
    const auto line = [](std::string_view request, const ForwardRequest& how) {
        const std::string out = forward(request, how);
        return out.substr(0, out.find("\r\n", out.find("Host:")));
    };
    EXPECT_EQ(line("PURGE /a?b=c?d HTTP/1.1\r\nHost: h:81\r\n\r\n", {}),
              "PURGE /a?b=c?d HTTP/1.1\r\nHost: h:81");
    EXPECT_EQ(line("GET /a? HTTP/1.1\r\nHost: h\r\n\r\n", {}), "GET /a? HTTP/1.1\r\nHost: h");
    EXPECT_EQ(line("GET /%61/../b//c HTTP/1.1\r\nHost: h\r\n\r\n", {}),
              "GET /b/c HTTP/1.1\r\nHost: h");
    EXPECT_EQ(line("GET http://b/x HTTP/1.1\r\nHost: h\r\n\r\n", {}), "GET /x HTTP/1.1\r\nHost: b");
    EXPECT_EQ(line("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", {}), "OPTIONS * HTTP/1.1\r\nHost: h");
    EXPECT_EQ(line("GET /a?q HTTP/1.1\r\nHost: h\r\n\r\n", {.path = "/new", .host = "inner"}),
              "GET /new?q HTTP/1.1\r\nHost: inner");
    EXPECT_EQ(line("GET /a HTTP/1.0\r\n\r\n", {}), "GET /a HTTP/1.1\r\nHost: ");
}

TEST(WriteRequestHead, TellsTheOriginalHostBesideTheRewrittenOne) {
    const std::string out =
        forward("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n", {.host = "10.0.0.1"});
    EXPECT_NE(out.find("\r\nHost: 10.0.0.1\r\n"), std::string::npos);
    EXPECT_NE(out.find("\r\nX-Forwarded-Host: shop.example\r\n"), std::string::npos);
}

TEST(WriteRequestHead, LeavesOutWhatIsNotKnown) {
    EXPECT_EQ(
        forward("GET / HTTP/1.1\r\nHost: a\r\nx-request-id: old\r\n\r\n", {.scheme = "https"}),
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n"
        "Via: 1.1 weir\r\n\r\n");
}

TEST(WriteRequestHead, NamesTheVersionItReceived) {
    const std::string out = forward("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    EXPECT_NE(out.find(" HTTP/1.1\r\n"), std::string::npos);
    EXPECT_NE(out.find("\r\nVia: 1.0 weir\r\n"), std::string::npos);
}

TEST(WriteRequestHead, AppendsToTheForwardingOfATrustedClient) {
    EXPECT_EQ(
        forward("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1, "
                "2.2.2.2\r\nX-Forwarded-Proto: https\r\n"
                "X-Forwarded-Host: outer\r\nX-Forwarded-Port: 443\r\nx-forwarded-for: 3.3.3.3\r\n"
                "x-weir-timeout: 1s\r\nweir-error: e\r\nForwarded: for=1.1.1.1\r\nx-request-id: "
                "old\r\n\r\n",
                kTrusted),
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Port: 443\r\nx-weir-timeout: 1s\r\nweir-error: "
        "e\r\n"
        "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9\r\nX-Forwarded-Proto: https\r\n"
        "X-Forwarded-Host: outer\r\nForwarded: for=1.1.1.1, for=10.0.0.9;host=\"a\";proto=http\r\n"
        "x-request-id: id-1\r\nVia: 1.1 weir\r\n\r\n");
}

TEST(WriteRequestHead, SetsTheForwardingATrustedClientDidNotSend) {
    EXPECT_EQ(forward("GET / HTTP/1.1\r\nHost: a\r\n\r\n", kTrusted),
              std::string("GET / HTTP/1.1\r\nHost: a\r\n").append(kAdded));
}

TEST(WriteRequestHead, QuotesIpv6InForwarded) {
    const std::string out = forward("GET / HTTP/1.1\r\nHost: a:80\r\nForwarded: for=b\r\n\r\n",
                                    {.client_ip = "::1", .scheme = "https", .trusts_client = true});
    EXPECT_NE(out.find("\r\nForwarded: for=b, for=\"[::1]\";host=\"a:80\";proto=https\r\n"),
              std::string::npos)
        << out;
}

TEST(WriteRequestHead, PassesAnUpgradeOn) {
    EXPECT_EQ(
        forward("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, x-hop\r\nUpgrade: h2c, "
                "websocket\r\n"
                "Sec-WebSocket-Key: k\r\nX-Hop: 1\r\n\r\n",
                {.client_ip = "10.0.0.9", .request_id = "id-1", .is_upgrade = true}),
        std::string("GET /ws HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\nConnection: upgrade\r\n"
                    "Upgrade: websocket\r\n")
            .append(kAdded));
}

TEST(WriteRequestHead, WritesHeadsThatWereNotParsed) {
    RequestHead head;
    head.method_text = "POST";
    head.authority = "svc";
    head.path = "/deliver";
    head.framing = Framing::length;
    head.content_length = 12;
    head.headers.add("content-type", "text/plain", HeaderId::content_type);
    head.headers.add("x-a", "", HeaderId::other);
    std::string out = "before|";
    write_request_head(out, head, {});
    EXPECT_EQ(out,
              "before|POST /deliver HTTP/1.1\r\nHost: svc\r\ncontent-type: text/plain\r\nx-a: \r\n"
              "Content-Length: 12\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: svc\r\nVia: 1.1 "
              "weir\r\n\r\n");
    head.framing = Framing::until_close;
    out.clear();
    write_request_head(out, head, {});
    EXPECT_NE(out.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
    EXPECT_EQ(out.find("Content-Length"), std::string::npos);
}

TEST(WriteRequestHead, WritesHeadsOfAnySize) {
    for (const std::size_t size : {10UL, 700UL, 767UL, 768UL, 769UL, 5'000UL, 30'000UL}) {
        const std::string bytes =
            "GET / HTTP/1.1\r\nX: " + std::string(size, 'x') + "\r\nHost: a\r\nY: 1\r\n\r\n";
        EXPECT_EQ(forward(bytes), "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(size, 'x') +
                                      "\r\nY: 1\r\n" + std::string(kAdded));
    }
}

struct ResponseCase {
    Method method;
    std::string_view head;  // status line after the version, and fields
    ForwardResponse how;
    std::string_view expected;
    Framing framing;
};

constexpr ForwardResponse kOld{.client_minor = 0};
constexpr ForwardResponse kHead{.is_head = true};
constexpr ForwardResponse kOldHead{.client_minor = 0, .is_head = true};

const ResponseCase kResponses[] = {
    {Method::get,
     "200 OK\r\nA: 1\r\nContent-Length: 5\r\nB: 2\r\n",
     {},
     "200 OK\r\nA: 1\r\nContent-Length: 5\r\nB: 2\r\n",
     Framing::length},
    {Method::get,
     "200 OK\r\nContent-Length: 005\r\nB: 2\r\n",
     {},
     "200 OK\r\nB: 2\r\nContent-Length: 5\r\n",
     Framing::length},
    {Method::get,
     "200\r\nContent-Length: 0\r\n",
     {},
     "200 \r\nContent-Length: 0\r\n",
     Framing::length},
    {Method::get,
     "404 Pas trouv\xc3\xa9\r\nContent-Length: 0\r\n",
     {},
     "404 Pas trouv\xc3\xa9\r\nContent-Length: 0\r\n",
     Framing::length},
    {Method::get,
     "200 OK\r\nTransfer-Encoding: CHUNKED\r\nTrailer: X\r\n",
     {},
     "200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n",
     Framing::chunked},
    {Method::get, "200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n", kOld,
     "200 OK\r\nConnection: close\r\n", Framing::until_close},
    {Method::get,
     "200 OK\r\nA: 1\r\n",
     {},
     "200 OK\r\nA: 1\r\nTransfer-Encoding: chunked\r\n",
     Framing::chunked},
    {Method::get, "200 OK\r\nA: 1\r\n", kOld, "200 OK\r\nA: 1\r\nConnection: close\r\n",
     Framing::until_close},
    {Method::get,
     "200 OK\r\nA: 1\r\n",
     {.client_minor = 0, .keep_alive_header = true},
     "200 OK\r\nA: 1\r\nConnection: close\r\n",
     Framing::until_close},
    {Method::get,
     "200 OK\r\nContent-Length: 5\r\nTrailer: X\r\n",
     {.client_minor = 0, .keep_alive_header = true},
     "200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n",
     Framing::length},
    {Method::get,
     "200 OK\r\nContent-Length: 5\r\n",
     {.close = true},
     "200 OK\r\nContent-Length: 5\r\nConnection: close\r\n",
     Framing::length},
    {Method::get,
     "200 OK\r\nContent-Length: 5\r\n",
     {.extra = "x-request-id: 1\r\nB: 2\r\n"},
     "200 OK\r\nContent-Length: 5\r\nx-request-id: 1\r\nB: 2\r\n",
     Framing::length},
    // Hop by hop.
    {Method::get,
     "200 OK\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nA: 1\r\n"
     "Content-Length: 5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\n",
     {},
     "200 OK\r\nA: 1\r\nContent-Length: 5\r\n",
     Framing::length},
    {Method::get,
     "200 OK\r\nConnection: set-cookie, content-length\r\nSet-Cookie: a\r\nContent-Length: 5\r\n",
     {},
     "200 OK\r\nSet-Cookie: a\r\nContent-Length: 5\r\n",
     Framing::length},
    {Method::get,
     "200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\n",
     {},
     "200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\n",
     Framing::length},
    {Method::get,
     "503 No\r\nweir-error: overloaded\r\nContent-Length: 0\r\n",
     {},
     "503 No\r\nweir-error: overloaded\r\nContent-Length: 0\r\n",
     Framing::length},
    {Method::get,
     "503 No\r\nweir-error: overloaded\r\nx-weir-retried: 2\r\nContent-Length: 0\r\n",
     {.strip_weir_fields = true},
     "503 No\r\nContent-Length: 0\r\n",
     Framing::length},
    // Without a body.
    {Method::head, "200 OK\r\nContent-Length: 5\r\n", kHead, "200 OK\r\nContent-Length: 5\r\n",
     Framing::none},
    {Method::head, "200 OK\r\nContent-Length: 005\r\n", kHead, "200 OK\r\n", Framing::none},
    {Method::head, "200 OK\r\nTransfer-Encoding: chunked\r\n", kHead,
     "200 OK\r\nTransfer-Encoding: chunked\r\n", Framing::none},
    {Method::head, "200 OK\r\nTransfer-Encoding: chunked\r\n", kOldHead, "200 OK\r\n",
     Framing::none},
    {Method::head, "200 OK\r\nA: 1\r\n", kHead, "200 OK\r\nA: 1\r\n", Framing::none},
    {Method::get,
     "304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n",
     {},
     "304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n",
     Framing::none},
    {Method::get,
     "204 No Content\r\nContent-Length: 0\r\nA: 1\r\n",
     {},
     "204 No Content\r\nA: 1\r\n",
     Framing::none},
    {Method::get, "204 No Content\r\nTransfer-Encoding: chunked\r\n", kHead, "204 No Content\r\n",
     Framing::none},
    // Interim.
    {Method::get, "100 Continue\r\n", {.close = true}, "100 Continue\r\n", Framing::none},
    {Method::get,
     "103 Early Hints\r\nLink: </a>\r\nConnection: keep-alive\r\n",
     {.keep_alive_header = true},
     "103 Early Hints\r\nLink: </a>\r\n",
     Framing::none},
    {Method::get,
     "101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
     "Upgrade\r\nSec-WebSocket-Accept: k\r\n",
     {.close = true},
     "101 Switching Protocols\r\nSec-WebSocket-Accept: k\r\nConnection: upgrade\r\n"
     "Upgrade: websocket\r\n",
     Framing::none},
    // The one that counts, not the first.
    {Method::get,
     "101 Switching Protocols\r\nUpgrade:\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
     {},
     "101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
     Framing::none},
};

TEST(WriteResponseHead, ForwardsWhatGoesOnAndTellsTheFraming) {
    for (const ResponseCase& row : kResponses) {
        const std::string bytes = std::string("HTTP/1.1 ").append(row.head) + "\r\n";
        ResponseHead head;
        ASSERT_EQ(parse_response_head(bytes, row.method, {}, head).state, HeadParse::State::done)
            << row.head;
        std::string out = "before|";
        const Framing framing = write_response_head(out, head, row.how);
        EXPECT_EQ(out, std::string("before|HTTP/1.1 ").append(row.expected) + "\r\n") << row.head;
        EXPECT_EQ(framing, row.framing) << row.head;
    }
}

TEST(WriteResponseHead, WritesHeadsThatWereNotParsed) {
    ResponseHead head;
    head.status = 503;
    head.phrase = reason_phrase(503);
    head.framing = Framing::length;
    head.content_length = 3;
    std::string out;
    EXPECT_EQ(write_response_head(out, head, {.close = true, .extra = "weir-error: draining\r\n"}),
              Framing::length);
    EXPECT_EQ(out,
              "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\nConnection: close\r\n"
              "weir-error: draining\r\n\r\n");
}

// Random heads: what is written is what was meant, and parses to the same message again.
class RandomHeads {
  public:
    std::string request() {
        constexpr std::string_view kTargets[] = {"/", "/a?b", "/a//b/../%63", "/x/%2e/y?",
                                                 "http://b:8/z"};
        std::string bytes = pick({"GET", "POST", "PUT", "M-SEARCH"}) + " ";
        bytes.append(kTargets[random_.below(std::size(kTargets))]) += " HTTP/1.1\r\n";
        const std::uint32_t host_at = random_.below(4);
        const std::uint32_t framing_at = random_.below(4);
        for (std::uint32_t at = 0; at < 4; ++at) {
            if (at == host_at) bytes += "Host: " + pick({"a", "h.example:80", "[::1]"}) + "\r\n";
            if (at == framing_at) bytes += framing();
            for (std::uint32_t fields = random_.below(4); fields > 0; --fields)
                bytes += field();
        }
        return bytes + "\r\n";
    }

    std::string response() {
        std::string bytes =
            "HTTP/1.1 " + pick({"200 OK", "200", "404 Not  Found", "500 \xc3\xa9"}) + "\r\n";
        bytes += framing();
        for (std::uint32_t fields = random_.below(8); fields > 0; --fields)
            bytes += field();
        return bytes + "\r\n";
    }

  private:
    std::string pick(std::initializer_list<const char*> values) {
        return values.begin()[random_.below(static_cast<std::uint32_t>(values.size()))];
    }
    std::string framing() {
        return pick({"", "Content-Length: 7\r\n", "Content-Length:007\r\n",
                     "Transfer-Encoding: chunked\r\n", "transfer-encoding:CHUNKED\r\n"});
    }
    std::string field() {
        const std::string name =
            pick({"A", "Accept", "Cookie", "X-Forwarded-For", "X-Weir-B", "Via", "Connection",
                  "X_U", "Keep-Alive", "x-request-id", "Date", "A-Name-Of-More-Than-16-Letters"});
        return name + pick({":", ": ", ":  ", ":\t"}) +
               pick({"", "v", "a, b", "x-hop", "accept", "v w\tx", "\xff",
                     "a value that is longer than a block"}) +
               pick({"", " ", "\t "}) + "\r\n";
    }

    Random random_{42};
};

TEST(WriteRequestHead, WritesWhatParsesToTheSameRequest) {
    RandomHeads heads;
    RequestHead first;
    RequestHead second;
    for (int round = 0; round < 20'000; ++round) {
        const std::string bytes = heads.request();
        ASSERT_EQ(parse_request_head(bytes, {}, first).state, HeadParse::State::done) << bytes;
        std::string once;
        write_request_head(once, first, kTrusted);
        const HeadParse parse = parse_request_head(once, {}, second);
        ASSERT_EQ(parse.state, HeadParse::State::done) << bytes << once << parse.error.detail;
        ASSERT_EQ(parse.consumed, once.size()) << once;
        ASSERT_EQ(second.method_text, first.method_text) << bytes;
        ASSERT_EQ(second.authority, first.authority) << bytes;
        ASSERT_EQ(second.path, first.path) << bytes;
        ASSERT_EQ(second.query, first.query) << bytes;
        ASSERT_EQ(second.framing, first.framing) << bytes;
        ASSERT_EQ(second.content_length, first.content_length) << bytes;
        ASSERT_FALSE(second.has_nominated) << once;
        ASSERT_EQ(once.find("\t\r\n"), std::string::npos) << once;
        for (const HeaderId gone : {HeaderId::keep_alive, HeaderId::connection}) {
            ASSERT_EQ(second.headers.find(gone), nullptr) << once;
        }
    }
}

TEST(WriteResponseHead, WritesWhatParsesToTheSameResponse) {
    RandomHeads heads;
    ResponseHead first;
    ResponseHead second;
    for (int round = 0; round < 20'000; ++round) {
        const std::string bytes = heads.response();
        ASSERT_EQ(parse_response_head(bytes, Method::get, {}, first).state, HeadParse::State::done)
            << bytes;
        std::string once;
        const Framing framing = write_response_head(once, first, {});
        ASSERT_EQ(parse_response_head(once, Method::get, {}, second).state, HeadParse::State::done)
            << once;
        ASSERT_EQ(second.status, first.status) << bytes;
        ASSERT_EQ(second.phrase, first.phrase) << bytes;
        ASSERT_EQ(second.framing, framing) << bytes;
        ASSERT_EQ(second.content_length, first.content_length) << bytes;
        std::string twice;
        ASSERT_EQ(write_response_head(twice, second, {}), framing) << bytes;
        ASSERT_EQ(twice.size(), once.size()) << once;
    }
}

// HTTP/2 may end an answer with its head, and say no length.
TEST(WriteResponseHead, SaysThatThereIsNoBody) {
    ResponseHead head;
    head.status = 200;
    head.phrase = "OK";
    head.headers.add("grpc-status", "14", HeaderId::other);
    std::string out;
    EXPECT_EQ(write_response_head(out, head, {}), Framing::length);
    EXPECT_EQ(out, "HTTP/1.1 200 OK\r\ngrpc-status: 14\r\nContent-Length: 0\r\n\r\n");
}

}  // namespace
}  // namespace weir::http
