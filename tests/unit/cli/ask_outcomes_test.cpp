#include "cli/ask_outcomes.hpp"

#include <gtest/gtest.h>

namespace weir::cli {
namespace {

using client::Answer;
using client::Failure;
using Kind = client::Failure::Kind;

JsonValue json(std::string_view text) {
    const auto value = JsonValue::parse(text);
    EXPECT_TRUE(value) << text;
    return value.value_or(JsonValue{});
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

Answer refusal(std::uint16_t status, std::string body) {
    return {.status = status, .content_type = "application/json", .body = std::move(body)};
}

TEST(AskOutcomes, NobodyThereNamesEachPlaceAndWhatToDo) {
    const std::string text =
        say_unanswered({{Kind::refused, "127.0.0.1:9347", "connection refused"},
                        {Kind::no_socket, "unix:/run/weir/admin.sock", "no such socket"}});
    EXPECT_TRUE(has(text,
                    "weir: no Weir answers at 127.0.0.1:9347 (connection refused), nor at "
                    "unix:/run/weir/admin.sock (no such socket)\n"))
        << text;
    for (const char* const word : {"weir run", "--admin", "WEIR_ADMIN", "kubectl exec"})
        EXPECT_TRUE(has(text, word)) << word;
}

TEST(AskOutcomes, EachFailureHasItsOwnAdvice) {
    const auto say = [](Kind kind) { return say_unanswered({{kind, "127.0.0.1:80", "why"}}); };
    EXPECT_TRUE(has(say(Kind::denied), "permission denied"));
    EXPECT_TRUE(has(say(Kind::denied), "sudo -u"));
    EXPECT_TRUE(has(say(Kind::timed_out), "does not answer: why"));
    EXPECT_TRUE(has(say(Kind::timed_out), "--timeout"));
    for (const Kind kind : {Kind::not_http, Kind::cut_short}) {
        EXPECT_TRUE(has(say(kind), "something answers at 127.0.0.1:80, but not as Weir: why"));
        EXPECT_TRUE(has(say(kind), "sport = :80"));
    }
    EXPECT_FALSE(has(say_unanswered({{Kind::not_http, "unix:/a:b", "why"}}), "sport"));
}

TEST(AskOutcomes, OnlyAnswersOfItsFormAreOfWeir) {
    EXPECT_TRUE(is_of_weir(refusal(404, R"({"error":{"code":"x","message":"y"}})")));
    EXPECT_TRUE(is_of_weir({.status = 200, .content_type = "application/json"}));
    EXPECT_TRUE(is_of_weir({.status = 200, .content_type = "application/yaml"}));
    EXPECT_FALSE(is_of_weir({.status = 200, .content_type = "text/html"}));
    EXPECT_FALSE(is_of_weir({.status = 404, .content_type = "text/html", .body = "<html>"}));
    EXPECT_FALSE(is_of_weir(refusal(404, R"({"detail":"Not Found"})")));
    EXPECT_FALSE(is_of_weir(refusal(500, "[]")));
}

TEST(AskOutcomes, ARefusalSaysMessageCodeAndHelp) {
    const std::string text = say_refusal(
        refusal(401, R"({"error":{"code":"unauthorized","message":"no\u001b token","help":"h"}})"),
        {});
    EXPECT_EQ(text,
              "weir: no  token [unauthorized]\n  help: h\n"
              "  help: give the token by --token-file FILE, or in WEIR_TOKEN\n");
    EXPECT_TRUE(
        has(say_refusal(refusal(409, R"({"error":{"code":"last_endpoint"}})"), {}), "--force"));
    EXPECT_TRUE(has(say_refusal(refusal(404, R"({"error":{"code":"no_such_cluster"}})"), {}),
                    "weir get clusters"));
}

TEST(AskOutcomes, AnInvalidConfigurationIsRefusedWithAllProblems) {
    const std::string text = say_refusal(refusal(422, R"({"error":{"code":"W101","message":"m"},
            "errors":[{"code":"W101","message":"unknown key 'listne'","file":"a.yaml","line":3,
                       "column":5,"note":null,"help":"did you mean 'listen'?"},
                      {"code":"W103","message":"a unit is missing","file":null,"line":null}],
            "warnings":[{"code":"W201","message":"unreachable"}]})"),
                                         {});
    EXPECT_EQ(text,
              "a.yaml:3:5: error[W101]: unknown key 'listne'\n  help: did you mean 'listen'?\n"
              "error[W103]: a unit is missing\n"
              "warning[W201]: unreachable\n"
              "weir: refused; nothing was changed\n");
}

TEST(AskOutcomes, WhatWasAppliedIsListed) {
    EXPECT_EQ(show_applied(json(R"({"changed":["clusters.a.timeout.request","threads"],
                                    "needs_restart":["threads"],"hash":"41f2"})"),
                           {}),
              "2 keys changed; running config 41f2\n"
              "  clusters.a.timeout.request\n  threads\n"
              "takes effect after a restart: threads\n");
    EXPECT_EQ(show_applied(json(R"({"changed":[],"hash":"41f2"})"), {}),
              "nothing was changed; running config 41f2\n");
}

TEST(AskOutcomes, DifferencesHaveSigns) {
    EXPECT_EQ(show_difference(json(R"({"diff":[{"path":"a","from":"1","to":"2"},
                                               {"path":"b","from":null,"to":"x"},
                                               {"path":"c","from":"y","to":null}]})"),
                              {}),
              "~ a: 1 -> 2\n+ b: x\n- c: y\n");
    EXPECT_EQ(show_difference(json(R"({"diff":[]})"), {}), "no difference\n");
}

TEST(AskOutcomes, AValueSaysWhereItIsFrom) {
    EXPECT_EQ(show_explanation(json(R"({"path":"a.b","value":"5s","doc":"How long.",
        "origin":{"file":"weir.yaml","line":12,"column":3},
        "chain":[{"value":"5s"},{"value":"1m","origin":"built-in","layer":"built-in"}]})"),
                               {}),
              "a.b = 5s   weir.yaml:12\n  hides 1m   built-in\n  How long.\n");
}

TEST(AskOutcomes, ReadinessSaysWhatIsWaitedFor) {
    EXPECT_EQ(
        show_readiness(json(R"({"ready":false,"draining":false,"waiting":["cluster a"]})"), {}),
        "not ready\n  waiting for: cluster a\n");
    EXPECT_EQ(show_readiness(json(R"({"ready":false,"draining":true,"waiting":[]})"), {}),
              "draining\n");
}

}  // namespace
}  // namespace weir::cli
