#include "weir/auth/allowed.hpp"

#include <gtest/gtest.h>

namespace weir::auth {
namespace {

TEST(Allowed, AnEntryIsOneNameWhatIsBelowOrOneLabelMore) {
    struct Row {
        std::string_view entry;
        std::string_view name;
        bool is_allowed;
    };
    constexpr Row kRows[] = {
        {"spiffe://shop/ns/web/sa/a", "spiffe://shop/ns/web/sa/a", true},
        {"spiffe://shop/ns/web/sa/a", "spiffe://shop/ns/web/sa/A", false},
        {"spiffe://shop/ns/web/sa/a", "spiffe://shop/ns/web/sa/a/b", false},
        {"spiffe://shop/ns/web/*", "spiffe://shop/ns/web/sa/a", true},
        {"spiffe://shop/ns/web/*", "spiffe://shop/ns/web/", false},
        {"spiffe://shop/ns/web/*", "spiffe://shop/ns/web", false},
        {"spiffe://shop/ns/web/*", "spiffe://shop/ns/website/sa/a", false},
        {"spiffe://shop/ns/web/*", "spiffe://shop/ns/other/sa/a", false},
        {"spiffe://shop/*", "spiffe://shop.evil/sa", false},
        {"*.shop.test", "a.shop.test", true},
        {"*.shop.test", "a.b.shop.test", false},
        {"*.shop.test", "shop.test", false},
        {"*.shop.test", ".shop.test", false},
        {"*.shop.test", "ashop.test", false},
        {"a.shop.test", "b.shop.test", false},
        {"10.0.0.1", "10.0.0.1", true},
        {"10.0.0.1", "10.0.0.10", false},
        {"", "", true},
        {"", "a", false},
    };
    for (const Row& row : kRows)
        EXPECT_EQ(is_allowed(row.entry, row.name), row.is_allowed) << row.entry << " " << row.name;
}

TEST(Allowed, AnyNameByAnyEntryDoes) {
    EXPECT_TRUE(has_allowed({"a", "b"}, {"x", "b"}));
    EXPECT_FALSE(has_allowed({"a", "b"}, {"x", "y"}));
    EXPECT_FALSE(has_allowed({}, {"x"}));
    EXPECT_FALSE(has_allowed({"a"}, {}));
}

}  // namespace
}  // namespace weir::auth
