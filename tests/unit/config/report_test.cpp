#include "weir/config/report.hpp"

#include <gtest/gtest.h>

namespace weir::config {
namespace {

Problem at(std::uint32_t line, std::string what) {
    return {.code = 101, .place = {.line = line, .column = 1}, .what = std::move(what)};
}

TEST(ConfigReport, KeepsOneOfTheSameAtOnePlace) {
    Report report;
    report.add(at(2, "a"));
    report.add(at(2, "a"));
    report.add(at(3, "a"));
    report.add(at(2, "b"));
    EXPECT_EQ(report.errors(), 3U);
}

TEST(ConfigReport, SortsByLineAndCountsWarningsApart) {
    Report report;
    report.add(at(9, "last"));
    auto warning = at(4, "middle");
    warning.severity = Problem::Severity::warning;
    report.add(warning);
    report.add({.code = 100, .what = "nowhere"});
    const auto sorted = report.sorted();
    EXPECT_EQ(sorted[0].what, "nowhere");
    EXPECT_EQ(sorted[1].what, "middle");
    EXPECT_EQ(sorted[2].what, "last");
    EXPECT_EQ(report.errors(), 2U);
    EXPECT_EQ(report.warnings(), 1U);
}

TEST(ConfigReport, NeverLosesAnErrorBehindWarnings) {
    Report report;
    for (std::uint32_t i = 1; i <= Report::kMostKept + 10; ++i) {
        auto warning = at(i, "w");
        warning.severity = Problem::Severity::warning;
        report.add(warning);
    }
    report.add(at(1, "e"));
    EXPECT_EQ(report.warnings(), Report::kMostKept);
    EXPECT_TRUE(report.has_errors());
}

TEST(ConfigReport, EndsWithCountsAndTheOutcome) {
    Report report;
    report.add(at(1, "a"));
    auto warning = at(1, "w");
    warning.severity = Problem::Severity::warning;
    report.add(warning);
    const auto text = render(report, {{"weir.yaml", "x: 1\n"}}, "nothing was changed");
    EXPECT_TRUE(text.ends_with("\nweir.yaml: 1 error, 1 warning; nothing was changed\n")) << text;
    EXPECT_EQ(render(Report(), {{"weir.yaml", ""}}), "");
}

TEST(ConfigReport, ShowsNoControlCharactersOfAFile) {
    Report report;
    report.add({.code = 101, .place = {.line = 1, .column = 1}, .what = "key '\x1b[31m'"});
    const auto text = render(report, {{"weir.yaml", "\x1b[2Jx: 1\r\n"}});
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find('\r'), std::string::npos);
    EXPECT_NE(render(report, {{"weir.yaml", "x"}}, "", true).find("\x1b[1;31merror"),
              std::string::npos);
}

TEST(ConfigReport, PutsCaretsUnderCharactersNotBytes) {
    Report report;
    report.add({.code = 104, .place = {.line = 1, .column = 6}, .what = "w", .width = 3});
    const auto text = render(report, {{"f", "ä: [öx]"}});
    EXPECT_NE(text.find("    1 | ä: [öx]\n      |     ^^\n"), std::string::npos) << text;
}

TEST(ConfigReport, CutsALongLineAroundTheCarets) {
    Report report;
    report.add({.code = 104, .place = {.line = 1, .column = 5001}, .what = "w", .width = 4});
    std::string line(10'004, 'x');
    line.replace(5000, 4, "HERE");
    const auto text = render(report, {{"f", line}});
    EXPECT_NE(text.find("HERE"), std::string::npos);
    EXPECT_LT(text.size(), 500U);
    EXPECT_NE(text.find(" ^^^^\n"), std::string::npos);
}

TEST(ConfigReport, SurvivesAPlaceOutsideTheText) {
    Report report;
    report.add(
        {.code = 104, .place = {.line = 99, .column = 99, .file = 7}, .what = "w", .width = 4});
    report.add({.code = 104, .place = {.line = 99, .column = 99}, .what = "w", .width = 4});
    EXPECT_NE(render(report, {{"f", "x"}}).find("f:99:99: error[W104]: w"), std::string::npos);
}

TEST(ConfigReport, CoversASecretWhereverItsLineIsShown) {
    Report report;
    report.add({.code = 101, .place = {.line = 1, .column = 1}, .what = "w", .width = 1});
    report.add({.code = 151,
                .place = {.line = 1, .column = 4},
                .what = "s",
                .width = 6,
                .is_secret = true});
    const auto text = render(report, {{"f", "k: s3cret # x"}});
    EXPECT_EQ(text.find("s3cret"), std::string::npos);
    EXPECT_NE(text.find("    1 | k: ****** # x\n      |    ^^^^^^\n"), std::string::npos) << text;
}

TEST(ConfigReport, IsJsonForPrograms) {
    Report report;
    report.add({.code = 104,
                .place = {.line = 2, .column = 3},
                .what = "'\"x' is no duration",
                .note = "n",
                .help = "h"});
    auto warning = at(9, "w");
    warning.severity = Problem::Severity::warning;
    report.add(warning);
    report.add({.code = 100, .what = "nowhere"});
    EXPECT_EQ(render_json(report, {{"a.yaml", ""}}),
              "{\"valid\":false,\"errors\":["
              "{\"code\":\"W100\",\"file\":\"a.yaml\",\"line\":null,\"column\":null,"
              "\"message\":\"nowhere\",\"note\":\"\",\"help\":\"\"},"
              "{\"code\":\"W104\",\"file\":\"a.yaml\",\"line\":2,\"column\":3,"
              "\"message\":\"'\\\"x' is no duration\",\"note\":\"n\",\"help\":\"h\"}],"
              "\"warnings\":[{\"code\":\"W101\",\"file\":\"a.yaml\",\"line\":9,\"column\":1,"
              "\"message\":\"w\",\"note\":\"\",\"help\":\"\"}]}\n");
    EXPECT_EQ(render_json(Report(), {}), "{\"valid\":true,\"errors\":[],\"warnings\":[]}\n");
}

TEST(ConfigReport, IsALineForGithub) {
    Report report;
    report.add(
        {.code = 106, .place = {.line = 2, .column = 3}, .what = "got 50%,\nno", .note = "a: b"});
    auto warning = at(9, "w");
    warning.severity = Problem::Severity::warning;
    report.add(warning);
    EXPECT_EQ(render_github(report, {{"a,b:c.yaml", ""}}),
              "::error file=a%2Cb%3Ac.yaml,line=2,col=3,title=W106::got 50%25,%0Ano%0Aa: b\n"
              "::warning file=a%2Cb%3Ac.yaml,line=9,col=1,title=W101::w\n");
    EXPECT_EQ(render_github(Report(), {}), "");
}

}  // namespace
}  // namespace weir::config
