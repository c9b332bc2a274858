#include "weir/resilience/latency_sketch.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};

Duration exact(std::vector<Duration> values, double q) {
    std::sort(values.begin(), values.end());
    const double last = static_cast<double>(values.size() - 1);
    return values[static_cast<std::size_t>(q * last)];
}

::testing::AssertionResult is_within_bound(Duration seen, Duration wanted) {
    const double ratio = static_cast<double>(seen.count()) / static_cast<double>(wanted.count());
    if (std::abs(ratio - 1) <= LatencySketch::kError + 1e-6) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << seen.count() << " ns instead of " << wanted.count() << " ns";
}

TEST(LatencySketch, KnowsNothingWithoutAnAnswer) {
    const LatencySketch sketch;
    EXPECT_EQ(sketch.count(kStart), 0U);
    EXPECT_EQ(sketch.quantile(0.5, kStart), 0ns);
}

TEST(LatencySketch, IsWithinItsErrorForEachValueOfItsRange) {
    for (double ns = 66e3; ns < 60e9; ns *= 1.0037) {
        const Duration value{static_cast<Duration::rep>(ns)};
        EXPECT_TRUE(
            is_within_bound(LatencySketch::value_of(LatencySketch::bucket_of(value)), value));
    }
}

TEST(LatencySketch, OrdersItsBucketsAsItsValues) {
    std::size_t before = 0;
    for (double ns = 1; ns < 200e9; ns *= 1.01) {
        const auto bucket = LatencySketch::bucket_of(Duration{static_cast<Duration::rep>(ns)});
        EXPECT_GE(bucket, before);
        EXPECT_LE(bucket, before + 1);
        EXPECT_LT(bucket, LatencySketch::kBuckets);
        before = bucket;
    }
    EXPECT_EQ(before, LatencySketch::kBuckets - 1);
}

TEST(LatencySketch, CountsWhatIsOutsideItsRangeAsThatEnd) {
    LatencySketch sketch;
    sketch.add(-1ns, kStart);
    sketch.add(0ns, kStart);
    sketch.add(3us, kStart);
    sketch.add(1h, kStart);
    EXPECT_EQ(sketch.count(kStart), 4U);
    EXPECT_EQ(sketch.quantile(0.5, kStart), 65536ns);
    EXPECT_GT(sketch.quantile(1, kStart), 60s);
}

// Property: whatever was added, each quantile is within the error of the exact one.
TEST(LatencySketch, IsWithinItsErrorOfTheExactQuantileOfAnyLatencies) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        Random random(seed);
        LatencySketch sketch;
        std::vector<Duration> values;
        const double middle = std::exp(std::log(200e3) + random.uniform() * std::log(1e4));
        const double spread = 0.1 + 2 * random.uniform();
        const std::size_t n = 1 + random.below(3000);
        for (std::size_t i = 0; i < n; ++i) {
            const double normal = random.uniform() + random.uniform() + random.uniform() - 1.5;
            const double ns = std::clamp(middle * std::exp(spread * 2 * normal), 66e3, 60e9);
            values.emplace_back(static_cast<Duration::rep>(ns));
            sketch.add(values.back(), kStart);
        }
        EXPECT_EQ(sketch.count(kStart), n);
        for (const double q : {0.0, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0}) {
            EXPECT_TRUE(is_within_bound(sketch.quantile(q, kStart), exact(values, q)))
                << "seed " << seed << " q " << q;
        }
    }
}

TEST(LatencySketch, ForgetsWhatIsOlderThanItsWindow) {
    LatencySketch sketch(10s);
    sketch.add(1s, kStart);
    EXPECT_EQ(sketch.count(kStart + 4999ms), 1U);
    sketch.add(10ms, kStart + 6s);
    EXPECT_EQ(sketch.count(kStart + 9s), 2U);
    EXPECT_GT(sketch.quantile(1, kStart + 9s), 900ms);
    sketch.add(10ms, kStart + 10s);  // the third half begins: the first is gone
    EXPECT_EQ(sketch.count(kStart + 10s), 2U);
    EXPECT_LT(sketch.quantile(1, kStart + 10s), 11ms);
}

TEST(LatencySketch, IsEmptyAfterAGapAlsoToAReaderWhoComesFirst) {
    LatencySketch sketch(10s);
    sketch.add(1s, kStart);
    EXPECT_EQ(sketch.count(kStart + 10s), 0U);
    EXPECT_EQ(sketch.quantile(0.5, kStart + 1min), 0ns);
    sketch.add(10ms, kStart + 1min);
    EXPECT_EQ(sketch.count(kStart + 1min), 1U);
}

TEST(LatencySketch, BeginsAnewWhenTheClockIsSetBack) {
    LatencySketch sketch(10s);
    sketch.add(1s, kStart);
    sketch.add(10ms, kStart - 30min);
    EXPECT_EQ(sketch.count(kStart - 30min), 1U);
    EXPECT_LT(sketch.quantile(1, kStart - 30min), 11ms);
}

TEST(LatencySketch, ForgetsWhenToldTo) {
    LatencySketch sketch(10s);
    sketch.add(1s, kStart);
    sketch.forget();
    EXPECT_EQ(sketch.count(kStart), 0U);
    sketch.add(10ms, kStart + 1ms);
    sketch.add(10ms, kStart + 2ms);
    EXPECT_EQ(sketch.count(kStart + 2ms), 2U);
    EXPECT_LT(sketch.quantile(1, kStart + 2ms), 11ms);
}

TEST(LatencySketch, AddsUpTheShardsOfSeveralThreads) {
    LatencySketch fast;
    LatencySketch slow;
    for (int i = 0; i < 90; ++i)
        fast.add(10ms, kStart);
    for (int i = 0; i < 10; ++i)
        slow.add(1s, kStart);
    const LatencySketch* const shards[] = {&fast, nullptr, &slow};
    EXPECT_EQ(LatencySketch::count(shards, kStart), 100U);
    EXPECT_TRUE(is_within_bound(LatencySketch::quantile(shards, 0.5, kStart), 10ms));
    EXPECT_TRUE(is_within_bound(LatencySketch::quantile(shards, 0.95, kStart), 1s));
    LatencySketch::View view;
    view.add(fast, kStart);
    view.add(slow, kStart);
    EXPECT_EQ(view.quantile(0.95), LatencySketch::quantile(shards, 0.95, kStart));
}

TEST(LatencySketch, IsReadByOthersWhileOneThreadWrites) {
    LatencySketch sketch(10ms);
    std::atomic<bool> is_over{false};
    std::thread reader([&] {
        while (!is_over.load()) {
            const Duration seen = sketch.quantile(0.5, kStart);
            EXPECT_TRUE(seen == 0ns || is_within_bound(seen, 5ms));
        }
    });
    for (int i = 0; i < 200'000; ++i)
        sketch.add(5ms, kStart + i * 1us);
    is_over = true;
    reader.join();
}

}  // namespace
}  // namespace weir::resilience
