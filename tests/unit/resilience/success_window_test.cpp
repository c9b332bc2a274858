#include "weir/resilience/success_window.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <thread>
#include <vector>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};

class SuccessWindowTest : public ::testing::Test {
  protected:
    void add(Outcome outcome, int times = 1, std::uint32_t shard = 0) {
        for (int i = 0; i < times; ++i)
            window.add(shard, epoch, outcome, false, now);
    }
    [[nodiscard]] SuccessWindow::Counts sum() const { return window.sum(epoch, now); }

    TimePoint now = kStart;
    std::uint64_t epoch = 1;
    SuccessWindow window{10s, 3};
};

TEST_F(SuccessWindowTest, StartsEmpty) {
    EXPECT_EQ(sum().total(), 0U);
    EXPECT_EQ(sum().failure_rate(), 0.0);
    EXPECT_EQ(window.ok_total(), 0U);
}

TEST_F(SuccessWindowTest, CountsEachOutcomeApart) {
    add(Outcome::ok, 5);
    add(Outcome::failure, 4);
    add(Outcome::local_failure, 3);
    add(Outcome::throttled, 2);
    EXPECT_EQ(sum().ok, 5U);
    EXPECT_EQ(sum().fail, 4U);
    EXPECT_EQ(sum().local, 3U);
    EXPECT_EQ(sum().throttled, 2U);
    EXPECT_EQ(sum().slow, 0U);
    EXPECT_EQ(sum().total(), 14U);
    EXPECT_EQ(sum().failed(), 7U);
    EXPECT_DOUBLE_EQ(sum().failure_rate(), 0.5);
}

TEST_F(SuccessWindowTest, DoesNotCountStaleAndIgnored) {
    add(Outcome::stale, 3);
    add(Outcome::ignored, 3);
    EXPECT_EQ(sum().total(), 0U);
}

TEST_F(SuccessWindowTest, CountsSlowBesideTheOutcome) {
    window.add(0, epoch, Outcome::ok, true, now);
    window.add(0, epoch, Outcome::failure, true, now);
    EXPECT_EQ(sum().slow, 2U);
    EXPECT_EQ(sum().total(), 2U);
}

TEST_F(SuccessWindowTest, SumsTheShards) {
    add(Outcome::ok, 1, 0);
    add(Outcome::ok, 2, 1);
    add(Outcome::failure, 4, 2);
    EXPECT_EQ(sum().ok, 3U);
    EXPECT_EQ(sum().fail, 4U);
}

TEST_F(SuccessWindowTest, RemembersForNineTenthsOfTheWindowAndForgetsAfterAll) {
    add(Outcome::failure, 7);
    now = kStart + 9999ms;
    EXPECT_EQ(sum().fail, 7U);
    now = kStart + 10s;
    EXPECT_EQ(sum().fail, 0U);
}

TEST_F(SuccessWindowTest, ForgetsTenthByTenth) {
    for (int tenth = 0; tenth < 10; ++tenth) {
        add(Outcome::ok, 1 << tenth);
        now += 1s;
    }
    // Now is in the eleventh tenth: the first is gone.
    for (unsigned gone = 1; gone <= 10; ++gone) {
        EXPECT_EQ(sum().ok, (1U << 10) - (1U << gone)) << gone;
        now += 1s;
    }
}

TEST_F(SuccessWindowTest, ReusesABucketWhenItsTenthComesRoundAgain) {
    add(Outcome::failure, 9);
    now += 10s;
    add(Outcome::ok);
    EXPECT_EQ(sum().fail, 0U);
    EXPECT_EQ(sum().ok, 1U);
}

TEST_F(SuccessWindowTest, IsClearedByAGapAsLongAsItself) {
    for (int i = 0; i < 10; ++i, now += 1s)
        add(Outcome::failure, 3);
    now += 10s;
    EXPECT_EQ(sum().total(), 0U);
    add(Outcome::ok);
    EXPECT_EQ(sum().total(), 1U);
}

TEST_F(SuccessWindowTest, StartsEmptyInEachEpoch) {
    add(Outcome::failure, 20);
    epoch = 2;
    EXPECT_EQ(sum().total(), 0U);
    add(Outcome::ok, 2);
    EXPECT_EQ(sum().total(), 2U);
    EXPECT_EQ(sum().ok, 2U);
}

