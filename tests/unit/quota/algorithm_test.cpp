#include "weir/quota/algorithm.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace weir::quota {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};

// One key of an algorithm on a clock of its own.
template <typename Algorithm>
struct Client {
    Algorithm algorithm;
    TimePoint now = kStart;
    std::uint64_t word = 0;

    Decision take(std::uint32_t cost = 1) {
        const Change change = algorithm.take(word, now, cost);
        word = change.word;
        return change.decision;
    }
    int admitted(int tries) {
        int count = 0;
        for (int i = 0; i < tries; ++i)
            count += take().is_admitted ? 1 : 0;
        return count;
    }
};

TEST(Gcra, AdmitsTheBurstAndThenTheRate) {
    Client<Gcra> client{Gcra(10, 5)};
    EXPECT_EQ(client.admitted(100), 5);
    client.now += 100ms;
    EXPECT_EQ(client.admitted(100), 1);
    client.now += 99ms;
    EXPECT_EQ(client.admitted(100), 0);
    client.now += 1ms;
    EXPECT_EQ(client.admitted(100), 1);
    client.now += 1h;
    EXPECT_EQ(client.admitted(100), 5);
}

TEST(Gcra, SaysWhatRemainsAndWhenAllOfItIsThere) {
    Client<Gcra> client{Gcra(10, 5)};
    Decision decision = client.take();
    EXPECT_EQ(decision.remaining, 4U);
    EXPECT_EQ(decision.reset, 100ms);
    client.take();
    decision = client.take(2);
    EXPECT_EQ(decision.remaining, 1U);
    EXPECT_EQ(decision.reset, 400ms);
    client.now += 250ms;
    decision = client.take();
    EXPECT_EQ(decision.remaining, 2U);
    EXPECT_EQ(decision.reset, 250ms);
}

TEST(Gcra, SaysExactlyWhenARefusedRequestWouldPass) {
    Client<Gcra> client{Gcra(3, 4)};
    EXPECT_EQ(client.admitted(4), 4);
    const Decision refused = client.take(3);
    ASSERT_FALSE(refused.is_admitted);
    EXPECT_NEAR(static_cast<double>(refused.retry_after.count()), 1e9, 1);
    client.now += refused.retry_after - 1ns;
    EXPECT_FALSE(client.take(3).is_admitted);
    client.now += 1ns;
    EXPECT_TRUE(client.take(3).is_admitted);
}

TEST(Gcra, ChargesNothingForARefusal) {
    Client<Gcra> client{Gcra(1, 1)};
    client.take();
    const std::uint64_t before = client.word;
    client.admitted(1000);
    EXPECT_EQ(client.word, before);
}

