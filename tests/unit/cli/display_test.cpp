#include "cli/display.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <sstream>

namespace weir::cli {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

Table endpoints() {
    Table table({{.title = "ADDRESS", .least = 11},
                 {.title = "STATE"},
                 {.title = "REQUESTS", .align = Align::right, .rank = 2},
                 {.title = "LAST ERROR", .least = 8, .rank = 1}});
    table.add({"10.0.0.5:80", {"healthy", Tone::good}, "12", ""});
    table.add({"a-rather-long-name.of.a.host.example:8080",
               {"ejected", Tone::bad},
               "3400",
               "connection refused by the peer that was there a moment ago"});
    return table;
}

TEST(Table, IsAsWideAsItTakesWithoutAWidth) {
    EXPECT_EQ(endpoints().render({}),
              "ADDRESS                                    STATE    REQUESTS  LAST ERROR\n"
              "10.0.0.5:80                                healthy        12  -\n"
              "a-rather-long-name.of.a.host.example:8080  ejected      3400  connection refused by "
              "the peer that was there a moment ago\n");
}

TEST(Table, FitsEveryWidth) {
    for (std::size_t width = 40; width <= 200; ++width) {
        const std::string text = endpoints().render({.width = width});
        for (const std::string& line : lines_of(text))
            EXPECT_LE(columns_of(line), width) << line;
        EXPECT_NE(text.find("ejected"), std::string::npos) << "states are kept whole";
        EXPECT_NE(text.find("10.0.0.5:80"), std::string::npos) << text;
    }
}

TEST(Table, ShortensTheLongestInTheMiddleAndLeavesOutTheHighestRank) {
    EXPECT_EQ(endpoints().render({.width = 60}),
              "ADDRESS              STATE    REQUESTS  LAST ERROR\n"
              "10.0.0.5:80          healthy        12  -\n"
              "a-rather-…mple:8080  ejected      3400  connection…oment ago\n");
    EXPECT_EQ(endpoints().render({.width = 32}),
              "ADDRESS      STATE    LAST ERROR\n"
              "10.0.0.5:80  healthy  -\n"
              "a-rat…:8080  ejected  conne… ago\n");
}

TEST(Table, LeavesNoLineWiderThanATerminalOfAFewColumns) {
    for (std::size_t width = 8; width < 40; ++width) {
        for (const std::string& line : lines_of(endpoints().render({.width = width})))
            EXPECT_LE(columns_of(line), width) << line;
    }
}

TEST(Table, RightAlignsNumbersAndEndsNoLineInBlanks) {
    Table table({{.title = "N", .align = Align::right}, {.title = "WORD"}});
    table.add({"5", "a"});
    table.add({"1000", "longer"});
    EXPECT_EQ(table.render({}), "   N  WORD\n   5  a\n1000  longer\n");
}

TEST(Table, OfNoRowsIsNothing) {
    EXPECT_EQ(Table({{.title = "A"}}).render({}), "");
}

TEST(Table, CountsCharactersAndNotBytesOrColours) {
    Table table({{.title = "É", .least = 3}, {.title = "B"}});
    table.add({{"héé", Tone::good}, "x"});
    table.add({"abc", "y"});
    EXPECT_EQ(table.render({}), "É    B\nhéé  x\nabc  y\n");
    EXPECT_EQ(table.render({.width = 0, .has_colour = true}),
              "\x1b[1mÉ\x1b[0m    \x1b[1mB\x1b[0m\n\x1b[32mhéé\x1b[0m  x\nabc  y\n");
}

TEST(Text, IsShortenedInTheMiddle) {
    EXPECT_EQ(shortened("abcdefgh", 8), "abcdefgh");
    EXPECT_EQ(shortened("abcdefgh", 7), "abc…fgh");
    EXPECT_EQ(shortened("abcdefgh", 6), "abc…gh");
    EXPECT_EQ(shortened("abcdefgh", 1), "…");
    EXPECT_EQ(shortened("abcdefgh", 0), "");
    EXPECT_EQ(shortened("ééééé", 3), "é…é");
}

TEST(Text, OfStrangersDoesNotSteerTheTerminal) {
    EXPECT_EQ(printable("a\x1b[2Jb\r\n\x7f"), "a [2Jb   ");
    EXPECT_EQ(printable("a\xc2\x9b"
                        "2J é"),
              "a 2J é");
}

TEST(Text, IsWrappedAtBlanks) {
    EXPECT_EQ(wrapped("one two three four", {.width = 12}, 3), "one two\n   three\n   four");
    EXPECT_EQ(wrapped("one two three", {}, 3), "one two three");
    EXPECT_EQ(wrapped("averyveryverylongword x", {.width = 8}, 2), "ave…rd\n  x");
}

TEST(Durations, AreReadAsConfigurationsWriteThem) {
    EXPECT_EQ(parse_duration("250ms"), 250ms);
    EXPECT_EQ(parse_duration("1h30m"), 90min);
    EXPECT_EQ(parse_duration("1d"), 24h);
    for (const std::string_view text :
         {"", "5", "s", "5x", "-5s", "0s", "5 s", "1.5s", "99999999999h"})
        EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(Numbers, AreBrief) {
    EXPECT_EQ(brief(-1s), "0.0s");
    EXPECT_EQ(brief(400ms), "0.4s");
    EXPECT_EQ(brief(9960ms), "10s");
    EXPECT_EQ(brief(42s), "42s");
    EXPECT_EQ(brief(59900ms), "1m00s");
    EXPECT_EQ(brief(299990ms), "5m00s");
    EXPECT_EQ(brief(2h + 5min), "2h05m");
    EXPECT_EQ(brief(76h), "3d04h");
    EXPECT_EQ(brief_milliseconds(0.42), "0.42ms");
    EXPECT_EQ(brief_milliseconds(3.14), "3.1ms");
    EXPECT_EQ(brief_milliseconds(42.4), "42ms");
    EXPECT_EQ(brief_milliseconds(1234), "1.2s");
    EXPECT_EQ(brief_bytes(512), "512 B");
    EXPECT_EQ(brief_bytes(12'900'000), "12.3 MiB");
    EXPECT_EQ(brief_number(0), "0");
    EXPECT_EQ(brief_number(0.3), "0.3");
    EXPECT_EQ(brief_number(1234.5), "1234");
    EXPECT_EQ(brief_number(12345), "12.3k");
    EXPECT_EQ(percentage(0), "0%");
    EXPECT_EQ(percentage(0.0004), "<0.1%");
    EXPECT_EQ(percentage(0.005), "0.5%");
    EXPECT_EQ(percentage(1), "100%");
}

TEST(Times, AreReadAndShownInTheZoneOfThisMachine) {
    ASSERT_EQ(::setenv("TZ", "UTC-2", 1), 0);
    ::tzset();
    const auto at = parse_time("2026-11-23T02:07:36.412Z");
    ASSERT_TRUE(at);
    EXPECT_EQ(time_of_day(*at), "04:07:36.412");
    EXPECT_EQ(*parse_time("2026-11-23T02:07:37Z") - *at, 588ms);
    ::unsetenv("TZ");
    ::tzset();
    for (const std::string_view text : {"", "2026-11-23", "2026-11-23T02:07:36", "x",
                                        "2026-11-23T02:07:36.xZ", "2026-11-23T02:07:36+01:00"})
        EXPECT_EQ(parse_time(text), std::nullopt) << text;
}

}  // namespace
}  // namespace weir::cli
