#include "weir/auth/key_source.hpp"

#include "weir/auth/token_cache.hpp"

#include "unit/auth/tokens.hpp"
#include <gtest/gtest.h>

namespace weir::auth {
namespace {

using namespace std::chrono_literals;
using Action = KeySource::Action;

class KeySourceTest : public testing::Test {
  protected:
    KeySource::Answer ask() { return source.ask(now); }
    KeySource::Answer ask_for(std::string_view id) { return source.ask_for(id, now); }
    void come(const std::string& id, std::optional<Duration> max_age = {}) {
        source.on_fetched(std::make_shared<crypto::JwkSet>(tokens::keys(id)), max_age, now);
    }

    TimePoint now{1h};
    KeySource source{{}, Random(3)};
};

TEST_F(KeySourceTest, TheFirstAskerFetchesAndAllOthersWait) {
    const auto first = ask();
    EXPECT_EQ(first.action, Action::wait);
    EXPECT_TRUE(first.begins_fetch);
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(ask().action, Action::wait);
        EXPECT_FALSE(ask_for("x").begins_fetch);
    }
    come("one");
    EXPECT_EQ(ask().action, Action::use);
    EXPECT_EQ(ask_for("one").action, Action::use);
}

TEST_F(KeySourceTest, WithoutKeysAFailureIsUnavailableUntilAPauseIsOver) {
    EXPECT_TRUE(ask().begins_fetch);
    source.on_failed(now);
    EXPECT_EQ(ask().action, Action::unavailable);
    now += 1s;
    EXPECT_TRUE(ask().begins_fetch);
    source.on_failed(now);
    now += 1999ms;
    EXPECT_EQ(ask().action, Action::unavailable);
    EXPECT_EQ(ask_for("x").action, Action::unavailable);
    now += 1ms;
    EXPECT_TRUE(ask().begins_fetch);
}

TEST_F(KeySourceTest, ThePauseGrowsToMinRefetch) {
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(ask().begins_fetch);
        source.on_failed(now);
        now += 10s;
    }
}

TEST_F(KeySourceTest, KeysAreFetchedAheadAndNobodyWaits) {
    ask();
    come("one", 100min);
    now += 49min;
    EXPECT_FALSE(ask().begins_fetch);
    now += 32min;
    const auto answer = ask();
    EXPECT_EQ(answer.action, Action::use);
    EXPECT_TRUE(answer.begins_fetch);
    EXPECT_EQ(ask().action, Action::use);
    EXPECT_FALSE(ask().begins_fetch);
}

TEST_F(KeySourceTest, ADayWithoutTheSourceIsSurvived) {
    ask();
    come("one");
    const TimePoint end = now + 24h;
    int fetches = 0;
    for (; now <= end; now += 7s) {
        const auto answer = ask();
        ASSERT_EQ(answer.action, Action::use);
        if (!answer.begins_fetch) continue;
        ++fetches;
        source.on_failed(now);
    }
    EXPECT_GT(fetches, 100);
    EXPECT_NE(ask().action, Action::use);
}

TEST_F(KeySourceTest, AnUnknownIdIsLookedForOnce) {
    ask();
    come("one");
    EXPECT_EQ(ask_for("two").action, Action::unknown);  // just fetched
    now += 10s;
    const auto answer = ask_for("two");
    EXPECT_EQ(answer.action, Action::wait);
    EXPECT_TRUE(answer.begins_fetch);
    EXPECT_EQ(ask_for("two").action, Action::wait);
    EXPECT_EQ(ask_for("three").action, Action::wait);
    come("two");
    EXPECT_EQ(ask_for("two").action, Action::use);
    EXPECT_EQ(ask_for("three").action, Action::unknown);
}

