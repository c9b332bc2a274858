#include "weir/core/timing_wheel.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace weir {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{std::chrono::hours{1}};

class TestTimer final : public Timer {
  public:
    std::function<void()> then = [] {};
    int fired = 0;

  private:
    void on_timer() override {
        ++fired;
        then();
    }
};

TEST(TimingWheel, FiresOnceWhenTheDeadlineIsReached) {
    TimingWheel wheel(kStart);
    TestTimer timer;
    wheel.arm(timer, kStart + 10ms);
    wheel.advance(kStart + 9999us);
    EXPECT_EQ(timer.fired, 0);
    EXPECT_TRUE(timer.is_armed());
    wheel.advance(kStart + 10ms);
    EXPECT_EQ(timer.fired, 1);
    EXPECT_FALSE(timer.is_armed());
    wheel.advance(kStart + 1h);
    EXPECT_EQ(timer.fired, 1);
}

TEST(TimingWheel, RoundsUpToATickSoThatNothingFiresEarly) {
    TimingWheel wheel(kStart);
    TestTimer timer;
    wheel.arm(timer, kStart + 10ms + 1ns);
    wheel.advance(kStart + 10ms);
    EXPECT_EQ(timer.fired, 0);
    wheel.advance(kStart + 11ms);
    EXPECT_EQ(timer.fired, 1);
}

TEST(TimingWheel, FiresATimerForThePastWithTheNextTick) {
    TimingWheel wheel(kStart);
    wheel.advance(kStart + 100ms);
    TestTimer timer;
    wheel.arm(timer, kStart + 5ms);
    EXPECT_EQ(wheel.next_wake(), kStart + 101ms);
    wheel.advance(kStart + 100ms);
    EXPECT_EQ(timer.fired, 0);
    wheel.advance(kStart + 101ms);
    EXPECT_EQ(timer.fired, 1);
}

TEST(TimingWheel, ArmingAgainMovesTheTimer) {
    TimingWheel wheel(kStart);
    TestTimer timer;
    wheel.arm(timer, kStart + 10ms);
    wheel.arm(timer, kStart + 20s);
    EXPECT_EQ(wheel.size(), 1U);
    wheel.advance(kStart + 19s);
    EXPECT_EQ(timer.fired, 0);
    wheel.advance(kStart + 20s);
    EXPECT_EQ(timer.fired, 1);
}

TEST(TimingWheel, ArmingInAnotherWheelTakesItOutOfTheFirst) {
    TimingWheel first(kStart);
    TimingWheel second(kStart);
    TestTimer timer;
    first.arm(timer, kStart + 10ms);
    second.arm(timer, kStart + 10ms);
    EXPECT_EQ(first.size(), 0U);
    first.advance(kStart + 1s);
    EXPECT_EQ(timer.fired, 0);
    second.advance(kStart + 1s);
    EXPECT_EQ(timer.fired, 1);
}

TEST(TimingWheel, FiresInOrderOfTicksHoweverFarItJumps) {
    TimingWheel wheel(kStart);
    const std::vector<Duration> waits = {1ms,    63ms, 64ms, 65ms, 4095ms,
                                         4096ms, 5s,   5min, 6h,   13 * 24h};
    std::vector<std::unique_ptr<TestTimer>> timers;
    std::vector<std::size_t> order;
    for (std::size_t i = waits.size(); i-- > 0;) {
        auto& timer = *timers.emplace_back(std::make_unique<TestTimer>());
        timer.then = [&order, i] { order.push_back(i); };
        wheel.arm(timer, kStart + waits[i]);
    }
    wheel.advance(kStart + 14 * 24h);
    EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    EXPECT_EQ(wheel.size(), 0U);
}

TEST(TimingWheel, FiresATimerBeyondItsSpanWhenItIsDue) {
    for (const Duration before : {Duration{0}, Duration{1ms}, Duration{5h + 7ms}}) {
        TimingWheel wheel(kStart);
        wheel.advance(kStart + before);
        TestTimer timer;
        const TimePoint deadline = kStart + before + 30 * 24h;
        wheel.arm(timer, deadline);
        wheel.advance(deadline - 1ms);
        EXPECT_EQ(timer.fired, 0);
        wheel.advance(deadline);
        EXPECT_EQ(timer.fired, 1);
    }
}

TEST(TimingWheel, ATimerMayArmItselfAgain) {
    TimingWheel wheel(kStart);
    TestTimer timer;
    timer.then = [&] { wheel.arm(timer, timer.deadline() + 64ms); };
    wheel.arm(timer, kStart + 64ms);
    wheel.advance(kStart + 6400ms);
    EXPECT_EQ(timer.fired, 100);
}

