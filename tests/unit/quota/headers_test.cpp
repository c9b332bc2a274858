#include "weir/quota/headers.hpp"

#include <gtest/gtest.h>

namespace weir::quota {
namespace {

using namespace std::chrono_literals;

std::string lines(HeaderStyle style, const Standing& standing) {
    std::string out;
    append_headers(out, style, standing);
    return out;
}

TEST(LimitHeaders, SayPolicyAndStanding) {
    const Standing standing{"per-user", {100, 1s}, {true, 12, 0s, 880ms}};
    EXPECT_EQ(lines(HeaderStyle::draft, standing),
              "RateLimit-Policy: \"per-user\";q=100;w=1\r\nRateLimit: \"per-user\";r=12;t=1\r\n");
    EXPECT_EQ(lines(HeaderStyle::legacy, standing),
              "X-RateLimit-Limit: 100\r\nX-RateLimit-Remaining: 12\r\nX-RateLimit-Reset: 1\r\n");
    EXPECT_EQ(lines(HeaderStyle::none, standing), "");
}

TEST(LimitHeaders, SayNoWindowWhereThereIsNone) {
    const Standing standing{"slots", {8, 0s}, {true, 3, 0s, 0s}};
    EXPECT_EQ(lines(HeaderStyle::draft, standing),
              "RateLimit-Policy: \"slots\";q=8\r\nRateLimit: \"slots\";r=3\r\n");
    EXPECT_EQ(lines(HeaderStyle::legacy, standing),
              "X-RateLimit-Limit: 8\r\nX-RateLimit-Remaining: 3\r\n");
}

TEST(LimitHeaders, RoundSecondsUp) {
    EXPECT_EQ(whole_seconds(0s), 0U);
    EXPECT_EQ(whole_seconds(-1s), 0U);
    EXPECT_EQ(whole_seconds(1ns), 1U);
    EXPECT_EQ(whole_seconds(1s), 1U);
    EXPECT_EQ(whole_seconds(1001ms), 2U);
}

TEST(LimitHeaders, TellOfTheTightestPolicy) {
    const Standing wide{"a", {100, 1s}, {true, 50, 0s, 1s}};
    const Standing narrow{"b", {10, 1s}, {true, 2, 0s, 1s}};
    const Standing refused{"c", {10, 1s}, {false, 3, 1s, 1s}};
    const Standing refused_longer{"d", {10, 1s}, {false, 5, 2s, 2s}};
    EXPECT_TRUE(is_tighter(narrow, wide));
    EXPECT_FALSE(is_tighter(wide, narrow));
    EXPECT_TRUE(is_tighter(refused, narrow));
    EXPECT_TRUE(is_tighter(refused_longer, refused));
    EXPECT_FALSE(is_tighter(wide, wide));
}

}  // namespace
}  // namespace weir::quota
