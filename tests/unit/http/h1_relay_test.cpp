#include "unit/http/vectors.hpp"
#include <gtest/gtest.h>

#include <string>
#include <string_view>

// Responses on their way back: every status by method, framing and version of the client (RFC 9112,
// 6; RFC 9110, 8.6 and 15).
namespace weir::http {
namespace {

using namespace std::string_view_literals;
using State = HeadParse::State;

struct Body {
    std::string_view lines;
    Framing framing;
};
constexpr Body kBodies[] = {
    {"", Framing::until_close},
    {"Content-Length: 0\r\n", Framing::length},
    {"Content-Length: 7\r\n", Framing::length},
    {"content-length:007\r\n", Framing::length},
    {"Transfer-Encoding: chunked\r\n", Framing::chunked},
    {"TRANSFER-ENCODING:\tChunked\r\n", Framing::chunked},
};

struct Relayed {
    Framing framing = Framing::none;
    std::string head;
};

Relayed relay(std::string_view status,
              std::string_view lines,
              Method method,
              const ForwardResponse& how) {
    ResponseHead head;
    const std::string bytes = test::response_with(status, lines);
    const HeadParse parse = parse_response_head(bytes, method, {}, head);
    EXPECT_EQ(parse.state, State::done) << bytes << parse.error.detail;
    Relayed result;
    result.framing = write_response_head(result.head, head, how);
    return result;
}

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1))
        ++found;
    return found;
}

TEST(H1Relay, FramesABodyAsTheClientCanReadIt) {
    for (const std::string_view status :
         {"200 OK"sv, "201 Created"sv, "206 Partial Content"sv, "301 Moved"sv, "404 Not Found"sv,
          "500 Error"sv, "599"sv}) {
        for (const Body& row : kBodies) {
            for (const int minor : {0, 1}) {
                const Relayed out = relay(status, row.lines, Method::get,
                                          {.client_minor = static_cast<std::uint8_t>(minor)});
                const bool has_length = row.framing == Framing::length;
                const Framing streamed = minor == 0 ? Framing::until_close : Framing::chunked;
                EXPECT_EQ(out.framing, has_length ? Framing::length : streamed) << out.head;
                // One field says it, and only one.
                const std::size_t lengths =
                    count(out.head, "Content-Length:") + count(out.head, "content-length:");
                EXPECT_EQ(lengths, has_length ? 1U : 0U) << out.head;
                EXPECT_EQ(count(out.head, "Transfer-Encoding: chunked\r\n"),
                          out.framing == Framing::chunked ? 1U : 0U)
                    << out.head;
                EXPECT_EQ(count(out.head, "ransfer"),
                          count(out.head, "Transfer-Encoding: chunked"));
                EXPECT_EQ(count(out.head, "Connection: close\r\n"),
                          out.framing == Framing::until_close ? 1U : 0U)
                    << out.head;
            }
        }
    }
}

TEST(H1Relay, WritesWhatAClientReadsAlike) {
    ResponseHead read;
    for (unsigned status = 200; status < 600; ++status) {
        for (const Method method : {Method::get, Method::head, Method::post}) {
            for (const Body& row : kBodies) {
                const Relayed out = relay(std::to_string(status) + " X", row.lines, method,
                                          {.is_head = method == Method::head});
                const HeadParse parse = parse_response_head(out.head, method, {}, read);
                ASSERT_EQ(parse.state, State::done) << out.head;
                ASSERT_EQ(parse.consumed, out.head.size()) << out.head;
                ASSERT_EQ(read.status, status);
                ASSERT_EQ(read.framing, out.framing) << out.head;
                ASSERT_TRUE(read.keep_alive) << out.head;
            }
        }
    }
}

// RFC 9110, 8.6 and RFC 9112, 6.1: neither field in 1xx and 204, whoever asked.
TEST(H1Relay, SaysNothingOfABodyWhereThatIsForbidden) {
    for (const bool is_head : {false, true}) {
        for (const std::uint8_t minor : {std::uint8_t{0}, std::uint8_t{1}}) {
            const ForwardResponse how{.client_minor = minor, .is_head = is_head};
            for (const Body& row : kBodies) {
                const Method method = is_head ? Method::head : Method::get;
                const Relayed out = relay("204 No Content", row.lines, method, how);
                EXPECT_EQ(out.framing, Framing::none);
                EXPECT_EQ(out.head, "HTTP/1.1 204 No Content\r\n\r\n") << row.lines;
            }
            for (const std::string_view status : {"100 Continue"sv, "103 Early Hints"sv}) {
                const Relayed out =
                    relay(status, "Content-Length: 0\r\nA: 1\r\n", Method::get, how);
                EXPECT_EQ(out.framing, Framing::none);
                EXPECT_EQ(out.head, "HTTP/1.1 " + std::string(status) + "\r\nA: 1\r\n\r\n");
            }
        }
    }
}

