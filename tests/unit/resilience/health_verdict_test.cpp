#include "weir/resilience/health_verdict.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace weir::resilience {
namespace {

// '+' passes, '-' fails; the verdict after each check: 'h' or 'u'.
std::string verdicts(HealthVerdict& verdict, std::string_view checks) {
    std::string out;
    for (const char check : checks) {
        verdict.add(check == '+');
        out += verdict.is_unhealthy() ? 'u' : 'h';
    }
    return out;
}
std::string verdicts(std::string_view checks, HealthVerdict::Options options = {}) {
    HealthVerdict verdict(options);
    return verdicts(verdict, checks);
}

TEST(HealthVerdict, TakesSoManyFailingChecksInARow) {
    EXPECT_EQ(verdicts("+--+--+---"), "hhhhhhhhhu");
    EXPECT_EQ(verdicts("+-", {.unhealthy_after = 1}), "hu");
}

TEST(HealthVerdict, TakesSoManyPassingChecksInARowToReturn) {
    EXPECT_EQ(verdicts("+---+-+-++"), "hhhuuuuuuh");
    EXPECT_EQ(verdicts("+---+", {.healthy_after = 1}), "hhhuh");
}

TEST(HealthVerdict, LetsEachCheckDecideUntilOneHasPassed) {
    EXPECT_EQ(verdicts("-"), "u");
    EXPECT_EQ(verdicts("-+--"), "uhhh");
    EXPECT_EQ(verdicts("+"), "h");
}

TEST(HealthVerdict, SaysWhenItChanges) {
    HealthVerdict verdict({.healthy_after = 2, .unhealthy_after = 2});
    EXPECT_FALSE(verdict.add(true));
    EXPECT_FALSE(verdict.add(false));
    EXPECT_TRUE(verdict.add(false));
    EXPECT_FALSE(verdict.add(false));
    EXPECT_FALSE(verdict.add(true));
    EXPECT_TRUE(verdict.add(true));
}

TEST(HealthVerdict, StaysUnderOtherRulesUntilTheyFindSomethingElse) {
    HealthVerdict before({});
    EXPECT_EQ(verdicts(before, "+---"), "hhhu");
    HealthVerdict after({.healthy_after = 3, .unhealthy_after = 1}, before);
    EXPECT_TRUE(after.is_unhealthy());
    EXPECT_EQ(verdicts(after, "+++"), "uuh");
    EXPECT_EQ(verdicts(after, "-"), "u");
}

TEST(HealthVerdict, FlipsOnlyWithRunsAsLongAsTheRulesSay) {
    Random random(7);
    HealthVerdict verdict({.healthy_after = 3, .unhealthy_after = 4});
    verdict.add(true);
    std::string seen = "+";
    for (int i = 0; i < 100'000; ++i) {
        const bool has_passed = random.below(2) == 0;
        seen += has_passed ? '+' : '-';
        const bool has_changed = verdict.add(has_passed);
        const bool is_run = has_passed ? seen.ends_with("+++") : seen.ends_with("----");
        if (has_changed) {
            ASSERT_TRUE(is_run) << i;
        }
        if (is_run) {
            ASSERT_EQ(verdict.is_unhealthy(), !has_passed) << i;
        }
    }
}

}  // namespace
}  // namespace weir::resilience
