#include "support.hpp"

namespace weir::config {
namespace {

using namespace std::chrono_literals;
using test::codes;
using test::good;
using test::with_cluster;
using test::with_route;

RouteActions actions(const std::string& keys) {
    return good(with_route("{to: a, " + keys + "}")).listeners.at(0).routes.at(0).actions;
}
std::string codes_of(const std::string& keys) {
    return codes(with_route("{to: a, " + keys + "}"));
}

TEST(ConfigActions, DoNothingByDefault) {
    EXPECT_EQ(actions("path: /"), RouteActions());
    EXPECT_EQ(actions("cors: off, fault: off, compress: off"), RouteActions());
}

TEST(ConfigActions, ReadHeaderEdits) {
    const auto read = actions(
        "headers: {set: {X-A: b, y: \"\"}, remove: [Cookie]}, response_headers: {remove: server}");
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    EXPECT_EQ(read.request.set, (Pairs{{"x-a", "b"}, {"y", ""}}));
    EXPECT_EQ(read.request.remove, std::vector<std::string>{"cookie"});
    EXPECT_EQ(read.response.remove, std::vector<std::string>{"server"});
}

TEST(ConfigActions, RefuseHeadersThatAreNotForSetting) {
    for (const char* name :
         {"Connection", "content-length", "Transfer-Encoding", "TE", "upgrade", "keep-alive",
          "trailer", "expect", "proxy-connection", "Host", "x-forwarded-for", "forwarded", "via",
          "x-request-id", "x-weir-deadline-ms", "weir-error"}) {
        EXPECT_EQ(codes_of(std::string("headers: {set: {") + name + ": x}}"), "115") << name;
        EXPECT_EQ(codes_of(std::string("headers: {remove: [") + name + "]}"), "115") << name;
    }
    for (const char* name : {"connection", "content-length", "x-weir-none-ready"}) {
        EXPECT_EQ(codes_of(std::string("response_headers: {set: {") + name + ": x}}"), "115");
    }
    EXPECT_EQ(codes_of("headers: {set: {\"a b\": x}}"), "119");
    EXPECT_EQ(codes_of("headers: {set: {a: \"b\\r\\nc: d\"}}"), "119");
    EXPECT_EQ(codes_of("headers: {set: {a: x}, remove: [A]}"), "131");
    EXPECT_EQ(codes(with_route("{respond: {status: 200}, headers: {set: {a: x}}}")), "115");
    EXPECT_EQ(codes(with_route("{respond: {status: 200}, response_headers: {set: {a: x}}}")), "");
}

TEST(ConfigActions, ReadMirrors) {
    EXPECT_EQ(actions("mirror: a, mirror_percent: 5%").mirror, (Mirror{"a", 0.05}));
    const auto config = good(with_route("{to: a, mirror: \"127.0.0.1:1\"}"));
    EXPECT_EQ(config.listeners[0].routes[0].actions.mirror->cluster, "127.0.0.1:1");
    EXPECT_TRUE(config.clusters.contains("127.0.0.1:1"));
    EXPECT_EQ(codes_of("mirror: nobody"), "110");
    EXPECT_EQ(codes_of("mirror: {a: 50%, \"b:1\": 50%}"), "115");
    EXPECT_EQ(codes_of("mirror: a, mirror_percent: 200%"), "117");
}

TEST(ConfigActions, ReadFaults) {
    EXPECT_EQ(actions("fault: {delay: 200ms, percent: 10%}").fault,
              (Fault{.delay = 200ms, .abort = std::nullopt, .percent = 0.1}));
    EXPECT_EQ(actions("fault: {abort: 503}").fault->abort, 503);
    EXPECT_EQ(codes_of("fault: {}"), "114");
    EXPECT_EQ(codes_of("fault: {percent: 10%}"), "114");
    EXPECT_NE(codes_of("fault: {abort: 99}"), "");
}

TEST(ConfigActions, ReadCors) {
    const auto read = actions(
        "cors: {origins: [\"HTTPS://Shop.test\", \"https://*.shop.test:444\"], methods: [PUT], "
        "headers: [X-A], expose: [X-B], max_age: 1h, credentials: true}");
    ASSERT_TRUE(read.cors);
    EXPECT_EQ(read.cors->origins,
              (std::vector<std::string>{"https://shop.test", "https://*.shop.test:444"}));
    EXPECT_EQ(read.cors->methods, std::vector<std::string>{"PUT"});
    EXPECT_EQ(read.cors->headers, std::vector<std::string>{"x-a"});
    EXPECT_EQ(read.cors->expose, std::vector<std::string>{"x-b"});
    EXPECT_EQ(read.cors->max_age, 1h);
    EXPECT_TRUE(read.cors->credentials);
    EXPECT_EQ(actions("cors: {origins: [\"*\"]}").cors->methods,
              (std::vector<std::string>{"GET", "HEAD", "POST"}));
}

TEST(ConfigActions, RefuseCorsThatIsUnsafeOrNone) {
    EXPECT_EQ(codes_of("cors: {}"), "114");
    EXPECT_EQ(codes_of("cors: {origins: [shop.test]}"), "119");
    EXPECT_EQ(codes_of("cors: {origins: [\"https://shop.test/\"]}"), "119");
    EXPECT_EQ(codes_of("cors: {origins: [\"https://shop.*\"]}"), "119");
    EXPECT_EQ(codes_of("cors: {origins: [\"*\"], credentials: true}"), "115");
    EXPECT_EQ(codes_of("cors: {origins: [\"https://a.test\"], headers: [\"a b\"]}"), "119");
}

TEST(ConfigActions, ReadCompression) {
    EXPECT_EQ(actions("compress: [br, gzip]").compress,
              (std::vector<Coding>{Coding::br, Coding::gzip}));
    EXPECT_EQ(actions("compress: zstd").compress, std::vector<Coding>{Coding::zstd});
    EXPECT_EQ(codes_of("compress: [deflate]"), "105");
    EXPECT_EQ(codes_of("compress: [gzip, gzip]"), "131");
}

TEST(ConfigActions, ReadCallsOfGrpc) {
    const auto routes = good(with_route("{to: a, grpc: shop.v1.Orders}")).listeners[0].routes;
    EXPECT_EQ(routes[0].actions.grpc_service, "shop.v1.Orders");
    EXPECT_EQ(routes[0].path, (PathPattern{PathPattern::Kind::prefix, "/shop.v1.Orders/"}));
    const auto one = good(with_route("{to: a, grpc: shop.Orders/Get}")).listeners[0].routes;
    EXPECT_EQ(one[0].actions.grpc_method, "Get");
    EXPECT_EQ(one[0].path, (PathPattern{PathPattern::Kind::exact, "/shop.Orders/Get"}));
    for (const char* wrong : {"/shop.Orders", "shop.Orders/", "shop.Orders/Get/x", "a b", "\"\""})
        EXPECT_EQ(codes_of(std::string("grpc: ") + wrong), "119") << wrong;
    EXPECT_EQ(codes_of("grpc: a.B, path: /x"), "115");
}

TEST(ConfigActions, ReadPathsAsTheyAre) {
    const auto read = actions("merge_slashes: false, allow_encoded_slash: true, websocket: false");
    EXPECT_FALSE(read.merge_slashes);
    EXPECT_TRUE(read.allow_encoded_slash);
    EXPECT_FALSE(read.websocket);
    EXPECT_EQ(codes_of("path: /a//b"), "119");
    EXPECT_EQ(codes_of("path: /a//b, merge_slashes: false"), "");
    const auto config = good(with_route("{to: a, path: \"~ ^/v[0-9]+$\"}"));
    EXPECT_EQ(config.listeners[0].routes[0].path,
              (PathPattern{PathPattern::Kind::regex, "^/v[0-9]+$"}));
    EXPECT_EQ(codes_of("path: \"~\""), "119");
    EXPECT_EQ(codes_of("path: \"~ /a\", rewrite: {path: \"/b/*\"}"), "119");
}

TEST(ConfigBalancing, HashPoliciesHaveAKey) {
    const auto read = [](const std::string& lines) {
        return good(with_cluster("    " + lines + "\n")).clusters.at("a").hash_key;
    };
    using Source = HashKey::Source;
    EXPECT_EQ(read("lb: {policy: maglev, key: \"header:X-User\"}"),
              (HashKey{Source::header, "x-user"}));
    EXPECT_EQ(read("lb: {policy: ring_hash, key: \"cookie:Sid\"}"),
              (HashKey{Source::cookie, "Sid"}));
    EXPECT_EQ(read("lb: {policy: maglev, key: client_ip}"), (HashKey{Source::client_ip, ""}));
    EXPECT_EQ(read("lb: {policy: maglev, key: path}"), (HashKey{Source::path, ""}));
    EXPECT_EQ(read("lb: random"), std::nullopt);
    EXPECT_EQ(codes(with_cluster("    lb: maglev")), "114");
    EXPECT_EQ(codes(with_cluster("    lb: {policy: maglev, key: \"header:\"}")), "104");
    EXPECT_EQ(codes(with_cluster("    lb: {policy: maglev, key: user}")), "104");
}

}  // namespace
}  // namespace weir::config
