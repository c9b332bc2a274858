#include "weir/resilience/retry_budget.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};

class RetryBudgetTest : public ::testing::Test {
  protected:
    void originals(int times) {
        for (int i = 0; i < times; ++i)
            budget.count_original(0, now);
    }
    bool retry() {
        auto charge = budget.try_charge(now);
        if (charge) charge->sent();
        return charge.has_value();
    }
    int retries() {
        int sent = 0;
        while (retry())
            ++sent;
        return sent;
    }

    TimePoint now = kStart;
    RetryBudget budget{{}, kStart};
};

TEST_F(RetryBudgetTest, AllowsOneSecondsWorthAtOnceToAQuietCluster) {
    EXPECT_EQ(retries(), 3);
}

TEST_F(RetryBudgetTest, FillsTheMinimumByTheSecond) {
    EXPECT_EQ(retries(), 3);
    now += 333ms;
    EXPECT_EQ(retries(), 0);
    now += 1ms;
    EXPECT_EQ(retries(), 1);
    now += 1s;
    EXPECT_EQ(retries(), 3);
}

TEST_F(RetryBudgetTest, AllowsTheMinimumOverTheWindow) {
    int sent = 0;
    for (int step = 0; step < 1000; ++step, now += 10ms)
        sent += retries();
    EXPECT_GE(sent, 29);
    EXPECT_LE(sent, 30);
}

TEST_F(RetryBudgetTest, AllowsAFifthOfTheOriginalsAtOnce) {
    originals(1000);
    EXPECT_EQ(retries(), 200 + 3);
}

TEST_F(RetryBudgetTest, CountsTheOriginalsOfTenSeconds) {
    originals(100);
    now = kStart + 9999ms;
    EXPECT_EQ(retries(), 20 + 3);
    now = kStart;
    RetryBudget other({.min_rate = 0}, now);
    other.count_original(0, now);
    for (int i = 0; i < 9; ++i)
        other.count_original(0, now);
    EXPECT_EQ(other.available(kStart + 9999ms), 2.0);
    EXPECT_EQ(other.available(kStart + 10s), 0.0);
}

TEST_F(RetryBudgetTest, ForgetsWhatWasSpentWithItsSecond) {
    RetryBudget other({.ratio = 0.5, .min_rate = 0}, now);
    other.count_original(0, now);
    other.count_original(0, now);
    auto charge = other.try_charge(now);
    ASSERT_TRUE(charge.has_value());
    charge->sent();
    EXPECT_FALSE(other.try_charge(now).has_value());
    now += 5s;
    other.count_original(0, now);
    other.count_original(0, now);
    EXPECT_EQ(other.available(now), 1.0);
    now += 5s;
    EXPECT_EQ(other.available(now), 1.0) << "the first two and their retry are gone";
}

TEST_F(RetryBudgetTest, RefundsWhatWasNotSent) {
    for (int i = 0; i < 100; ++i)
        EXPECT_TRUE(budget.try_charge(now).has_value());
    originals(5);
    for (int i = 0; i < 100; ++i)
        EXPECT_TRUE(budget.try_charge(now).has_value());
    EXPECT_EQ(retries(), 1 + 3);
}

TEST_F(RetryBudgetTest, RefundsOnce) {
    originals(5);
    auto charge = budget.try_charge(now);
    ASSERT_TRUE(charge.has_value());
    charge->refund();
    charge->refund();
    charge.reset();
    EXPECT_EQ(budget.available(now), 4.0);
}

TEST_F(RetryBudgetTest, MovesACharge) {
    originals(10);
    auto a = budget.try_charge(now);
    auto b = budget.try_charge(now);
    EXPECT_EQ(budget.available(now), 3.0);
    *a = std::move(*b);
    EXPECT_EQ(budget.available(now), 4.0);
    RetryBudget::Charge c(std::move(*a));
    EXPECT_EQ(budget.available(now), 4.0);
    c.refund();
    EXPECT_EQ(budget.available(now), 5.0);
}

TEST_F(RetryBudgetTest, ForgetsARefundOfASecondThatIsGone) {
    originals(5);
    auto charge = budget.try_charge(now);
    ASSERT_TRUE(charge.has_value());
    now += 20s;
    originals(5);
    EXPECT_TRUE(retry());
    charge->refund();
    EXPECT_EQ(budget.available(now), 3.0);
}

