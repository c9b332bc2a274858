#include "weir/http/query.hpp"

#include <gtest/gtest.h>

namespace weir::http {
namespace {

TEST(Query, NamesAndValuesAreDecodedAsFormsAre) {
    struct Row {
        std::string_view encoded;
        std::string_view plain;
    };
    constexpr Row kRows[] = {{"", ""},         {"abc", "abc"},   {"a+b", "a b"},
                             {"a%20b", "a b"}, {"%41%5a", "AZ"}, {"%2B%26%3D", "+&="},
                             {"100%", "100%"}, {"%4", "%4"},     {"%zz", "%zz"},
                             {"%%41", "%A"},   {"%2541", "%41"}};
    for (const Row& row : kRows) {
        EXPECT_EQ(decoded(row.encoded), row.plain);
        EXPECT_TRUE(equals_decoded(row.encoded, row.plain)) << row.encoded;
        EXPECT_FALSE(equals_decoded(row.encoded, std::string(row.plain) + "x")) << row.encoded;
    }
    EXPECT_FALSE(equals_decoded("abc", "ab"));
}

TEST(Query, ParametersAreTakenOneByOne) {
    std::string_view query = "a=1&&b=2=3&c";
    EXPECT_EQ(take_parameter(query), "a=1");
    EXPECT_EQ(take_parameter(query), "");
    EXPECT_EQ(take_parameter(query), "b=2=3");
    EXPECT_EQ(take_parameter(query), "c");
    EXPECT_EQ(query, "");
    EXPECT_TRUE(is_named("k%65y=1=2", "key"));
    EXPECT_TRUE(is_named("key", "key"));
    EXPECT_FALSE(is_named("keys=1", "key"));
    EXPECT_FALSE(is_named("Key=1", "key"));
}

}  // namespace
}  // namespace weir::http
