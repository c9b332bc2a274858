#include "weir/core/log.hpp"

#include "support/source_tree.hpp"
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <stdlib.h>
#include <string>
#include <vector>

namespace weir::log {
namespace {

using ::testing::MatchesRegex;

// As if it stood in a module: the compiler tells the log the name of this file.
#line 1 "/anywhere/src/upstream/pretended.cpp"
void debug_of_upstream() {
    write(Level::debug, "of upstream", {});
    error("flushes");
}
#line 25 "log_test.cpp"

// Writes to a file of its own; afterwards the log is as it was at the start.
class Log : public ::testing::Test {
  protected:
    Log() {
        std::string path = (std::filesystem::temp_directory_path() / "weir-log-XXXXXX").string();
        folder_ = ::mkdtemp(path.data());
    }
    ~Log() override {
        restore_levels();
        configure({});
        std::filesystem::remove_all(folder_);
    }

    void open(Format format, Level level = Level::info) {
        configure({.level = level, .format = format, .to = folder_ / "log"});
    }

    [[nodiscard]] std::vector<std::string> lines() const {
        std::ifstream file(folder_ / "log");
        std::vector<std::string> result;
        for (std::string line; std::getline(file, line);)
            result.push_back(line);
        return result;
    }

    void move_away() const { std::filesystem::rename(folder_ / "log", folder_ / "log.1"); }

  private:
    std::filesystem::path folder_;
};

TEST_F(Log, WritesTextWithFields) {
    open(Format::text);
    warn("endpoint ejected", {{"cluster", "orders"}, {"failures", 5}});
    ASSERT_EQ(lines().size(), 1U);
    EXPECT_THAT(lines()[0], MatchesRegex("[0-9:]{8}[.][0-9]{3}  warning  endpoint ejected  "
                                         "cluster=orders  failures=5"));
}

TEST_F(Log, QuotesValuesThatWouldRunTogether) {
    open(Format::text);
    info("m",
         {{"empty", ""}, {"space", "a b"}, {"quote", "a\"b"}, {"equals", "a=b"}, {"plain", "a/b"}});
    ASSERT_EQ(lines().size(), 1U);
    const std::string expected =
        R"(m  empty=""  space="a b"  quote="a\"b"  equals="a=b"  plain=a/b)";
    EXPECT_NE(lines()[0].find(expected), std::string::npos) << lines()[0];
}

TEST_F(Log, ALineCannotBeForgedByAValue) {
    for (const Format format : {Format::text, Format::json}) {
        const auto before = lines().size();
        open(format);
        error("m", {{"value", "x\n12:00:00.000  info  forged"}});
        EXPECT_EQ(lines().size(), before + 1);
    }
}

TEST_F(Log, JsonLinesParseWithTimeLevelMessageAndFields) {
    open(Format::json);
    error("it \"failed\"", {{"cluster", "a\\b\n"}, {"bytes", "\xff"}, {"count", 7}});
    ASSERT_EQ(lines().size(), 1U);
    const boost::json::value value = boost::json::parse(lines()[0]);
    EXPECT_EQ(value.at("level").as_string(), "error");
    EXPECT_EQ(value.at("message").as_string(), "it \"failed\"");
    EXPECT_EQ(value.at("cluster").as_string(), "a\\b\n");
    EXPECT_EQ(value.at("bytes").as_string(), "\xef\xbf\xbd");
    EXPECT_EQ(value.at("count").as_string(), "7");
    EXPECT_THAT(std::string(value.at("time").as_string()),
                MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[.][0-9]{3}Z"));
}

// spdlog's patterns begin with %, and its texts may be formats.
TEST_F(Log, DoesNotInterpretWhatItIsGiven) {
    for (const Format format : {Format::text, Format::json}) {
        open(format);
        info("{} %v %s {0}", {{"value", "{}%n"}});
        EXPECT_NE(lines().back().find("{} %v %s {0}"), std::string::npos);
        EXPECT_NE(lines().back().find("{}%n"), std::string::npos);
    }
}

TEST_F(Log, KeepsWhatIsBelowItsLevelToItself) {
    open(Format::text, Level::warn);
    debug("d");
    info("i");
    warn("w");
    error("e");
    EXPECT_EQ(lines().size(), 2U);
    set_level(Level::trace);
    debug("d");
    write(Level::trace, "t", {});
    set_level(Level::error);
    warn("w");
    // Below info nothing is flushed by itself; an error flushes all before it.
    error("e");
    EXPECT_EQ(lines().size(), 5U);
}

TEST_F(Log, GivesModulesLevelsOfTheirOwn) {
    open(Format::text, Level::warn);
    override_levels({.level = Level::warn, .modules = {{"upstream", Level::debug}}}, {});
    EXPECT_FALSE(is_on(Level::info)) << "what is no module has the level of all";
    EXPECT_TRUE(is_on(Level::warn));
    debug_of_upstream();
    ASSERT_EQ(lines().size(), 2U);
    EXPECT_THAT(lines()[0], ::testing::HasSubstr("of upstream"));
    EXPECT_EQ(levels().levels.modules.size(), 1U);
    restore_levels();
    EXPECT_EQ(levels().levels, Levels{.level = Level::warn});
}

TEST_F(Log, AnOverrideEndsByItselfAndOutlivesAReload) {
    open(Format::text, Level::warn);
    const TimePoint start = Clock::refresh();
    override_levels({.level = Level::debug, .modules = {}}, start + std::chrono::minutes{10});
    EXPECT_TRUE(is_on(Level::debug));
    EXPECT_EQ(levels().until, start + std::chrono::minutes{10});
    configure({.level = Level::error});
    EXPECT_TRUE(is_on(Level::debug)) << "the operator's word is the later one";
    tick(start + std::chrono::minutes{10} - std::chrono::nanoseconds{1});
    EXPECT_TRUE(levels().is_overridden);
    tick(start + std::chrono::minutes{10});
    EXPECT_FALSE(levels().is_overridden);
    EXPECT_FALSE(is_on(Level::warn));
    EXPECT_TRUE(is_on(Level::error));
}

TEST_F(Log, OpensAgainAfterItWasMovedAway) {
    open(Format::text);
    info("before");
    move_away();
    info("still the old file");
    EXPECT_TRUE(lines().empty());
    reopen();
    info("after");
    EXPECT_EQ(lines().size(), 1U);
}

TEST_F(Log, KeepsWritingWhereItDidIfTheNewPlaceCannotBeOpened) {
    open(Format::text);
    EXPECT_THROW(configure({.to = "/proc/no/such/folder"}), std::runtime_error);
    info("m");
    EXPECT_EQ(lines().size(), 1U);
}

TEST_F(Log, KnowsTheModulesOfTheBuild) {
    std::ifstream file(weir::test::source_tree() / "cmake/Layers.cmake");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::size_t begin = text.find("set(WEIR_LAYERS") + 15;
    std::istringstream words(text.substr(begin, text.find(')', begin) - begin));
    const std::vector<std::string> layers{std::istream_iterator<std::string>(words), {}};
    EXPECT_THAT(modules(), ::testing::ElementsAreArray(layers));
}

TEST_F(Log, SpellsLevelsAsTheConfigurationDoes) {
    for (const char* text : {"trace", "debug", "info", "warn", "error"}) {
        ASSERT_TRUE(level_from(text)) << text;
        EXPECT_EQ(word(*level_from(text)), text);
    }
    EXPECT_EQ(level_from("warning"), std::nullopt);
    EXPECT_EQ(level_from(""), std::nullopt);
}

}  // namespace
}  // namespace weir::log
