#include "weir/quota/rls.hpp"

#include <gtest/gtest.h>

namespace weir::quota::rls {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

TEST(Rls, WritesARequest) {
    // protoc --encode of domain "d", one descriptor of the entry a=b, hits_addend 300.
    const auto expected =
        "\x0a\x01"s
        "d"
        "\x12\x08\x0a\x06\x0a\x01"
        "a"
        "\x12\x01"
        "b"
        "\x18\xac\x02";
    EXPECT_EQ(encode({"d", {{"a", "b"}}, 300}), expected);
}

TEST(Rls, ReadsAnAnswer) {
    const auto bytes =
        "\x08\x02"                                          // OVER_LIMIT
        "\x12\x10\x08\x02\x12\x04\x08\x64\x10\x02\x18\x07"  // 100 a MINUTE, 7 remain
        "\x22\x04\x08\x1e\x10\x01"                          // 30.000000001 s
        "\x1a\x08\x0a\x03"
        "x-a"
        "\x12\x01"
        "1"  // a header for the client
        "\x22\x08\x0a\x03"
        "x-b"
        "\x1a\x01"
        "2"s;  // one for the upstream, raw
    const auto answer = decode(bytes);
    ASSERT_TRUE(answer.has_value());
    EXPECT_TRUE(answer->is_over_limit);
    EXPECT_EQ(answer->limit, 100U);
    EXPECT_EQ(answer->unit, 1min);
    EXPECT_EQ(answer->remaining, 7U);
    EXPECT_EQ(answer->until_reset, 30s + 1ns);
    ASSERT_EQ(answer->response_headers.size(), 1U);
    EXPECT_EQ(answer->response_headers[0].name, "x-a");
    EXPECT_EQ(answer->response_headers[0].value, "1");
    ASSERT_EQ(answer->request_headers.size(), 1U);
    EXPECT_EQ(answer->request_headers[0].value, "2");
}

TEST(Rls, SkipsWhatItDoesNotKnow) {
    EXPECT_TRUE(decode("\x08\x01\x3a\x02zz\x45xxxx\x49yyyyyyyy\x50\x07"s).has_value());
}

TEST(Rls, RefusesWhatIsNoAnswer) {
    for (const auto& bad :
         {""s, "\x08"s, "\x08\x00"s, "\x08\x03"s, "\x08\x01\x12\x05zz"s, "\x08\x01\x12\x02\x08"s,
          "\x08\x01\x1a\x02\x0a\x09"s, "\x0b"s, "\x00\x01"s, "HTTP/1.1 200"s,
          "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s})
        EXPECT_FALSE(decode(bad).has_value());
}

TEST(Rls, LeavesOutHeadersThatCannotBe) {
    const auto answer = decode(
        "\x08\x01\x1a\x0a\x0a\x03"
        "x-a"
        "\x12\x03"
        "1\r\n"
        "\x1a\x08\x0a\x03"
        "a:b"
        "\x12\x01"
        "1"
        "\x1a\x05\x0a\x00\x12\x01"
        "1"s);
    ASSERT_TRUE(answer.has_value());
    EXPECT_TRUE(answer->response_headers.empty());
}

TEST(Rls, NeverReadsBehindTheEnd) {
    const auto whole =
        "\x08\x01\x12\x0a\x12\x04\x08\x64\x10\x02\x22\x02\x08\x1e\x1a\x08\x0a\x03x-a\x12\x01"
        "1"s;
    for (std::size_t size = 0; size <= whole.size(); ++size)
        (void)decode(std::string(whole.substr(0, size)));
    EXPECT_TRUE(decode(whole).has_value());
}

}  // namespace
}  // namespace weir::quota::rls
