#include "weir/route/route_table.hpp"

#include <gtest/gtest.h>

namespace weir::route {
namespace {

using config::PathPattern;
using config::Problem;

config::Route route(std::uint32_t line, PathPattern::Kind kind, std::string path) {
    config::Route made;
    made.name = "r";
    made.path.kind = kind;
    made.path.text = std::move(path);
    made.place.line = line;
    made.action = config::Respond{};
    return made;
}

config::Route prefix(std::uint32_t line, std::string path) {
    return route(line, PathPattern::Kind::prefix, std::move(path));
}
config::Route exact(std::uint32_t line, std::string path) {
    return route(line, PathPattern::Kind::exact, std::move(path));
}
config::Route templated(std::uint32_t line, std::string path) {
    return route(line, PathPattern::Kind::templated, std::move(path));
}

std::vector<Problem> problems(std::vector<config::Route> routes) {
    config::Config config;
    config.listeners.emplace_back().routes = std::move(routes);
    config::Report report;
    check(config, report);
    return report.sorted();
}

TEST(RouteCheck, FindsNothingWrongWithGoodRoutes) {
    auto rewriting = templated(3, "/u/{id}");
    rewriting.rewrite_path = "/users/{id}";
    EXPECT_TRUE(problems({exact(1, "/a"), prefix(2, "/a/"), rewriting, prefix(4, "/")}).empty());
}

TEST(RouteCheck, WarnsOfARouteThatNeverMatches) {
    const auto found = problems({prefix(9, "/"), prefix(10, "/orders/")});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].severity, Problem::Severity::warning);
    EXPECT_EQ(found[0].code, 201);
    EXPECT_EQ(found[0].place.line, 10U);
    EXPECT_EQ(found[0].what, "this route can never match, line 9 already takes path '/*'");
    EXPECT_EQ(found[0].note, "move it above line 9");
}

TEST(RouteCheck, KnowsWhatCoversWhat) {
    auto with_host = [](config::Route made, std::string host) {
        made.hosts = {std::move(host)};
        return made;
    };
    auto with_method = [](config::Route made, std::vector<std::string> methods) {
        made.methods = std::move(methods);
        return made;
    };
    auto with_header = [](config::Route made) {
        made.headers.push_back(
            {.name = "x-a", .kind = config::Matcher::Kind::exact, .value = "1", .place = {}});
        return made;
    };
    struct Row {
        config::Route first;
        config::Route second;
        bool is_covered;
    };
    const Row rows[] = {
        {exact(1, "/a"), exact(2, "/a"), true},
        {exact(1, "/a"), prefix(2, "/a/"), false},
        {prefix(1, "/a/"), exact(2, "/a"), false},
        {prefix(1, "/a/"), exact(2, "/a/b"), true},
        {prefix(1, "/a/b/"), prefix(2, "/a/"), false},
        {templated(1, "/{x}"), exact(2, "/a"), true},
        {templated(1, "/{x}/"), prefix(2, "/a/"), true},
        {templated(1, "/{x}"), templated(2, "/{y}"), true},
        {exact(1, "/a"), templated(2, "/{x}"), false},
        {prefix(1, "/"), templated(2, "/u/{x}"), true},
        {with_host(prefix(1, "/"), "a"), prefix(2, "/"), false},
        {prefix(1, "/"), with_host(prefix(2, "/"), "a"), true},
        {with_host(prefix(1, "/"), "*.a"), with_host(prefix(2, "/"), "b.a"), true},
        {with_host(prefix(1, "/"), "*.a"), with_host(prefix(2, "/"), "*.b.a"), true},
        {with_host(prefix(1, "/"), "*.b.a"), with_host(prefix(2, "/"), "*.a"), false},
        {with_host(prefix(1, "/"), "*.a"), with_host(prefix(2, "/"), "a"), false},
        {with_method(prefix(1, "/"), {"GET"}), prefix(2, "/"), false},
        {with_method(prefix(1, "/"), {"GET", "POST"}), with_method(prefix(2, "/"), {"GET"}), true},
        {with_method(prefix(1, "/"), {"GET"}), with_method(prefix(2, "/"), {"GET", "POST"}), false},
        {with_header(prefix(1, "/")), prefix(2, "/"), false},
        {prefix(1, "/"), with_header(prefix(2, "/")), true},
        {with_header(prefix(1, "/")), with_header(prefix(2, "/")), true},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(problems({row.first, row.second}).size(), row.is_covered ? 1U : 0U)
            << &row - rows << ": " << row.first.path.text << " before " << row.second.path.text;
    }
}

TEST(RouteCheck, RefusesWhatTheTableCannotHold) {
    auto rewriting = templated(1, "/u/{id}");
    rewriting.rewrite_path = "/users/{name}";
    auto redirecting = exact(2, "/old");
    redirecting.action = config::Redirect{"/new/{id}"};
    auto half = templated(3, "/v{n}");
    auto regex = exact(4, "/r");
    regex.headers.push_back(
        {.name = "x", .kind = config::Matcher::Kind::regex, .value = "(", .place = {}});
    const auto found = problems({rewriting, redirecting, half, regex});
    ASSERT_EQ(found.size(), 4U);
    for (const auto& problem : found) {
        EXPECT_EQ(problem.severity, Problem::Severity::error);
        EXPECT_EQ(problem.code, 119);
    }
}

}  // namespace
}  // namespace weir::route
