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

constexpr const char* kFailures = R"([{"sequence":2,"at":"2026-11-23T11:59:58.000Z",
    "request_id":"abc","method":"GET","host":"shop","path":"/orders","client":"10.1.1.1",
    "listener":"in","route":"orders","cluster":"app","status":503,"reason":"upstream_reset",
    "detail":null,"flags":["retried"],"cut_off":false,"duration_ms":4.2,"breaker":"closed",
    "breaker_reason":null,"timers":[{"key":"timeout.request","after":"15s","fired":true}],
    "endpoints":3,"candidates":[{"endpoint":"10.0.0.1:80","state":"healthy","why":null}],
    "excluded":[{"endpoint":"10.0.0.3:80","state":"ejected","why":"consecutive",
                 "reason":"ejected"}],
    "attempts_total":1,"attempts":[{"role":"first","endpoint":"10.0.0.1:80","began_ms":0.1,
    "duration_ms":3,"queued_ms":null,"connect_ms":0.5,"headers_ms":null,"sent":true,
    "reused":true,"probe":false,"none_ready":false,"status":null,"outcome":"failure",
    "kind":"reset","slow":false,"reason":"upstream_reset","detail":null}],
    "no_retry":"exhausted","story":"10.0.0.1:80 broke off before it answered after 3ms"}])";

TEST(AskStories, AFailureIsTwoLines) {
    const std::string text = show_failures(json(kFailures), view());
    std::istringstream in(text);
    std::string first, second, third;
    std::getline(in, first);
    std::getline(in, second);
    EXPECT_FALSE(std::getline(in, third));
    EXPECT_NE(first.find("  GET shop/orders  503 upstream_reset  4.2ms"), std::string::npos);
    EXPECT_EQ(second, "              10.0.0.1:80 broke off before it answered after 3ms");
    EXPECT_EQ(show_failures(json("[]"), view()), "no request has failed\n");
}

TEST(AskStories, InFullItHasAttemptsAndEndpoints) {
    const std::string text = show_failures_in_full(json(kFailures), view());
    for (const char* part : {"id       abc\n", "through  in > orders > app\n",
                             "timers   timeout.request 15s (passed)\n", "first, reused",
                             "failure reset upstream_reset", "no: ejected", "breaker  closed\n"})
        EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
    EXPECT_NE(show_failures_in_full(json("[]"), view()).find("no failed request"),
              std::string::npos);
}

TEST(AskStories, StoriesFitEveryWidth) {
    for (std::size_t width = 40; width <= 200; ++width) {
        for (const auto show : {show_failures, show_failures_in_full}) {
            std::istringstream in(show(json(kFailures), view(width)));
            for (std::string line; std::getline(in, line);)
                EXPECT_LE(columns_of(line), width) << line;
        }
    }
}

TEST(AskStories, WhatAStrangerWroteSteersNoTerminal) {
    const auto failures = json(
        R"([{"at":"2026-11-23T11:59:58.000Z","method":"GET","path":"/\u001b[2J","status":503,
             "story":"\u001b]0;x\u0007"}])");
    for (const auto show : {show_failures, show_failures_in_full}) {
        const std::string text = show(failures, view());
        EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
        EXPECT_EQ(text.find('\a'), std::string::npos) << text;
    }
}

TEST(AskStories, AnEndpointInFullSaysWhyAndWhatIsNext) {
    const auto endpoints = json(R"({"orders":[{"address":"10.0.0.1:80","state":"ejected",
        "since":"2026-11-23T11:59:57.000Z","reason":"consecutive",
        "why":"5 failures in a row, 3s ago","trips_next":[],"guard":null,
        "next_probe_at":"2026-11-23T12:00:00.400Z","next_probe_by":"the next request",
        "last_error":"reset"},
        {"address":"10.0.0.2:80","state":"healthy","since":"2026-11-23T11:59:57.000Z",
        "why":"it has never been ejected","guard":"1 of 2 endpoints are ready",
        "trips_next":[{"text":"0 of 5 failures in a row"},{"text":"0% failed"}],
        "next_probe_at":null,"next_probe_by":null}]})");
    EXPECT_EQ(show_endpoints_in_full(endpoints, view()),
              "endpoint    10.0.0.1:80 of orders\n"
              "state       ejected, for 3.0s\n"
              "why         5 failures in a row, 3s ago\n"
              "next try    in 0.4s, by the next request\n"
              "last error  reset\n"
              "\n"
              "endpoint  10.0.0.2:80 of orders\n"
              "state     healthy, for 3.0s\n"
              "why       it has never been ejected\n"
              "trips by  0 of 5 failures in a row; or 0% failed\n"
              "but       1 of 2 endpoints are ready\n");
    EXPECT_EQ(show_endpoints_in_full(json("{}"), view()), "no endpoints\n");
}

}  // namespace
}  // namespace weir::cli
