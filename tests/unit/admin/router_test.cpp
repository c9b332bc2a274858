#include "admin/router.hpp"

#include "unit/admin/support.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace weir::admin {
namespace {

Response first(const Request&, const Context&) {
    return text_response(200, "first");
}
Response parameters(const Request& request, const Context&) {
    std::string text;
    for (const std::string& value : request.parameters)
        text += "<" + value + ">";
    return text_response(200, text);
}

constexpr Route kTable[] = {
    {http::Method::get, "/", Ports::admin, first, ""},
    {http::Method::get, "/both", Ports::both, first, ""},
    {http::Method::get, "/things/{a}/parts/{b}", Ports::admin, parameters, ""},
    {http::Method::post, "/things/{a}/parts/{b}", Ports::admin, first, ""},
    {http::Method::post, "/act", Ports::admin, first, ""},
    {http::Method::get, "/things/{a}", Ports::admin, parameters, ""},
};

class Router : public testing::Test {
  protected:
    Response ask(http::Method method, std::string path, Server::Port port = Server::Port::admin) {
        Request request;
        request.method = method;
        request.path = std::move(path);
        Found found = find_route(kTable, port, request);
        if (found.route == nullptr) return std::move(found.refusal);
        request.parameters = std::move(found.parameters);
        return found.route->handler(request, process_.context());
    }
    Response get(std::string path) { return ask(http::Method::get, std::move(path)); }

    FakeProcess process_;
};

TEST_F(Router, TakesAPathWholeAndHandsOverItsParameters) {
    EXPECT_EQ(get("/").body, "first");
    EXPECT_EQ(get("/things/a%3A80/parts/x").body, "<a:80><x>");
    EXPECT_EQ(ask(http::Method::post, "/things/1/parts/2").body, "first");
    for (const char* path : {"/thing", "/things", "/things/1/parts", "/things//parts/x",
                             "/things/1/parts/2/", "/things/1/parts/2/3", "/both/", "//", "/bot"}) {
        EXPECT_EQ(get(path).status, 404) << path;
    }
}

TEST_F(Router, TakesThePathOfAUnixSocketAsOneParameter) {
    EXPECT_EQ(get("/things/unix:/run/a.sock").body, "<unix:/run/a.sock>");
    EXPECT_EQ(get("/things/orders/parts/unix:/run/a.sock").body, "<orders><unix:/run/a.sock>");
    EXPECT_EQ(get("/things/unix:/run/c/parts/unix:/a").body, "<unix:/run/c><unix:/a>");
    EXPECT_EQ(get("/things/unix:@name/parts/x").body, "<unix:@name><x>");
    EXPECT_EQ(get("/things/orders/run/a.sock").status, 404);
}

TEST_F(Router, TreatsHeadAsGet) {
    EXPECT_EQ(ask(http::Method::head, "/both").status, 200);
    EXPECT_EQ(ask(http::Method::head, "/act").status, 405);
}

TEST_F(Router, NamesTheMethodsOfAPathWhenItsMethodIsAnother) {
    const Response response = ask(http::Method::put, "/things/1/parts/2");
    EXPECT_EQ(response.status, 405);
    EXPECT_EQ(response.allow, "GET, HEAD, POST");
    EXPECT_EQ(ask(http::Method::get, "/act").allow, "POST");
    EXPECT_EQ(ask(http::Method::other, "/both").status, 405);
}

TEST_F(Router, HidesFromTheTelemetryPortWhatIsNotForIt) {
    EXPECT_EQ(ask(http::Method::get, "/both", Server::Port::telemetry).status, 200);
    EXPECT_EQ(ask(http::Method::get, "/", Server::Port::telemetry).status, 404);
    EXPECT_EQ(ask(http::Method::post, "/act", Server::Port::telemetry).status, 404);
    EXPECT_EQ(ask(http::Method::get, "/act", Server::Port::telemetry).status, 404);
}

TEST(Routes, OnlyHealthProbesAndMetricsAreOnBothPorts) {
    std::set<std::string_view> both;
    for (const Route& route : routes()) {
        if (route.ports == Ports::both) both.insert(route.path);
    }
    EXPECT_THAT(both, testing::ElementsAre("/healthz", "/metrics", "/probe/{container}/{kind}",
                                           "/readyz", "/startupz"));
}

TEST(Routes, EachPathIsThereOnceAMethodAndHasADescription) {
    std::set<std::pair<http::Method, std::string_view>> seen;
    for (const Route& route : routes()) {
        EXPECT_TRUE(seen.emplace(route.method, route.path).second) << route.path;
        EXPECT_TRUE(route.doc.ends_with('.') || route.doc.find('?') != std::string_view::npos)
            << route.path;
        EXPECT_NE(route.handler, nullptr);
    }
}

TEST(Routes, WhatChangesSomethingHasAnOperationAndIsNoGet) {
    std::set<std::string_view> operations;
    for (const Route& route : routes()) {
        const bool only_looks =
            route.method == http::Method::get || route.path.ends_with("/validate");
        EXPECT_EQ(route.operation.empty(), only_looks) << route.path;
        if (only_looks) continue;
        EXPECT_TRUE(operations.insert(route.operation).second) << route.path;
        EXPECT_EQ(route.ports, Ports::admin) << route.path;
    }
}

}  // namespace
}  // namespace weir::admin