TEST(TimingWheel, ATimerMayCancelAnotherOfTheSameTick) {
    TimingWheel wheel(kStart);
    TestTimer first;
    TestTimer second;
    TestTimer third;
    first.then = [&] { second.cancel(); };
    for (TestTimer* timer : {&first, &second, &third})
        wheel.arm(*timer, kStart + 70ms);
    wheel.advance(kStart + 1s);
    EXPECT_EQ(first.fired, 1);
    EXPECT_EQ(second.fired, 0);
    EXPECT_EQ(third.fired, 1);
}

TEST(TimingWheel, ATimerMayDestroyItselfAndAnother) {
    class OneShot final : public Timer {
      public:
        explicit OneShot(std::unique_ptr<TestTimer>& other) : other_(other) {}

      private:
        void on_timer() override {
            other_.reset();
            delete this;
        }
        std::unique_ptr<TestTimer>& other_;
    };
    TimingWheel wheel(kStart);
    auto other = std::make_unique<TestTimer>();
    wheel.arm(*new OneShot(other), kStart + 5ms);
    wheel.arm(*other, kStart + 5ms);
    wheel.advance(kStart + 5ms);
    EXPECT_EQ(other, nullptr);
    EXPECT_EQ(wheel.size(), 0U);
}

TEST(TimingWheel, ATimerArmedInACallbackForThisTickFiresWithTheNext) {
    TimingWheel wheel(kStart);
    TestTimer first;
    TestTimer second;
    first.then = [&] { wheel.arm(second, kStart + 5ms); };
    wheel.arm(first, kStart + 5ms);
    wheel.advance(kStart + 5ms);
    EXPECT_EQ(second.fired, 0);
    wheel.advance(kStart + 6ms);
    EXPECT_EQ(second.fired, 1);
}

TEST(TimingWheel, DestroyedTimersLeaveAndTimersOutliveTheirWheel) {
    TestTimer survivor;
    {
        TimingWheel wheel(kStart);
        {
            TestTimer gone;
            wheel.arm(gone, kStart + 5ms);
        }
        EXPECT_EQ(wheel.size(), 0U);
        wheel.arm(survivor, kStart + 5s);
    }
    EXPECT_FALSE(survivor.is_armed());
    survivor.cancel();
    TimingWheel another(kStart);
    another.arm(survivor, kStart + 1ms);
    another.advance(kStart + 1ms);
    EXPECT_EQ(survivor.fired, 1);
}

TEST(TimingWheel, WakesForNothingWithoutTimers) {
    TimingWheel wheel(kStart);
    EXPECT_EQ(wheel.next_wake(), std::nullopt);
    TestTimer timer;
    wheel.arm(timer, kStart + 5ms);
    timer.cancel();
    EXPECT_EQ(wheel.next_wake(), std::nullopt);
}

TEST(TimingWheel, IgnoresATimeBeforeItsStart) {
    TimingWheel wheel(kStart);
    TestTimer timer;
    wheel.arm(timer, kStart + 1ms);
    wheel.advance(kStart - 1s);
    EXPECT_EQ(timer.fired, 0);
    wheel.advance(kStart + 1ms);
    EXPECT_EQ(timer.fired, 1);
}

TEST(TimingWheel, CallsTheMemberFunctionOfItsOwner) {
    struct Owner {
        void on_idle() { ++idle; }
        int idle = 0;
        TimerOf<Owner, &Owner::on_idle> timer{*this};
    };
    TimingWheel wheel(kStart);
    Owner owner;
    wheel.arm(owner.timer, kStart + 2ms);
    wheel.advance(kStart + 2ms);
    EXPECT_EQ(owner.idle, 1);
}

// The wheel against a sorted list: what fires when, seen from outside.
class Walk {
  public:
    explicit Walk(std::uint64_t seed) : random_(seed), now_(kStart + any_time(3)), wheel_(now_) {
        for (std::size_t i = 0; i < kTimers; ++i) {
            timers_.push_back(std::make_unique<TestTimer>());
            timers_.back()->then = [this, i] { on_fire(i); };
        }
    }

