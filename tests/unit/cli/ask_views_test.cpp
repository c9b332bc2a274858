#include "cli/ask_views.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace weir::cli {
namespace {

const WallTime kNow = *parse_time("2026-11-23T12:00:00.000Z");

JsonValue json(std::string_view text) {
    const auto value = JsonValue::parse(text);
    EXPECT_TRUE(value) << text;
    return value.value_or(JsonValue{});
}

View view(std::size_t width = 0) {
    return {.look = {.width = width, .has_colour = false}, .now = kNow};
}

constexpr const char* kStatus = R"({"version":"0.1.0","commit":"abc","node":"here","pid":42,
    "mode":"gateway","uptime_s":90,"ready":true,"draining":false,
    "config":{"hash":"41f2","loaded_at":"2026-11-23T11:58:30.000Z","file":"weir.yaml",
              "last_error":"weir.yaml:3:5: unknown key"},
    "listeners":[{"name":"in","mode":"gateway","addresses":["127.0.0.1:80","[::1]:80"],"routes":2}],
    "clusters":[{"name":"orders","state":"degraded","breaker":"closed","rps":12.34,
                 "error_rate":0.02,"p50_ms":1.5,"p99_ms":null,
                 "endpoints":{"healthy":2,"ejected":1,"draining":0},"new_field":1}],
    "process":{"rss_bytes":1048576,"cpu_seconds":1.5,"fds":20,"threads":4}})";

TEST(AskViews, StatusIsAPageOfFactsAndTables) {
    EXPECT_EQ(show_status(json(kStatus), view()),
              "weir     0.1.0 (abc), node here, gateway, pid 42\n"
              "state    ready, up 1m30s\n"
              "config   weir.yaml 41f2, loaded 1m30s ago\n"
              "refused  weir.yaml:3:5: unknown key\n"
              "process  rss 1.0 MiB, cpu 1.5s, 20 fds, 4 threads\n"
              "\n"
              "LISTENER  MODE     ADDRESS                 ROUTES\n"
              "in        gateway  127.0.0.1:80, [::1]:80       2\n"
              "\n"
              "CLUSTER  STATE     BREAKER  HEALTHY  OTHERS     RPS  ERRORS    P50  P99\n"
              "orders   degraded  closed       2/3  1 ejected   12    2.0%  1.5ms    -\n");
}

TEST(AskViews, StatusFitsEveryWidth) {
    for (std::size_t width = 40; width <= 200; ++width) {
        std::istringstream in(show_status(json(kStatus), view(width)));
        for (std::string line; std::getline(in, line);)
            EXPECT_LE(columns_of(line), width) << line;
    }
}

TEST(AskViews, MissingFieldsAreDashesOrLeftOut) {
    EXPECT_EQ(show_clusters(json(R"([{"name":"a"}])"), view()),
              "CLUSTER  STATE  BREAKER  HEALTHY  OTHERS  RPS  ERRORS  P50  P99\n"
              "a        -      -              -  -         -       -    -    -\n");
    const JsonValue nothing = json("{}");
    for (const auto show : {show_status, show_cluster, show_breaker, show_route, show_log})
        EXPECT_NO_THROW(static_cast<void>(show(nothing, view(40))));
    for (const auto show : {show_listeners, show_routes, show_clusters, show_endpoints,
                            show_breakers, show_discovery, show_certs})
        EXPECT_EQ(show(nothing, view()).substr(0, 3), "no ");
}

TEST(AskViews, EndpointsSayWhyAndUntilWhen) {
    const auto endpoints = json(R"({"orders":[
        {"address":"10.0.0.1:80","state":"ejected","reason":"consecutive",
         "ejected_until":"2026-11-23T12:00:04.200Z","active":0,"requests":10,"errors":5,
         "ewma_ms":1.25,"weight":100,"zone":null,"last_error":"refused"},
        {"address":"10.0.0.2:80","state":"draining","forced":{"state":"draining",
         "until":"2026-11-23T12:05:00.000Z","by":"uid 0","reason":"disk"}}]})");
    EXPECT_EQ(show_endpoints(endpoints, view()),
              "ADDRESS      STATE     WHY                                               BACK     "
              "ACTIVE  REQUESTS  ERRORS   EWMA  WEIGHT  ZONE  LAST ERROR\n"
              "10.0.0.1:80  ejected   consecutive                                       in 4.2s  "
              "     0        10       5  1.2ms     100  -     refused\n"
              "10.0.0.2:80  draining  by hand: draining, ends in 5m00s, by uid 0: disk  -        "
              "     -         -       -      -       -  -     -\n");
    const auto two = json(R"({"a":[{"address":"x:1"}],"b":[{"address":"y:1"}]})");
    EXPECT_EQ(show_endpoints(two, view(40)).substr(0, 17), "CLUSTER  ADDRESS ");
}

