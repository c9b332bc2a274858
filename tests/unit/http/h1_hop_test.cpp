#include "unit/http/vectors.hpp"
#include <gtest/gtest.h>

#include <string>
#include <string_view>

// What goes on to the next hop and what ends here (RFC 9110, 7.6; security.md, trust of headers
// that clients set).
namespace weir::http {
namespace {

using namespace std::string_view_literals;
using State = HeadParse::State;

std::string forwarded(std::string_view lines, const ForwardRequest& how) {
    RequestHead head;
    const std::string bytes = test::request_with(lines);
    EXPECT_EQ(test::parse_request(bytes, head).state, State::done) << bytes;
    std::string out;
    write_request_head(out, head, how);
    return out;
}

std::string answered(std::string_view lines, const ForwardResponse& how) {
    ResponseHead head;
    const std::string bytes =
        test::response_with("200 OK", "Content-Length: 5\r\n" + std::string(lines));
    EXPECT_EQ(parse_response_head(bytes, Method::get, {}, head).state, State::done) << bytes;
    std::string out;
    EXPECT_EQ(write_response_head(out, head, how), Framing::length);
    return out;
}

// The request's own fields as they went out: without Host and what is always added.
std::string kept(std::string_view lines, const ForwardRequest& how = {}) {
    const std::string out = forwarded(lines, how);
    const std::size_t begin = out.find("\r\n", out.find("\r\nHost: ") + 2) + 2;
    return out.substr(begin, out.find("X-Forwarded-Proto: ") - begin);
}

struct Hop {
    std::string_view line;
    std::string_view option = {};  // of Connection, which must name the field to be valid
};

constexpr Hop kHops[] = {
    {"Connection: keep-alive\r\n"},
    {"connection:close\r\n"},
    {"CONNECTION: x-not-here\r\n"},
    {"Keep-Alive: timeout=5, max=100\r\n"},
    {"KEEP-ALIVE:\r\n"},
    {"Keep-Alive: timeout=5\r\n", "keep-alive"},
    {"Proxy-Connection: keep-alive\r\n"},
    {"proxy-connection: close\r\n"},
    {"Proxy-Authorization: Basic dTpw\r\n"},
    {"PROXY-AUTHORIZATION:Bearer x\r\n"},
    {"Proxy-Authenticate: Basic realm=x\r\n"},
    {"proxy-authenticate: Negotiate\r\n"},
    {"TE: trailers\r\n"},
    {"te: gzip;q=0.5\r\n"},
    {"Te: deflate\r\n", "te"},
    {"Upgrade: websocket\r\n"},
    {"UPGRADE: h2c\r\n", "upgrade"},
    {"upgrade: TLS/1.2\r\n", "upgrade"},
};

// In every place among other fields, which stay as they are and in their order.
TEST(H1Hop, EndsWhatIsForThisHopOnly) {
    for (const Hop& row : kHops) {
        std::string line(row.line);
        if (!row.option.empty()) line += "Connection: " + std::string(row.option) + "\r\n";
        for (const bool is_trusted : {false, true}) {
            const ForwardRequest how{.trusts_client = is_trusted};
            EXPECT_EQ(kept(line, how), "") << line;
            EXPECT_EQ(kept(line + "B: 2\r\n", how), "B: 2\r\n") << line;
            EXPECT_EQ(kept("A: 1\r\n" + line, how), "A: 1\r\n") << line;
            EXPECT_EQ(kept("A: 1\r\n" + line + "B: 2\r\n", how), "A: 1\r\nB: 2\r\n") << line;
            EXPECT_EQ(kept(line + "A: 1\r\n" + std::string(row.line) + "B:2\r\n", how),
                      "A: 1\r\nB: 2\r\n")
                << line;
        }
        EXPECT_EQ(answered(line + "B: 2\r\n", {}),
                  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nB: 2\r\n\r\n")
            << line;
    }
}

// Names that only begin, end or look like those are other fields, and go on.
constexpr std::string_view kAlmost[] = {
    "Connections: close\r\n",
    "X-Connection: close\r\n",
    "Connection-Id: 7\r\n",
    "Keep-Alives: x\r\n",
    "KeepAlive: timeout=5\r\n",
    "X-Keep-Alive: timeout=5\r\n",
    "X-Proxy-Authorization: x\r\n",
    "Proxied-Authorization: x\r\n",
    "TEE: trailers\r\n",
    "T: trailers\r\n",
    "X-TE: trailers\r\n",
    "Upgrade-Insecure-Requests: 1\r\n",
    "X-Upgrade: websocket\r\n",
    "Upgrades: 1\r\n",
    "X-Transfer-Encoding: chunked\r\n",
    "Transfer-Encodings: chunked\r\n",
    "Content-Lengths: 7\r\n",
    "X-Content-Length: 7\r\n",
    "Content-Encoding: gzip\r\n",
    "Accept-Encoding: gzip\r\n",
    "Expect-CT: max-age=1\r\n",
    "X-Expect: 100-continue\r\n",
    "X-Host: b\r\n",
    "Hosts: b\r\n",
    "Via: 1.0 front, 1.1 back\r\n",
    "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n",
    "Retry-After: 120\r\n",
    "X-Real-IP: 1.2.3.4\r\n",
    "X-Forward-For: 1.2.3.4\r\n",
    "X-ForwardedFor: 1.2.3.4\r\n",
    "X-Weird: 1\r\n",
    "Weird-Error: 1\r\n",
    "X-Requests-Id: 1\r\n",
};

TEST(H1Hop, PassesOnWhatOnlyLooksLikeIt) {
    std::string all;
    for (const std::string_view line : kAlmost) {
        EXPECT_EQ(kept(line), line);
        EXPECT_EQ(answered(line, {.strip_weir_fields = true}),
                  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + std::string(line) + "\r\n");
        all += line;
    }
    EXPECT_EQ(kept(all), all);
}

struct Nomination {
    std::string_view options;  // the value of Connection
    std::string_view field;
    bool is_ended;
};

constexpr Nomination kNominations[] = {
    {"x-hop", "X-Hop: 1\r\n", true},
    {"X-HOP", "x-hop: 1\r\n", true},
    {"b,x-hop,c", "X-Hop: 1\r\n", true},
    {" , x-hop\t,", "X-Hop: 1\r\n", true},
    {"close, x-hop", "X-Hop: 1\r\n", true},
    {"upgrade, http2-settings", "HTTP2-Settings: AAMA\r\n", true},
    {"user-agent", "User-Agent: u\r\n", true},
    {"etag", "ETag: \"x\"\r\n", true},
    // Not that name.
    {"x-ho", "X-Hop: 1\r\n", false},
    {"x-hops", "X-Hop: 1\r\n", false},
    {"x-hop;q=1", "X-Hop: 1\r\n", false},
    {"\"x-hop\"", "X-Hop: 1\r\n", false},
    {"x hop", "X-Hop: 1\r\n", false},
    {"x-hop x-hup", "X-Hop: 1\r\n", false},
    {"*", "X-Hop: 1\r\n", false},
    // What has a meaning end to end cannot be named away.
    {"authorization", "Authorization: Bearer x\r\n", false},
    {"AUTHORIZATION", "authorization: Bearer x\r\n", false},
    {"cookie", "Cookie: a=b\r\n", false},
    {"set-cookie", "Set-Cookie: a=b\r\n", false},
    {"cache-control", "Cache-Control: no-store\r\n", false},
    {"content-type", "Content-Type: text/plain\r\n", false},
    {"content-encoding", "Content-Encoding: gzip\r\n", false},
    {"content-range", "Content-Range: bytes 0-1/2\r\n", false},
    {"range", "Range: bytes=0-1\r\n", false},
    {"traceparent", "traceparent: 00-1\r\n", false},
    {"tracestate", "tracestate: a=b\r\n", false},
    {"x-real-ip", "X-Real-IP: 1.2.3.4\r\n", false},
    {"via", "Via: 1.0 front\r\n", false},
};

TEST(H1Hop, EndsWhatConnectionNamesButWhatItMustNot) {
    for (const Nomination& row : kNominations) {
        const std::string connection = "Connection: " + std::string(row.options) + "\r\n";
        const std::string field(row.field);
        const std::string expected = row.is_ended ? "" : field;
        EXPECT_EQ(kept(connection + field), expected) << row.options;
        EXPECT_EQ(kept(field + connection), expected) << row.options;
        EXPECT_EQ(kept(field + "A: 1\r\n" + connection + field), expected + "A: 1\r\n" + expected)
            << row.options;
        EXPECT_EQ(kept("Connection: close\r\n" + field + connection), expected) << row.options;
        EXPECT_EQ(answered(connection + field, {}),
                  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + expected + "\r\n")
            << row.options;
    }
}

// The proxy's own say goes out, whatever the client names.
TEST(H1Hop, AddsItsOwnFieldsWhateverIsNamed) {
    constexpr std::string_view kNamed =
        "Connection: host, via, x-forwarded-for, x-forwarded-proto, x-forwarded-host, "
        "x-request-id, content-length, transfer-encoding, te\r\n";
    EXPECT_EQ(forwarded(kNamed, {.client_ip = "10.1.1.1", .request_id = "r"}),
              "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.1.1.1\r\nX-Forwarded-Proto: "
              "http\r\nX-Forwarded-Host: a\r\nx-request-id: r\r\nVia: 1.1 weir\r\n\r\n");
    EXPECT_EQ(answered(kNamed, {.extra = "Via: 1.1 weir\r\n"}),
              "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nVia: 1.1 weir\r\n\r\n");
}

struct Border {
    std::string_view lines;  // as the client sent them
    std::string_view kept_of_trusted;
};

// What only the proxy may say: a stranger's never goes on, in any case or with any tail.
constexpr Border kBorder[] = {
    {"x-weir-timeout: 1s\r\n", "x-weir-timeout: 1s\r\n"},
    {"X-WEIR-TIMEOUT: 1s\r\n", "X-WEIR-TIMEOUT: 1s\r\n"},
    {"X-Weir-: 1\r\n", "X-Weir-: 1\r\n"},
    {"x-weir-a-name-longer-than-any-block-of-bytes: 1\r\n",
     "x-weir-a-name-longer-than-any-block-of-bytes: 1\r\n"},
    {"weir-error: timeout\r\n", "weir-error: timeout\r\n"},
    {"Weir-Error: timeout\r\n", "Weir-Error: timeout\r\n"},
    {"weir-errors: timeout\r\n", "weir-errors: timeout\r\n"},
    {"WEIR-Route: r\r\n", "WEIR-Route: r\r\n"},
    {"weir-: r\r\n", "weir-: r\r\n"},
    {"X-Forwarded-Port: 443\r\n", "X-Forwarded-Port: 443\r\n"},
    {"x-forwarded-prefix: /admin\r\n", "x-forwarded-prefix: /admin\r\n"},
    {"X-FORWARDED-SSL: on\r\n", "X-FORWARDED-SSL: on\r\n"},
    {"X-Forwarded-Client-Cert: By=x\r\n", "X-Forwarded-Client-Cert: By=x\r\n"},
    {"X-Forwarded-Fo: 1\r\n", "X-Forwarded-Fo: 1\r\n"},
    {"X-Forwarded-Fors: 1\r\n", "X-Forwarded-Fors: 1\r\n"},
    {"x-request-id: theirs\r\n", ""},
    {"X-REQUEST-ID: theirs\r\nx-request-id: again\r\n", ""},
    {"Expect: 100-continue\r\n", ""},
    {"Expect: a-miracle\r\n", ""},
};

TEST(H1Hop, StripsAtTheBorderWhatOnlyItMaySay) {
    std::string all;
    std::string all_of_trusted;
    for (const Border& row : kBorder) {
        all += row.lines;
        all_of_trusted += row.kept_of_trusted;
        EXPECT_EQ(kept(row.lines), "") << row.lines;
        EXPECT_EQ(kept(row.lines, {.trusts_client = true}), row.kept_of_trusted) << row.lines;
    }
    EXPECT_EQ(kept(all + "A: 1\r\n"), "A: 1\r\n");
    EXPECT_EQ(kept(all, {.trusts_client = true}), all_of_trusted);
}

struct Forwarding {
    std::string_view lines;
    std::string_view client_ip;
    std::string_view of_stranger;
    std::string_view of_trusted;
};

// After "GET / HTTP/1.1", Host: a; scheme https. A stranger's claims are replaced, a trusted
// client's kept and appended to.
constexpr Forwarding kForwardings[] = {
    {"", "10.0.0.9",
     "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
     "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n"},
    {"", "", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
     "X-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n"},
    {"X-Forwarded-For: 1.1.1.1\r\n", "10.0.0.9",
     "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
     "X-Forwarded-For: 1.1.1.1, 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: "
     "a\r\n"},
    {"X-Forwarded-For: 1.1.1.1\r\n", "", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
     "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n"},
    {"x-forwarded-for:1.1.1.1,2.2.2.2\r\nX-FORWARDED-FOR: 3.3.3.3\r\n", "::1",
     "X-Forwarded-For: ::1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
     "X-Forwarded-For: 1.1.1.1,2.2.2.2, 3.3.3.3, ::1\r\nX-Forwarded-Proto: "
     "https\r\nX-Forwarded-Host: a\r\n"},
    {"X-Forwarded-For:\r\n", "10.0.0.9",
     "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
     "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n"},
    {"X-Forwarded-Proto: http\r\n", "10.0.0.9",
     "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
     "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n"},
    {"X-Forwarded-Host: outer:8443\r\n", "10.0.0.9",
     "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
     "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: "
     "outer:8443\r\n"},
    {"Forwarded: for=1.1.1.1;proto=http\r\n", "10.0.0.9",
     "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
     "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n"
     "Forwarded: for=1.1.1.1;proto=http, for=10.0.0.9;host=\"a\";proto=https\r\n"},
    {"forwarded: for=x\r\nForwarded: for=y\r\n", "2001:db8::7",
     "X-Forwarded-For: 2001:db8::7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
     "X-Forwarded-For: 2001:db8::7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n"
     "Forwarded: for=x, for=y, for=\"[2001:db8::7]\";host=\"a\";proto=https\r\n"},
    // RFC 7239, 6.3: not known to the proxy.
    {"Forwarded: for=x\r\n", "", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
     "X-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n"
     "Forwarded: for=x, for=unknown;host=\"a\";proto=https\r\n"},
};

TEST(H1Hop, TellsWhereTheRequestCameFrom) {
    for (const Forwarding& row : kForwardings) {
        for (const bool is_trusted : {false, true}) {
            const ForwardRequest how{
                .client_ip = row.client_ip, .scheme = "https", .trusts_client = is_trusted};
            const std::string expected =
                "GET / HTTP/1.1\r\nHost: a\r\n" +
                std::string(is_trusted ? row.of_trusted : row.of_stranger) +
                "Via: 1.1 weir\r\n\r\n";
            EXPECT_EQ(forwarded(row.lines, how), expected) << row.lines;
        }
    }
}

TEST(H1Hop, NamesTheVersionOfTheHopBehindIt) {
    for (const int minor : {0, 1}) {
        for (const std::string_view via : {""sv, "Via: 1.1 front\r\n"sv, "via: 2 a, 1.0 b\r\n"sv}) {
            RequestHead head;
            const std::string version = "1." + std::to_string(minor);
            const std::string bytes =
                "GET / HTTP/" + version + "\r\nHost: a\r\n" + std::string(via) + "\r\n";
            ASSERT_EQ(test::parse_request(bytes, head).state, State::done);
            std::string out;
            write_request_head(out, head, {});
            EXPECT_EQ(out, "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(via) +
                               "X-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nVia: " + version +
                               " weir\r\n\r\n");
        }
    }
}

struct Framed {
    std::string_view lines;
    std::string_view expected;
};

// What goes on is framed once, in one spelling (RFC 9112, 6.1: never by two fields).
constexpr Framed kFramed[] = {
    {"Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n"},
    {"TRANSFER-ENCODING:CHUNKED\r\nA: 1\r\n", "A: 1\r\nTransfer-Encoding: chunked\r\n"},
    {"Content-Length: 0\r\n", "Content-Length: 0\r\n"},
    {"Content-Length: 00\r\n", "Content-Length: 0\r\n"},
    {"Content-Length: 0000000000000000012\r\nA: 1\r\n", "A: 1\r\nContent-Length: 12\r\n"},
    {"Content-Length: 9223372036854775807\r\n", "Content-Length: 9223372036854775807\r\n"},
    {"Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\nTrailer: X-Two\r\n",
     "Trailer: X-Sum\r\nTrailer: X-Two\r\nTransfer-Encoding: chunked\r\n"},
    {"Trailer: X-Sum\r\nContent-Length: 5\r\n", "Content-Length: 5\r\n"},
    {"Trailer: X-Sum\r\n", ""},
    {"TE: trailers\r\nConnection: te\r\nTransfer-Encoding: chunked\r\n",
     "Transfer-Encoding: chunked\r\nConnection: te\r\nTE: trailers\r\n"},
    {"TE: trailers, gzip\r\nConnection: TE, keep-alive\r\n", "Connection: te\r\nTE: trailers\r\n"},
    {"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n"},
};

TEST(H1Hop, FramesWhatGoesOnOnce) {
    for (const Framed& row : kFramed) {
        EXPECT_EQ(kept(row.lines), row.expected) << row.lines;
    }
}

// An upgrade that the proxy does not pass on leaves nothing of itself.
TEST(H1Hop, PassesAnUpgradeOnOnlyWhenTold) {
    constexpr std::string_view kLines =
        "Connection: Upgrade, keep-alive\r\nUpgrade: h2c, WebSocket\r\nSec-WebSocket-Key: k\r\n";
    EXPECT_EQ(kept(kLines), "Sec-WebSocket-Key: k\r\n");
    EXPECT_EQ(kept(kLines, {.is_upgrade = true}),
              "Sec-WebSocket-Key: k\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n");
}

TEST(ClientCert, PassesAsItsListenerSays) {
    using Cert = ForwardRequest::ClientCert;
    constexpr std::string_view kSaid =
        "X-Forwarded-Client-Cert: URI=a\r\nx-mine: 1\r\nx-forwarded-client-cert: URI=b\r\n"
        "X-Forwarded-Port: 80\r\n";
    constexpr std::string_view kMine = "x-mine: 1\r\n";
    const auto told = [&](Cert cert, bool is_trusted, std::string_view certificate) {
        return kept(kSaid,
                    {.trusts_client = is_trusted, .client_cert = cert, .certificate = certificate});
    };
    const std::string port = std::string(kMine) + "X-Forwarded-Port: 80\r\n";
    EXPECT_EQ(told(Cert::kept, true, {}), kSaid);
    EXPECT_EQ(told(Cert::kept, false, {}), kMine);
    EXPECT_EQ(told(Cert::replaced, true, {}), port);
    EXPECT_EQ(told(Cert::replaced, true, "URI=me"), port + "X-Forwarded-Client-Cert: URI=me\r\n");
    EXPECT_EQ(told(Cert::replaced, false, "URI=me"),
              std::string(kMine) + "X-Forwarded-Client-Cert: URI=me\r\n");
    EXPECT_EQ(told(Cert::appended, false, "URI=me"),
              std::string(kMine) + "X-Forwarded-Client-Cert: URI=me\r\n");
    EXPECT_EQ(told(Cert::appended, true, "URI=me"),
              port + "X-Forwarded-Client-Cert: URI=a,URI=b,URI=me\r\n");
    EXPECT_EQ(told(Cert::appended, true, {}), port + "X-Forwarded-Client-Cert: URI=a,URI=b\r\n");
    EXPECT_EQ(told(Cert::appended, false, {}), kMine);
}

}  // namespace
}  // namespace weir::http
