#include "cli/arguments.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace weir::cli {
namespace {

Parsed parse_words(std::vector<const char*> words) {
    words.insert(words.begin(), "weir");
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Parsed parsed = parse(static_cast<int>(words.size()), words.data());
    testing::internal::GetCapturedStdout();
    testing::internal::GetCapturedStderr();
    return parsed;
}

template <typename T>
T expect(std::vector<const char*> words) {
    const Parsed parsed = parse_words(std::move(words));
    if (!parsed.command || !std::holds_alternative<T>(*parsed.command)) {
        ADD_FAILURE() << "another command";
        return {};
    }
    return std::get<T>(*parsed.command);
}

TEST(Arguments, EachVerbIsACommand) {
    EXPECT_EQ(expect<RunCommand>({"run", "weir.yaml"}).file, "weir.yaml");
    EXPECT_EQ(expect<CheckCommand>({"check", "weir.yaml"}).file, "weir.yaml");
    EXPECT_FALSE(expect<DemoCommand>({"demo"}).is_once);
    EXPECT_TRUE(expect<DemoCommand>({"demo", "--once"}).is_once);
    EXPECT_EQ(expect<ExplainCommand>({"explain", "W103"}).word, "W103");
    EXPECT_EQ(expect<ExplainCommand>({"explain"}).word, "");
    expect<VersionCommand>({"version"});
}

TEST(Arguments, RunTakesAFileOrFromAndTo) {
    const auto run =
        expect<RunCommand>({"run", "--from", ":8080", "--to", "127.0.0.1:9000", "--print-config"});
    EXPECT_EQ(run.from, ":8080");
    EXPECT_EQ(run.to, "127.0.0.1:9000");
    EXPECT_TRUE(run.prints_config);
    EXPECT_FALSE(run.allows_core_dumps);
    EXPECT_TRUE(expect<RunCommand>({"run", "x", "--core-dumps"}).allows_core_dumps);
}

TEST(Arguments, WrongUsageIsExitCode2) {
    for (const auto& words :
         std::vector<std::vector<const char*>>{{},
                                               {"nonsense"},
                                               {"run"},
                                               {"run", "--nonsense"},
                                               {"run", "a", "b"},
                                               {"run", "--from", ":80"},
                                               {"run", "--to", ":80"},
                                               {"run", "x", "--from", ":80", "--to", "a:80"},
                                               {"run", "x", "--print-config"},
                                               {"check"},
                                               {"check", "a", "b"},
                                               {"demo", "x"},
                                               {"version", "x"}}) {
        const Parsed parsed = parse_words(words);
        EXPECT_FALSE(parsed.command.has_value()) << testing::PrintToString(words);
        EXPECT_EQ(parsed.exit_code, kUsage) << testing::PrintToString(words);
    }
}

TEST(Arguments, HelpIsSuccess) {
    for (const auto& words : std::vector<std::vector<const char*>>{{"--help"}, {"run", "--help"}}) {
        const Parsed parsed = parse_words(words);
        EXPECT_FALSE(parsed.command.has_value());
        EXPECT_EQ(parsed.exit_code, kSuccess);
    }
}

}  // namespace
}  // namespace weir::cli
