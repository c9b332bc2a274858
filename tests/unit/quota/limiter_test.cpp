#include "weir/quota/limiter.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace weir::quota {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};
constexpr std::uint64_t kKey = 0x1234'5678'9ABC'DEF0U;

template <typename Work>
void on_threads(int count, const Work& work) {
    std::vector<std::thread> threads;
    threads.reserve(static_cast<std::size_t>(count));
    for (int t = 0; t < count; ++t)
        threads.emplace_back([&work, t] { work(t); });
    for (auto& thread : threads)
        thread.join();
}

TEST(Limiter, AdmitsExactlyTheLimitWhoeverAsks) {
    Limiter limiter(Gcra(0.001, 1000), 1000);
    std::atomic<int> admitted = 0;
    on_threads(8, [&](int) {
        for (int i = 0; i < 2000; ++i)
            admitted += limiter.take(kKey, kStart, 1).is_admitted ? 1 : 0;
    });
    EXPECT_EQ(admitted, 1000);
}

TEST(Limiter, AdmitsExactlyTheLimitOfEachKeyWhileOthersComeAndGo) {
    constexpr std::uint64_t kKeys = 50;
    Limiter limiter(Gcra(0.001, 100), 4096);
    std::atomic<int> admitted = 0;
    on_threads(8, [&](int t) {
        Random random(static_cast<std::uint64_t>(t));
        for (int i = 0; i < 5000; ++i) {
            const std::uint64_t key = (1 + random.below(kKeys)) * 0x9E3779B97F4A7C15U;
            admitted += limiter.take(key, kStart, 1).is_admitted ? 1 : 0;
            // Keys that are used once push out one another.
            (void)limiter.take(random(), kStart, 1);
        }
    });
    EXPECT_LE(admitted, 5100);  // a key may be pushed out after its first request
    EXPECT_GE(admitted, 5000);
}

TEST(Limiter, SlidesExactlyAmongThreads) {
    Limiter limiter(SlidingWindow(1000, 1h), 1000);
    std::atomic<int> admitted = 0;
    on_threads(8, [&](int) {
        for (int i = 0; i < 2000; ++i)
            admitted += limiter.take(kKey, kStart, 1).is_admitted ? 1 : 0;
    });
    EXPECT_EQ(admitted, 1000);
}

TEST(Limiter, NeverLetsMoreBeUnderWayThanItsMaximum) {
    Limiter limiter(Concurrency(5), 1000);
    std::atomic<int> now = 0;
    std::atomic<int> most = 0;
    on_threads(8, [&](int) {
        for (int i = 0; i < 20'000; ++i) {
            if (!limiter.take(kKey, kStart, 1).is_admitted) continue;
            const int here = ++now;
            int seen = most.load();
            while (here > seen && !most.compare_exchange_weak(seen, here)) {
            }
            --now;
            limiter.give_back(kKey, 1);
        }
    });
    EXPECT_LE(most, 5);
    EXPECT_EQ(limiter.keys().word(kKey), 0U);
}

TEST(Limiter, IsNotForgottenThroughAFloodOfMadeUpKeys) {
    Limiter limiter(Gcra(1, 10), 256);
    TimePoint now = kStart;
    for (int i = 0; i < 10; ++i)
        ASSERT_TRUE(limiter.take(kKey, now, 1).is_admitted);
    Random random(9);
    for (int i = 0; i < 100'000; ++i)
        (void)limiter.take(random(), now, 1);
    EXPECT_FALSE(limiter.take(kKey, now, 1).is_admitted);
    EXPECT_GT(limiter.keys().evicted_total(), 90'000U);
    EXPECT_LE(limiter.keys().size(), 256U + 64U);
}

}  // namespace
}  // namespace weir::quota
