#include "weir/auth/guesses.hpp"

#include <gtest/gtest.h>

namespace weir::auth {
namespace {

using namespace std::chrono_literals;

TEST(Guesses, AreSoManyAtOnceAndOneMoreInAWhile) {
    Guesses guesses({.most = 3, .again = 6s});
    TimePoint now{1h};
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(guesses.wait_of("ann", now), 0s);
        guesses.on_guess("ann", now);
    }
    EXPECT_EQ(guesses.wait_of("ann", now), 6s);
    EXPECT_EQ(guesses.wait_of("bob", now), 0s);
    now += 5s;
    EXPECT_EQ(guesses.wait_of("ann", now), 1s);
    now += 1s;
    EXPECT_EQ(guesses.wait_of("ann", now), 0s);
    guesses.on_guess("ann", now);
    EXPECT_EQ(guesses.wait_of("ann", now), 6s);
    EXPECT_EQ(guesses.wait_of("ann", now + 1h), 0s);
}

TEST(Guesses, ThatWereRightCostNothing) {
    Guesses guesses({.most = 3, .again = 6s});
    const TimePoint now{1h};
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(guesses.wait_of("ann", now), 0s);
        guesses.on_guess("ann", now);
        guesses.on_right("ann");
    }
    guesses.on_right("nobody");
}

TEST(Guesses, AreBounded) {
    Guesses guesses({.most = 3, .again = 6s, .keys = 100});
    const TimePoint now{1h};
    for (int i = 0; i < 10'000; ++i) {
        guesses.on_guess(std::to_string(i), now + i * 1ms);
        ASSERT_LE(guesses.size(), 100U);
    }
}

}  // namespace
}  // namespace weir::auth