TEST_F(KeySourceTest, RandomIdsCauseOneFetchInMinRefetch) {
    ask();
    come("one");
    now += 10s;
    int fetches = 0;
    for (int i = 0; i < 10'000; ++i, now += 1ms) {
        const auto answer = ask_for(std::to_string(i));
        if (!answer.begins_fetch) continue;
        ++fetches;
        come("one");
    }
    EXPECT_EQ(fetches, 1);
}

TEST_F(KeySourceTest, AnIdThatDidNotComeIsNotLookedForAgainSoon) {
    ask();
    come("one");
    now += 10s;
    EXPECT_TRUE(ask_for("two").begins_fetch);
    come("one");
    now += 29s;
    EXPECT_EQ(ask_for("two").action, Action::unknown);
    EXPECT_TRUE(ask_for("three").begins_fetch);
    come("one");
    now += 10s;
    EXPECT_TRUE(ask_for("two").begins_fetch);
}

TEST_F(KeySourceTest, OneWhoGivesUpLeavesItToTheNext) {
    EXPECT_TRUE(ask().begins_fetch);
    source.on_abandoned();
    EXPECT_TRUE(ask().begins_fetch);
}

TEST_F(KeySourceTest, TheNextOneBeginsWithTheLastGoodKeys) {
    ask();
    come("one");
    now += 1min;
    KeySource next({}, Random(4));
    next.inherit(source, now);
    const auto answer = next.ask(now);
    EXPECT_EQ(answer.action, Action::use);
    EXPECT_TRUE(answer.begins_fetch);
    next.on_failed(now);
    EXPECT_EQ(next.ask(now + 23h).action, Action::use);
    EXPECT_NE(next.ask(now + 24h).action, Action::use);
}

TEST_F(KeySourceTest, AnIdThatIsTooLongIsUnknown) {
    ask();
    come("one");
    now += 10s;
    EXPECT_EQ(ask_for(std::string(300, 'x')).action, Action::unknown);
}

// ---- the cache

TEST(DigestCache, FindsWhatIsOfItsGenerationAndNotOver) {
    DigestCache<int> cache;
    const auto digest = crypto::sha256("a");
    const TimePoint now{1h};
    EXPECT_EQ(cache.find(digest, 1, now), nullptr);
    cache.add(digest, 1, now + 1min, 100, 7);
    ASSERT_NE(cache.find(digest, 1, now), nullptr);
    EXPECT_EQ(*cache.find(digest, 1, now), 7);
    EXPECT_EQ(cache.find(digest, 2, now), nullptr);
    EXPECT_EQ(cache.size(), 0U);
    cache.add(digest, 1, now + 1min, 100, 7);
    EXPECT_EQ(cache.find(digest, 1, now + 1min), nullptr);
    EXPECT_EQ(cache.bytes(), 0U);
}

TEST(DigestCache, KeepsWhatWasAskedForLast) {
    DigestCache<int> cache({.entries = 3, .bytes = 1000});
    const TimePoint now{1h};
    const auto digest = [](int i) { return crypto::sha256(std::to_string(i)); };
    for (int i = 0; i < 3; ++i)
        cache.add(digest(i), 0, now + 1h, 10, i);
    EXPECT_NE(cache.find(digest(0), 0, now), nullptr);
    cache.add(digest(3), 0, now + 1h, 10, 3);
    EXPECT_NE(cache.find(digest(0), 0, now), nullptr);
    EXPECT_EQ(cache.find(digest(1), 0, now), nullptr);
    cache.add(digest(4), 0, now + 1h, 990, 4);
    EXPECT_EQ(cache.size(), 2U);
    EXPECT_EQ(cache.bytes(), 1000U);
    cache.add(digest(5), 0, now + 1h, 1001, 5);
    EXPECT_EQ(cache.find(digest(5), 0, now), nullptr);
    cache.add(digest(4), 0, now + 1h, 1, 6);
    EXPECT_EQ(*cache.find(digest(4), 0, now), 6);
    EXPECT_EQ(cache.bytes(), 11U);
}

}  // namespace
}  // namespace weir::auth