TEST_F(RetryBudgetTest, KeepsThePartOfATokenThatTimeHasFilled) {
    EXPECT_EQ(retries(), 3);
    for (int i = 0; i < 1000; ++i) {
        now += 333us;
        (void)budget.available(now);
    }
    EXPECT_EQ(retries(), 0);
    now += 1ms;
    EXPECT_EQ(retries(), 1);
}

TEST_F(RetryBudgetTest, AllowsOneNowAndThenBelowOneASecond) {
    RetryBudget other({.ratio = 0, .min_rate = 0.2}, now);
    int sent = 0;
    for (int second = 0; second < 100; ++second, now += 1s) {
        auto charge = other.try_charge(now);
        if (!charge) continue;
        charge->sent();
        ++sent;
    }
    EXPECT_EQ(sent, 20);
}

TEST_F(RetryBudgetTest, AllowsNothingIfBothAreZero) {
    RetryBudget other({.ratio = 0, .min_rate = 0}, now);
    for (int i = 0; i < 100; ++i)
        other.count_original(0, now);
    EXPECT_FALSE(other.try_charge(now + 1h).has_value());
}

TEST_F(RetryBudgetTest, NeverRefusesTheReplayOfAProbeButCountsIt) {
    originals(10);
    for (int i = 0; i < 5; ++i)
        budget.charge_always(now);
    EXPECT_EQ(retries(), 3) << "two of the originals' part and more are gone";
    originals(15);
    EXPECT_EQ(retries(), 0);
    originals(5);
    EXPECT_EQ(retries(), 1);
}

TEST_F(RetryBudgetTest, SurvivesJumpsOfTheClock) {
    originals(100);
    EXPECT_EQ(retries(), 23);
    now += 24h * 365;
    EXPECT_EQ(retries(), 3);
    now -= 30min;
    EXPECT_EQ(retries(), 0);
    originals(5);
    EXPECT_EQ(retries(), 1);
}

TEST_F(RetryBudgetTest, SurvivesAVeryHighMinimum) {
    RetryBudget other({.ratio = 0, .min_rate = 1e8}, now);
    EXPECT_TRUE(other.try_charge(now + 1s).has_value());
}

// In any ten seconds of a random trace, retries stay within what the originals allow.
TEST_F(RetryBudgetTest, IsNeverOverspentOnARandomTrace) {
    Random random(17);
    std::deque<std::pair<std::int64_t, bool>> log;  // second, is a retry
    for (int step = 0; step < 100000; ++step) {
        now += Duration{static_cast<Duration::rep>(random.below(20'000'000))};
        if (random.below(2000) == 0) now += 7s;
        const std::int64_t second = now.time_since_epoch() / 1s;
        if (random.below(3) == 0) {
            originals(1);
            log.emplace_back(second, false);
        }
        if (retry()) log.emplace_back(second, true);
        while (!log.empty() && second - log.front().first >= 10)
            log.pop_front();
        double first = 0;
        double again = 0;
        for (const auto& [at, is_retry] : log)
            (is_retry ? again : first) += 1;
        // What an original allowed may have been spent before it left the window.
        if (step % 10 == 0) {
            ASSERT_LE(again, 0.2 * (first + 700) + 30) << step;
        }
    }
}

TEST_F(RetryBudgetTest, HoldsATotalOutageToAFifthAndTheMinimum) {
    int attempts = 0;
    int requests = 0;
    for (int ms = 0; ms < 60000; ms += 2, now += 2ms) {
        originals(1);
        ++requests;
        ++attempts;
        for (int extra = 0; extra < 2 && retry(); ++extra)
            ++attempts;
    }
    EXPECT_LE(attempts, requests * 1.2 + 3 * 60 + 30);
    EXPECT_GE(attempts, requests * 1.2) << "and it does allow that much";
}

TEST_F(RetryBudgetTest, IsNotOverspentByEightThreads) {
    RetryBudget shared({.ratio = 0.2, .min_rate = 0, .shards = 8}, now);
    std::atomic<int> sent{0};
    std::vector<std::thread> threads;
    for (std::uint32_t shard = 0; shard < 8; ++shard) {
        threads.emplace_back([&, shard] {
            for (int i = 0; i < 5000; ++i) {
                shared.count_original(shard, kStart);
                auto charge = shared.try_charge(kStart);
                if (charge && i % 3 != 0) {
                    charge->sent();
                    sent.fetch_add(1);
                }
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_LE(sent.load(), 8000);
    EXPECT_EQ(shared.available(kStart), 8000.0 - sent.load());
}

}  // namespace
}  // namespace weir::resilience
