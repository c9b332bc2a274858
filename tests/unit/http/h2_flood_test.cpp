#include "weir/http/h2.hpp"

#include "support/h2_peer.hpp"
#include <gtest/gtest.h>

#include <functional>

namespace weir::http {
namespace {

using test::H2Peer;
using Side = H2Codec::Side;
namespace h2 = test::h2;

constexpr std::string_view kCalm("\0\0\0\x0b", 4);

// How many of them a server takes until it has enough; -1 if it never has.
struct Flood {
    H2Peer server;
    int taken = -1;
    bool says_goaway = false;

    explicit Flood(const std::function<std::string(std::uint32_t)>& nth,
                   const H2Limits& limits = {},
                   int most = 5000)
        : server(Side::server, limits) {
        server.hear(h2::begin());
        for (int i = 0; i < most; ++i) {
            server.hear(nth(static_cast<std::uint32_t>(i)));
            const std::string said = server.speak();
            says_goaway = said.find(kCalm) != std::string::npos;
            if (!server.codec.is_over()) continue;
            taken = i;
            return;
        }
    }
};

std::uint32_t id(std::uint32_t i) {
    return 2 * i + 1;
}

std::string rapid_reset(std::uint32_t i) {
    return h2::get(id(i)) + h2::frame(h2::rst_stream, 0, id(i), h2::number(8, 4));
}
// The client breaks a rule, the server resets.
std::string overflown_window(std::uint32_t i) {
    return h2::get(id(i)) + h2::frame(h2::window_update, 0, id(i), h2::number(0x7fffffff, 4));
}
std::string malformed_head(std::uint32_t i) {
    return h2::get(id(i), {{"connection", "close"}});
}

TEST(H2Floods, ResetsAreLimited) {
    const Flood flood(rapid_reset);
    EXPECT_NEAR(flood.taken, 198, 2);
    EXPECT_TRUE(flood.says_goaway);
    EXPECT_EQ(flood.server.count(H2Fault::resets), 1);
    EXPECT_EQ(flood.server.enforced, 1);
}

TEST(H2Floods, ResetsThatThePeerMakesUsSendCountAsWell) {
    for (const auto& nth : {overflown_window, malformed_head}) {
        const Flood flood(nth);
        EXPECT_NEAR(flood.taken, 198, 2);
        EXPECT_TRUE(flood.says_goaway);
        EXPECT_EQ(flood.server.count(H2Fault::resets), 1);
    }
}

TEST(H2Floods, ResetsMayBeCountedOnly) {
    const Flood flood(rapid_reset, {.only_counts_resets = true}, 1000);
    EXPECT_EQ(flood.taken, -1);
    EXPECT_GT(flood.server.count(H2Fault::resets), 500);
    EXPECT_EQ(flood.server.enforced, 0);
}

TEST(H2Floods, TheRateOfResetsIsAllowedForEver) {
    H2Peer server(Side::server);
    server.hear(h2::begin());
    for (std::uint32_t i = 0; i < 2000; ++i) {
        server.now += std::chrono::milliseconds{31};
        server.hear(rapid_reset(i));
        static_cast<void>(server.speak());
        ASSERT_FALSE(server.codec.is_over()) << i;
    }
}

TEST(H2Floods, FramesThatMoveNothingAreLimited) {
    const std::string post = h2::frame(
        h2::headers, h2::kEndHeaders, 1,
        h2::block({{":method", "POST"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/"}}));
    const auto repeated = [&](const std::string& frame) {
        return [=](std::uint32_t i) { return i == 0 ? post + frame : frame; };
    };
    const std::pair<const char*, std::string> kFrames[] = {
        {"ping", h2::frame(h2::ping, 0, 0, "12345678")},
        {"pong", h2::frame(h2::ping, h2::kAck, 0, "12345678")},
        {"settings", h2::frame(h2::settings, 0, 0)},
        {"priority", h2::frame(h2::priority, 0, 1, h2::number(3, 4) + "x")},
        {"empty data", h2::frame(h2::data, 0, 1)},
        {"window update", h2::frame(h2::window_update, 0, 0, h2::number(1, 4))},
    };
    for (const auto& [name, frame] : kFrames) {
        const Flood flood(repeated(frame));
        EXPECT_NEAR(flood.taken, 1000, 15) << name;
        EXPECT_EQ(flood.server.count(H2Fault::glitches), 1) << name;
        const Flood counted(repeated(frame), {.only_counts_glitches = true}, 1500);
        EXPECT_EQ(counted.taken, -1) << name;
        EXPECT_GT(counted.server.count(H2Fault::glitches), 400) << name;
    }
}

TEST(H2Floods, AcknowledgementsThatNobodyReadsAreBounded) {
    H2Peer server(Side::server, {.only_counts_glitches = true});
    server.hear(h2::begin());
    int taken = 0;
    while (!server.codec.is_over() && taken < 5000) {
        server.hear(h2::frame(h2::ping, 0, 0, "12345678"));
        ++taken;
    }
    EXPECT_NEAR(taken, 256, 3);
    EXPECT_EQ(server.count(H2Fault::glitches), 1);
}

TEST(H2Floods, ContinuationsAreLimited) {
    const Flood flood([](std::uint32_t i) {
        if (i == 0) return h2::frame(h2::headers, 0, 1, h2::field(":method", "GET"));
        return h2::frame(h2::continuation, 0, 1, h2::field("x", "y"));
    });
    EXPECT_NEAR(flood.taken, 9, 1);
    EXPECT_EQ(flood.server.count(H2Fault::headers), 1);
}

TEST(H2Floods, ContinuationsMayComeByteByByte) {
    H2Peer server(Side::server);
    const std::string block =
        h2::block({{":method", "GET"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/"}});
    server.hear(h2::begin() + h2::frame(h2::headers, h2::kEndStream, 1, block) +
                    h2::frame(h2::continuation, h2::kEndHeaders, 1, h2::field("x", "y")),
                1);
    EXPECT_EQ(server.told, "request 1 GET h / x=y .\n");
}

TEST(H2Floods, ABlockThatUnfoldsIsGivenUp) {
    // One long field in the table of HPACK, then a byte for each further copy of it.
    std::string block =
        h2::block({{":method", "GET"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/"}});
    std::string indexed = h2::field("cookie", std::string(4000, 'a'));
    indexed[0] = '\x40';
    block += indexed + std::string(8000, '\xbe');
    H2Peer server(Side::server);
    server.hear(h2::begin() + h2::frame(h2::headers, h2::kEndStream | h2::kEndHeaders, 1, block));
    const std::string said = server.speak();
    EXPECT_NE(said.find(kCalm), std::string::npos);
    EXPECT_TRUE(server.codec.is_over());
    EXPECT_EQ(server.count(H2Fault::headers), 1);
    EXPECT_EQ(server.told.find("request "), std::string::npos);
}

// Then the block is refused all the same, however it goes on, and counts once.
TEST(H2Floods, HeaderBlocksMayBeCountedOnly) {
    std::string unfolds =
        h2::block({{":method", "GET"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/"}});
    std::string indexed = h2::field("cookie", std::string(4000, 'a'));
    indexed[0] = '\x40';
    unfolds += indexed + std::string(12'000, '\xbe');  // 48 MB
    H2Peer server(Side::server, {.only_counts_headers = true});
    server.hear(h2::begin() + h2::frame(h2::headers, h2::kEndStream | h2::kEndHeaders, 1, unfolds));
    EXPECT_EQ(server.told, "refused 1 headers_too_large: head too large .\n");
    EXPECT_EQ(server.count(H2Fault::headers), 1);

    std::string goes_on = h2::frame(
        h2::headers, h2::kEndStream, 3,
        h2::block({{":method", "GET"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/"}}));
    for (int i = 0; i < 5000; ++i)
        goes_on += h2::frame(h2::continuation, 0, 3, i % 2 == 0 ? "" : h2::field("x", "y"));
    server.hear(goes_on + h2::frame(h2::continuation, h2::kEndHeaders, 3));
    EXPECT_NE(server.told.find("refused 3 headers_too_large: head too large .\n"),
              std::string::npos)
        << server.told;
    EXPECT_EQ(server.count(H2Fault::headers), 2);

    server.hear(h2::get(5));
    EXPECT_NE(server.told.find("request 5 GET"), std::string::npos) << server.told;
    EXPECT_EQ(server.enforced, 0);
    EXPECT_EQ(server.count(H2Fault::protocol), 0);
    EXPECT_FALSE(server.codec.is_over());
}

// Whatever the library ends a connection for is counted, whoever has said goodbye before.
TEST(H2Floods, EveryBrokenRuleIsCountedOnce) {
    const std::pair<std::string_view, std::string> kBroken[] = {
        {"data of stream 0", h2::frame(h2::data, 0, 0, "x")},
        {"headers of stream 0", h2::frame(h2::headers, h2::kEndHeaders, 0, "x")},
        {"headers of an even stream", h2::frame(h2::headers, h2::kEndHeaders, 2, "\x82")},
        {"broken HPACK", h2::frame(h2::headers, h2::kEndHeaders, 5, "\xff\xff\xff\xff\xff\xff")},
        {"a continuation of nothing", h2::frame(h2::continuation, h2::kEndHeaders, 5, "x")},
        {"data inside a block", h2::frame(h2::headers, 0, 5, "\x82") + h2::frame(h2::data, 0, 5)},
        {"a large frame", h2::frame(h2::data, 0, 1, std::string(16'385, 'x'))},
        {"a large frame unseen", h2::frame(h2::data, 0, 1, std::string(70'000, 'x')).substr(0, 9)},
        {"a large header block",
         h2::frame(h2::headers, h2::kEndHeaders, 5, std::string(16'385, 'x'))},
        {"a short ping", h2::frame(h2::ping, 0, 0, "1234567")},
        {"a long ping", h2::frame(h2::ping, 0, 0, "123456789")},
        {"a ping of a stream", h2::frame(h2::ping, 0, 1, "12345678")},
        {"a short reset", h2::frame(h2::rst_stream, 0, 1, "123")},
        {"a reset of an idle stream", h2::frame(h2::rst_stream, 0, 9, h2::number(8, 4))},
        {"a short window update", h2::frame(h2::window_update, 0, 0, "123")},
        {"a window update of nothing", h2::frame(h2::window_update, 0, 0, h2::number(0, 4))},
        {"a window beyond all", h2::frame(h2::window_update, 0, 0, h2::number(0x7fffffff, 4)) +
                                    h2::frame(h2::window_update, 0, 0, h2::number(0x7fffffff, 4))},
        {"half a setting", h2::frame(h2::settings, 0, 0, "12345")},
        {"settings of a stream", h2::frame(h2::settings, 0, 1)},
        {"a long acknowledgement", h2::frame(h2::settings, h2::kAck, 0, "123456")},
        {"an acknowledgement too many",
         h2::frame(h2::settings, h2::kAck, 0) + h2::frame(h2::settings, h2::kAck, 0)},
        {"a setting out of range",
         h2::frame(h2::settings, 0, 0, h2::number(4, 2) + h2::number(0xffffffff, 4))},
        {"a short goodbye", h2::frame(h2::goaway, 0, 0, "1234567")},
        {"a goodbye of a stream", h2::frame(h2::goaway, 0, 1, std::string(8, '\0'))},
        {"a short priority", h2::frame(h2::priority, 0, 0, "1234")},
        {"a push", h2::frame(static_cast<h2::Type>(5), h2::kEndHeaders, 1, h2::number(2, 4))},
    };
    enum class Before : std::uint8_t { nothing, our_notice, our_goodbye, its_goodbye, both };
    for (const auto& [what, bytes] : kBroken) {
        for (const Before before : {Before::nothing, Before::our_notice, Before::our_goodbye,
                                    Before::its_goodbye, Before::both}) {
            H2Peer server{Side::server};
            server.hear(h2::begin() + h2::frame(h2::headers, h2::kEndHeaders, 1,
                                                h2::block({{":method", "POST"},
                                                           {":scheme", "http"},
                                                           {":authority", "h"},
                                                           {":path", "/"}})));
            static_cast<void>(server.speak());
            if (before == Before::our_notice) server.codec.announce_end();
            if (before == Before::our_goodbye || before == Before::both) server.codec.end();
            static_cast<void>(server.speak());
            if (before == Before::its_goodbye || before == Before::both)
                server.hear(h2::frame(h2::goaway, 0, 0, std::string(8, '\0')));
            static_cast<void>(server.speak());
            server.hear(bytes);
            static_cast<void>(server.speak());
            EXPECT_EQ(server.count(H2Fault::protocol), 1)
                << what << ", before: " << static_cast<int>(before) << "\n"
                << server.told;
            EXPECT_TRUE(server.codec.is_over()) << what << ", before: " << static_cast<int>(before);
        }
    }
}

TEST(H2Floods, ATurnTakesOnlySoManyStreams) {
    H2Peer server(Side::server);
    std::string bytes = h2::begin();
    for (std::uint32_t i = 0; i < 100; ++i)
        bytes += h2::get(id(i));
    server.hear(bytes);
    EXPECT_EQ(server.streams.size(), 100U);
    EXPECT_EQ(server.turns, 4);
    for (std::uint32_t i = 0; i < 100; ++i) {
        EXPECT_NE(server.told.find("request " + std::to_string(id(i)) + " GET example.com / .\n"),
                  std::string::npos);
    }
}

TEST(H2Floods, StreamsAboveTheLimitAreRefused) {
    H2Peer server(Side::server, {.streams = 3});
    std::string bytes = h2::begin();
    static_cast<void>(server.speak());
    for (std::uint32_t i = 0; i < 4; ++i)
        bytes += h2::get(id(i));
    server.hear(bytes);
    const std::string refused = h2::frame(h2::rst_stream, 0, 7, h2::number(7, 4));
    EXPECT_NE(server.speak().find(refused), std::string::npos);
    EXPECT_EQ(server.told.find("request 7"), std::string::npos);
}

}  // namespace
}  // namespace weir::http
