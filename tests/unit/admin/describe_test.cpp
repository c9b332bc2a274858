#include "admin/describe.hpp"

#include <gtest/gtest.h>

namespace weir::admin {
namespace {

using namespace std::chrono_literals;

TEST(Describe, ReadsDurationsWithTheirUnits) {
    EXPECT_EQ(duration_from("5m"), 5min);
    EXPECT_EQ(duration_from("1h30m"), 90min);
    EXPECT_EQ(duration_from("250ms"), 250ms);
    EXPECT_EQ(duration_from("0s"), 0s);
    for (const char* text : {"", "5", "m", "-5m", "5 m", "5m ", "5d", "1.5s", "5m5", "+5m",
                             "99999999999999999999s", "9999999999h"}) {
        EXPECT_EQ(duration_from(text), std::nullopt) << text;
    }
}

TEST(Describe, SpellsSharesAsPercent) {
    EXPECT_EQ(percent_of(0.5), "50%");
    EXPECT_EQ(percent_of(0.125), "12.5%");
    EXPECT_EQ(percent_of(1), "100%");
}

TEST(Describe, WritesTimesAsIso8601InUtc) {
    using std::chrono::sys_days;
    const WallTime day = sys_days{std::chrono::year{2026} / 2 / 3};
    EXPECT_EQ(iso_time(day + 4h + 5min + 6s + 7ms + 800us), "2026-02-03T04:05:06.007Z");
    EXPECT_EQ(iso_time(WallTime{}), "1970-01-01T00:00:00.000Z");
}

TEST(Describe, PlacesMonotonicTimesOnTheWallClock) {
    const WallTime wall{1000s};
    const WallClock clock(TimePoint{50s}, wall);
    EXPECT_EQ(clock(TimePoint{50s}), wall);
    EXPECT_EQ(clock(TimePoint{47s}), wall - 3s);
    EXPECT_EQ(clock(TimePoint{51s}), wall + 1s);
}

}  // namespace
}  // namespace weir::admin
