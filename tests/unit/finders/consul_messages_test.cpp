#include "finders/consul_messages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace weir::finders::consul {
namespace {

using ::testing::HasSubstr;

TEST(ConsulMessages, TheIndexStartsAnewWhenItGoesBack) {
    EXPECT_EQ(next_index(0, "42"), 42U);
    EXPECT_EQ(next_index(42, "42"), 42U);
    EXPECT_EQ(next_index(42, "43"), 43U);
    EXPECT_EQ(next_index(42, "41"), 0U);
    EXPECT_EQ(next_index(0, "0"), 1U);  // 0 would not block
    EXPECT_EQ(next_index(5, ""), 0U);
    EXPECT_EQ(next_index(5, "-1"), 0U);
    EXPECT_EQ(next_index(5, "x"), 0U);
}

TEST(ConsulMessages, AsksWithWhatIsSaid) {
    Query query{.service = "orders", .health = "passing"};
    EXPECT_EQ(target_of(query), "/v1/health/service/orders?passing=1");
    query.index = 7;
    query.wait = "300000ms";
    query.datacenter = "dc 1";
    query.tag = "a&b";
    EXPECT_EQ(target_of(query),
              "/v1/health/service/orders?passing=1&dc=dc%201&tag=a%26b&index=7&wait=300000ms");
    EXPECT_EQ(target_of({.service = "a/b", .health = "any"}), "/v1/health/service/a%2Fb");
    EXPECT_THAT(target_of({.service = "a", .filter = "x == y", .health = "warning"}),
                HasSubstr("filter=%28x%20%3D%3D%20y%29%20and%20Checks.Status"));
}

TEST(ConsulMessages, ReadsInstances) {
    std::string wrong;
    const auto found = read_service(
        R"([{"Node":{"ID":"n1","Address":"10.0.0.1","Meta":{"zone":"east"}},)"
        R"("Service":{"ID":"a","Address":"","Port":80,"Weights":{"Passing":7,"Warning":1}},)"
        R"("Checks":[{"Status":"passing"}]},)"
        R"({"Node":{"ID":"n2","Address":"10.0.0.2"},)"
        R"("Service":{"ID":"b","Address":"::1","Port":81,"Weights":{"Passing":7,"Warning":2},)"
        R"("Meta":{"zone":"west"}},"Checks":[{"Status":"passing"},{"Status":"warning"}]},)"
        R"({"Node":{"ID":"n3","Address":"10.0.0.3"},"Service":{"ID":"c","Port":0}}])",
        wrong);
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 2U);
    EXPECT_EQ((*found)[0].address.to_string(), "10.0.0.1:80");
    EXPECT_EQ((*found)[0].weight, 7U);
    EXPECT_EQ((*found)[0].zone, "east");
    EXPECT_EQ((*found)[0].uid, "n1/a");
    EXPECT_EQ((*found)[1].address.to_string(), "[::1]:81");
    EXPECT_EQ((*found)[1].weight, 2U);
    EXPECT_EQ((*found)[1].zone, "west");
    EXPECT_THAT(wrong, HasSubstr("'c' has no address to call"));
}

TEST(ConsulMessages, RefusesWhatIsNoListOfInstances) {
    for (const char* text : {"", "{}", "null", "rpc error", "[7]", R"([{"Service":{}}])",
                             R"([{"Node":{},"Service":[]}])"}) {
        std::string wrong;
        EXPECT_FALSE(read_service(text, wrong)) << text;
    }
    std::string wrong;
    EXPECT_TRUE(read_service("[]", wrong));
}

}  // namespace
}  // namespace weir::finders::consul
