#include "weir/coding/encoder.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

namespace weir::coding {
namespace {

using Until = Encoder::Until;

// What can be read of a coded text so far, by the library's own decoder.
std::string gunzip(std::string_view coded) {
    z_stream stream{};
    if (inflateInit2(&stream, 15 + 16) != Z_OK) return "?";
    std::string out;
    std::string buffer(70'000, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(coded.data()));
    stream.avail_in = static_cast<uInt>(coded.size());
    for (int result = Z_OK; result == Z_OK;) {
        stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
        stream.avail_out = static_cast<uInt>(buffer.size());
        result = inflate(&stream, Z_SYNC_FLUSH);
        out.append(buffer, 0, buffer.size() - stream.avail_out);
    }
    inflateEnd(&stream);
    return out;
}

std::string unbrotli(std::string_view coded) {
    BrotliDecoderState* const state = BrotliDecoderCreateInstance(nullptr, nullptr, nullptr);
    std::string out;
    std::string buffer(70'000, '\0');
    std::size_t left = coded.size();
    const auto* from = reinterpret_cast<const std::uint8_t*>(coded.data());
    do {
        std::size_t free = buffer.size();
        auto* to = reinterpret_cast<std::uint8_t*>(buffer.data());
        if (BrotliDecoderDecompressStream(state, &left, &from, &free, &to, nullptr) ==
            BROTLI_DECODER_RESULT_ERROR)
            break;
        out.append(buffer, 0, buffer.size() - free);
    } while (BrotliDecoderHasMoreOutput(state) != BROTLI_FALSE);
    BrotliDecoderDestroyInstance(state);
    return out;
}

std::string unzstd(std::string_view coded) {
    ZSTD_DCtx* const context = ZSTD_createDCtx();
    std::string out;
    std::string buffer(70'000, '\0');
    ZSTD_inBuffer from{coded.data(), coded.size(), 0};
    for (;;) {
        ZSTD_outBuffer to{buffer.data(), buffer.size(), 0};
        const std::size_t result = ZSTD_decompressStream(context, &to, &from);
        out.append(buffer, 0, to.pos);
        const bool may_go_on = from.pos < from.size || to.pos == to.size;
        if (ZSTD_isError(result) != 0 || !may_go_on) break;
    }
    ZSTD_freeDCtx(context);
    return out;
}

class EncoderTest : public ::testing::TestWithParam<Coding> {
  protected:
    static std::string decode(std::string_view coded) {
        switch (GetParam()) {
            case Coding::zstd:
                return unzstd(coded);
            case Coding::br:
                return unbrotli(coded);
            case Coding::gzip:
                break;
        }
        return gunzip(coded);
    }
    static std::string text(Random& random, std::size_t size) {
        std::string made;
        while (made.size() < size) {
            made += "{\"id\": " + std::to_string(random.below(1000)) + ", \"name\": \"ann\"}, ";
        }
        made.resize(size);
        return made;
    }

    std::unique_ptr<Encoder> encoder = make_encoder(GetParam());
    std::string out;
};

TEST_P(EncoderTest, AnEmptyBodyIsCodedToo) {
    ASSERT_TRUE(encoder->encode("", Until::end, out));
    EXPECT_FALSE(out.empty());
    EXPECT_EQ(decode(out), "");
}

TEST_P(EncoderTest, OneChunkComesBack) {
    Random random(1);
    const std::string body = text(random, 100'000);
    ASSERT_TRUE(encoder->encode(body, Until::end, out));
    EXPECT_LT(out.size(), body.size() / 4);
    EXPECT_TRUE(decode(out) == body);
}

TEST_P(EncoderTest, WhatIsFlushedCanBeRead) {
    Random random(2);
    std::string all;
    for (int i = 0; i < 50; ++i) {
        const std::string chunk = text(random, 1 + random.below(3000));
        all += chunk;
        ASSERT_TRUE(encoder->encode(chunk, Until::more, out));
        ASSERT_TRUE(encoder->encode({}, Until::flush, out));
        ASSERT_TRUE(decode(out) == all) << i << ": " << decode(out).size() << " of " << all.size();
    }
}

TEST_P(EncoderTest, ChunksOfAnySizeComeBackWithFlushesAnywhere) {
    Random random(3);
    for (int round = 0; round < 20; ++round) {
        const auto coder = make_encoder(GetParam());
        std::string coded = "before";
        std::string all;
        for (std::uint32_t left = random.below(40); left > 0; --left) {
            // Every third of noise, which does not shrink.
            std::string chunk = text(random, random.below(60'000));
            if (left % 3 == 0) {
                for (char& byte : chunk)
                    byte = static_cast<char>(random());
            }
            all += chunk;
            const Until until = random.below(2) == 0 ? Until::more : Until::flush;
            ASSERT_TRUE(coder->encode(chunk, until, coded));
        }
        ASSERT_TRUE(coder->encode({}, Until::end, coded));
        ASSERT_TRUE(coded.starts_with("before"));
        ASSERT_TRUE(decode(std::string_view(coded).substr(6)) == all) << round;
    }
}

TEST_P(EncoderTest, FlushingNothingTwiceIsHarmless) {
    ASSERT_TRUE(encoder->encode("abc", Until::flush, out));
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(encoder->encode({}, Until::flush, out));
    EXPECT_EQ(decode(out), "abc");
    ASSERT_TRUE(encoder->encode({}, Until::end, out));
    EXPECT_EQ(decode(out), "abc");
}

INSTANTIATE_TEST_SUITE_P(Codings,
                         EncoderTest,
                         ::testing::Values(Coding::zstd, Coding::br, Coding::gzip),
                         [](const auto& coding) { return std::string(word(coding.param)); });

}  // namespace
}  // namespace weir::coding