    void run(int steps) {
        for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i)
            step();
    }

  private:
    static constexpr std::size_t kTimers = 40;
    static constexpr Duration kTick = 1ms;

    // Of any magnitude: a nanosecond to `decades` over a microsecond.
    Duration any_time(std::uint32_t decades) {
        Duration longest = 1us;
        for (std::uint32_t i = random_.below(decades + 1); i > 0; --i)
            longest *= 10;
        return Duration{
            static_cast<Duration::rep>(static_cast<double>(longest.count()) * random_.uniform())};
    }

    void step() {
        const std::size_t which = random_.below(kTimers);
        switch (random_.below(8)) {
            case 0:
                cancel(which);
                break;
            case 1:
            case 2:
            case 3:
                arm(which);
                break;
            case 4:
                advance_to(now_ + any_time(13));
                break;
            case 5:
                if (const auto wake = wheel_.next_wake()) advance_to(*wake);
                break;
            default:
                advance_to(now_ + any_time(6));
                break;
        }
        ASSERT_EQ(wheel_.size(), deadlines_.size());
        check_wake();
    }

    void arm(std::size_t which) {
        const TimePoint deadline =
            random_.below(10) == 0 ? now_ - any_time(5) : now_ + any_time(13);
        wheel_.arm(*timers_[which], deadline);
        forget(which);
        // One for the past is due at once.
        by_time_.emplace(std::max(deadline, now_), which);
        deadlines_[which] = std::max(deadline, now_);
    }

    void cancel(std::size_t which) {
        timers_[which]->cancel();
        forget(which);
    }

    void forget(std::size_t which) {
        const auto at = deadlines_.find(which);
        if (at == deadlines_.end()) return;
        auto [first, last] = by_time_.equal_range(at->second);
        while (first->second != which)
            ++first;
        by_time_.erase(first);
        deadlines_.erase(at);
    }

    void advance_to(TimePoint to) {
        advancing_to_ = to;
        last_fired_ = TimePoint{};
        wheel_.advance(to);
        now_ = to;
        // Never more than a tick late.
        if (!by_time_.empty()) {
            ASSERT_GT(by_time_.begin()->first + kTick, now_);
        }
    }

    void on_fire(std::size_t which) {
        const auto at = deadlines_.find(which);
        ASSERT_NE(at, deadlines_.end());
        const TimePoint deadline = at->second;
        EXPECT_LE(deadline, advancing_to_) << "early";
        EXPECT_GT(deadline + kTick, last_fired_) << "out of order";
        last_fired_ = std::max(last_fired_, deadline);
        forget(which);
        // now_ is the time before the advance, so what a callback arms is put beyond its end.
        if (random_.below(4) == 0) {
            const std::size_t other = random_.below(kTimers);
            const TimePoint later = advancing_to_ + any_time(12);
            wheel_.arm(*timers_[other], later);
            forget(other);
            by_time_.emplace(later, other);
            deadlines_[other] = later;
        }
        if (random_.below(4) == 0) cancel(random_.below(kTimers));
    }

    void check_wake() {
        const auto wake = wheel_.next_wake();
        ASSERT_EQ(wake.has_value(), !by_time_.empty());
        if (!wake) return;
        ASSERT_GT(*wake, now_ - kTick) << "no progress";
        ASSERT_LT(*wake, by_time_.begin()->first + 2 * kTick) << "sleeps past a deadline";
        // Waking when told, again and again, reaches the first timer.
        ASSERT_GT(*wake, kStart);
    }

    Random random_;
    TimePoint now_;
    TimingWheel wheel_;
    TimePoint advancing_to_;
    TimePoint last_fired_;
    std::vector<std::unique_ptr<TestTimer>> timers_;
    std::map<std::size_t, TimePoint> deadlines_;
    std::multimap<TimePoint, std::size_t> by_time_;
};

TEST(TimingWheel, AgreesWithASortedListOnRandomWalks) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        Walk(seed).run(2000);
        if (HasFailure()) return;
    }
}

TEST(TimingWheel, SleepingUntilNextWakeReachesEveryTimerInFewSteps) {
    Random random(7);
    for (int round = 0; round < 200; ++round) {
        TimingWheel wheel(kStart);
        wheel.advance(kStart + std::chrono::milliseconds{random.below(1'000'000)});
        TimePoint now = kStart + 1'000'000ms;
        wheel.advance(now);
        TestTimer timer;
        const TimePoint deadline = now + std::chrono::milliseconds{1 + random.below(2'000'000'000)};
        wheel.arm(timer, deadline);
        int steps = 0;
        while (timer.fired == 0) {
            const auto wake = wheel.next_wake();
            ASSERT_TRUE(wake);
            ASSERT_GT(*wake, now);
            ASSERT_LE(*wake, deadline);
            now = *wake;
            wheel.advance(now);
            ASSERT_LT(++steps, 12);
        }
        EXPECT_EQ(now, deadline);
    }
}

}  // namespace
}  // namespace weir