TEST_F(SuccessWindowTest, ForgetsTheOldEpochInOneShardOnlyWhereItIsWritten) {
    add(Outcome::failure, 5, 0);
    add(Outcome::failure, 5, 1);
    epoch = 2;
    add(Outcome::ok, 1, 0);
    EXPECT_EQ(sum().ok, 1U);
    EXPECT_EQ(sum().fail, 0U);
    EXPECT_EQ(window.sum(1, now).fail, 5U) << "the other shard still has what nobody asks for";
}

TEST_F(SuccessWindowTest, TotalsTheOkAnswersOfAllEpochs) {
    add(Outcome::ok, 3, 0);
    epoch = 2;
    now += 1h;
    add(Outcome::ok, 4, 2);
    add(Outcome::failure, 9, 1);
    EXPECT_EQ(window.ok_total(), 7U);
}

TEST_F(SuccessWindowTest, SeesWhatAThreadAheadOfItCountedInTheNextTenth) {
    now = kStart + 1s;
    add(Outcome::failure, 2);
    EXPECT_EQ(window.sum(epoch, kStart + 999ms).fail, 2U);
}

TEST_F(SuccessWindowTest, IsEmptiedByAJumpOfTheClockEitherWay) {
    add(Outcome::failure, 5);
    EXPECT_EQ(window.sum(epoch, kStart + 1000h).total(), 0U);
    EXPECT_EQ(window.sum(epoch, kStart - 30min).total(), 0U);
    now = kStart - 30min;
    add(Outcome::ok, 1);
    EXPECT_EQ(sum().total(), 1U);
}

TEST_F(SuccessWindowTest, TakesAWindowShorterThanTenNanoseconds) {
    SuccessWindow tiny(1ns, 1);
    tiny.add(0, 1, Outcome::ok, false, kStart);
    EXPECT_EQ(tiny.sum(1, kStart).ok, 1U);
    EXPECT_EQ(tiny.sum(1, kStart + 10ns).ok, 0U);
}

TEST_F(SuccessWindowTest, SurvivesTheNumberOfItsTenthRunningOver) {
    SuccessWindow fast(10ns, 1);  // a tenth is a nanosecond: 2^32 of them are 4.3 s
    const TimePoint before{Duration{(std::int64_t{1} << 32) - 5}};
    fast.add(0, 1, Outcome::ok, false, before);
    EXPECT_EQ(fast.sum(1, before + 9ns).ok, 1U);
    EXPECT_EQ(fast.sum(1, before + 10ns).ok, 0U);
    fast.add(0, 1, Outcome::failure, false, before + 9ns);
    EXPECT_EQ(fast.sum(1, before + 9ns).total(), 2U);
}

// Against the plainest window there is: a list of times.
TEST_F(SuccessWindowTest, AgreesWithAListOfTimesOverARandomTrace) {
    Random random(11);
    std::deque<std::pair<std::int64_t, bool>> model;  // tenth, ok
    for (int step = 0; step < 20000; ++step) {
        now += Duration{static_cast<Duration::rep>(random.below(400'000'000))};
        const std::int64_t tenth = now.time_since_epoch() / 1s;
        if (random.below(50) == 0) now += 4s * random.below(4);
        const std::int64_t at = now.time_since_epoch() / 1s;
        const bool is_ok = random.below(3) != 0;
        add(is_ok ? Outcome::ok : Outcome::failure, 1, random.below(3));
        model.emplace_back(at, is_ok);
        while (at - model.front().first >= 10)
            model.pop_front();
        std::uint64_t expected_ok = 0;
        for (const auto& [when, good] : model)
            expected_ok += good ? 1U : 0U;
        ASSERT_GE(at, tenth);
        ASSERT_EQ(sum().total(), model.size()) << "step " << step;
        ASSERT_EQ(sum().ok, expected_ok) << "step " << step;
    }
}

TEST_F(SuccessWindowTest, LosesNothingWithAWritingThreadPerShard) {
    constexpr int kEach = 50000;
    std::vector<std::thread> threads;
    for (std::uint32_t shard = 0; shard < 3; ++shard) {
        threads.emplace_back([this, shard] {
            for (int i = 0; i < kEach; ++i) {
                window.add(shard, 1, i % 5 == 0 ? Outcome::failure : Outcome::ok, false, kStart);
                if (i % 100 == 0) {
                    EXPECT_LE(window.sum(1, kStart).total(), 3U * kEach);
                }
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(sum().total(), 3U * kEach);
    EXPECT_EQ(sum().fail, 3U * kEach / 5);
    EXPECT_EQ(window.ok_total(), 3U * kEach * 4 / 5);
}

}  // namespace
}  // namespace weir::resilience
