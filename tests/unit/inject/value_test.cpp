#include "inject/value.hpp"

#include <gtest/gtest.h>

namespace weir::inject {
namespace {

TEST(Value, WritesWhatItReadAndReadsWhatItWrote) {
    const std::string text =
        "a: 1\n"
        "b: yes\n"
        "c: \"yes\"\n"
        "d: ''\n"
        "e: 0123\n"
        "f: [1, two, {three: 3}]\n"
        "g: |\n  line one\n  line: two\n"
        "h: |-\n  true\n"
        "i: >-\n  folded\n  text\n"
        "j: {}\n"
        "k: []\n"
        "l:\n"
        "m: plain words\n  that go on\n"
        "n: \"tab\\there \\u00e9\"\n"
        "o: *anchor\n";
    const Read broken = from_yaml(text);
    EXPECT_FALSE(broken.value);  // of no anchor
    EXPECT_NE(broken.problem, "");

    const Read read = from_yaml(text.substr(0, text.find("o: ")));
    ASSERT_TRUE(read.value) << read.problem;
    const std::string once = to_yaml(*read.value);
    EXPECT_EQ(once,
              "a: 1\n"
              "b: yes\n"
              "c: \"yes\"\n"
              "d: \"\"\n"
              "e: 0123\n"
              "f:\n- 1\n- two\n- three: 3\n"
              "g: |\n  line one\n  line: two\n"
              "h: \"true\"\n"
              "i: \"folded text\"\n"
              "j: {}\n"
              "k: []\n"
              "l: null\n"
              "m: plain words that go on\n"
              "\"n\": \"tab\\there é\"\n");
    const Read again = from_yaml(once);
    ASSERT_TRUE(again.value) << again.problem;
    EXPECT_EQ(to_yaml(*again.value), once);
    EXPECT_TRUE(same(*again.value, *read.value));
}

TEST(Value, KeepsBlocksWithBlankLinesAndEnds) {
    for (const char* text : {"one\n\ntwo\n", "one\ntwo", "one\ntwo\n\n\n", "\nfirst\n",
                             " indented\n", "trailing \nblank\n", "\n", "a\tb\n"}) {
        const Value value = Value::object(
            {{"list", Value::array({Value::object({{"text", Value::string(text)}})})}});
        const Read read = from_yaml(to_yaml(value));
        ASSERT_TRUE(read.value) << read.problem << to_yaml(value);
        EXPECT_TRUE(same(*read.value, value)) << to_yaml(value);
        EXPECT_EQ(to_yaml(*read.value), to_yaml(value));
    }
}

TEST(Value, IsJson) {
    const auto json = JsonValue::parse(R"({"b":[1,"1",true,null,1.5e3],"a":{"x":"\u00e9\n"}})");
    ASSERT_TRUE(json);
    EXPECT_EQ(to_json(from_json(*json)), "{\"b\":[1,\"1\",true,null,1500],\"a\":{\"x\":\"é\\n\"}}");
    EXPECT_EQ(to_json(Value::plain("08:00")), "\"08:00\"");
    EXPECT_FALSE(same(Value::plain("1"), Value::string("1")));
    EXPECT_TRUE(same(Value::plain("word"), Value::string("word")));
}

}  // namespace
}  // namespace weir::inject
