#include "cli/explain.hpp"

#include "weir/core/reason.hpp"
#include "weir/core/version.hpp"
#include "weir/resilience/transition.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace weir::cli {
namespace {

std::string file_text(const std::string& path) {
    std::ifstream file(std::string(WEIR_SOURCE_DIR "/") + path);
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
        EXPECT_THAT(*text, testing::HasSubstr("(status " + std::to_string(reason.status) + ")"));
    }
}

TEST(Explain, KnowsEveryReasonOfATransition) {
    for (int i = 0; i <= static_cast<int>(resilience::TripReason::floor); ++i) {
        const auto word = resilience::word(static_cast<resilience::TripReason>(i));
        EXPECT_TRUE(explain_word(word).has_value()) << word;
    }
}

TEST(Explain, KnowsEveryCodeThatTheReportLists) {
    const std::string header = file_text("include/weir/config/report.hpp");
    const std::size_t begin = header.find("// The codes:");
    ASSERT_NE(begin, std::string::npos);
    const std::string list = header.substr(begin, header.find("struct Problem") - begin);
    const std::regex code(R"(\b([12]\d\d) )");
    std::set<std::string> codes;
    for (std::sregex_iterator it(list.begin(), list.end(), code), end; it != end; ++it)
        codes.insert("W" + (*it)[1].str());
    EXPECT_GE(codes.size(), 20U);
    for (const std::string& word : codes)
        EXPECT_TRUE(explain_word(word).has_value()) << word;
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
}  // namespace weir::cli
