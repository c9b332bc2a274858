#include "weir/quota/key_table.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace weir::quota {
namespace {

struct Added {
    std::uint64_t word = 0;
};
Added add(KeyTable& table, std::uint64_t key, std::uint64_t amount, std::uint64_t idle = 0) {
    return table.update(key, idle, [&](std::uint64_t word) { return Added{word + amount}; });
}

TEST(KeyTable, KeepsAWordAKey) {
    KeyTable table(100);
    EXPECT_EQ(add(table, 7, 3).word, 3U);
    EXPECT_EQ(add(table, 8, 5).word, 5U);
    EXPECT_EQ(add(table, 7, 1).word, 4U);
    EXPECT_EQ(table.word(7), 4U);
    EXPECT_EQ(table.word(9), 0U);
    EXPECT_EQ(table.size(), 2U);
}

TEST(KeyTable, TakesZeroForAKeyLikeAnyOther) {
    KeyTable table(10);
    add(table, 0, 2);
    EXPECT_EQ(table.word(0), 2U);
}

TEST(KeyTable, DoesNotRememberAKeyOfWhichThereIsNothingToSay) {
    KeyTable table(10);
    add(table, 5, 0);
    EXPECT_EQ(table.size(), 0U);
}

TEST(KeyTable, HoldsNoMoreThanItsKeys) {
    KeyTable table(1000);
    Random random(1);
    for (int i = 0; i < 100'000; ++i)
        add(table, random(), 1);
    // One above the bound for each bucket that was empty when the table was full.
    EXPECT_GE(table.size(), 900U);
    EXPECT_LE(table.size(), 1256U);
    for (std::uint64_t i = 0; i < 100'000; ++i)
        add(table, random(), 1'000'000 - i);  // each with less to remember than the last
    EXPECT_LE(table.size(), 2048U);
}

TEST(KeyTable, NeverLosesTheKeyWithTheMostToRemember) {
    KeyTable table(64);
    add(table, 42, 1'000'000);
    Random random(2);
    for (int i = 0; i < 100'000; ++i)
        add(table, random(), 1 + random.below(1000));
    EXPECT_EQ(table.word(42), 1'000'000U);
    EXPECT_GT(table.evicted_total(), 90'000U);
}

TEST(KeyTable, CountsOnlyLossesOfWhatStillSaidSomething) {
    KeyTable table(64);
    Random random(3);
    for (int i = 0; i < 10'000; ++i)
        add(table, random(), 5, 5);
    EXPECT_EQ(table.evicted_total(), 0U);
}

// What eight threads add arrives, while others push keys in and out around it.
TEST(KeyTable, LosesNoChangeAmongThreads) {
    constexpr std::uint64_t kBase = 1'000'000'000;
    constexpr int kKeys = 16;
    constexpr int kEach = 20'000;
    KeyTable table(256);
    for (std::uint64_t key = 1; key <= kKeys; ++key)
        add(table, key * 0x9E3779B97F4A7C15U, kBase);
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 8; ++t) {
        threads.emplace_back([&table, t] {
            Random random(t);
            for (int i = 0; i < kEach; ++i) {
                const std::uint64_t key = 1 + random.below(kKeys);
                add(table, key * 0x9E3779B97F4A7C15U, 1);
                add(table, random(), 1);  // never the one to stay
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
    std::uint64_t sum = 0;
    for (std::uint64_t key = 1; key <= kKeys; ++key)
        sum += table.word(key * 0x9E3779B97F4A7C15U) - kBase;
    EXPECT_EQ(sum, 8U * kEach);
}

// All begin with keys that nobody knows: each comes in once.
TEST(KeyTable, LetsAKeyInOnceThoughManyBringIt) {
    constexpr std::uint64_t kKeys = 2'000;
    KeyTable table(100'000);
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&table] {
            for (std::uint64_t key = 1; key <= kKeys; ++key)
                add(table, key * 0x9E3779B97F4A7C15U, 1);
        });
    }
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(table.size(), kKeys);
    for (std::uint64_t key = 1; key <= kKeys; ++key)
        ASSERT_EQ(table.word(key * 0x9E3779B97F4A7C15U), 8U);
}

}  // namespace
}  // namespace weir::quota
