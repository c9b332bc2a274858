#include "support.hpp"

namespace weir::config {
namespace {

using namespace std::chrono_literals;
using test::codes;
using test::good;
using test::with_cluster;
using test::with_route;

Cluster cluster(const std::string& lines) {
    const auto config = good(with_cluster("    " + lines + "\n"));
    const auto found = config.clusters.find("a");
    return found == config.clusters.end() ? Cluster() : found->second;
}
std::string codes_of(const std::string& lines, const std::string& defaults = {}) {
    return codes(with_cluster("    " + lines + "\n") +
                 (defaults.empty() ? "" : "defaults: {" + defaults + "}\n"));
}

// A front cluster, `a` with this breaker, and `b` with that.
std::string two(const std::string& of_a,
                const std::string& of_b,
                const std::string& defaults = "{}") {
    const auto breaker = [](const std::string& fallback) {
        return fallback.empty() ? std::string() : ", breaker: {fallback: " + fallback + "}";
    };
    return test::kListener + "clusters:\n  a: {endpoints: [\"10.0.0.1:80\"]" + breaker(of_a) +
           "}\n  b: {endpoints: [\"10.0.0.2:80\"]" + breaker(of_b) + "}\ndefaults: " + defaults +
           "\n";
}
std::string fallback_of(const Config& config, const std::string& name) {
    const auto& fallback = config.clusters.at(name).breaker.fallback;
    return fallback ? fallback->to : "none";
}

TEST(Health, IsOffUnlessItIsWritten) {
    EXPECT_FALSE(cluster("").health);
    EXPECT_FALSE(cluster("health: off").health);
    EXPECT_EQ(cluster("health: {}").health, Health());
}

TEST(Health, IsAPathOrAnObject) {
    EXPECT_EQ(cluster("health: /status?deep=1").health->path, "/status?deep=1");
    const auto all = *cluster(
                          "health: {path: /x, port: 81, interval: 2s, timeout: 500ms, "
                          "healthy_after: 1, unhealthy_after: 4, expect: \"200-204, 301\"}")
                          .health;
    EXPECT_EQ(all.path, "/x");
    EXPECT_EQ(all.port, 81);
    EXPECT_EQ(all.interval, 2s);
    EXPECT_EQ(all.timeout, 500ms);
    EXPECT_EQ(all.healthy_after, 1U);
    EXPECT_EQ(all.unhealthy_after, 4U);
    EXPECT_EQ(all.expect.count(), 6U);
    EXPECT_TRUE(all.expect.test(204) && all.expect.test(301) && !all.expect.test(205));
    EXPECT_EQ(cluster("health: {type: tcp}").health->type, Health::Type::tcp);
}

TEST(Health, RefusesWhatMeansNothing) {
    EXPECT_EQ(codes_of("health: status"), "119");
    EXPECT_EQ(codes_of("health: \"/a b\""), "119");
    EXPECT_EQ(codes_of("health: \"/a\\r\\nx: y\""), "119");
    EXPECT_EQ(codes_of("health: false"), "104");
    EXPECT_EQ(codes_of("health: {type: grpc}"), "115");
    EXPECT_EQ(codes_of("health: {type: udp}"), "105");
    EXPECT_EQ(codes_of("health: {type: tcp, path: /x}"), "115");
    EXPECT_EQ(codes_of("health: {type: tcp, expect: \"200\"}"), "115");
    EXPECT_EQ(codes_of("health: {interval: 1s}"), "140");
    EXPECT_EQ(codes_of("health: {interval: 3s, timeout: 3s}"), "140");
    EXPECT_EQ(codes_of("health: {interval: 3s, timeout: 2s}"), "");
    EXPECT_EQ(codes_of("health: {port: 0}"), "117");
    for (const auto* expect : {"0", "600", "199", "299-200", "200,", "2xx", "", "-200", "200--204"})
        EXPECT_EQ(codes_of("health: {expect: \"" + std::string(expect) + "\"}"), "104") << expect;
}

TEST(NoneReady, IsInheritedAndOverridden) {
    const auto of = [](const std::string& lines) {
        return good(with_cluster(lines)).clusters.at("a").when_none_ready;
    };
    EXPECT_EQ(of(""), NoneReady::least_bad);
    EXPECT_EQ(of("    lb: {when_none_ready: fail}\n"), NoneReady::fail);
    EXPECT_EQ(of("defaults: {lb: {when_none_ready: all}}\n"), NoneReady::all);
    EXPECT_EQ(of("    lb: {when_none_ready: fail}\ndefaults: {lb: {when_none_ready: all}}\n"),
              NoneReady::fail);
}

TEST(StallAfter, IsAutoOffOrADuration) {
    EXPECT_EQ(cluster("").breaker.stall_after.kind, StallAfter::Kind::automatic);
    EXPECT_EQ(cluster("breaker: {stall_after: off}").breaker.stall_after.kind,
              StallAfter::Kind::off);
    const auto stall = cluster("outlier: {stall_after: 3s}").outlier.stall_after;
    EXPECT_EQ(stall.kind, StallAfter::Kind::after);
    EXPECT_EQ(stall.after, 3s);
    EXPECT_EQ(codes_of("outlier: {stall_after: never}"), "104");
}

TEST(FailureOn, ReplacesTheListWhole) {
    const auto on =
        cluster("breaker: {failure_on: [reset, 429, 5xx, \"grpc:aborted\"]}").breaker.failure_on;
    EXPECT_TRUE(on.reset && !on.connect && !on.timeout);
    EXPECT_EQ(on.statuses.count(), 101U);
    EXPECT_TRUE(on.statuses.test(429) && on.statuses.test(500) && on.statuses.test(599));
    EXPECT_EQ(on.grpc, GrpcCodes{1} << 10U);
    const FailureOn built_in = cluster("").breaker.failure_on;
    EXPECT_TRUE(built_in.connect && built_in.timeout && built_in.reset);
    EXPECT_EQ(built_in.statuses.count(), 4U);
    EXPECT_EQ(built_in.grpc, (1U << 2U) | (1U << 13U) | (1U << 14U) | (1U << 15U) | (1U << 4U));
    for (const auto* word : {"200", "600", "6xx", "refused", "50x"})
        EXPECT_EQ(codes_of("breaker: {failure_on: [" + std::string(word) + "]}"), "105") << word;
    EXPECT_EQ(codes_of("breaker: {failure_on: [\"grpc:ok\"]}"), "105");
    EXPECT_EQ(codes_of("breaker: {failure_on: [\"grpc:unavailble\"]}"), "105");
}

TEST(RetryOn, KeepsWhatActsWithLaterProtocols) {
    const auto built_in = cluster("").retry.on;
    EXPECT_TRUE(built_in.refused && built_in.connect && built_in.reused && built_in.status_503);
    EXPECT_EQ(built_in.grpc, GrpcCodes{1} << 14U);
    const auto on = cluster("retry: {on: [reset, \"grpc:*\"]}").retry.on;
    EXPECT_TRUE(on.reset && !on.refused && !on.connect);
    EXPECT_EQ(on.grpc, 0x1FFFEU);
    EXPECT_EQ(codes_of("retry: {on: [\"grpc:nothing\"]}"), "105");
}

TEST(LatencyFactor, IsATimesOrOff) {
    EXPECT_FALSE(cluster("").outlier.latency_factor);
    EXPECT_FALSE(cluster("outlier: {latency_factor: off}").outlier.latency_factor);
    EXPECT_DOUBLE_EQ(*cluster("outlier: {latency_factor: 3x}").outlier.latency_factor, 3);
    EXPECT_DOUBLE_EQ(*cluster("outlier: {latency_factor: 2.5x}").outlier.latency_factor, 2.5);
    for (const auto* text : {"3", "x", "1x", "0.5x", "-3x", "three"})
        EXPECT_EQ(codes_of("outlier: {latency_factor: \"" + std::string(text) + "\"}"), "104")
            << text;
}

TEST(Fallback, IsAnAnswerOrACluster) {
    const auto answer = cluster("breaker: {fallback: {status: 200, body: hi}}").breaker.fallback;
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "hi");
    EXPECT_EQ(fallback_of(good(two("{to: b}", "")), "a"), "b");
    EXPECT_EQ(codes_of("breaker: {fallback: {to: \"h:1\", status: 200}}"), "115");
    EXPECT_EQ(codes_of("breaker: {fallback: {status: 204, body: x}}"), "115");
    EXPECT_EQ(codes_of("breaker: {fallback: {to: nobody}}"), "110");
    EXPECT_EQ(codes_of("breaker: {fallback: b}"), "108");
}

TEST(Fallback, MayBeAnAddressThatIsNoCluster) {
    const auto config = good(two("{to: \"10.0.0.9:80\"}", ""));
    EXPECT_EQ(fallback_of(config, "a"), "10.0.0.9:80");
    ASSERT_TRUE(config.clusters.contains("10.0.0.9:80"));
    EXPECT_EQ(fallback_of(config, "10.0.0.9:80"), "none");
}

TEST(Fallback, OfAllIsNotForTheOneThatTheyFallBackTo) {
    const auto config = good(two("", "", "{breaker: {fallback: {to: b}}}"));
    EXPECT_EQ(fallback_of(config, "a"), "b");
    EXPECT_EQ(fallback_of(config, "b"), "none");
    const auto to_address = good(two("", "none", "{breaker: {fallback: {to: \"h:1\"}}}"));
    EXPECT_EQ(fallback_of(to_address, "a"), "h:1");
    EXPECT_EQ(fallback_of(to_address, "b"), "none");
    EXPECT_EQ(fallback_of(to_address, "h:1"), "none");
    EXPECT_EQ(codes(two("", "", "{breaker: {fallback: {to: c}}}")), "110");  // said once
}

TEST(Fallback, NeverGoesRoundInACircle) {
    EXPECT_EQ(codes(two("{to: a}", "")), "115");
    EXPECT_EQ(codes(two("{to: b}", "{to: a}")), "115 115");
    EXPECT_EQ(codes(two("{to: b}", "{to: b}")), "115");
    EXPECT_EQ(codes(two("{to: b}", "{status: 503}")), "");
    EXPECT_EQ(codes(with_route("{to: a, breaker: {fallback: {to: a}}}")), "115");
}

TEST(BreakerOfARoute, IsThereOnlyWhereItIsWritten) {
    const auto target = [](const std::string& route) {
        return std::get<Forward>(good(with_route(route)).listeners[0].routes[0].action).targets[0];
    };
    EXPECT_FALSE(target("{to: a}").breaker);
    EXPECT_EQ(target("{to: a, breaker: off}").breaker->mode, Enforcement::off);
    EXPECT_EQ(target("{to: a, breaker: {open_for: 2s}}").breaker->max_open_for, 2s);
    EXPECT_EQ(codes(with_route("{to: a, breaker: {scope: route}}")), "115");
}

TEST(BreakerOfARoute, StandsOverThatOfItsCluster) {
    const auto config = good(
        "version: 1\nlisteners: [{listen: \":8080\", routes: [{to: a, breaker: {window: 5s}}]}]\n"
        "clusters: {a: {endpoints: [\"10.0.0.1:80\"], breaker: {min_requests: 7}}}\n");
    const auto& target = std::get<Forward>(config.listeners[0].routes[0].action).targets[0];
    ASSERT_TRUE(target.breaker);
    EXPECT_EQ(target.breaker->min_requests, 7U);
    EXPECT_EQ(target.breaker->window, 5s);
    EXPECT_EQ(config.clusters.at("a").breaker.window, 10s);
}

TEST(ResilienceContradictions, AreFoundByTheCode) {
    const struct {
        const char* cluster;
        const char* defaults;
        const char* codes;
    } cases[] = {{"breaker: {slow_rate: 50%}", "", "202"},
                 {"outlier: {slow_rate: 50%}", "", "202"},
                 {"outlier: {slow_rate: 50%, slow_call: 1s}", "", ""},
                 {"outlier: {slow_rate: 50%}", "outlier: {slow_call: 1s}", ""},
                 {"breaker: {}", "breaker: {slow_rate: 50%}", ""},
                 {"breaker: {slow_call: 60s}", "", "140"},
                 {"breaker: {stall_after: 60s}", "", "140"},
                 {"outlier: {stall_after: 3s}", "timeout: 3s", "140"},
                 {"outlier: {stall_after: 3s}", "", ""},
                 {"timeout: 3s", "outlier: {stall_after: 5s}", ""},
                 {"timeout: never", "outlier: {stall_after: 5h}", ""},
                 {"retry: {hedge_after: 60s}", "", "140"},
                 {"retry: {hedge_after: 1s, per_try_timeout: 1s}", "", "140"},
                 {"retry: {hedge_after: 1s, per_try_timeout: 2s}", "", ""},
                 {"timeout: 500ms", "retry: {hedge_after: 1s}", ""}};
    for (const auto& [lines, defaults, expected] : cases)
        EXPECT_EQ(codes_of(lines, defaults), expected) << lines << " / " << defaults;
}

TEST(ModesOfShadow, AreNeverOff) {
    EXPECT_EQ(cluster("retry: {mode: shadow}").retry.mode, Enforcement::shadow);
    EXPECT_EQ(cluster("limits: {mode: shadow}").limits.mode, Enforcement::shadow);
    EXPECT_EQ(codes_of("retry: {mode: off}"), "105");
    EXPECT_EQ(codes_of("limits: {mode: off}"), "105");
}

}  // namespace
}  // namespace weir::config
