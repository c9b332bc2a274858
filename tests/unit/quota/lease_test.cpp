#include "weir/quota/lease.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

namespace weir::quota {
namespace {

using namespace std::chrono_literals;
using Answer = LeaseBook::Answer;

constexpr TimePoint kStart{1h};
constexpr std::uint64_t kKey = 7;

// The store's side: GCRA that grants what there is.
struct Store {
    Gcra gcra;
    double rate;
    std::uint64_t word = 0;
    int calls = 0;

    LeaseBook::Grant ask(TimePoint now, std::uint32_t wanted) {
        ++calls;
        LeaseBook::Grant grant;
        for (std::uint32_t left = wanted; left > 0; --left) {
            const Change change = gcra.take(word, now, 1);
            grant.reset = change.decision.reset;
            grant.retry_after = change.decision.retry_after;
            if (!change.decision.is_admitted) break;
            word = change.word;
            ++grant.tokens;
        }
        return grant;
    }
};

// A worker before the store, a round trip away.
struct Worker {
    LeaseBook book;
    Store* store;
    Duration away = 200us;
    struct Under {
        TimePoint at;
        std::uint32_t asked;
    };
    std::deque<Under> under_way{};
    int waiting = 0;
    int admitted = 0;
    int refused = 0;

    Worker(Promise promise, Store& of) : book({promise, 100}), store(&of) {}

