#include "weir/resilience/limit.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};

TEST(Limit, GivesAsManySlotsAsItHas) {
    Limit limit(3);
    std::vector<Limit::Slot> slots;
    for (std::uint32_t i = 0; i < 3; ++i) {
        auto slot = limit.try_acquire(kStart);
        ASSERT_TRUE(slot.has_value());
        slots.push_back(std::move(*slot));
        EXPECT_EQ(limit.in_use(), i + 1);
    }
    EXPECT_FALSE(limit.try_acquire(kStart).has_value());
    EXPECT_EQ(limit.in_use(), 3U);
}

TEST(Limit, TakesASlotBackWhenItsHolderGoes) {
    Limit limit(1);
    {
        const auto slot = limit.try_acquire(kStart);
        ASSERT_TRUE(slot.has_value());
        EXPECT_FALSE(limit.try_acquire(kStart).has_value());
    }
    EXPECT_EQ(limit.in_use(), 0U);
    EXPECT_TRUE(limit.try_acquire(kStart).has_value());
}

TEST(Limit, TakesASlotBackOnce) {
    Limit limit(2);
    auto a = limit.try_acquire(kStart);
    const auto b = limit.try_acquire(kStart);
    a->reset();
    a->reset();
    a.reset();
    EXPECT_EQ(limit.in_use(), 1U);
}

TEST(Limit, MovesASlotWithoutCounting) {
    Limit limit(2);
    auto a = limit.try_acquire(kStart);
    Limit::Slot b = std::move(*a);
    a.reset();
    EXPECT_EQ(limit.in_use(), 1U);
    Limit::Slot c;
    c = std::move(b);
    EXPECT_EQ(limit.in_use(), 1U);
    auto d = limit.try_acquire(kStart);
    EXPECT_EQ(limit.in_use(), 2U);
    c = std::move(*d);  // gives back the one it held
    EXPECT_EQ(limit.in_use(), 1U);
    Limit::Slot& same = c;
    c = std::move(same);
    EXPECT_EQ(limit.in_use(), 1U);
}

TEST(Limit, OfZeroRefusesAll) {
    Limit limit(0);
    EXPECT_FALSE(limit.try_acquire(kStart).has_value());
    EXPECT_EQ(limit.in_use(), 0U);
}

TEST(Limit, CountsNothingWithoutAMaximum) {
    Limit limit(std::nullopt);
    std::vector<Limit::Slot> slots;
    for (int i = 0; i < 10000; ++i) {
        auto slot = limit.try_acquire(kStart);
        ASSERT_TRUE(slot.has_value());
        slots.push_back(std::move(*slot));
    }
    EXPECT_EQ(limit.in_use(), 0U);
    EXPECT_EQ(limit.rejected_total(), 0U);
    EXPECT_FALSE(limit.max().has_value());
}

TEST(Limit, RemembersItsRejections) {
    Limit limit(1);
    const auto slot = limit.try_acquire(kStart);
    EXPECT_FALSE(limit.last_rejection().has_value());
    EXPECT_FALSE(limit.try_acquire(kStart + 1s).has_value());
    EXPECT_FALSE(limit.try_acquire(kStart + 5s).has_value());
    EXPECT_EQ(limit.rejected_total(), 2U);
    EXPECT_EQ(limit.last_rejection(), kStart + 5s);
    EXPECT_EQ(limit.max(), 1U);
}

TEST(Limit, IsNeverExceededWithEightThreads) {
    constexpr std::uint32_t kMax = 5;
    Limit limit(kMax);
    std::atomic<std::uint32_t> held{0};
    std::atomic<std::uint32_t> most{0};
    std::atomic<std::uint64_t> granted{0};
    std::atomic<std::uint64_t> refused{0};
    std::vector<std::thread> threads;
    for (std::uint64_t id = 0; id < 8; ++id) {
        threads.emplace_back([&, id] {
            Random random(id);
            std::vector<Limit::Slot> mine;
            for (int i = 0; i < 20000; ++i) {
                if (random.below(2) == 0 && !mine.empty()) {
                    held.fetch_sub(1);
                    mine.pop_back();
                    continue;
                }
                auto slot = limit.try_acquire(kStart);
                if (!slot) {
                    refused.fetch_add(1);
                    continue;
                }
                const std::uint32_t now = held.fetch_add(1) + 1;
                std::uint32_t seen = most.load();
                while (now > seen && !most.compare_exchange_weak(seen, now)) {
                }
                granted.fetch_add(1);
                mine.push_back(std::move(*slot));
            }
            held.fetch_sub(static_cast<std::uint32_t>(mine.size()));
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_LE(most.load(), kMax);
    EXPECT_GT(most.load(), 0U);
    EXPECT_GT(granted.load(), 0U);
    EXPECT_EQ(limit.rejected_total(), refused.load());
    EXPECT_EQ(limit.in_use(), 0U);
}

}  // namespace
}  // namespace weir::resilience
