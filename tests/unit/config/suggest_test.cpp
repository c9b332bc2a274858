#include "config/suggest.hpp"

#include <gtest/gtest.h>

#include <array>

namespace weir::config {
namespace {

TEST(Suggestions, CountSlipsWithTranspositions) {
    EXPECT_EQ(distance("connect", "connect"), 0U);
    EXPECT_EQ(distance("conect", "connect"), 1U);
    EXPECT_EQ(distance("ocnnect", "connect"), 1U);
    EXPECT_EQ(distance("", "abc"), 3U);
    EXPECT_EQ(distance("kitten", "sitting"), 3U);
}

TEST(Suggestions, AreWithinAThirdOfTheWord) {
    const std::array<std::string_view, 3> words{"round_robin", "random", "to"};
    EXPECT_EQ(nearest("round_robbin", words), "round_robin");
    EXPECT_EQ(nearest("randm", words), "random");
    EXPECT_EQ(nearest("ot", words), "to");
    EXPECT_EQ(nearest("xyz", words), "");
    EXPECT_EQ(nearest("rrrrrr", words), "");
    EXPECT_EQ(nearest(std::string(100'000, 'r'), words), "");
}

TEST(Suggestions, KnowTheWordsOfOtherProxies) {
    const std::array<std::string_view, 2> root{"clusters", "listeners"};
    const std::array<std::string_view, 3> cluster{"endpoints", "outlier", "lb"};
    const std::array<std::string_view, 2> listener{"listen", "to"};
    EXPECT_EQ(synonym("upstream", root), "clusters");
    EXPECT_EQ(synonym("upstream", listener), "to");
    EXPECT_EQ(synonym("url", listener), "to");
    EXPECT_EQ(synonym("port", listener), "listen");
    EXPECT_EQ(synonym("servers", cluster), "endpoints");
    EXPECT_EQ(synonym("max_fails", cluster), "outlier.consecutive_failures");
    EXPECT_EQ(synonym("max_fails", root), "");
}

}  // namespace
}  // namespace weir::config
