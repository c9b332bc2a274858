#include "weir/quota/resp.hpp"

#include <gtest/gtest.h>

namespace weir::quota {
namespace {

using State = ReplyParse::State;
using Kind = Reply::Kind;

struct Parsed {
    ReplyParse parse;
    Reply reply;
};
Parsed parse(std::string_view bytes, const ReplyLimits& limits = {}) {
    Parsed parsed;
    parsed.parse = parse_reply(bytes, limits, parsed.reply);
    return parsed;
}

TEST(Resp, ReadsEachKindOfReply) {
    EXPECT_EQ(parse("+OK\r\n").reply.text, "OK");
    EXPECT_EQ(parse("$5\r\na\r\nbc\r\n").reply.text, "a\r\nbc");
    EXPECT_EQ(parse(":-12\r\n").reply.integer, -12);
    EXPECT_TRUE(parse("-ERR no\r\n").reply.is_error());
    EXPECT_EQ(parse("!3\r\nERR\r\n").reply.kind, Kind::error);
    EXPECT_EQ(parse("$-1\r\n").reply.kind, Kind::nothing);
    EXPECT_EQ(parse("*-1\r\n").reply.kind, Kind::nothing);
    EXPECT_EQ(parse("_\r\n").reply.kind, Kind::nothing);
    EXPECT_EQ(parse("#t\r\n").reply.integer, 1);
    EXPECT_EQ(parse(",1.5\r\n").reply.text, "1.5");
    EXPECT_EQ(parse("(123456789012345678901\r\n").reply.kind, Kind::number);
    EXPECT_EQ(parse("=6\r\ntxt:ab\r\n").reply.text, "txt:ab");
    EXPECT_EQ(parse("*0\r\n").reply.kind, Kind::array);
    EXPECT_EQ(parse("%1\r\n+a\r\n:1\r\n").reply.items.size(), 2U);
    EXPECT_EQ(parse(">1\r\n+a\r\n").reply.kind, Kind::push);
    const auto array = parse("*3\r\n:1\r\n*1\r\n+x\r\n$1\r\ny\r\n").reply;
    ASSERT_EQ(array.items.size(), 3U);
    EXPECT_EQ(array.items[1].items[0].text, "x");
    EXPECT_EQ(array.items[2].text, "y");
    EXPECT_EQ(parse("|1\r\n+ttl\r\n:3\r\n:42\r\n").reply.integer, 42);
}

TEST(Resp, TakesOneReplyAndLeavesTheRest) {
    const auto parsed = parse(":1\r\n:2\r\n");
    EXPECT_EQ(parsed.parse.state, State::done);
    EXPECT_EQ(parsed.parse.consumed, 4U);
}

TEST(Resp, WaitsForTheLastByte) {
    for (const std::string_view whole :
         {"+OK\r\n", "*3\r\n:1\r\n*1\r\n+x\r\n$1\r\ny\r\n", "|1\r\n+ttl\r\n:3\r\n:42\r\n",
          "%1\r\n+a\r\n$2\r\n\r\n\r\n"}) {
        for (std::size_t size = 0; size < whole.size(); ++size)
            EXPECT_EQ(parse(whole.substr(0, size)).parse.state, State::need_more) << whole;
        EXPECT_EQ(parse(whole).parse.state, State::done) << whole;
    }
}

TEST(Resp, RefusesWhatIsNone) {
    for (const std::string_view bad :
         {"HTTP/1.1 400 Bad Request\r\n", "?\r\n", ":x\r\n", ":\r\n", "+a\n", "$-2\r\n", "$x\r\n",
          "*-2\r\n", "$1\r\nabc\r\n", "#x\r\n", "_x\r\n", ":1 \r\n", ":99999999999999999999\r\n",
          "\r\n", ",\r\n", "+a\rb\r\n", "*1\r\n!x\r\n"})
        EXPECT_EQ(parse(bad).parse.state, State::failed) << bad;
}

TEST(Resp, IsBounded) {
    EXPECT_EQ(parse("$65537\r\n").parse.state, State::failed);
    EXPECT_EQ(parse("*1025\r\n").parse.state, State::failed);
    EXPECT_EQ(parse("*9223372036854775807\r\n").parse.state, State::failed);
    EXPECT_EQ(parse("%9223372036854775807\r\n").parse.state, State::failed);
    EXPECT_EQ(parse("*1000\r\n*25\r\n").parse.state, State::failed);
    EXPECT_EQ(parse("+" + std::string(70'000, 'x')).parse.state, State::failed);
    std::string deep;
    for (int i = 0; i < 9; ++i)
        deep += "*1\r\n";
    EXPECT_EQ(parse(deep).parse.state, State::failed);
    std::string attributes;
    for (int i = 0; i < 100; ++i)
        attributes += "|0\r\n";
    EXPECT_EQ(parse(attributes).parse.state, State::failed);
}

TEST(Resp, WritesCommands) {
    std::string out;
    append_command(out, {"AUTH", "", "p\r\nw"});
    EXPECT_EQ(out, "*3\r\n$4\r\nAUTH\r\n$0\r\n\r\n$4\r\np\r\nw\r\n");
}

}  // namespace
}  // namespace weir::quota
