#include "finders/etcd_messages.hpp"

#include "weir/crypto/base64.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace weir::finders::etcd {
namespace {

using ::testing::HasSubstr;

std::string coded(const std::string& text) {
    return crypto::encode_base64(text);
}

TEST(EtcdMessages, APrefixEndsBeforeTheNextKeyThatIsNoneOfIts) {
    EXPECT_EQ(end_of_prefix("/a/"), "/a0");
    EXPECT_EQ(end_of_prefix("a\xff"), "b");
    EXPECT_EQ(end_of_prefix("\xff\xff"), std::string(1, '\0'));
}

TEST(EtcdMessages, AsksInItsJson) {
    EXPECT_EQ(range_request("/a/", "/a0", 10, 0),
              R"({"key":"L2Ev","range_end":"L2Ew","limit":"10"})");
    EXPECT_EQ(range_request("/a/", "/a0", 10, 7),
              R"({"key":"L2Ev","range_end":"L2Ew","limit":"10","revision":"7"})");
    EXPECT_THAT(watch_request("/a/", "/a0", 8), HasSubstr(R"("start_revision":"8")"));
}

TEST(EtcdMessages, ReadsARange) {
    const auto answer =
        read_range(R"({"header":{"revision":"42"},"kvs":[{"key":")" + coded("/a/1") +
                   R"(","value":")" + coded("10.0.0.1:80") + R"("},{"key":")" + coded("/a/2") +
                   R"("}],"more":true,"count":"3"})");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->revision, 42U);
    EXPECT_TRUE(answer->has_more);
    ASSERT_EQ(answer->pairs.size(), 2U);
    EXPECT_EQ(answer->pairs[0].key, "/a/1");
    EXPECT_EQ(answer->pairs[0].value, "10.0.0.1:80");
    EXPECT_EQ(answer->pairs[1].value, "");
    EXPECT_TRUE(read_range(R"({"header":{"revision":"1"}})"));
}

TEST(EtcdMessages, RefusesWhatIsNoRange) {
    for (const char* text :
         {"", "{}", "[]", "hello", R"({"header":{"revision":"x"}})", R"({"header":{}})",
          R"({"header":{"revision":"1"},"kvs":[{"key":"%%%"}]})",
          R"({"header":{"revision":"1"},"kvs":[{"value":"YQ=="}]})"})
        EXPECT_FALSE(read_range(text)) << text;
}

TEST(EtcdMessages, ReadsAWatch) {
    using Kind = WatchAnswer::Kind;
    const auto created = read_watch(R"({"result":{"header":{"revision":"5"},"created":true}})");
    ASSERT_TRUE(created);
    EXPECT_EQ(created->kind, Kind::news);
    EXPECT_TRUE(created->events.empty());
    const auto news =
        read_watch(R"({"result":{"header":{"revision":"6"},"events":[{"kv":{"key":")" +
                   coded("/a/1") + R"(","value":")" + coded("x:1") +
                   R"("}},{"type":"DELETE","kv":{"key":")" + coded("/a/2") + R"("}}]}})");
    ASSERT_TRUE(news);
    ASSERT_EQ(news->events.size(), 2U);
    EXPECT_FALSE(news->events[0].is_gone);
    EXPECT_TRUE(news->events[1].is_gone);
    const auto compacted = read_watch(R"({"result":{"canceled":true,"compact_revision":"9"}})");
    ASSERT_TRUE(compacted);
    EXPECT_EQ(compacted->kind, Kind::compacted);
    const auto refused =
        read_watch(R"({"result":{"canceled":true,"cancel_reason":"permission denied"}})");
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->kind, Kind::refused);
    EXPECT_EQ(refused->error, "permission denied");
    const auto error =
        read_watch(R"({"error":{"grpc_code":14,"message":"etcdserver: no leader"}})");
    ASSERT_TRUE(error);
    EXPECT_EQ(error->error, "etcdserver: no leader");
    for (const char* text :
         {"", "{}", "[]", "garbage", R"({"result":7})", R"({"result":{"events":[{"kv":{}}]}})"})
        EXPECT_FALSE(read_watch(text)) << text;
}

struct Case {
    const char* key;
    const char* value;
    const char* address;  // empty: refused
    std::uint32_t weight = 100;
    const char* zone = "";
};
class Endpoints : public testing::TestWithParam<Case> {};

TEST_P(Endpoints, AreReadFromKeyAndValue) {
    const Case& each = GetParam();
    std::string wrong;
    const auto found = read_endpoint(each.key, each.value, wrong);
    EXPECT_EQ(found ? found->address.to_string() : "", each.address) << each.value;
    EXPECT_EQ(wrong.empty(), found.has_value());
    if (!found) return;
    EXPECT_EQ(found->weight, each.weight);
    EXPECT_EQ(found->zone, each.zone);
}

INSTANTIATE_TEST_SUITE_P(
    EtcdMessages,
    Endpoints,
    testing::Values(Case{"1", "10.0.0.1:80", "10.0.0.1:80"},
                    Case{"1", "10.0.0.1:80\n", "10.0.0.1:80"},
                    Case{"10.0.0.1:80", "", "10.0.0.1:80"},
                    Case{"[::1]:80", R"({"weight":3})", "[::1]:80", 3},
                    Case{"1", R"({"address":"10.0.0.1:80","weight":5,"zone":"n"})", "10.0.0.1:80",
                         5, "n"},
                    Case{"1", R"({"Op":0,"Addr":"10.0.0.1:80"})", "10.0.0.1:80"},
                    Case{"1", "", ""},
                    Case{"1", ":80", ""},
                    Case{"1", "10.0.0.1:0", ""},
                    Case{"1", "host:80", ""},
                    Case{"1", "{", ""},
                    Case{"1", R"({"address":"10.0.0.1:80","weight":0})", ""},
                    Case{"1", R"({"address":"10.0.0.1:80","weight":"1"})", ""},
                    Case{"1", R"({"address":"10.0.0.1:80","weight":65536})", ""},
                    Case{"1", R"({"address":"10.0.0.1:80","priority":256})", ""}));

}  // namespace
}  // namespace weir::finders::etcd
