#include "weir/quota/store_health.hpp"

#include <gtest/gtest.h>

namespace weir::quota {
namespace {

using namespace std::chrono_literals;
using resilience::State;

constexpr TimePoint kStart{1h};

void fail(StoreHealth& health, TimePoint now) {
    const auto admission = health.breaker().acquire(now);
    ASSERT_TRUE(admission);
    health.breaker().complete(
        admission.permit,
        {.outcome = resilience::Outcome::failure, .kind = resilience::FailureKind::timeout}, now,
        0);
}

TEST(StoreHealth, IsGivenUpAtTheFirstFailureAndAskedAgainSoon) {
    StoreHealth health(1, kStart);
    EXPECT_TRUE(health.is_up());
    fail(health, kStart);
    EXPECT_FALSE(health.is_up());
    EXPECT_FALSE(health.breaker().acquire(kStart + 10ms));
    const auto probe = health.breaker().acquire(kStart + 300ms);
    ASSERT_TRUE(probe);
    EXPECT_FALSE(health.breaker().acquire(kStart + 300ms));  // one
    health.breaker().complete(probe.permit, {}, kStart + 301ms, 0);
    EXPECT_TRUE(health.is_up());
}

TEST(StoreHealth, TellsHowItWentLast) {
    StoreHealth health(1, kStart);
    EXPECT_EQ(health.view(kStart).answered_at, std::nullopt);
    EXPECT_EQ(health.view(kStart).error, "");
    health.note_answer(kStart + 1s);
    health.note_failure("it is silent", kStart + 2s);
    fail(health, kStart + 2s);
    const auto view = health.view(kStart + 2s);
    EXPECT_EQ(view.state, State::open);
    EXPECT_EQ(view.since, kStart + 2s);
    EXPECT_EQ(view.answered_at, kStart + 1s);
    EXPECT_EQ(view.error, "it is silent");
    EXPECT_EQ(view.failed_at, kStart + 2s);
}

}  // namespace
}  // namespace weir::quota