    void request(TimePoint now) {
        deliver(now);
        const auto verdict = book.take(kKey, now, 1);
        if (verdict.ask > 0) under_way.push_back({now + away, verdict.ask});
        if (verdict.answer == Answer::unknown) ++waiting;
        if (verdict.answer == Answer::admitted) ++admitted;
        if (verdict.answer == Answer::refused) ++refused;
    }
    void deliver(TimePoint now) {
        while (!under_way.empty() && under_way.front().at <= now) {
            const Under ended = under_way.front();
            under_way.pop_front();
            book.settle(kKey, ended.at, ended.asked, store->ask(ended.at, ended.asked));
            const int waited = std::exchange(waiting, 0);
            for (int i = 0; i < waited; ++i) {
                const auto verdict = book.take_after(kKey, ended.at, 1);
                if (verdict.answer == Answer::unknown) ++waiting;
                if (verdict.answer == Answer::admitted) ++admitted;
                if (verdict.answer == Answer::refused) ++refused;
            }
            if (waiting > 0) {
                const auto ask =
                    book.ask_again(kKey, ended.at, static_cast<std::uint32_t>(waiting));
                under_way.push_back({ended.at + away, ask});
            }
        }
    }
};

TEST(LeaseBook, AsksForWhatIsNeededAtFirst) {
    LeaseBook book({{100, 1s}, 100});
    const auto first = book.take(kKey, kStart, 3);
    EXPECT_EQ(first.answer, Answer::unknown);
    EXPECT_EQ(first.ask, 3U);
    const auto second = book.take(kKey, kStart, 1);
    EXPECT_EQ(second.answer, Answer::unknown);
    EXPECT_EQ(second.ask, 0U);  // one question at a time
    book.settle(kKey, kStart, 3, {3, 0s, 30ms});
    EXPECT_EQ(book.take_after(kKey, kStart, 3).answer, Answer::admitted);
    EXPECT_EQ(book.take_after(kKey, kStart, 1).answer, Answer::unknown);
    EXPECT_EQ(book.ask_again(kKey, kStart, 1), 4U);  // as many as came in these 50 ms
}

TEST(LeaseBook, KeepsANoUntilThereMayBeAYes) {
    LeaseBook book({{100, 1s}, 100});
    (void)book.take(kKey, kStart, 1);
    book.settle(kKey, kStart, 1, {0, 300ms, 1s});
    EXPECT_EQ(book.take_after(kKey, kStart, 1).answer, Answer::refused);
    const auto refused = book.take(kKey, kStart + 100ms, 1);
    EXPECT_EQ(refused.answer, Answer::refused);
    EXPECT_EQ(refused.ask, 0U);
    EXPECT_EQ(refused.decision.retry_after, 200ms);
    EXPECT_EQ(refused.decision.reset, 900ms);
    EXPECT_EQ(book.take(kKey, kStart + 300ms, 1).answer, Answer::unknown);
}

TEST(LeaseBook, NeverLeasesMoreThanATenth) {
    LeaseBook book({{1000, 1s}, 100});
    TimePoint now = kStart;
    for (int i = 0; i < 100'000; ++i) {
        now += 10us;
        const auto verdict = book.take(kKey, now, 1);
        EXPECT_LE(verdict.ask, 100U);
        if (verdict.ask > 0) book.settle(kKey, now, verdict.ask, {verdict.ask, 0s, 0s});
        ASSERT_LE(book.outstanding(), 200U);
    }
}

TEST(LeaseBook, LosesALeaseThatIsNotSpent) {
    LeaseBook book({{1000, 1s}, 100});
    (void)book.take(kKey, kStart, 1);
    book.settle(kKey, kStart, 1, {1, 0s, 0s});
    EXPECT_EQ(book.outstanding(), 1U);
    EXPECT_EQ(book.take(kKey, kStart + LeaseBook::kLifetime, 1).answer, Answer::unknown);
    EXPECT_EQ(book.outstanding(), 0U);
}

TEST(LeaseBook, AsksAgainAfterAFailure) {
    LeaseBook book({{1000, 1s}, 100});
    EXPECT_GT(book.take(kKey, kStart, 1).ask, 0U);
    book.settle_failed(kKey);
    EXPECT_GT(book.take(kKey, kStart, 1).ask, 0U);
}

TEST(LeaseBook, ForgetsTheKeyUsedLongestAgo) {
    LeaseBook book({{1000, 1s}, 10});
    for (std::uint64_t key = 1; key <= 1000; ++key) {
        (void)book.take(key, kStart, 1);
        book.settle(key, kStart, 1, {1, 0s, 0s});
    }
    EXPECT_EQ(book.size(), 10U);
    EXPECT_EQ(book.take(1000, kStart, 1).answer, Answer::admitted);
    EXPECT_EQ(book.take(1, kStart, 1).answer, Answer::unknown);
    EXPECT_GE(book.evicted_total(), 989U);
}

TEST(LeaseBook, NeverKnowsMoreKeysThanAllowed) {
    LeaseBook book({{1000, 1s}, 10});
    for (std::uint64_t key = 1; key <= 10; ++key)
        EXPECT_GT(book.take(key, kStart, 1).ask, 0U);  // each has a question under way
    for (std::uint64_t key = 11; key <= 100; ++key) {
        const auto verdict = book.take(key, kStart, 1);
        EXPECT_EQ(verdict.answer, Answer::no_room);
        EXPECT_EQ(verdict.ask, 0U);
        EXPECT_EQ(book.ask_again(key, kStart, 1), 0U);
    }
    EXPECT_EQ(book.size(), 10U);
    EXPECT_EQ(book.evicted_total(), 0U);
    book.settle(7, kStart, 1, {1, 0s, 0s});
    Answer answer = Answer::no_room;  // it is found within as many looks as there are keys
    for (std::uint64_t key = 101; key <= 103 && answer == Answer::no_room; ++key)
        answer = book.take(key, kStart, 1).answer;
    EXPECT_EQ(answer, Answer::unknown);
    EXPECT_EQ(book.size(), 10U);
    EXPECT_EQ(book.evicted_total(), 1U);
    EXPECT_EQ(book.outstanding(), 0U);
    EXPECT_EQ(book.take_after(7, kStart, 1).answer, Answer::unknown);  // its waiter must ask again
}

TEST(LeaseBook, ForgetsWhatTimeHasMadeWorthless) {
    LeaseBook book({{1000, 1s}, 10});
    for (std::uint64_t key = 1; key <= 3; ++key)
        (void)book.take(key, kStart, 1);
    book.settle(1, kStart, 1, {1, 0s, 0s});
    book.settle(2, kStart, 1, {0, 1h, 1h});
    book.tidy(kStart);
    EXPECT_EQ(book.size(), 3U);
    EXPECT_EQ(book.outstanding(), 1U);
    book.tidy(kStart + LeaseBook::kLifetime + 1ms);
    EXPECT_EQ(book.size(), 2U);  // a no that still holds, and a question
    EXPECT_EQ(book.outstanding(), 0U);
    book.settle_failed(3);
    book.tidy(kStart + 2h);
    EXPECT_EQ(book.size(), 0U);
}

// Whatever comes: bounded, and nothing is counted twice or lost.
TEST(LeaseBook, KeepsItsBooksAtRandom) {
    constexpr std::uint32_t kMost = 8;
    LeaseBook book({{50, 1s}, kMost});
    Random random(11);
    TimePoint now = kStart;
    struct Question {
        std::uint64_t key;
        std::uint32_t asked;
    };
    std::vector<Question> under_way;
    for (int i = 0; i < 200'000; ++i) {
        now += std::chrono::microseconds{random.below(3000)};
        const std::uint64_t key = 1 + random.below(24);
        const auto verdict = book.take(key, now, 1 + random.below(2));
        if (verdict.ask > 0) under_way.push_back({key, verdict.ask});
        if (!under_way.empty() && random.below(2) == 0) {
            const std::size_t at = random.below(static_cast<std::uint32_t>(under_way.size()));
            const Question ended = under_way[at];
            under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(at));
            if (random.below(4) == 0) {
                book.settle_failed(ended.key);
            } else {
                const std::uint64_t granted = random.below(ended.asked + 1);
                book.settle(ended.key, now, ended.asked, {granted, 5ms, 0s});
            }
        }
        if (random.below(100) == 0) book.tidy(now);
        ASSERT_LE(book.size(), kMost);
        ASSERT_LE(under_way.size(), book.size());  // no key goes that is waited for
        ASSERT_LE(book.outstanding(), kMost * 100U);
    }
    while (!under_way.empty()) {
        book.settle_failed(under_way.back().key);
        under_way.pop_back();
    }
    book.tidy(now + 1h);
    EXPECT_EQ(book.size(), 0U);
    EXPECT_EQ(book.outstanding(), 0U);
}

TEST(LeaseBook, AsksFiftyTimesLessThanThereAreRequests) {
    for (const double limit : {100.0, 1000.0, 20'000.0}) {
        Store store{Gcra(limit, static_cast<std::uint32_t>(limit)), limit};
        Worker worker(store.gcra.promise(), store);
        constexpr int kRequests = 100'000;  // 10 000 a second for 10 s
        TimePoint now = kStart;
        for (int i = 0; i < kRequests; ++i) {
            now += 100us;
            worker.request(now);
        }
        EXPECT_LE(store.calls * 50, kRequests) << limit;
        const double promised = std::min(limit * 10 + limit, 1.0 * kRequests);
        EXPECT_LE(worker.admitted, promised * 1.05) << limit;
        EXPECT_GE(worker.admitted, promised * 0.95) << limit;
    }
}

// Ten replicas share one store: beyond the promise is at most what they hold.
TEST(LeaseBook, StaysWithinFivePercentAcrossReplicas) {
    Store store{Gcra(2000, 2000), 2000};
    std::vector<Worker> workers(10, Worker(store.gcra.promise(), store));
    Random random(3);
    TimePoint now = kStart;
    for (int i = 0; i < 200'000; ++i) {
        now += 50us;
        workers[random.below(10)].request(now);
    }
    int admitted = 0;
    for (const auto& worker : workers)
        admitted += worker.admitted;
    EXPECT_LE(admitted, (2000 * 10 + 2000) * 1.05);
    EXPECT_GE(admitted, (2000 * 10 + 2000) * 0.95);
}

}  // namespace
}  // namespace weir::quota
