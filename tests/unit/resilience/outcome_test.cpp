#include "weir/resilience/outcome.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weir::resilience {
namespace {

TEST(Outcome, IsSpelledAsInTheMetrics) {
    EXPECT_EQ(word(Outcome::ok), "ok");
    EXPECT_EQ(word(Outcome::failure), "failure");
    EXPECT_EQ(word(Outcome::local_failure), "local_failure");
    EXPECT_EQ(word(Outcome::throttled), "throttled");
    EXPECT_EQ(word(Outcome::stale), "stale");
    EXPECT_EQ(word(Outcome::ignored), "ignored");
}

TEST(FailureKind, HasAWordOfItsOwnForEach) {
    std::set<std::string> words;
    for (int kind = 0; kind <= static_cast<int>(FailureKind::grpc_other); ++kind) {
        words.insert(std::string(word(static_cast<FailureKind>(kind))));
    }
    EXPECT_EQ(words.size(), static_cast<std::size_t>(FailureKind::grpc_other) + 1);
    EXPECT_EQ(words.count(""), 0U);
    EXPECT_EQ(word(FailureKind::status_502), "502");
    EXPECT_EQ(word(FailureKind::connect_refused), "connect_refused");
    EXPECT_EQ(word(FailureKind::protocol), "protocol");
}

TEST(Verdict, IsGoodUnlessSaid) {
    const Verdict verdict;
    EXPECT_EQ(verdict.outcome, Outcome::ok);
    EXPECT_EQ(verdict.kind, FailureKind::none);
    EXPECT_FALSE(verdict.is_slow);
    EXPECT_EQ(verdict.hint, Duration{0});
}

}  // namespace
}  // namespace weir::resilience
