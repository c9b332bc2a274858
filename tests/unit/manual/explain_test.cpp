#include "weir/manual/explain.hpp"

#include "weir/core/reason.hpp"
#include "weir/core/version.hpp"
#include "weir/resilience/transition.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace weir::manual {
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
    // "100 no YAML, 101 unknown key, ...; 2xx warnings: 201 ..."
    std::set<std::string> codes;
    std::stringstream words(list);
    for (std::string word; words >> word;) {
        const bool is_code = word.size() == 3 && (word[0] == '1' || word[0] == '2') &&
                             word.find_first_not_of("0123456789") == std::string::npos;
        if (is_code) codes.insert("W" + word);
    }
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
}  // namespace weir::manual
