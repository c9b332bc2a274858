#include "support.hpp"

namespace weir::config {
namespace {

using namespace std::chrono_literals;
using test::codes;
using test::good;

TEST(RateKey, IsReadAsItIsWritten) {
    EXPECT_EQ(read_rate_key("client_ip")->kind, RateKey::Kind::client_ip);
    EXPECT_EQ(read_rate_key("header:X-User")->name, "x-user");
    EXPECT_EQ(read_rate_key("jwt:https://claims/tenant")->name, "https://claims/tenant");
    EXPECT_TRUE(read_rate_key("jwt:sub")->needs_identity());
    EXPECT_TRUE(read_rate_key("api_key")->needs_identity());
    EXPECT_FALSE(read_rate_key("spiffe")->needs_identity());
    EXPECT_FALSE(read_rate_key("client_ip")->needs_identity());
    for (const auto* text :
         {"", "ip", "client_ip/", "client_ip/0", "client_ip/129", "client_ip/x", "client_ip/24/",
          "header:", "header:a b", "cookie:", "cookie:a=b", "jwt:", "method:", "Global", "route "})
        EXPECT_FALSE(read_rate_key(text).has_value()) << text;
}

// A listener and a route that name what these lines define.
std::string with(const std::string& lines, const std::string& route = "to: a") {
    return "version: 1\nlisteners: [{name: public, listen: \":8080\", routes: [{name: r, " + route +
           "}]}]\nclusters: {a: {endpoints: [\"10.0.0.1:80\"], protocol: h2c}, b: {endpoints: "
           "[\"10.0.0.1:80\"]}}\n" +
           lines;
}
RateLimit limit(const std::string& keys) {
    return good(with("rate_limits: {x: {" + keys +
                     "}}\nredis: {cache: {address: \"cache:6379\"}}\n"))
        .rate_limits.at("x");
}
std::string codes_of(const std::string& keys) {
    return codes(
        with("rate_limits: {x: {" + keys + "}}\nredis: {cache: {address: \"cache:6379\"}}\n"));
}

TEST(ConfigRateLimits, KnowTheirRateAndItsUnit) {
    EXPECT_DOUBLE_EQ(limit("rate: 100/s").rate, 100);
    EXPECT_EQ(limit("rate: 100/s").burst, 100U);
    EXPECT_EQ(limit("rate: 100/s, burst: 200").burst, 200U);
    EXPECT_EQ(limit("rate: 10/m").burst, 1U);
    EXPECT_EQ(limit("rate: 600/m").period, 1min);
    EXPECT_EQ(limit("rate: 5000/d").period, 24h);
}

TEST(ConfigRateLimits, ReadTheirStore) {
    EXPECT_EQ(limit("rate: 1/s").store.kind, RateLimit::Store::Kind::local);
    const auto redis = limit("rate: 1/s, store: {redis: cache}, on_store_failure: deny").store;
    EXPECT_EQ(redis.kind, RateLimit::Store::Kind::redis);
    EXPECT_EQ(redis.name, "cache");
    const auto rls = limit("rate: 1/s, store: {rls: a, domain: edge}").store;
    EXPECT_EQ(rls.kind, RateLimit::Store::Kind::rls);
    EXPECT_EQ(rls.domain, "edge");
    EXPECT_EQ(limit("store: {rls: a}, on_store_failure: allow").rate, 0);  // the service knows it
}

TEST(ConfigRateLimits, RefuseWhatDoesNotGoTogether) {
    EXPECT_EQ(codes_of("burst: 3"), "114");                // no rate
    EXPECT_EQ(codes_of("rate: 5"), "103");                 // no unit
    EXPECT_EQ(codes_of("rate: 0/s"), "111");               //
    EXPECT_EQ(codes_of("rate: 1/s, key: ip"), "105");      // no such key
    EXPECT_EQ(codes_of("rate: 1/s, key: []"), "114");      //
    EXPECT_EQ(codes_of("rate: 1/s, max: 3"), "115");       // of concurrency
    EXPECT_EQ(codes_of("algorithm: concurrency"), "114");  // no max
    EXPECT_EQ(codes_of("algorithm: concurrency, max: 3, rate: 1/s"), "115");
    EXPECT_EQ(codes_of("algorithm: concurrency, max: 3, store: {redis: cache}"), "115");
    EXPECT_EQ(codes_of("rate: 9/m, algorithm: sliding_window, burst: 3"), "115");
    EXPECT_EQ(codes_of("rate: 9/m, algorithm: sliding_window, cost: 10"), "115");
    EXPECT_EQ(codes_of("rate: 1/s, cost: 2"), "115");                        // never passes
    EXPECT_EQ(codes_of("rate: 1/s, store: redis"), "105");                   //
    EXPECT_EQ(codes_of("rate: 1/s, store: {}"), "114");                      //
    EXPECT_EQ(codes_of("rate: 1/s, store: {redis: other}"), "110");          //
    EXPECT_EQ(codes_of("rate: 1/s, store: {rls: b}"), "115");                // no gRPC
    EXPECT_EQ(codes_of("rate: 1/s, store: {rls: other}"), "110");            //
    EXPECT_EQ(codes_of("rate: 1/s, store: {redis: cache, rls: a}"), "115");  //
    EXPECT_EQ(codes_of("rate: 1/s, store: {reddis: cache}"), "101");         //
    EXPECT_EQ(codes_of("rate: 1/s, lease: false"), "202");                   // of redis
    EXPECT_EQ(codes_of("rate: 1/s, on_store_failure: deny"), "202");         //
    EXPECT_EQ(codes_of("rate: 1/s, status: 200"), "117");                    //
}

TEST(ConfigRateLimits, AreNamedByRoutes) {
    const auto lines = "rate_limits: {x: {rate: 1/s}, y: {rate: 2/s}}\n";
    const auto names = [&](const std::string& route) {
        return good(with(lines, "to: a, rate_limit: " + route))
            .listeners[0]
            .routes[0]
            .rate_limits.names;
    };
    using Names = std::vector<std::string>;
    EXPECT_EQ(names("x"), Names{"x"});
    EXPECT_EQ(names("none"), Names{});
    EXPECT_EQ(names("[x, y, x]"), (Names{"x", "y"}));
    EXPECT_EQ(names("{rate: 3/s}"), Names{"public/r"});
    EXPECT_EQ(names("[{rate: 3/s}, x, {rate: 4/m}]"), (Names{"public/r", "x", "public/r-2"}));
    EXPECT_EQ(codes(with(lines, "to: a, rate_limit: z")), "110");
    EXPECT_EQ(codes(with(lines, "to: a, rate_limit: {rat: 3/s}")), "101");
    EXPECT_EQ(codes(with("rate_limits: {\"a b\": {rate: 1/s}}\n")), "118");
}

TEST(ConfigRateLimits, OfAListenerHoldForItsRoutes) {
    const auto config = good(
        "version: 1\nlisteners: [{name: public, listen: \":8080\", rate_limit: {rate: 9/s}, "
        "routes: "
        "[{path: /a, rate_limit: x, to: a}, {path: /b, to: a}]}]\n"
        "clusters: {a: {endpoints: [\"10.0.0.1:80\"]}}\nrate_limits: {x: {rate: 1/s}}\n");
    const auto& listener = config.listeners[0];
    using Names = std::vector<std::string>;
    EXPECT_EQ(listener.rate_limits.names, Names{"public"});
    EXPECT_EQ(listener.routes[0].rate_limits.names, (Names{"public", "x"}));
    EXPECT_EQ(listener.routes[1].rate_limits.names, Names{"public"});
    EXPECT_DOUBLE_EQ(config.rate_limits.at("public").rate, 9);
}

TEST(ConfigRedis, SaysWhereAndHow) {
    const auto redis =
        good(with("redis: {cache: {address: \"cache:6379\", user: weir, timeout: 5ms, tls: {}}}\n"))
            .redis.at("cache");
    EXPECT_EQ(redis.endpoint.host, "cache");
    EXPECT_EQ(redis.endpoint.port, 6379);
    EXPECT_EQ(redis.user, "weir");
    EXPECT_EQ(redis.timeout, 5ms);
    EXPECT_TRUE(redis.tls.has_value());
    EXPECT_EQ(codes(with("redis: {cache: {}}\n")), "114");
    EXPECT_EQ(codes(with("redis: {cache: {address: \"cache\"}}\n")), "113");
    EXPECT_EQ(codes(with("redis: {cache: {address: \"a:1\", tls: {mode: strict}}}\n")), "115");
}

}  // namespace
}  // namespace weir::config