TEST(H1Relay, DescribesTheBodyThatHeadAnd304DoNotSend) {
    constexpr std::string_view kLength = "Content-Length: 7\r\n";
    const Relayed head = relay("200 OK", kLength, Method::head, {.is_head = true});
    EXPECT_EQ(head.framing, Framing::none);
    EXPECT_EQ(head.head, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
    for (const bool is_head : {false, true}) {
        const Relayed same = relay("304 Not Modified", kLength,
                                   is_head ? Method::head : Method::get, {.is_head = is_head});
        EXPECT_EQ(same.framing, Framing::none);
        EXPECT_EQ(same.head, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
    }
}

// Nothing is invented of a body that was not described.
TEST(H1Relay, AddsNoFramingToAnAnswerToHead) {
    for (const std::string_view status : {"200 OK"sv, "404 Not Found"sv, "304 Not Modified"sv}) {
        for (const std::uint8_t minor : {std::uint8_t{0}, std::uint8_t{1}}) {
            const Relayed out =
                relay(status, "A: 1\r\n", Method::head, {.client_minor = minor, .is_head = true});
            EXPECT_EQ(out.framing, Framing::none);
            EXPECT_EQ(out.head, "HTTP/1.1 " + std::string(status) + "\r\nA: 1\r\n\r\n");
        }
    }
}

// A head that says how a GET would be framed, as that of a local reply does.
TEST(H1Relay, SendsNoBodyToHeadWhateverTheHeadSays) {
    for (const Body& row : kBodies) {
        const Relayed out = relay("200 OK", row.lines, Method::get, {.is_head = true});
        EXPECT_EQ(out.framing, Framing::none) << row.lines;
        EXPECT_EQ(count(out.head, "Connection: close"), 0U) << out.head;
    }
}

struct Closing {
    ForwardResponse how;
    std::string_view length;  // Connection, with a length
    std::string_view streamed;
};
const Closing kClosings[] = {
    {{}, "", ""},
    {{.close = true}, "Connection: close\r\n", "Connection: close\r\n"},
    {{.keep_alive_header = true}, "Connection: keep-alive\r\n", "Connection: keep-alive\r\n"},
    {{.close = true, .keep_alive_header = true}, "Connection: close\r\n", "Connection: close\r\n"},
    {{.client_minor = 0}, "", "Connection: close\r\n"},
    {{.client_minor = 0, .close = true}, "Connection: close\r\n", "Connection: close\r\n"},
    {{.client_minor = 0, .keep_alive_header = true},
     "Connection: keep-alive\r\n",
     "Connection: close\r\n"},
};

TEST(H1Relay, SaysWhetherTheConnectionStays) {
    for (const Closing& row : kClosings) {
        // What the upstream says of its own connection changes nothing.
        for (const std::string_view theirs :
             {""sv, "Connection: close\r\n"sv,
              "Connection: keep-alive\r\nKeep-Alive: max=1\r\n"sv}) {
            const std::string length = "Content-Length: 7\r\n" + std::string(theirs);
            EXPECT_EQ(
                relay("200 OK", length, Method::get, row.how).head,
                "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n" + std::string(row.length) + "\r\n");
            const std::string chunked = "Transfer-Encoding: chunked\r\n" + std::string(theirs);
            const std::string coding =
                row.how.client_minor == 0 ? "" : "Transfer-Encoding: chunked\r\n";
            EXPECT_EQ(relay("200 OK", chunked, Method::get, row.how).head,
                      "HTTP/1.1 200 OK\r\n" + coding + std::string(row.streamed) + "\r\n");
        }
    }
}

// Trailer announces fields behind the last chunk: without chunks there is no such place.
TEST(H1Relay, AnnouncesTrailersOnlyWithChunks) {
    constexpr std::string_view kChunked = "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n";
    EXPECT_EQ(count(relay("200 OK", kChunked, Method::get, {}).head, "Trailer: X-Sum\r\n"), 1U);
    EXPECT_EQ(count(relay("200 OK", kChunked, Method::get, {.client_minor = 0}).head, "Trailer"),
              0U);
    constexpr std::string_view kLength = "Trailer: X-Sum\r\nContent-Length: 7\r\n";
    EXPECT_EQ(count(relay("200 OK", kLength, Method::get, {}).head, "Trailer"), 0U);
    EXPECT_EQ(count(relay("204 No Content", "Trailer: X\r\n", Method::get, {}).head, "Trailer"),
              0U);
}

TEST(H1Relay, StripsTheUpstreamsErrorOnlyWhenTold) {
    for (const std::string_view line :
         {"weir-error: timeout\r\n"sv, "Weir-Error: a\r\nWEIR-ERROR: b\r\n"sv}) {
        const std::string lines = "A: 1\r\n" + std::string(line) + "Content-Length: 0\r\n";
        EXPECT_EQ(relay("503 No", lines, Method::get, {}).head,
                  "HTTP/1.1 503 No\r\n" + lines + "\r\n");
        EXPECT_EQ(relay("503 No", lines, Method::get,
                        {.strip_weir_fields = true, .extra = "weir-error: mine\r\n"})
                      .head,
                  "HTTP/1.1 503 No\r\nA: 1\r\nContent-Length: 0\r\nweir-error: mine\r\n\r\n");
    }
}

TEST(H1Relay, KeepsTheStatusLine) {
    for (unsigned status = 200; status < 600; ++status) {
        const std::string line = std::to_string(status) + " A phrase, \tof theirs";
        const Relayed out = relay(line, "Content-Length: 0\r\n", Method::get, {});
        EXPECT_EQ(out.head.substr(0, out.head.find("\r\n")), "HTTP/1.1 " + line);
    }
    EXPECT_EQ(
        relay("200", "Content-Length: 0\r\n", Method::get, {}).head,
        "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n");  // RFC 9112, 4: the blank must be there
}

}  // namespace
}  // namespace weir::http
