#include "weir/manual/explain.hpp"

#include "weir/core/reason.hpp"
#include "weir/core/version.hpp"
#include "weir/http/h2.hpp"
#include "weir/resilience/retry_policy.hpp"
#include "weir/resilience/transition.hpp"

#include "support/source_tree.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>

namespace weir::manual {
namespace {

std::string file_text(const std::string& path) {
    std::ifstream file(weir::test::source_tree() / path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

TEST(Explain, KnowsEveryReasonAndItsStatus) {
    for (std::size_t i = 0; i < kReasonCount; ++i) {
        const ReasonInfo& reason = info(static_cast<Reason>(i));
        const auto text = explain_word(reason.word);
        ASSERT_TRUE(text.has_value()) << reason.word;
        if (reason.status == 0) continue;
        EXPECT_THAT(*text,
                    testing::HasSubstr("(status " + std::to_string(reason.status) + ", gRPC "));
    }
}

TEST(Explain, KnowsEveryReasonOfATransition) {
    for (int i = 0; i <= static_cast<int>(resilience::TripReason::floor); ++i) {
        const auto word = resilience::word(static_cast<resilience::TripReason>(i));
        EXPECT_TRUE(explain_word(word).has_value()) << word;
    }
}

TEST(Explain, KnowsEveryCountedRefusalOfARetry) {
    const auto first = static_cast<int>(resilience::RetryRefusal::budget);
    for (int i = first; i <= static_cast<int>(resilience::RetryRefusal::buffer); ++i) {
        const auto word = resilience::word(static_cast<resilience::RetryRefusal>(i));
        EXPECT_TRUE(explain_word(word).has_value()) << word;
    }
}

TEST(Explain, KnowsEveryCountedFaultOfHttp2) {
    for (std::size_t i = 0; i < http::kH2Faults; ++i) {
        const auto word = http::word(static_cast<http::H2Fault>(i));
        EXPECT_TRUE(explain_word(word).has_value()) << word;
    }
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Numbers from 100 to 299 as "W103": those right after `lead`, or all of them.
std::set<std::string> codes_in(std::string_view text, std::string_view lead = {}) {
    std::set<std::string> codes;
    for (std::size_t at = 0; at + 3 <= text.size(); ++at) {
        const std::string_view number = text.substr(at, 3);
        const bool is_whole = (at == 0 || !is_digit(text[at - 1])) &&
                              std::all_of(number.begin(), number.end(), is_digit) &&
                              (at + 3 == text.size() || !is_digit(text[at + 3]));
        const bool is_code = number.front() == '1' || number.front() == '2';
        if (is_whole && is_code && text.substr(0, at).ends_with(lead))
            codes.insert("W" + std::string(number));
    }
    return codes;
}

TEST(Explain, KnowsEveryCodeThatTheSourceEmits) {
    std::set<std::string> codes;
    for (const auto* folder : {"src", "include"}) {
        const auto root = weir::test::source_tree() / folder;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
            if (!entry.is_regular_file()) continue;
            const auto text =
                file_text(std::filesystem::relative(entry.path(), weir::test::source_tree()));
            codes.merge(codes_in(text, "code = "));
        }
    }
    EXPECT_GE(codes.size(), 25U);
    for (const std::string& word : codes)
        EXPECT_TRUE(explain_word(word).has_value()) << word;
}

TEST(Explain, KnowsEveryCodeThatTheReportLists) {
    const std::string header = file_text("include/weir/config/report.hpp");
    const std::size_t begin = header.find("// The codes:");
    ASSERT_NE(begin, std::string::npos);
    const std::string list = header.substr(begin, header.find("struct Problem") - begin);
    const auto codes = codes_in(list);
    EXPECT_GE(codes.size(), 20U);
    for (const std::string& word : codes)
        EXPECT_TRUE(explain_word(word).has_value()) << word;
    for (const Explanation& page : explanations()) {
        if (page.kind != WordKind::problem) continue;
        EXPECT_TRUE(codes.contains(std::string(page.word))) << page.word;
    }
}

TEST(Explain, HasCauseExampleAndFixOnEachPage) {
    for (const Explanation& page : explanations()) {
        const auto text = *explain_word(page.word);
        const auto lines = std::count(text.begin(), text.end(), '\n');
        EXPECT_GE(lines, 8) << text;
        EXPECT_LE(lines, 18) << text;
        EXPECT_FALSE(page.summary.empty() || page.summary.size() > 60) << page.word;
        std::stringstream all(text);
        for (std::string line; std::getline(all, line);)
            EXPECT_LE(line.size(), 100U) << line;
    }
}

TEST(Explain, PrintsAPage) {
    EXPECT_EQ(*explain_word("W106"),
              "W106: a percentage needs %\n\n"
              "  Cause\n"
              "    A share is written with its sign: 0.5 could be half of all, or half a\n"
              "    percent.\n"
              "  Example\n"
              "    before:  failure_rate: 0.5    after:  failure_rate: 50%\n"
              "  Fix\n"
              "    Write 50%.\n");
}

TEST(Explain, KnowsTheNearestWord) {
    EXPECT_EQ(nearest_word("breaker_opn"), "breaker_open");
    EXPECT_EQ(nearest_word("zzzzzzzzzz"), "");
}

TEST(Explain, TakesAnyCaseAndNothingElse) {
    EXPECT_EQ(explain_word("BREAKER_OPEN"), explain_word("breaker_open"));
    EXPECT_EQ(explain_word("w103"), explain_word("W103"));
    EXPECT_EQ(explain_word("breaker"), std::nullopt);
    EXPECT_EQ(explain_word(""), std::nullopt);
}

TEST(Explain, HasEachWordOnce) {
    std::set<std::string_view> words;
    for (const Explanation& explanation : explanations())
        EXPECT_TRUE(words.insert(explanation.word).second) << explanation.word;
}

TEST(Version, IsThatOfTheBuild) {
    EXPECT_THAT(file_text("CMakeLists.txt"),
                testing::HasSubstr("project(weir VERSION " + std::string(kVersion) + " "));
}

}  // namespace
}  // namespace weir::manual
