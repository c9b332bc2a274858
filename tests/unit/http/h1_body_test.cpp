#include "unit/http/support.hpp"
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weir::http {
namespace {

using namespace std::string_view_literals;
using test::decode;
using test::Decoded;

Decoded decode_chunked(std::string_view input, std::size_t piece, const H1Limits& limits = {}) {
    BodyDecoder decoder;
    decoder.start(Framing::chunked, 0, limits);
    return decode(decoder, input, piece);
}

struct Good {
    std::string_view input;
    std::string_view data;
    std::string_view trailers;
};

constexpr Good kGood[] = {
    {"0\r\n\r\n", "", ""},
    {"000\r\n\r\n", "", ""},
    {"5\r\nhello\r\n0\r\n\r\n", "hello", ""},
    {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", ""},
    {"000000000000005\r\nhello\r\n0\r\n\r\n", "hello", ""},
    {"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", ""},
    {"1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n", "\r\n", ""},
    {"5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n", ""},
    {"3;a=b\r\nabc\r\n0;last\r\n\r\n", "abc", ""},
    {"3;a=\"q;\t\xc3\xa9\" ; c\r\nabc\r\n0\r\n\r\n", "abc", ""},
    {"3;\r\nabc\r\n0\r\n\r\n", "abc", ""},
    {"3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n", "abc", "X-Sum: 9\r\n"},
    {"0\r\ngrpc-status:0\r\ngrpc-message: \t fine \r\n\r\n", "",
     "grpc-status: 0\r\ngrpc-message: fine\r\n"},
    {"0\r\nX-Empty:\r\n\r\n", "", "X-Empty: \r\n"},
    // What must not be a trailer is left out.
    {"0\r\nContent-Length: 3\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n", "", "X: y\r\n"},
    {"0\r\nHost: evil\r\nConnection: close\r\nTE: x\r\nTrailer: x\r\nUpgrade: x\r\n\r\n", "", ""},
    {"0\r\nAuthorization: x\r\nCOOKIE: x\r\nSet-Cookie: x\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n", "",
     ""},
    {"0\r\nProxy-Authorization: x\r\nx-weir-timeout: 1\r\nweir-error: x\r\nExpect: x\r\n\r\n", "",
     ""},
    {"0\r\nX-Forwarded-Port: 1\r\nForwarded: for=x\r\nx-request-id: 1\r\nContent-Type: a\r\n\r\n",
     "", ""},
    {"0\r\nRange: x\r\nIf-Match: x\r\nCache-Control: x\r\nVary: x\r\nContent-Encoding: "
     "gzip\r\n\r\n",
     "", ""},
    {"0\r\nX_Y: 1\r\nZ: 2\r\n\r\n", "", "Z: 2\r\n"},
};

TEST(BodyDecoder, DecodesChunksFedInAnyPieces) {
    for (const Good& row : kGood) {
        const std::string input = std::string(row.input) + "GET / rest";
        for (std::size_t piece = 1; piece <= input.size(); ++piece) {
            const Decoded result = decode_chunked(input, piece);
            ASSERT_TRUE(result.is_done) << row.input << piece;
            ASSERT_FALSE(result.has_failed) << row.input << piece;
            ASSERT_EQ(result.data, row.data) << row.input << piece;
            ASSERT_EQ(result.trailers, row.trailers) << row.input << piece;
            ASSERT_EQ(result.rest, "GET / rest") << row.input << piece;
        }
    }
}

TEST(BodyDecoder, IsNotDoneBeforeTheLastByte) {
    for (const Good& row : kGood) {
        for (std::size_t size = 0; size < row.input.size(); ++size) {
            const std::string cut(row.input.substr(0, size));
            BodyDecoder decoder;
            decoder.start(Framing::chunked, 0, {});
            const Decoded result = decode(decoder, cut, size + 1);
            ASSERT_FALSE(result.is_done || result.has_failed) << cut;
            ASSERT_FALSE(decoder.on_eof()) << cut;
            ASSERT_TRUE(decoder.next("0\r\n\r\n").has_failed) << "after the end of the connection";
        }
    }
}

constexpr std::string_view kBad[] = {
    // Sizes.
    "\r\n",
    "\n",
    "g\r\n",
    "-1\r\n",
    "+1\r\n",
    " 5\r\n",
    "\t5\r\n",
    "5 \r\n",
    "5\t\r\n",
    "5 ;a\r\n",
    "0x5\r\n",
    "5x\r\n",
    "5,5\r\n",
    "5.0\r\n",
    "5h\r\n",
    ";a\r\n",
    "0000000000000005\r\n",
    "1000000000000000\r\n",
    "ffffffffffffffff\r\n",
    "ffffffffffffffffffffffff5\r\n",
    "5\0\r\n"sv,
    // Line ends.
    "5\nhello",
    "5\rhello",
    "5\r\rhello",
    "5;a\nhello",
    "5;a\rb\nhello",
    "5;a\r\r\nhello",
    "5;a\0b\r\n"sv,
    "5;a\x7f\r\n",
    "5;\x01\r\n",
    // Data not followed by CRLF.
    "5\r\nhelloX",
    "5\r\nhello\n",
    "5\r\nhello0\r\n",
    "5\r\nhello\rX",
    "5\r\nhello\r\r\n",
    "5\r\nhello\r\n\r\n",
    "5\r\nhello\r\n\n",
    // Trailers.
    "0\r\n\n",
    "0\r\n\rX",
    "0\r\nA: b\n\r\n",
    "0\r\nA: b\rc\r\n\r\n",
    "0\r\nA : b\r\n\r\n",
    "0\r\n: b\r\n\r\n",
    "0\r\nA\r\n\r\n",
    "0\r\n b\r\n\r\n",
    "0\r\nA: b\r\n c\r\n\r\n",
    "0\r\nA: \0\r\n\r\n"sv,
    "0\r\nA\x80: b\r\n\r\n",
    "0\r\nGET / HTTP/1.1\r\n\r\n",
    "0\nA: b\r\n\r\n",
};

TEST(BodyDecoder, RefusesBrokenChunksFedInAnyPieces) {
    for (const std::string_view bad : kBad) {
        for (const std::string_view before : {""sv, "3\r\nabc\r\n"sv}) {
            const std::string input = std::string(before).append(bad);
            for (std::size_t piece = 1; piece <= input.size(); ++piece) {
                const Decoded result = decode_chunked(input, piece);
                ASSERT_TRUE(result.has_failed) << input << piece;
                ASSERT_FALSE(result.is_done) << input << piece;
            }
        }
    }
}

TEST(BodyDecoder, StaysFailed) {
    BodyDecoder decoder;
    decoder.start(Framing::chunked, 0, {});
    EXPECT_TRUE(decoder.next("x").has_failed);
    const BodyDecoder::Step step = decoder.next("0\r\n\r\n");
    EXPECT_TRUE(step.has_failed);
    EXPECT_EQ(step.consumed, 0U);
    EXPECT_FALSE(decoder.on_eof());
}

TEST(BodyDecoder, GivesOneStretchAChunkWithoutCopying) {
    const std::string input = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    BodyDecoder decoder;
    decoder.start(Framing::chunked, 0, {});
    const BodyDecoder::Step first = decoder.next(input);
    EXPECT_EQ(first.data.data(), input.data() + 3);
    EXPECT_EQ(first.data, "hello");
    EXPECT_EQ(first.consumed, input.find(" world"));
    const BodyDecoder::Step second = decoder.next(std::string_view(input).substr(first.consumed));
    EXPECT_EQ(second.data, " world");
    EXPECT_TRUE(second.is_done);
}

TEST(BodyDecoder, TakesTheLargestChunkSize) {
    BodyDecoder decoder;
    decoder.start(Framing::chunked, 0, {});
    const BodyDecoder::Step step = decoder.next("fffffffffffffff\r\nabc");
    EXPECT_EQ(step.data, "abc");
    EXPECT_EQ(decoder.remaining(), 0xfffffffffffffffULL - 3);
}

TEST(BodyDecoder, LimitsAChunkLine) {
    const auto with = [](std::size_t size) {
        return "1;" + std::string(size, 'e') + "\r\nx\r\n0\r\n\r\n";
    };
    EXPECT_TRUE(decode_chunked(with(4000), 512).is_done);
    EXPECT_TRUE(decode_chunked(with(4200), 512).has_failed);
}

TEST(BodyDecoder, LimitsExtensionsBesideTheData) {
    std::string small;
    std::string large;
    for (int chunk = 0; chunk < 200; ++chunk) {
        small += "1;" + std::string(100, 'e') + "\r\nx\r\n";
        large += "100;" + std::string(100, 'e') + "\r\n" + std::string(256, 'x') + "\r\n";
    }
    EXPECT_TRUE(decode_chunked(small + "0\r\n\r\n", 4096).has_failed);
    EXPECT_TRUE(decode_chunked(large + "0\r\n\r\n", 4096).is_done);
}

TEST(BodyDecoder, LimitsTrailers) {
    H1Limits limits;
    limits.headers = 2;
    EXPECT_TRUE(decode_chunked("0\r\nA: 1\r\nB: 2\r\n\r\n", 64, limits).is_done);
    EXPECT_TRUE(decode_chunked("0\r\nA: 1\r\nB: 2\r\nHost: c\r\n\r\n", 64, limits).has_failed);
    limits.header_size = 20;
    EXPECT_TRUE(decode_chunked("0\r\nA: 7890123456789\r\n\r\n", 64, limits).is_done);
    EXPECT_TRUE(decode_chunked("0\r\nA: 78901234567890\r\n\r\n", 64, limits).has_failed);
    EXPECT_TRUE(decode_chunked("0\r\nHost: 123456789012345", 64, limits).has_failed)
        << "unfinished";
}

TEST(BodyDecoder, TreatsUnderscoresInTrailersAsTold) {
    H1Limits limits;
    limits.underscores = H1Limits::Underscores::allow;
    EXPECT_EQ(decode_chunked("0\r\nX_Y: 1\r\n\r\n", 64, limits).trailers, "X_Y: 1\r\n");
    limits.underscores = H1Limits::Underscores::reject;
    EXPECT_TRUE(decode_chunked("0\r\nX_Y: 1\r\n\r\n", 64, limits).has_failed);
}

TEST(BodyDecoder, CountsALength) {
    for (std::size_t piece = 1; piece < 9; ++piece) {
        BodyDecoder decoder;
        decoder.start(Framing::length, 5, {});
        EXPECT_EQ(decoder.remaining(), 5U);
        const Decoded result = decode(decoder, "helloREST", piece);
        EXPECT_EQ(result.data, "hello");
        EXPECT_EQ(result.rest, "REST");
        EXPECT_TRUE(result.is_done);
        EXPECT_EQ(decoder.remaining(), 0U);
        EXPECT_TRUE(decoder.on_eof());
    }
}

TEST(BodyDecoder, MissesTheRestOfALengthAtTheEnd) {
    BodyDecoder decoder;
    decoder.start(Framing::length, 5, {});
    EXPECT_EQ(decoder.next("hell").data, "hell");
    EXPECT_FALSE(decoder.is_done());
    EXPECT_EQ(decoder.remaining(), 1U);
    EXPECT_FALSE(decoder.on_eof());
    EXPECT_TRUE(decoder.next("o").has_failed);
}

TEST(BodyDecoder, TakesEverythingUntilClose) {
    BodyDecoder decoder;
    decoder.start(Framing::until_close, 0, {});
    EXPECT_EQ(decoder.next("0\r\n\r\n").data, "0\r\n\r\n");
    EXPECT_FALSE(decoder.is_done());
    EXPECT_TRUE(decoder.on_eof());
    EXPECT_TRUE(decoder.is_done());
}

TEST(BodyDecoder, IsDoneAtOnceWithoutABody) {
    BodyDecoder decoder;
    decoder.start(Framing::none, 7, {});
    EXPECT_TRUE(decoder.is_done());
    EXPECT_EQ(decoder.remaining(), 0U);
    EXPECT_EQ(decoder.next("GET").consumed, 0U);
    EXPECT_TRUE(decoder.next("GET").is_done);
    decoder.start(Framing::length, 0, {});
    EXPECT_TRUE(decoder.is_done());
}

TEST(BodyDecoder, StartsAfresh) {
    BodyDecoder decoder;
    decoder.start(Framing::chunked, 0, {});
    ASSERT_TRUE(decode(decoder, "0\r\nA: 1\r\n\r\n", 64).is_done);
    ASSERT_FALSE(decoder.trailers().empty());
    decoder.start(Framing::chunked, 0, {});
    EXPECT_TRUE(decoder.trailers().empty());
    EXPECT_FALSE(decoder.is_done());
    ASSERT_TRUE(decoder.next("5;broken\nx").has_failed);
    decoder.start(Framing::chunked, 0, {});
    const Decoded result = decode(decoder, "2\r\nab\r\n0\r\nB: 2\r\n\r\n", 3);
    EXPECT_EQ(result.data, "ab");
    EXPECT_EQ(result.trailers, "B: 2\r\n");
}

// What the writer's helpers make of random stretches, the decoder takes apart again, in random
// pieces.
TEST(BodyDecoder, UndoesTheChunkedCoding) {
    Random random(7);
    for (int round = 0; round < 300; ++round) {
        std::string data;
        std::string coded;
        const std::uint32_t chunks = random.below(6);
        for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
            std::string stretch(1 + random.below(random.below(4) == 0 ? 70'000 : 40), '\0');
            for (char& byte : stretch)
                byte = "\r\n0;ax"[random.below(6)];
            char buffer[20];
            coded.append(chunk_prefix(stretch.size(), buffer)).append(stretch).append(kChunkEnd);
            data += stretch;
        }
        coded += kLastChunk;
        const Decoded result = decode_chunked(coded, 1 + random.below(5'000));
        ASSERT_TRUE(result.is_done);
        ASSERT_EQ(result.data, data);
        ASSERT_EQ(result.rest, "");
    }
}

TEST(ChunkPrefix, WritesTheSizeInHexadecimal) {
    char buffer[20];
    EXPECT_EQ(chunk_prefix(1, buffer), "1\r\n");
    EXPECT_EQ(chunk_prefix(255, buffer), "ff\r\n");
    EXPECT_EQ(chunk_prefix(65536, buffer), "10000\r\n");
    EXPECT_EQ(chunk_prefix(~std::size_t{0}, buffer), "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace weir::http