TEST(AskViews, ABreakerTellsItsHistory) {
    const auto breaker = json(R"({"id":"orders","state":"open","reason":"consecutive",
        "since":"2026-11-23T11:59:58.000Z","next_probe_at":"2026-11-23T12:00:00.500Z",
        "mode":"enforce","opens_total":1,"forced":null,
        "window":{"requests":5,"failures":5,"slow":0},
        "history":[{"at":"2026-11-23T11:59:58.000Z","from":"closed","to":"open",
                    "reason":"consecutive","open_for_ms":500,"requests":5,"failures":5}]})");
    const std::string text = show_breaker(breaker, view());
    EXPECT_NE(text.find("state     open, for 2.0s\n"), std::string::npos) << text;
    EXPECT_NE(text.find("next try  in 0.5s\n"), std::string::npos) << text;
    EXPECT_NE(text.find("closed  open  consecutive, for 0.5s, 5 failures of 5\n"),
              std::string::npos)
        << text;
    EXPECT_EQ(text.find("by hand"), std::string::npos) << text;
}

TEST(AskViews, ARouteSaysWhoTakesItAndWhyOthersDoNot) {
    const auto answer = json(R"({"listener":"in","route":"orders","action":"forward",
        "method":"GET","host":"shop","path":"/orders/1","status":null,"location":null,
        "forwarded_path":"/1","targets":[{"cluster":"c","state":"ok","breaker":"closed",
        "endpoints":[{"address":"10.0.0.1:80","state":"healthy","takes_requests":true}]}],
        "misses":[{"listener":"in","route":"admin","why":"path /orders/1 is not /admin"}]})");
    EXPECT_EQ(show_route(answer, view()),
              "request   GET shop/orders/1\n"
              "listener  in\n"
              "route     orders\n"
              "sent as   /1\n"
              "\n"
              "CLUSTER  STATE  BREAKER  ENDPOINT     STATE    TAKES REQUESTS\n"
              "c        ok     closed   10.0.0.1:80  healthy  yes\n"
              "\n"
              "NOT TAKEN BY  LISTENER  BECAUSE\n"
              "admin         in        path /orders/1 is not /admin\n");
    const auto none = json(R"({"route":null,"method":"GET","host":"","path":"/x"})");
    EXPECT_NE(show_route(none, view()).find("none takes it: 404 no_route"), std::string::npos);
}

TEST(AskViews, RoutesSayWhatTheyMatchAndDo) {
    const auto routes = json(R"([
        {"listener":"in","name":"a","methods":["GET","HEAD"],"hosts":["shop"],"path":"/a/",
         "header":{"x-a":"1"},"query":{},"to":[{"cluster":"c","weight":90},
         {"cluster":"d","weight":10}]},
        {"listener":"in","name":"b","path":"/b","respond":{"status":410}},
        {"listener":"in","name":"c","path":"/c","redirect":"https://x/"}])");
    EXPECT_EQ(show_routes(routes, view()),
              "LISTENER  ROUTE  MATCH                           TO\n"
              "in        a      GET,HEAD shop /a/ header:x-a=1  c (90), d (10)\n"
              "in        b      /b                              answers 410\n"
              "in        c      /c                              redirects to https://x/\n");
}

TEST(AskViews, AnEventIsALine) {
    const auto event = json(R"({"at":"2026-11-23T12:00:01.000Z","kind":"breaker",
        "cluster":"orders","from":"closed","to":"open","reason":"consecutive",
        "detail":"5 failures in a row\n\u001b[2J"})");
    const std::string line = show_event(event, view());
    EXPECT_EQ(line.substr(line.find(' ')),
              "  breaker    orders  closed → open  (5 failures in a row  [2J)\n");
    const std::string narrow = show_event(event, view(40));
    EXPECT_EQ(columns_of(narrow), 41U) << "with its end: " << narrow;
}

TEST(AskViews, MemoryIsInUnits) {
    EXPECT_EQ(show_memory(json(R"({"rss_bytes":1048576,"connections":3})"), view()),
              "MEMORY\nrss          1.0 MiB\nconnections        3\n");
}

TEST(AskViews, LogLevelsSayWhenTheyEnd) {
    EXPECT_EQ(show_log(json(R"({"level":"debug","modules":{"http":"trace"},
                                "until":"2026-11-23T12:10:00.000Z"})"),
                       view()),
              "level  debug\nhttp   trace\nends   in 10m00s, then as configured\n");
}

}  // namespace
}  // namespace weir::cli
