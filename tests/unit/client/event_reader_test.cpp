#include "weir/client/event_reader.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace weir::client {
namespace {

// Read in two parts, cut at that offset.
std::vector<ServerEvent> events_of(std::string_view text, std::size_t cut) {
    EventReader reader;
    std::vector<ServerEvent> events;
    for (const std::string_view part : {text.substr(0, cut), text.substr(cut)}) {
        reader.feed(part);
        while (auto event = reader.next())
            events.push_back(std::move(*event));
    }
    return events;
}

TEST(EventReader, ReadsEventsWhereverTheirBytesAreCut) {
    constexpr std::string_view kText =
        ": hello\n\nid: 7\nevent: breaker\ndata: {\"a\":1}\n\n"
        "data:one\r\ndata: two\r\n\r\n: beat\n\ndata\n\nid: 9\n\ndata: unfinished\n";
    for (std::size_t cut = 0; cut <= kText.size(); ++cut) {
        const auto events = events_of(kText, cut);
        ASSERT_EQ(events.size(), 3U) << cut;
        EXPECT_EQ(events[0].id, "7");
        EXPECT_EQ(events[0].type, "breaker");
        EXPECT_EQ(events[0].data, "{\"a\":1}");
        EXPECT_EQ(events[1].type, "message");
        EXPECT_EQ(events[1].data, "one\ntwo");
        EXPECT_EQ(events[2].data, "");
    }
}

TEST(LineReader, LeavesOutLinesThatAreTooLong) {
    LineReader reader(4);
    reader.feed("abcd\nabc");
    EXPECT_EQ(reader.next(), "abcd");
    EXPECT_EQ(reader.next(), std::nullopt);
    reader.feed("defgh");
    EXPECT_EQ(reader.next(), std::nullopt);
    reader.feed("ijkl");
    EXPECT_EQ(reader.next(), std::nullopt);
    reader.feed("\r\nx\r\n\nlonger\ny\n");
    EXPECT_EQ(reader.next(), "x");
    EXPECT_EQ(reader.next(), "");
    EXPECT_EQ(reader.next(), "y");
    EXPECT_EQ(reader.next(), std::nullopt);
    EXPECT_EQ(reader.left_out(), 2U);
}

}  // namespace
}  // namespace weir::client
