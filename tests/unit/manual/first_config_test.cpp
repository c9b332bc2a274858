#include "weir/manual/first_config.hpp"

#include "weir/decode/load.hpp"
#include "weir/describe/format.hpp"

#include <gtest/gtest.h>

namespace weir::manual {
namespace {

config::LoadResult load(const FirstConfig& wishes) {
    return config::load_text(first_config(wishes), "weir.yaml");
}

TEST(FirstConfig, IsValidWithoutAWarning) {
    for (const auto* mode : {"gateway", "inbound", "outbound"}) {
        const auto loaded = load({":8080", "127.0.0.1:9000", mode});
        ASSERT_TRUE(loaded) << config::render(loaded.report, loaded.sources);
        EXPECT_EQ(loaded.report.warnings(), 0U);
        EXPECT_EQ(loaded.config->clusters.at("app").endpoints.front().text, "127.0.0.1:9000");
    }
}

TEST(FirstConfig, QuotesWhatNeedsIt) {
    const auto loaded = load({"[::1]:8080", "[::1]:9000"});
    ASSERT_TRUE(loaded) << config::render(loaded.report, loaded.sources);
    EXPECT_EQ(loaded.config->listeners.front().listen.front().text, "[::1]:8080");
    EXPECT_EQ(loaded.config->clusters.at("app").endpoints.front().text, "[::1]:9000");
}

TEST(FirstConfig, SaysNothingThatWasNotMeant) {
    // What people type goes into one value, whatever it is.
    const auto loaded = load({"a\nversion: 2", "x\", y: [z"});
    EXPECT_FALSE(loaded);
    EXPECT_EQ(loaded.report.sorted().front().code, 113) << first_config({"a\nversion: 2", "x"});
}

TEST(FirstConfig, BeginsWithTheSchemaAndIsFormatted) {
    const auto text = first_config({});
    EXPECT_TRUE(text.starts_with("# yaml-language-server: $schema=./weir.schema.json\n"));
    EXPECT_EQ(describe::format(text), text);
}

}  // namespace
}  // namespace weir::manual
