#include "weir/route/route_table.hpp"

#include "support.hpp"

namespace weir::config {
namespace {

using namespace std::chrono_literals;
using test::codes;
using test::good;
using test::with_route;

Route route(const std::string& text) {
    return good(with_route(text)).listeners.at(0).routes.at(0);
}
const Forward& forward(const Route& route) {
    return std::get<Forward>(route.action);
}

TEST(ConfigRoutes, ReadPathsByTheirForm) {
    using Kind = PathPattern::Kind;
    const struct {
        const char* written;
        Kind kind;
        const char* text;
    } cases[] = {{"/a", Kind::exact, "/a"},
                 {"/a/", Kind::prefix, "/a/"},
                 {"/a/*", Kind::prefix, "/a/"},
                 {"/", Kind::prefix, "/"},
                 {"/*", Kind::prefix, "/"},
                 {"/u/{id}", Kind::templated, "/u/{id}"},
                 {"/u/{id}/*", Kind::templated, "/u/{id}/"},
                 {"/a.b/c", Kind::exact, "/a.b/c"}};
    for (const auto& [written, kind, text] : cases) {
        const auto path = route("{path: \"" + std::string(written) + "\", to: a}").path;
        EXPECT_EQ(path.kind, kind) << written;
        EXPECT_EQ(path.text, text) << written;
    }
    EXPECT_EQ(route("{to: a}").path, PathPattern());
}

TEST(ConfigRoutes, ReadConditions) {
    const auto read = route(
        "{to: a, host: [Shop.Example, \"*.x.org\"], method: [GET, POST], header: {X-A: b, y: "
        "present, z: \"~ ^1$\"}, query: {Q: \"true\"}}");
    EXPECT_EQ(read.hosts, (std::vector<std::string>{"shop.example", "*.x.org"}));
    EXPECT_EQ(read.methods, (std::vector<std::string>{"GET", "POST"}));
    ASSERT_EQ(read.headers.size(), 3U);
    EXPECT_EQ(read.headers[0].name, "x-a");
    EXPECT_EQ(read.headers[0].value, "b");
    EXPECT_EQ(read.headers[1].kind, Matcher::Kind::present);
    EXPECT_EQ(read.headers[2].kind, Matcher::Kind::regex);
    EXPECT_EQ(read.headers[2].value, "^1$");
    ASSERT_EQ(read.query.size(), 1U);
    EXPECT_EQ(read.query[0].name, "Q");
}

TEST(ConfigRoutes, ReadActions) {
    const auto answer = std::get<Respond>(route("{respond: {status: 404, body: \"no\"}}").action);
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.body, "no");
    EXPECT_EQ(
        std::get<Redirect>(route("{path: \"/u/{id}\", redirect: \"/v/{id}\"}").action).location,
        "/v/{id}");
    const auto rewritten =
        route("{path: /a/*, to: a, rewrite: {path: /b/*, host: x}, max_body: 1MB}");
    EXPECT_EQ(rewritten.rewrite_path, "/b/*");
    EXPECT_EQ(rewritten.rewrite_host, "x");
    EXPECT_EQ(rewritten.max_body, 1'000'000U);
}

TEST(ConfigRoutes, SettleTimeoutsAndRetriesPerTarget) {
    const auto config = good(
        "version: 1\nlisteners:\n  - listen: :8080\n    routes:\n"
        "      - {to: {a: 50%, b: 50%}, timeout: {total: 9s}, retry: 1}\n      - {path: /x, to: "
        "a}\n"
        "clusters:\n  a: {endpoints: [\"10.0.0.1:80\"], timeout: {request: 2s}, retry: {buffer: "
        "1KiB}}\n"
        "  b: {endpoints: [\"10.0.0.2:80\"], retry: off}\ndefaults: {timeout: {request: 4s}}\n");
    const auto& routes = config.listeners.at(0).routes;
    const auto& targets = forward(routes.at(0)).targets;
    ASSERT_EQ(targets.size(), 2U);
    EXPECT_EQ(targets[0].timeout.request, Duration(2s));
    EXPECT_EQ(targets[1].timeout.request, Duration(4s));
    EXPECT_EQ(targets[0].timeout.total, Duration(9s));
    EXPECT_EQ(targets[0].retry.attempts, 1U);
    EXPECT_EQ(targets[0].retry.buffer, 1024U);
    EXPECT_EQ(targets[1].retry.attempts, 1U);
    EXPECT_EQ(forward(routes.at(1)).targets.at(0).timeout.total, std::nullopt);
    EXPECT_EQ(config.clusters.at("b").retry.attempts, 0U);
}

TEST(ConfigRoutes, ReadTargetsInEachForm) {
    const auto inline_one =
        good("version: 1\nlisteners: [{listen: \":80\", to: \"127.0.0.1:9000\"}]\n");
    EXPECT_EQ(forward(inline_one.listeners[0].routes[0]).targets.at(0).cluster, "127.0.0.1:9000");
    EXPECT_TRUE(inline_one.clusters.at("127.0.0.1:9000").is_inline);
    EXPECT_EQ(inline_one.listeners[0].routes[0].name, "default");

    const auto list =
        good("version: 1\nlisteners: [{listen: \":80\", to: [\"a:80\", \"b:80\"]}]\n");
    ASSERT_EQ(forward(list.listeners[0].routes[0]).targets.size(), 1U);
    const auto& both = list.clusters.at("a:80, b:80");
    EXPECT_EQ(both.endpoints.size(), 2U);
    EXPECT_EQ(both.discovery.type, Discovery::Type::dns);

    const auto shares = route("{to: {a: 99.5%, \"127.0.0.1:1\": 0.5%}}");
    ASSERT_EQ(forward(shares).targets.size(), 2U);
    EXPECT_EQ(forward(shares).targets[0].weight, 9950U);
    EXPECT_EQ(forward(shares).targets[1].weight, 50U);

    const auto mixed = route("{to: [\"x:80\", a, \"y:80\"]}");
    ASSERT_EQ(forward(mixed).targets.size(), 2U);
    EXPECT_EQ(forward(mixed).targets[0].weight, 1U);
    EXPECT_EQ(forward(mixed).targets[1].cluster, "x:80, y:80");
    EXPECT_EQ(forward(mixed).targets[1].weight, 2U);
}

TEST(ConfigRoutes, GiveInlineClustersTheDefaults) {
    const auto config = good(
        "version: 1\nlisteners: [{listen: \":80\", to: \"127.0.0.1:1\"}]\ndefaults: {breaker: "
        "{open_for: 2s}, lb: random, timeout: 5s}\n");
    const auto& cluster = config.clusters.at("127.0.0.1:1");
    EXPECT_EQ(cluster.breaker.open_for, 2s);
    EXPECT_EQ(cluster.breaker.max_open_for, 2s);
    EXPECT_EQ(cluster.policy, Policy::random);
    EXPECT_EQ(forward(config.listeners[0].routes[0]).targets[0].timeout.request, Duration(5s));
}

TEST(ConfigRoutes, NameThemselvesOnce) {
    const auto config = good(
        "version: 1\nlisteners:\n  - listen: :80\n    routes:\n      - {name: route-2, path: /x, "
        "to: \"h:1\"}\n      - {path: /y, to: \"h:1\"}\n      - {path: /z, to: \"h:1\"}\n");
    const auto& routes = config.listeners[0].routes;
    EXPECT_EQ(routes[0].name, "route-2");
    EXPECT_EQ(routes[1].name, "route-2_");
    EXPECT_EQ(routes[2].name, "route-3");
}

TEST(ConfigRoutes, RefuseWhatCannotWork) {
    const struct {
        const char* route;
        const char* codes;
    } cases[] = {{"{}", "114"},
                 {"{path: /a}", "114"},
                 {"{to: a, redirect: /x}", "115"},
                 {"{to: b}", "110"},
                 {"{to: [b, a]}", "110"},
                 {"{to: []}", "114"},
                 {"{to: {}}", "141"},
                 {"{to: {a: 50%}}", "141"},
                 {"{to: {a: 50}}", "106"},
                 {"{to: {a: 120%}}", "117"},
                 {"{to: \"a:99999\"}", "111"},
                 {"{to: }", "108"},
                 {"{to: a, path: a}", "119"},
                 {"{to: a, path: /a*}", "119"},
                 {"{to: a, path: /*/a}", "119"},
                 {"{to: a, path: //a}", "119"},
                 {"{to: a, path: /a/../b}", "119"},
                 {"{to: a, path: \"/a?x\"}", "119"},
                 {"{to: a, path: \"/u/{id\"}", "119"},
                 {"{to: a, path: \"/u/x{id}\"}", "119"},
                 {"{to: a, path: \"/{id}/{id}\"}", "119"},
                 {"{to: a, path: [/a, /b]}", "108"},
                 {"{to: a, host: \"*\"}", "119"},
                 {"{to: a, host: \"shop:80\"}", "119"},
                 {"{to: a, host: \"a.*\"}", "119"},
                 {"{to: a, method: get}", "104"},
                 {"{to: a, header: {\"a b\": c}}", "119"},
                 {"{to: a, header: [a]}", "108"},
                 {"{to: a, header: {a: \"~\"}}", "119"},
                 {"{to: a, rewrite: {path: b}}", "119"},
                 {"{to: a, rewrite: {path: \"/{x}\"}}", "119"},
                 {"{to: a, path: /a, rewrite: {path: /b/*}}", "119"},
                 {"{to: a, path: /a/*, rewrite: {path: /*/b}}", "119"},
                 {"{redirect: \"/{x}\"}", "119"},
                 {"{respond: {status: 99}}", "117"},
                 {"{respond: {status: 204, body: x}}", "115"},
                 {"{respond: {}, retry: 1}", "115"},
                 {"{to: a, timeout: {client_idle: 1s}}", "115"},
                 {"{to: a, retry: {per_try_timeout: 60s}}", "140"},
                 {"{to: a, name: \"x y\"}", "118"},
                 {"{respond: {status: 204}, breaker: off}", "115"}};
    for (const auto& [text, expected] : cases)
        EXPECT_EQ(codes(with_route(text)), expected) << text;
}

TEST(ConfigRoutes, WarnOfThoseThatNeverMatch) {
    const struct {
        const char* first;
        const char* second;
        bool is_hidden;
    } cases[] = {{"path: /*", "path: /orders/*", true},
                 {"path: /orders/*", "path: /*", false},
                 {"path: /a/*", "path: /a", false},
                 {"path: /a/*", "path: \"/a/{id}\"", true},
                 {"path: \"/a/{id}\"", "path: /a/*", false},
                 {"path: /a", "path: /a", true},
                 {"path: /*, method: GET", "path: /a", false},
                 {"path: /*, method: [GET, POST]", "path: /a, method: GET", true},
                 {"path: /*, host: \"*.x.org\"", "path: /a, host: a.x.org", true},
                 {"path: /*, host: \"*.x.org\"", "path: /a, host: x.org", false},
                 {"path: /*, host: x.org", "path: /a", false},
                 {"path: /*, header: {x: y}", "path: /a", false},
                 {"path: /*, header: {x: y}", "path: /a, header: {x: y, z: present}", true},
                 {"path: /*, query: {x: y}", "path: /a, query: {x: z}", false}};
    for (const auto& [first, second, is_hidden] : cases) {
        const auto text =
            with_route("{" + std::string(first) + ", to: a}\n      - {" + second + ", to: a}");
        auto result = test::load(text);
        route::check(*result.draft, result.report);
        EXPECT_EQ(codes(result), is_hidden ? "201" : "") << first << " | " << second;
        EXPECT_TRUE(result) << "a warning is no error";
    }
}

TEST(ConfigRoutes, WriteNothingThatWouldEndALineOfTheHead) {
    EXPECT_EQ(codes(with_route(R"({redirect: "/x\r\nA: b"})")), "119");
    EXPECT_EQ(codes(with_route(R"({redirect: "/a b"})")), "119");
    EXPECT_EQ(codes(with_route(R"({to: a, rewrite: {path: "/x HTTP/1.1\r\nA: b"}})")), "119");
    EXPECT_EQ(codes(with_route(R"({to: a, rewrite: {host: "x\r\nA: b"}})")), "119");
    EXPECT_EQ(codes(with_route("{to: a, rewrite: {host: a b}}")), "119");
    for (const auto* host : {"x", "x.org:8080", "10.0.0.1", "10.0.0.1:80", "[::1]", "[::1]:80"}) {
        const auto text = "{to: a, rewrite: {host: \"" + std::string(host) + "\"}}";
        EXPECT_EQ(route(text).rewrite_host, host);
    }
    EXPECT_EQ(route("{to: a, rewrite: {host: keep}}").rewrite_host, std::nullopt);
    EXPECT_EQ(route("{redirect: \"https://x.org/é/*\"}").action,
              (decltype(Route::action){Redirect{"https://x.org/é/*"}}));
}

TEST(ConfigRoutes, RefuseListsThatNameNothing) {
    EXPECT_EQ(codes(with_route("{to: a, host: []}")), "114");
    EXPECT_EQ(codes(with_route("{to: a, method: []}")), "114");
}

}  // namespace
}  // namespace weir::config
