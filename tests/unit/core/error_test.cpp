#include "weir/core/error.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <type_traits>

namespace weir {
namespace {

constexpr Error kRefused{Reason::upstream_connect_refused, Error::Origin::upstream,
                         Error::Retry::safe, "connection refused"};

TEST(Error, IsSmallAndTriviallyCopyable) {
    EXPECT_TRUE(std::is_trivially_copyable_v<Error>);
    EXPECT_LE(sizeof(Error), 16U);
}

TEST(Error, IsNeverRetriedUnlessSomebodySaysSo) {
    EXPECT_EQ(Error{}.retry, Error::Retry::never);
}

TEST(Error, ComparesByWhatItMeansNotByItsText) {
    Error other = kRefused;
    other.detail = "another text";
    EXPECT_EQ(other, kRefused);
    other = kRefused;
    other.reason = Reason::upstream_dns;
    EXPECT_FALSE(other == kRefused);
    other = kRefused;
    other.origin = Error::Origin::local;
    EXPECT_FALSE(other == kRefused);
    other = kRefused;
    other.retry = Error::Retry::never;
    EXPECT_FALSE(other == kRefused);
}

TEST(Error, AResultHoldsAValueOrAnError) {
    const Result<int> good = 7;
    ASSERT_TRUE(good);
    EXPECT_EQ(*good, 7);
    const Result<int> bad = kRefused;
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error(), kRefused);
}

TEST(Error, AskingAnErrorForItsValueThrowsWhatIsWrongAndWhere) {
    const Result<int> bad = kRefused;
    try {
        (void)bad.value();
        FAIL() << "did not throw";
    } catch (const std::logic_error& error) {
        const std::string what = error.what();
        EXPECT_NE(what.find("upstream_connect_refused"), std::string::npos) << what;
        EXPECT_NE(what.find("connection refused"), std::string::npos) << what;
    }
}

TEST(ErrorDeathTest, AFailedAssertionEndsTheProcessAndNamesItself) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const int one = 1;
    WEIR_ASSERT(one == 1);
    EXPECT_DEATH(WEIR_ASSERT(one == 2), "error_test.cpp:[0-9]+: assertion failed: one == 2");
}

}  // namespace
}  // namespace weir
