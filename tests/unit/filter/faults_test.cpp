#include "weir/filter/faults.hpp"

#include <gtest/gtest.h>

namespace weir::filter {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{1h};

LiveFault fault(std::string cluster, std::string route, std::uint16_t status, Duration lasting) {
    LiveFault made{.cluster = std::move(cluster), .route = std::move(route)};
    made.fault.abort = status;
    made.until = kNow + lasting;
    return made;
}

TEST(Fault, HappensToItsShareOfTheRequests) {
    Random random(1);
    config::Fault half{.delay = 5ms, .abort = std::nullopt, .percent = 0.25};
    int hits = 0;
    for (int i = 0; i < 10'000; ++i) {
        const Injection injection = draw(half, random);
        EXPECT_EQ(injection.abort, 0);
        if (injection.delay == 5ms) ++hits;
    }
    EXPECT_NEAR(hits, 2500, 200);
    half.percent = 0;
    EXPECT_FALSE(draw(half, random).is_any());
    half.percent = 1;
    EXPECT_TRUE(draw(half, random).is_any());
}

TEST(Fault, TheSameSeedIsTheSameChance) {
    const config::Fault half{.delay = 5ms, .abort = std::nullopt, .percent = 0.5};
    Random one(7);
    Random other(7);
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(draw(half, one).is_any(), draw(half, other).is_any());
}

TEST(LiveFaults, AreForTheirClusterAndRoute) {
    LiveFaults faults;
    Random random(1);
    EXPECT_FALSE(faults.is_any());
    ASSERT_TRUE(faults.add(fault("a", "", 501, 1min), kNow));
    ASSERT_TRUE(faults.add(fault("b", "r", 502, 1min), kNow));
    ASSERT_TRUE(faults.add(fault("", "s", 503, 1min), kNow));
    EXPECT_TRUE(faults.is_any());
    LocalFaults local(faults);
    const auto status = [&](const char* route, const char* cluster) {
        return local.draw(route, cluster, kNow, random).abort;
    };
    EXPECT_EQ(status("x", "a"), 501);
    EXPECT_EQ(status("r", "b"), 502);
    EXPECT_EQ(status("x", "b"), 0);
    EXPECT_EQ(status("s", "z"), 503);
    EXPECT_EQ(status("s", "a"), 501);  // the first that is about it
}

TEST(LiveFaults, EndByThemselves) {
    LiveFaults faults;
    Random random(1);
    LocalFaults local(faults);
    ASSERT_TRUE(faults.add(fault("a", "", 501, 1s), kNow));
    EXPECT_EQ(local.draw("r", "a", kNow + 999ms, random).abort, 501);
    EXPECT_FALSE(local.draw("r", "a", kNow + 1s, random).is_any());
    EXPECT_FALSE(faults.is_any());
    EXPECT_TRUE(faults.list(kNow + 1s).empty());
}

TEST(LiveFaults, AreRemovedByTheirId) {
    LiveFaults faults;
    const auto first = faults.add(fault("a", "", 501, 1min), kNow);
    const auto second = faults.add(fault("a", "", 502, 1min), kNow);
    ASSERT_TRUE(first && second);
    EXPECT_TRUE(faults.remove(*first));
    EXPECT_FALSE(faults.remove(*first));
    ASSERT_EQ(faults.list(kNow).size(), 1U);
    EXPECT_EQ(faults.list(kNow)[0].id, *second);
    EXPECT_TRUE(faults.remove(*second));
    EXPECT_FALSE(faults.is_any());
}

TEST(LiveFaults, AreSeenByEachWorkerAsTheyChange) {
    LiveFaults faults;
    Random random(1);
    EXPECT_FALSE(LocalFaults().is_any());
    LocalFaults one(faults);
    LocalFaults other(faults);
    const auto status = [&](LocalFaults& local) {
        return local.draw("r", "a", kNow, random).abort;
    };
    EXPECT_EQ(status(one), 0);
    const auto first = faults.add(fault("a", "", 501, 1min), kNow);
    ASSERT_TRUE(first);
    EXPECT_EQ(status(one), 501);
    const std::uint64_t version = faults.version();
    EXPECT_EQ(status(other), 501);
    EXPECT_EQ(faults.version(), version);  // to look is no change
    ASSERT_TRUE(faults.add(fault("a", "", 502, 1min), kNow));
    EXPECT_TRUE(faults.remove(*first));
    EXPECT_EQ(status(one), 502);
    EXPECT_EQ(status(other), 502);
    EXPECT_FALSE(faults.list(kNow + 1h).size());
    EXPECT_EQ(status(one), 0);
    EXPECT_FALSE(other.is_any());
}

TEST(LiveFaults, AreBounded) {
    LiveFaults faults;
    for (std::size_t i = 0; i < LiveFaults::kMost; ++i)
        EXPECT_TRUE(faults.add(fault("a", "", 501, 1s), kNow));
    EXPECT_FALSE(faults.add(fault("a", "", 501, 1s), kNow));
    EXPECT_TRUE(faults.add(fault("a", "", 501, 1min), kNow + 2s));
}

}  // namespace
}  // namespace weir::filter
