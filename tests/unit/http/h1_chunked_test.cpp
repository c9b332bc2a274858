#include "unit/http/vectors.hpp"
#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <string_view>

// Bodies byte by byte (RFC 9112, 7.1 and 6.3): every byte in every state, every limit at its edge,
// and the end of the connection in every state.
namespace weir::http {
namespace {

using namespace std::string_view_literals;
using test::decode;
using test::Decoded;

Decoded chunked(std::string_view input, std::size_t piece = 4096, const H1Limits& limits = {}) {
    BodyDecoder decoder;
    decoder.start(Framing::chunked, 0, limits);
    const test::Exact bytes(input);
    return decode(decoder, bytes.view(), piece);
}

// Whether a body goes on to its end if that byte stands between those two.
bool takes(std::string_view before, int byte, std::string_view after) {
    const std::string input = std::string(before) + static_cast<char>(byte) + std::string(after);
    const Decoded whole = chunked(input);
    const Decoded bytewise = chunked(input, 1);
    EXPECT_EQ(whole.is_done, bytewise.is_done) << before << byte;
    EXPECT_EQ(whole.has_failed, bytewise.has_failed) << before << byte;
    EXPECT_EQ(whole.data, bytewise.data) << before << byte;
    return whole.is_done;
}

TEST(ChunkedBytes, BeginASizeWithAHexadecimalDigitOnly) {
    for (int byte = 0; byte < 256; ++byte) {
        const bool is_hex = byte < 128 && std::isxdigit(byte) != 0;
        const int digit = byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10;
        const std::size_t size = is_hex ? static_cast<std::size_t>(digit) : 0;
        const std::string data = size == 0 ? "" : std::string(size, 'd') + "\r\n0\r\n";
        EXPECT_EQ(takes("", byte, "\r\n" + data + "\r\n"), is_hex) << byte;
        EXPECT_EQ(takes("1\r\nx\r\n", byte, "\r\n" + data + "\r\n"), is_hex) << byte;
    }
}

TEST(ChunkedBytes, EndASizeWithCrOrASemicolonOnly) {
    for (int byte = 0; byte < 256; ++byte) {
        if (byte < 128 && std::isxdigit(byte) != 0) continue;
        EXPECT_EQ(takes("3", byte, "\nabc\r\n0\r\n\r\n"), byte == '\r') << byte;
        EXPECT_EQ(takes("3", byte, "\r\nabc\r\n0\r\n\r\n"), byte == ';') << byte;
        EXPECT_EQ(takes("0", byte, "\n\r\n"), byte == '\r') << byte;
        EXPECT_EQ(takes("0", byte, "\r\n\r\n"), byte == ';') << byte;
    }
}

TEST(ChunkedBytes, HaveNoControlInAnExtensionButHtab) {
    for (int byte = 0; byte < 256; ++byte) {
        if (byte == '\r') continue;
        const bool is_good = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        EXPECT_EQ(takes("3;", byte, "\r\nabc\r\n0\r\n\r\n"), is_good) << byte;
        EXPECT_EQ(takes("3;a=\"", byte, "\"\r\nabc\r\n0\r\n\r\n"), is_good) << byte;
        EXPECT_EQ(takes("3\r\nabc\r\n0;z", byte, "\r\n\r\n"), is_good) << byte;
    }
}

TEST(ChunkedBytes, EndEveryLineWithCrlfOnly) {
    for (int byte = 0; byte < 256; ++byte) {
        const bool is_lf = byte == '\n';
        const bool is_cr = byte == '\r';
        EXPECT_EQ(takes("3\r", byte, "abc\r\n0\r\n\r\n"), is_lf) << byte;
        EXPECT_EQ(takes("3;a\r", byte, "abc\r\n0\r\n\r\n"), is_lf) << byte;
        EXPECT_EQ(takes("3\r\nabc", byte, "\n0\r\n\r\n"), is_cr) << byte;
        EXPECT_EQ(takes("3\r\nabc\r", byte, "0\r\n\r\n"), is_lf) << byte;
        EXPECT_EQ(takes("0\r", byte, "\r\n"), is_lf) << byte;
        EXPECT_EQ(takes("0\r\n\r", byte, ""), is_lf) << byte;
        EXPECT_EQ(takes("0\r\n", byte, "\n"), is_cr) << byte;
        EXPECT_EQ(takes("0\r\nA: b\r", byte, "\r\n"), is_lf) << byte;
    }
}

TEST(ChunkedBytes, HaveTrailersAsFieldsAre) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    for (int byte = 0; byte < 256; ++byte) {
        const char letter = static_cast<char>(byte);
        const bool is_token =
            (byte < 128 && std::isalnum(byte) != 0) || kMarks.find(letter) != kMarks.npos;
        if (letter != ':') {
            EXPECT_EQ(takes("0\r\nX", byte, "Y: v\r\n\r\n"), is_token) << byte;
            EXPECT_EQ(takes("0\r\n", byte, ": v\r\n\r\n"), is_token) << byte;
        }
        const bool is_value = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        EXPECT_EQ(takes("0\r\nX: v", byte, "w\r\n\r\n"), is_value) << byte;
        EXPECT_EQ(takes("0\r\nX: ", byte, "a-value-longer-than-one-block\r\n\r\n"), is_value)
            << byte;
    }
}

TEST(ChunkedBytes, AreDataWhateverTheyAre) {
    std::string all;
    for (int byte = 0; byte < 256; ++byte) {
        EXPECT_TRUE(takes("1\r\n", byte, "\r\n0\r\n\r\n")) << byte;
        all += static_cast<char>(byte);
    }
    for (const std::size_t piece : {1U, 7U, 255U, 256U, 257U, 4096U})
        EXPECT_EQ(chunked("100\r\n" + all + "\r\n0\r\n\r\n", piece).data, all) << piece;
}

struct Sized {
    std::string_view line;
    std::size_t size;
};
constexpr Sized kSizes[] = {
    {"1", 1},
    {"9", 9},
    {"a", 10},
    {"A", 10},
    {"f", 15},
    {"F", 15},
    {"10", 16},
    {"1f", 31},
    {"1F", 31},
    {"aB", 171},
    {"Ab", 171},
    {"ff", 255},
    {"0001", 1},
    {"0fF", 255},
    {"100", 256},
    {"7ff", 2047},
    {"800", 2048},
    {"fff", 4095},
    {"1000", 4096},
    {"Fff", 4095},
    {"000000000001000", 4096},
    {"00000000000000a", 10},
};

TEST(ChunkedSizes, AreReadInHexadecimal) {
    for (const Sized& row : kSizes) {
        for (const std::string_view extension : {""sv, ";"sv, ";a"sv, ";a=\"0\""sv}) {
            const std::string data(row.size, 'd');
            const std::string input = std::string(row.line) + std::string(extension) + "\r\n" +
                                      data + "\r\n0\r\n\r\nNEXT";
            for (const std::size_t piece : {1U, 16U, 4096U}) {
                const Decoded result = chunked(input, piece);
                ASSERT_TRUE(result.is_done) << row.line << extension;
                ASSERT_EQ(result.data.size(), row.size) << row.line << extension;
                ASSERT_EQ(result.rest, "NEXT");
            }
        }
        // One byte of data too many or too few is no chunk.
        const std::string line = std::string(row.line) + "\r\n";
        EXPECT_TRUE(chunked(line + std::string(row.size + 1, 'd') + "\r\n0\r\n\r\n").has_failed);
        EXPECT_TRUE(chunked(line + std::string(row.size - 1, 'd') + "\r\n0\r\n\r\n").has_failed);
    }
}

// A size that would wrap around 64 bits is refused before it can (CVE-2021-40346 was of that kind).
TEST(ChunkedSizes, NeverWrapAround) {
    for (std::size_t digits = 1; digits <= 40; ++digits) {
        for (const char digit : {'0', '1', '8', 'f'}) {
            const std::string line(digits, digit);
            BodyDecoder decoder;
            decoder.start(Framing::chunked, 0, {});
            const std::string input = line + "\r\nx";
            const BodyDecoder::Step step = decoder.next(input);
            if (step.has_failed) {
                EXPECT_GT(digits, 15U) << line;
                continue;
            }
            ASSERT_LE(digits, 16U) << line;
            if (digit == '0') continue;
            EXPECT_EQ(step.data, "x") << line;
            EXPECT_EQ(decoder.remaining() + 1, std::stoull(line, nullptr, 16)) << line;
        }
    }
}

struct Field {
    std::string_view line;
    bool goes_on;
};

// RFC 9110, 6.5.1: not in trailers what frames, routes, asks for conditions, authenticates,
// controls caches or says how to read the content.
constexpr Field kTrailers[] = {
    {"grpc-status: 0", true},
    {"grpc-message: fine", true},
    {"grpc-status-details-bin: CAE", true},
    {"ETag: \"x\"", true},
    {"Digest: sha-256=x", true},
    {"Content-Digest: sha-256=:x=:", true},
    {"Content-MD5: x", true},
    {"Server-Timing: db;dur=53", true},
    {"X-Checksum: 1", true},
    {"x-hosts: 1", true},
    {"hostess: 1", true},
    {"X-Content-Length: 1", true},
    {"Range-Unit: 1", true},
    {"Cookies: 1", true},
    {"Transfer-Encoding: chunked", false},
    {"transfer-encoding: gzip", false},
    {"Content-Length: 0", false},
    {"CONTENT-LENGTH: 5", false},
    {"Host: evil", false},
    {"hOST: evil", false},
    {"Cache-Control: max-age=9", false},
    {"Expect: 100-continue", false},
    {"Max-Forwards: 1", false},
    {"Pragma: no-cache", false},
    {"Range: bytes=0-", false},
    {"TE: trailers", false},
    {"If-Match: x", false},
    {"If-None-Match: x", false},
    {"If-Modified-Since: x", false},
    {"If-Unmodified-Since: x", false},
    {"If-Range: x", false},
    {"Authorization: Basic x", false},
    {"AUTHORIZATION: Basic x", false},
    {"Proxy-Authenticate: Basic", false},
    {"Proxy-Authorization: Basic x", false},
    {"WWW-Authenticate: Basic", false},
    {"Cookie: a=b", false},
    {"Set-Cookie: a=b", false},
    {"Age: 1", false},
    {"Date: now", false},
    {"Expires: 0", false},
    {"Location: /", false},
    {"Retry-After: 1", false},
    {"Vary: *", false},
    {"Warning: 199", false},
    {"Content-Encoding: gzip", false},
    {"Content-Type: text/html", false},
    {"Content-Range: bytes 0-1/2", false},
    {"Trailer: x", false},
    {"Connection: x", false},
    {"Keep-Alive: timeout=1", false},
    {"Upgrade: websocket", false},
    {"X-Forwarded-For: 1.1.1.1", false},
    {"X-Forwarded-Proto: https", false},
    {"X-Forwarded-Prefix: /", false},
    {"Forwarded: for=x", false},
    {"X-Request-ID: x", false},
    {"x-weir-anything: x", false},
    {"weir-error: x", false},
};

TEST(ChunkedTrailers, LeaveOutWhatMustNotComeThatLate) {
    std::string all;
    std::string kept;
    for (const Field& row : kTrailers) {
        const std::string line = std::string(row.line) + "\r\n";
        const std::string expected = row.goes_on ? line : "";
        for (const std::size_t piece : {1U, 5U, 4096U}) {
            const Decoded result = chunked("0\r\n" + line + "\r\nNEXT", piece);
            EXPECT_TRUE(result.is_done) << line;
            EXPECT_EQ(result.trailers, expected) << line;
            EXPECT_EQ(result.rest, "NEXT") << line;
        }
        EXPECT_EQ(chunked("0\r\nA: 1\r\n" + line + "B: 2\r\n\r\n").trailers,
                  "A: 1\r\n" + expected + "B: 2\r\n");
        all += line;
        kept += expected;
    }
    EXPECT_EQ(chunked("0\r\n" + all + "\r\n").trailers, kept);
}

TEST(ChunkedTrailers, HaveTheLimitsOfAHead) {
    for (const std::size_t limit : {1U, 2U, 7U, 128U}) {
        H1Limits limits;
        limits.headers = limit;
        for (const std::string_view line : {"A: 1\r\n"sv, "Host: a\r\n"sv, "X_Y: 1\r\n"sv}) {
            std::string fields;
            for (std::size_t at = 0; at < limit; ++at)
                fields += line;
            EXPECT_TRUE(chunked("0\r\n" + fields + "\r\n", 64, limits).is_done) << limit;
            fields += line;  // left out or not, it was received
            EXPECT_TRUE(chunked("0\r\n" + fields + "\r\n", 64, limits).has_failed) << limit;
        }
    }
}

TEST(ChunkedTrailers, EndAtTheirSizeHoweverTheyCome) {
    H1Limits limits;
    limits.header_size = 100;
    for (const std::size_t piece : {1U, 13U, 4096U}) {
        const auto of_size = [](std::size_t size) {  // the empty line included
            return "3\r\nabc\r\n0\r\nA: " + std::string(size - 7, 'v') + "\r\n\r\n";
        };
        EXPECT_TRUE(chunked(of_size(100), piece, limits).is_done) << piece;
        EXPECT_TRUE(chunked(of_size(101), piece, limits).has_failed) << piece;
        // Without an end in sight too: no memory without a bound.
        EXPECT_TRUE(chunked("0\r\n" + std::string(101, 'n'), piece, limits).has_failed) << piece;
        EXPECT_FALSE(chunked("0\r\n" + std::string(100, 'n'), piece, limits).has_failed) << piece;
    }
}

// Extensions may be long where there is data to go with them, and never without end.
TEST(ChunkedExtensions, DoNotGoOnForEver) {
    BodyDecoder decoder;
    decoder.start(Framing::chunked, 0, {});
    const std::string stretch(1024, 'e');
    EXPECT_FALSE(decoder.next("1;").has_failed);
    std::size_t taken = 0;
    for (; taken < 64 && !decoder.next(stretch).has_failed; ++taken) {
    }
    EXPECT_LT(taken, 64U);
    EXPECT_TRUE(decoder.next("\r\nx").has_failed);
}

TEST(ChunkedExtensions, AreForgottenWithTheNextBody) {
    BodyDecoder decoder;
    std::string body;
    for (int chunk = 0; chunk < 50; ++chunk)
        body += "1;" + std::string(200, 'e') + "\r\nx\r\n";
    for (int round = 0; round < 20; ++round) {
        decoder.start(Framing::chunked, 0, {});
        const Decoded result = decode(decoder, body + "0\r\n\r\n", 512);
        ASSERT_TRUE(result.is_done) << round;
        ASSERT_EQ(result.data, std::string(50, 'x')) << round;
    }
}

// Each prefix is a state of its own: the connection's end there is no proper end, and nothing
// that comes later mends it.
TEST(BodyEnd, IsProperOnlyWhereTheFramingSaysSo) {
    constexpr std::string_view kBody = "3;a=b\r\nabc\r\n1\r\nx\r\n0;z\r\nA: 1\r\nB: 2\r\n\r\n";
    for (std::size_t size = 0; size <= kBody.size(); ++size) {
        BodyDecoder decoder;
        decoder.start(Framing::chunked, 0, {});
        const Decoded result = decode(decoder, kBody.substr(0, size), 4096);
        ASSERT_EQ(result.is_done, size == kBody.size()) << size;
        ASSERT_EQ(decoder.is_done(), result.is_done) << size;
        ASSERT_EQ(decoder.on_eof(), size == kBody.size()) << size;
        ASSERT_EQ(decoder.on_eof(), size == kBody.size()) << "asked again " << size;
        if (size == kBody.size()) continue;
        const BodyDecoder::Step step = decoder.next(kBody.substr(size));
        ASSERT_TRUE(step.has_failed) << size;
        ASSERT_FALSE(step.is_done) << size;
        ASSERT_TRUE(step.data.empty()) << size;
    }
}

TEST(BodyEnd, ComesAfterAllBytesOfALength) {
    for (const std::size_t length : {0U, 1U, 2U, 15U, 16U, 17U, 100U}) {
        for (std::size_t size = 0; size <= length; ++size) {
            BodyDecoder decoder;
            decoder.start(Framing::length, length, {});
            const std::string input(size, 'd');
            if (size > 0) {
                const BodyDecoder::Step step = decoder.next(input);
                ASSERT_EQ(step.data.size(), size);
                ASSERT_EQ(step.consumed, size);
                ASSERT_EQ(step.is_done, size == length);
            }
            ASSERT_EQ(decoder.remaining(), length - size);
            ASSERT_EQ(decoder.on_eof(), size == length) << length << " " << size;
        }
    }
}

TEST(BodyEnd, LeavesWhatFollowsALengthUntouched) {
    for (const std::string_view next : {"GET / HTTP/1.1\r\n"sv, "0\r\n\r\n"sv, "\0"sv}) {
        BodyDecoder decoder;
        decoder.start(Framing::length, 4, {});
        const std::string input = "data" + std::string(next);
        const BodyDecoder::Step step = decoder.next(input);
        EXPECT_EQ(step.data, "data");
        EXPECT_EQ(step.consumed, 4U);
        EXPECT_TRUE(step.is_done);
        const BodyDecoder::Step after = decoder.next(std::string_view(input).substr(4));
        EXPECT_EQ(after.consumed, 0U);
        EXPECT_TRUE(after.data.empty());
        EXPECT_TRUE(after.is_done);
    }
}

TEST(BodyEnd, CountsALengthPast32Bits) {
    for (const std::uint64_t length : {0xffffffffULL, 0x100000000ULL, 0x7fffffffffffffffULL}) {
        BodyDecoder decoder;
        decoder.start(Framing::length, length, {});
        const std::string stretch(1000, 'd');
        EXPECT_EQ(decoder.next(stretch).data.size(), 1000U);
        EXPECT_EQ(decoder.remaining(), length - 1000);
        EXPECT_FALSE(decoder.is_done());
        EXPECT_FALSE(decoder.on_eof());
    }
}

TEST(BodyEnd, IsTheConnectionsForABodyWithoutFraming) {
    BodyDecoder decoder;
    for (const std::string_view body : {""sv, "x"sv, "0\r\n\r\n"sv, "HTTP/1.1 200 OK\r\n\r\n"sv}) {
        decoder.start(Framing::until_close, 0, {});
        const Decoded result = decode(decoder, body, 3);
        EXPECT_EQ(result.data, body);
        EXPECT_FALSE(result.is_done);
        EXPECT_TRUE(decoder.on_eof());
        EXPECT_TRUE(decoder.is_done());
        EXPECT_EQ(decoder.next("late").consumed, 0U);
    }
}

}  // namespace
}  // namespace weir::http