TEST(Gcra, MeetsRatesOfMillionsASecond) {
    Client<Gcra> client{Gcra(3'000'000, 1000)};
    std::uint64_t admitted = 0;
    for (; client.now < kStart + 1s; client.now += 100us)
        admitted += static_cast<std::uint64_t>(client.admitted(1000));
    EXPECT_NEAR(static_cast<double>(admitted), 3'001'000, 30'000);
}

TEST(Gcra, MeetsRatesOfOneAWeek) {
    Client<Gcra> client{Gcra(1.0 / (7 * 24 * 3600), 1)};
    EXPECT_EQ(client.admitted(2), 1);
    client.now += 7 * 24h - 1ms;
    EXPECT_EQ(client.admitted(1), 0);
    client.now += 2ms;
    EXPECT_EQ(client.admitted(1), 1);
}

TEST(Gcra, PromisesItsBurstInTheTimeItTakesToComeBack) {
    EXPECT_EQ(Gcra(100, 200).promise().quota, 200U);
    EXPECT_EQ(Gcra(100, 200).promise().window, 2s);
}

TEST(Gcra, OwesNoMoreThanItsBurstWhenTheClockGoesBack) {
    Client<Gcra> client{Gcra(10, 5)};
    client.admitted(5);
    client.now -= 30min;
    EXPECT_EQ(client.admitted(5), 0);
    client.now += 100ms;
    EXPECT_LE(client.take().retry_after, 500ms);
}

// Over any window no more is admitted than the rate and the burst, and whoever keeps asking gets
// all of it.
TEST(Gcra, AdmitsWithinOnePercentOfTheLimitOverAnyWindow) {
    Random random(7);
    for (int round = 0; round < 20; ++round) {
        const double rate = 1 + random.uniform() * 2000;
        const auto burst = 1 + random.below(300);
        Client<Gcra> client{Gcra(rate, burst)};
        std::uint64_t admitted = 0;
        const int steps = 20'000;
        for (int i = 0; i < steps; ++i) {
            client.now += Duration{random.below(static_cast<std::uint32_t>(1e7 / rate))};
            while (client.take().is_admitted)
                ++admitted;
        }
        const double passed = std::chrono::duration<double>(client.now - kStart).count();
        const double most = rate * passed + burst;
        EXPECT_LE(static_cast<double>(admitted), most + 1);
        EXPECT_GE(static_cast<double>(admitted), (most - burst) * 0.99);
    }
}

TEST(SlidingWindow, CountsTheShareOfTheWindowBefore) {
    Client<SlidingWindow> client{SlidingWindow(10, 1min), TimePoint{60min}};
    EXPECT_EQ(client.admitted(20), 10);
    client.now += 1min;  // all of them are still seen
    EXPECT_EQ(client.admitted(20), 0);
    client.now += 30s;
    EXPECT_EQ(client.admitted(20), 5);
    client.now += 2min;
    EXPECT_EQ(client.admitted(20), 10);
}

TEST(SlidingWindow, HasNoDoubleBurstAtTheEdge) {
    Client<SlidingWindow> client{SlidingWindow(100, 1min), TimePoint{60min + 59s}};
    int admitted = client.admitted(200);
    client.now += 2s;
    admitted += client.admitted(200);
    EXPECT_LE(admitted, 102);
}

TEST(SlidingWindow, SaysWhenARefusedRequestWouldPass) {
    Random random(11);
    for (int round = 0; round < 200; ++round) {
        const std::uint32_t limit = 1 + random.below(40);
        Client<SlidingWindow> client{SlidingWindow(limit, 1s),
                                     kStart + Duration{random.below(1'000'000'000)}};
        for (int i = 0; i < 100; ++i) {
            const auto cost = 1 + random.below(std::min(limit, 3U));
            const Decision decision = client.take(cost);
            if (decision.is_admitted) {
                client.now += Duration{random.below(50'000'000)};
                continue;
            }
            ASSERT_GT(decision.retry_after, 0ns);
            ASSERT_LE(decision.retry_after, 2s);
            auto early = client;
            early.now += decision.retry_after - 1us;
            EXPECT_FALSE(early.take(cost).is_admitted);
            client.now += decision.retry_after + 1us;
            ASSERT_TRUE(client.take(cost).is_admitted) << "limit " << limit << " cost " << cost;
        }
    }
}

// Beside the exact count of the last window: off by at most the unevenness within it.
TEST(SlidingWindow, StaysNearTheExactCount) {
    Random random(5);
    Client<SlidingWindow> client{SlidingWindow(100, 1s)};
    std::deque<TimePoint> exact;
    for (int i = 0; i < 20'000; ++i) {
        client.now += Duration{random.below(10'000'000)};
        while (!exact.empty() && exact.front() <= client.now - 1s)
            exact.pop_front();
        if (client.take().is_admitted) exact.push_back(client.now);
        ASSERT_LE(exact.size(), 120U);
    }
}

TEST(SlidingWindow, CountsLargeLimitsInUnits) {
    Client<SlidingWindow> client{SlidingWindow(10'000'000, 24h)};
    std::uint64_t admitted = 0;
    for (int i = 0; i < 20'000; ++i)
        admitted += client.take(1000).is_admitted ? 1000 : 0;
    EXPECT_LE(admitted, 10'000'000U);
    EXPECT_GE(admitted, 9'850'000U);
    EXPECT_EQ(client.algorithm.promise().quota, 10'000'000U);
}

TEST(SlidingWindow, KnowsWordsThatSayNothingAnyMore) {
    Client<SlidingWindow> client{SlidingWindow(10, 1s)};
    client.take();
    EXPECT_GT(client.word, client.algorithm.idle(client.now));
    EXPECT_GT(client.word, client.algorithm.idle(client.now + 1s));
    EXPECT_LE(client.word, client.algorithm.idle(client.now + 2s));
}

TEST(Concurrency, CountsWhatIsUnderWay) {
    const Concurrency concurrency(2);
    Change change = concurrency.take(0, 1);
    EXPECT_EQ(change.decision.remaining, 1U);
    change = concurrency.take(change.word, 1);
    EXPECT_TRUE(change.decision.is_admitted);
    const Change refused = concurrency.take(change.word, 1);
    EXPECT_FALSE(refused.decision.is_admitted);
    EXPECT_EQ(refused.word, change.word);
    change = Concurrency::give_back(change.word, 1);
    EXPECT_TRUE(concurrency.take(change.word, 1).decision.is_admitted);
    EXPECT_EQ(Concurrency::give_back(0, 1).word, 0U);
}

}  // namespace
}  // namespace weir::quota
