#include "weir/config/values.hpp"

#include <gtest/gtest.h>

namespace weir::config {
namespace {

using namespace std::chrono_literals;

TEST(ConfigValues, ReadsDurationsWithTheirUnits) {
    const struct {
        const char* text;
        Duration expected;
    } cases[] = {
        {"250ms", 250ms}, {"1m30s", 90s}, {"5s", 5s}, {"0", 0s},
        {"0ms", 0s},      {"10us", 10us}, {"2h", 2h}, {"1h1m1s1ms1us", 1h + 1min + 1s + 1ms + 1us},
        {"007s", 7s}};
    for (const auto& [text, expected] : cases) {
        const auto read = read_duration(text);
        ASSERT_TRUE(std::holds_alternative<Duration>(read)) << text;
        EXPECT_EQ(std::get<Duration>(read), expected) << text;
    }
}

TEST(ConfigValues, RefusesWhatIsNoDuration) {
    const struct {
        const char* text;
        int code;
        const char* note;
    } cases[] = {{"5", 103, "write 5s, 5ms or 5m"},
                 {"250", 103, "write 250ms, 250s or 250m"},
                 {"250msec", 104, "did you mean 250ms?   units: us, ms, s, m, h"},
                 {"5 seconds", 104, "did you mean 5s?   units: us, ms, s, m, h"},
                 {"1.5s", 104, "did you mean 1500ms?   units: us, ms, s, m, h"},
                 {"1s2m", 104, "units: us, ms, s, m, h"},
                 {"1s1s", 104, "units: us, ms, s, m, h"},
                 {"-1s", 104, "units: us, ms, s, m, h"},
                 {"", 104, "units: us, ms, s, m, h"},
                 {"on", 104, "units: us, ms, s, m, h"},
                 {"s", 104, "units: us, ms, s, m, h"},
                 {"99999h", 117, ""},
                 {"99999999999999999999s", 104, "units: us, ms, s, m, h"}};
    for (const auto& [text, code, note] : cases) {
        const auto read = read_duration(text);
        ASSERT_TRUE(std::holds_alternative<Complaint>(read)) << text;
        EXPECT_EQ(std::get<Complaint>(read).code, code) << text;
        EXPECT_EQ(std::get<Complaint>(read).note, note) << text;
    }
}

TEST(ConfigValues, ReadsSizesWithTheirUnits) {
    const struct {
        const char* text;
        std::uint64_t expected;
    } cases[] = {{"64KiB", 65536},      {"1MB", 1000000}, {"100B", 100},
                 {"2GiB", 2147483648U}, {"1KB", 1000},    {"0", 0}};
    for (const auto& [text, expected] : cases) {
        const auto read = read_size(text);
        ASSERT_TRUE(std::holds_alternative<std::uint64_t>(read)) << text;
        EXPECT_EQ(std::get<std::uint64_t>(read), expected) << text;
    }
    const struct {
        const char* text;
        int code;
        const char* note;
    } wrong[] = {{"64", 103, "write 64B, 64KiB or 64MiB"},
                 {"64k", 104, "did you mean 64KiB?   units: B, KB, MB, GB, KiB, MiB, GiB"},
                 {"1Mb", 104, "did you mean 1MB?   units: B, KB, MB, GB, KiB, MiB, GiB"},
                 {"KiB", 104, "units: B, KB, MB, GB, KiB, MiB, GiB"},
                 {"9999999999GiB", 117, ""}};
    for (const auto& [text, code, note] : wrong) {
        const auto read = read_size(text);
        ASSERT_TRUE(std::holds_alternative<Complaint>(read)) << text;
        EXPECT_EQ(std::get<Complaint>(read).code, code) << text;
        EXPECT_EQ(std::get<Complaint>(read).note, note) << text;
    }
}

TEST(ConfigValues, ReadsPercentagesAndRates) {
    EXPECT_DOUBLE_EQ(std::get<double>(read_percent("50%")), 0.5);
    EXPECT_DOUBLE_EQ(std::get<double>(read_percent("0.5%")), 0.005);
    EXPECT_DOUBLE_EQ(std::get<double>(read_rate("100/s")), 100);
    EXPECT_DOUBLE_EQ(std::get<double>(read_rate("600/m")), 10);
    EXPECT_DOUBLE_EQ(std::get<double>(read_rate("36/h")), 0.01);
    EXPECT_DOUBLE_EQ(std::get<double>(read_rate("864/d")), 0.01);
    EXPECT_EQ(std::get<Complaint>(read_percent("0.5")).note,
              "write 50%  (0.5% is also possible if you mean half a percent)");
    EXPECT_EQ(std::get<Complaint>(read_percent("0.25")).note,
              "write 25%  (0.25% is also possible if you mean less than one percent)");
    EXPECT_EQ(std::get<Complaint>(read_percent("20")).note, "write 20%");
    EXPECT_EQ(std::get<Complaint>(read_percent("x%")).code, 104);
    EXPECT_EQ(std::get<Complaint>(read_percent("-5%")).code, 104);
    EXPECT_EQ(std::get<Complaint>(read_rate("3")).code, 103);
    EXPECT_EQ(std::get<Complaint>(read_rate("3/w")).code, 104);
    EXPECT_EQ(std::get<Complaint>(read_rate("/s")).code, 104);
}

TEST(ConfigValues, TakesOnlyTrueAndFalseForBooleans) {
    EXPECT_EQ(std::get<bool>(read_boolean("true")), true);
    EXPECT_EQ(std::get<bool>(read_boolean("false")), false);
    for (const auto* text : {"yes", "on", "True", "1"}) {
        EXPECT_EQ(std::get<Complaint>(read_boolean(text)).note, "write true") << text;
    }
    for (const auto* text : {"no", "off", "False", "0"}) {
        EXPECT_EQ(std::get<Complaint>(read_boolean(text)).note, "write false") << text;
    }
    EXPECT_EQ(std::get<Complaint>(read_boolean("maybe")).note, "write true or false");
}

TEST(ConfigValues, ReadsWholeNumbersInDecimalOnly) {
    EXPECT_EQ(std::get<std::uint64_t>(read_integer("42")), 42U);
    EXPECT_EQ(std::get<std::uint64_t>(read_integer("010")), 10U);
    for (const auto* text :
         {"", "-1", "+1", "1.0", "0x10", "1e3", "1_000", "five", "99999999999999999999"}) {
        EXPECT_TRUE(std::holds_alternative<Complaint>(read_integer(text))) << text;
    }
}

TEST(ConfigValues, WritesDurationsAsTheyAreRead) {
    for (const auto* text : {"0s", "1500ms", "3s", "1m30s", "1h", "250us", "2h1ms"}) {
        EXPECT_EQ(to_text(std::get<Duration>(read_duration(text))), text);
    }
}

}  // namespace
}  // namespace weir::config
