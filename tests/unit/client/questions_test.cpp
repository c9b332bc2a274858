#include "weir/client/questions.hpp"

#include <gtest/gtest.h>

namespace weir::client {
namespace {

TEST(Questions, NamesAreEncoded) {
    EXPECT_EQ(look_at_cluster("a/b c?").target, "/api/v1/clusters/a%2Fb%20c%3F");
    EXPECT_EQ(look_at_endpoints("127.0.0.1:80").target, "/api/v1/clusters/127.0.0.1:80/endpoints");
    EXPECT_EQ(look_at_events(5, "é").target, "/api/v1/events?n=5&cluster=%C3%A9");
    EXPECT_EQ(look_at_events(5, "").target, "/api/v1/events?n=5");
    EXPECT_EQ(explain_key("a.b&c=d").target, "/api/v1/config/explain?path=a.b%26c%3Dd");
    EXPECT_EQ(look_at_config(true, true, true).target,
              "/api/v1/config?format=json&origin=1&defaults=1");
    EXPECT_EQ(look_at_config(false, false, false).target, "/api/v1/config?format=yaml");
}

TEST(Questions, FailuresAreAskedForByWhatIsSaid) {
    EXPECT_EQ(look_at_failures({}).target, "/api/v1/failures");
    EXPECT_EQ(look_at_failures({.id = "a b"}).target, "/api/v1/failures?id=a%20b");
    EXPECT_EQ(look_at_failures({.newest = 5, .cluster = "c", .route = "r", .reason = "x"}).target,
              "/api/v1/failures?n=5&cluster=c&route=r&reason=x");
    EXPECT_EQ(record_trace("30s", "", 0).target, "/api/v1/trace-export?for=30s");
    EXPECT_EQ(record_trace("30s", "c", 7).target, "/api/v1/trace-export?for=30s&cluster=c&n=7");
}

TEST(Questions, ARouteIsTriedByItsUrl) {
    struct Row {
        std::string_view url;
        std::string_view as;
    };
    for (const Row& row :
         {Row{"http://shop:80/a/b?x=1&y=2#z", "&host=shop:80&path=%2Fa%2Fb%3Fx%3D1%26y%3D2"},
          Row{"https://shop", "&host=shop&path=%2F"},
          Row{"http://shop?x", "&host=shop&path=%2F%3Fx"}, Row{"/a", "&path=%2Fa"},
          Row{"a", "&path=%2Fa"}, Row{"/go?to=http://x/", "&path=%2Fgo%3Fto%3Dhttp:%2F%2Fx%2F"}}) {
        EXPECT_EQ(try_route("get", row.url, {}, "").target,
                  "/api/v1/route?method=GET" + std::string(row.as));
    }
    EXPECT_EQ(try_route("GET", "/", {"a: b", "c:d"}, "in").target,
              "/api/v1/route?method=GET&path=%2F&header=a:%20b&header=c:d&listener=in");
}

TEST(Questions, HoldsSayWhatIsSaidAndNothingElse) {
    const Question drain = change_endpoint("c", "unix:/run/a", "drain", {"5m", "say \"hi\"", true});
    EXPECT_EQ(drain.method, "POST");
    EXPECT_EQ(drain.target, "/api/v1/clusters/c/endpoints/unix:%2Frun%2Fa/drain");
    EXPECT_EQ(drain.body, R"({"for":"5m","reason":"say \"hi\"","force":true})");
    EXPECT_EQ(drain.content_type, "application/json");
    const Question free = change_breaker("c", "auto", {});
    EXPECT_EQ(free.target, "/api/v1/breakers/c/auto");
    EXPECT_EQ(free.body, "");
    EXPECT_EQ(free.content_type, "");
    EXPECT_EQ(order("config/reload").target, "/api/v1/config/reload");
}

TEST(Questions, LogLevelsAreAJsonObject) {
    const Question question = change_log("debug", {"http=trace", "upstream=info"}, "10m");
    EXPECT_EQ(question.method, "PUT");
    EXPECT_EQ(question.body,
              R"({"level":"debug","modules":{"http":"trace","upstream":"info"},"for":"10m"})");
    EXPECT_EQ(change_log("", {}, "").body, "{}");
}

TEST(Questions, ConfigurationsGoAsYaml) {
    const Question apply = apply_config("version: 1\n", "41f2", true);
    EXPECT_EQ(apply.method, "PUT");
    EXPECT_EQ(apply.target, "/api/v1/config?persist=1");
    EXPECT_EQ(apply.body, "version: 1\n");
    EXPECT_EQ(apply.content_type, "application/yaml");
    EXPECT_EQ(apply.headers.at(0), (std::pair<std::string, std::string>("If-Match", "\"41f2\"")));
    EXPECT_TRUE(apply_config("", "", false).headers.empty());
    EXPECT_EQ(apply_config("", "", false).target, "/api/v1/config");
    EXPECT_EQ(validate_config("x").target, "/api/v1/config/validate");
    EXPECT_EQ(validate_config("x").content_type, "application/yaml");
}

}  // namespace
}  // namespace weir::client
