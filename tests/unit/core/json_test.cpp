#include "weir/core/json.hpp"

#include "weir/core/random.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <string_view>

namespace weir {
namespace {

using namespace std::string_view_literals;

std::string escaped(std::string_view text) {
    std::string out;
    append_json_escaped(out, text);
    return out;
}

struct Escape {
    std::string_view in;
    std::string_view out;
};

class JsonEscape : public ::testing::TestWithParam<Escape> {};

TEST_P(JsonEscape, IsAsInTheTable) {
    EXPECT_EQ(escaped(GetParam().in), GetParam().out);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    JsonEscape,
    ::testing::Values(
        Escape{"", ""},
        Escape{"plain text, 100% <ok> 'x' /path", "plain text, 100% <ok> 'x' /path"},
        Escape{"\"", R"(\")"},
        Escape{"\\", R"(\\)"},
        Escape{"\n\r\t", R"(\n\r\t)"},
        Escape{"\0"sv, R"(\u0000)"},
        Escape{"\x01\x08\x0c\x1f", R"(\u0001\u0008\u000c\u001f)"},
        Escape{"\x7f", R"(\u007f)"},
        Escape{"a\"b\nc", R"(a\"b\nc)"},
        // UTF-8, first and last of each length.
        Escape{"\xc2\x80\xdf\xbf", "\xc2\x80\xdf\xbf"},
        Escape{"\xe0\xa0\x80\xef\xbf\xbf", "\xe0\xa0\x80\xef\xbf\xbf"},
        Escape{"\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"},
        Escape{"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
        // What is none: one replacement a byte.
        Escape{"\x80", "\xef\xbf\xbd"},
        Escape{"a\xff\x62", "a\xef\xbf\xbd\x62"},
        Escape{"\xc3", "\xef\xbf\xbd"},
        Escape{"\xc3(", "\xef\xbf\xbd("},
        Escape{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                  // overlong
        Escape{"\xe0\x9f\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},  // overlong
        Escape{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},  // surrogate
        Escape{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},  // too far
        Escape{"\xf5\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
        Escape{"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},  // cut off
        Escape{"\xf0\x9f\x98", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}));

TEST(JsonWriter, PutsCommasBetweenItemsAtEveryDepth) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("a", 1).key("b").begin_array();
    json.value("x").value(true).null();
    json.begin_object().end_object().begin_array().end_array();
    json.begin_object().field("c", "d").field("e", 2.5).end_object();
    json.end_array().field("f", std::string("g")).end_object();
    EXPECT_EQ(out, R"({"a":1,"b":["x",true,null,{},[],{"c":"d","e":2.5}],"f":"g"})");
}

TEST(JsonWriter, EscapesKeysToo) {
    std::string out;
    JsonWriter(out).begin_object().field("a\"b", 1).end_object();
    EXPECT_EQ(out, R"({"a\"b":1})");
}

TEST(JsonWriter, WritesNumbersWhole) {
    std::string out;
    JsonWriter json(out);
    json.begin_array();
    json.value(std::numeric_limits<std::uint64_t>::max());
    json.value(std::numeric_limits<std::int64_t>::min());
    json.value(std::numeric_limits<std::uint32_t>::max());
    json.value(std::numeric_limits<std::int32_t>::min());
    json.value(0.1).value(1e300).value(-0.5);
    json.end_array();
    EXPECT_EQ(out,
              "[18446744073709551615,-9223372036854775808,4294967295,-2147483648,0.1,1e+300,-0.5]");
}

TEST(JsonWriter, WritesNullForNumbersThatJsonDoesNotKnow) {
    std::string out;
    JsonWriter json(out);
    json.begin_array();
    json.value(std::numeric_limits<double>::quiet_NaN());
    json.value(std::numeric_limits<double>::infinity());
    json.value(-std::numeric_limits<double>::infinity());
    json.end_array();
    EXPECT_EQ(out, "[null,null,null]");
}

TEST(JsonWriter, AppendsToWhatIsThere) {
    std::string out = "data: ";
    JsonWriter(out).value("x");
    EXPECT_EQ(out, R"(data: "x")");
}

TEST(JsonWriter, TheDeepestNestingItAllowsStillHasItsCommas) {
    std::string out;
    JsonWriter json(out);
    for (int i = 0; i < 63; ++i)
        json.begin_array().value(i);
    for (int i = 0; i < 63; ++i)
        json.end_array();
    boost::json::value value = boost::json::parse(out, {}, {.max_depth = 64});
    for (int i = 0; i < 62; ++i) {
        ASSERT_EQ(value.as_array().size(), 2U);
        ASSERT_EQ(value.as_array()[0].as_int64(), i);
        value = boost::json::value(value.as_array()[1]);
    }
}

TEST(JsonWriterDeathTest, AssertsThatNestingIsBalancedAndBounded) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    std::string out;
    EXPECT_DEATH(JsonWriter(out).end_object(), "assertion failed");
    EXPECT_DEATH(JsonWriter(out).end_array(), "assertion failed");
    EXPECT_DEATH(
        {
            JsonWriter json(out);
            for (int i = 0; i < 64; ++i)
                json.begin_object().key("k");
        },
        "assertion failed");
}

// Whatever bytes come, what is written parses; and what was valid comes back the same.
TEST(JsonWriter, WhateverBytesItIsGivenTheResultParses) {
    Random random(11);
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes;
        for (std::uint32_t i = random.below(12); i > 0; --i) {
            // Half of them from the bytes that matter to UTF-8.
            const std::uint32_t byte =
                random.below(2) == 0 ? random.below(256) : 0x80 + random.below(128);
            bytes += static_cast<char>(byte);
        }
        std::string out;
        JsonWriter(out).begin_object().field("k", bytes).end_object();
        boost::system::error_code ec;
        const boost::json::value parsed = boost::json::parse(out, ec);
        ASSERT_FALSE(ec) << out;
        const std::string_view back = parsed.at("k").as_string();
        if (out.find("\xef\xbf\xbd") == std::string::npos) {
            ASSERT_EQ(back, bytes);
        }
    }
}

TEST(JsonValue, IsReadAsDeepAsOneLikes) {
    const auto value = JsonValue::parse(
        R"({"name":"a\u00e9\n","list":[1,-2,2.5,1e3,18446744073709551615],"on":true,"none":null})");
    ASSERT_TRUE(value);
    EXPECT_EQ((*value)["name"].text(), "a\u00e9\n");
    const auto& list = (*value)["list"].items();
    ASSERT_EQ(list.size(), 5U);
    EXPECT_EQ(list[0].integer(), 1U);
    EXPECT_EQ(list[1].integer(), std::nullopt);
    EXPECT_EQ(list[1].number(), -2.0);
    EXPECT_EQ(list[1].text(), "-2");
    EXPECT_EQ(list[2].number(), 2.5);
    EXPECT_EQ(list[2].integer(), std::nullopt);
    EXPECT_EQ(list[3].number(), 1000.0);
    EXPECT_EQ(list[4].integer(), std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ((*value)["on"].boolean(), true);
    EXPECT_TRUE((*value)["none"].is_null());
    EXPECT_EQ(value->members().size(), 4U);
}

TEST(JsonValue, IsNullWhereThereIsNothing) {
    const auto value = JsonValue::parse(R"({"a":[1],"n":5})");
    ASSERT_TRUE(value);
    const JsonValue& missing = (*value)["a"]["b"]["c"];
    EXPECT_TRUE(missing.is_null());
    EXPECT_EQ(missing.text(), "");
    EXPECT_EQ(missing.number(), std::nullopt);
    EXPECT_TRUE(missing.items().empty());
    EXPECT_EQ((*value)["n"].boolean(), std::nullopt);
}

TEST(JsonValue, OfTwoMembersOfANameTheLastCounts) {
    const auto value = JsonValue::parse(R"({"a":1,"a":2})");
    ASSERT_TRUE(value);
    EXPECT_EQ((*value)["a"].integer(), 2U);
}

TEST(JsonValue, IsNothingForWhatIsNoJson) {
    for (const std::string_view text : {"", " ", "{", "[1,]", "{\"a\":}", "01", "1 2", "nul", "'a'",
                                        "\"\xff\"", "{}x", "\"\\ud800\"", "NaN", "// c\n1"}) {
        EXPECT_FALSE(JsonValue::parse(text).has_value()) << text;
    }
    const std::string deep(40, '[');
    EXPECT_FALSE(JsonValue::parse(deep + std::string(40, ']')).has_value());
    EXPECT_TRUE(JsonValue::parse(" [[1]]\r\n").has_value());
}

}  // namespace
}  // namespace weir
