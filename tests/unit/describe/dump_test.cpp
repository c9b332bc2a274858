#include "weir/core/json.hpp"

#include "support.hpp"
#include "texts.hpp"
#include <gmock/gmock.h>

#include <array>
#include <unistd.h>

namespace weir::describe {
namespace {

using testing::HasSubstr;
using testing::Not;

// Loads under the same name, so that relative paths start at the same folder.
void expect_same(const config::LoadResult& loaded, const std::string& name) {
    for (const bool has_defaults : {false, true}) {
        for (const bool has_origins : {false, true}) {
            const auto text = dump(*loaded.document, {has_defaults, has_origins});
            const auto again = test::load(text, name);
            ASSERT_TRUE(again) << name << "\n"
                               << text << config::render(again.report, again.sources);
            EXPECT_TRUE(*again.config == *loaded.config) << name << "\n" << text;
            const auto json = dump_json(*loaded.document, {.has_defaults = has_defaults});
            const auto from_json = test::load(json, name);
            ASSERT_TRUE(from_json) << json << config::render(from_json.report, from_json.sources);
            EXPECT_TRUE(*from_json.config == *loaded.config) << json;
        }
    }
}

TEST(Dump, LoadsToTheSameConfiguration) {
    for (const auto text : test::kTexts)
        expect_same(test::good(text), "weir.yaml");
}

TEST(Dump, OfEveryValidFileLoadsToTheSameConfiguration) {
    const auto files = test::valid_files();
    ASSERT_GE(files.size(), 6U);
    for (const auto& file : files)
        expect_same(config::load_file(file, test::environment()), file);
}

// Of what is left without one line, and with other values: still the same where it is valid, and
// nothing breaks where it is not.
TEST(Dump, KeepsWhatMutationsSay) {
    std::size_t valid = 0;
    const auto expect_kept = [&](const std::string& mutated) {
        const auto loaded = test::load(mutated);
        if (loaded.document == nullptr) return;
        const auto text = dump(*loaded.document, {.has_defaults = true});
        EXPECT_TRUE(difference(*loaded.document, *loaded.document).empty()) << mutated;
        if (!loaded) return;
        ++valid;
        const auto again = test::load(text);
        ASSERT_TRUE(again) << mutated << text << config::render(again.report, again.sources);
        EXPECT_TRUE(*again.config == *loaded.config) << mutated << text;
    };
    for (const auto text : test::kTexts) {
        const std::string all(text);
        for (std::size_t begin = 0; begin < all.size(); begin = all.find('\n', begin) + 1)
            expect_kept(all.substr(0, begin) + all.substr(all.find('\n', begin) + 1));
        for (auto at = all.find(": "); at != std::string::npos; at = all.find(": ", at + 1)) {
            const auto end = all.find_first_of(",}]\n", at);
            constexpr std::array<std::string_view, 7> kValues{"off", "[]", "{}", "",
                                                              "7",   "1s", "~"};
            expect_kept(all.substr(0, at + 2) + std::string(kValues[at % kValues.size()]) +
                        all.substr(end));
        }
    }
    EXPECT_GT(valid, 50U);
}

TEST(Dump, MergesIncludedFiles) {
    const auto root =
        std::filesystem::path(testing::TempDir()) / ("weir-dump-" + std::to_string(::getpid()));
    std::filesystem::create_directories(root / "conf.d");
    const auto write = [&](const char* name, std::string_view text) {
        std::ofstream(root / name, std::ios::binary) << text;
        return (root / name).string();
    };
    write(
        "conf.d/a.yaml",
        "listeners:\n  - {listen: \":8081\", to: a}\nclusters:\n  a:\n    discovery: {type: file, "
        "path: list.yaml}\n");
    write("conf.d/list.yaml", "[]\n");
    const auto main = write("weir.yaml",
                            "version: 1\ninclude: [conf.d/a.yaml]\nlisteners:\n  - {listen: "
                            "\":8080\", to: \"127.0.0.1:1\"}\ndefaults: {timeout: 3s}\n");
    const auto loaded = config::load_file(main, test::environment());
    ASSERT_TRUE(loaded) << config::render(loaded.report, loaded.sources);
    expect_same(loaded, main);
    const auto text = dump(*loaded.document, {.has_origins = true});
    EXPECT_THAT(
        text, HasSubstr("path: conf.d/list.yaml  # " + (root / "conf.d/a.yaml").string() + ":5\n"));
    EXPECT_THAT(text, Not(HasSubstr("include")));
    std::filesystem::remove_all(root);
}

TEST(Dump, WritesShorthandsOut) {
    const auto text = dump(*test::good(test::kShorthands).document);
    EXPECT_EQ(text, R"(version: 1
listeners:
  - name: public
    listen: [":8080", 127.0.0.1:8081]
    routes:
      - name: default
        to: orders
  - listen: :8082
    routes:
      - name: default
        to: [10.0.0.1:80, 10.0.0.2:80]
clusters:
  orders:
    endpoints: [orders:80, {address: orders-b:80, weight: 50}]
    discovery:
      type: dns
    lb:
      policy: least_request
    breaker:
      mode: off
    outlier:
      mode: off
    retry:
      attempts: 2
    timeout:
      request: 5s
)");
}

TEST(Dump, SaysWhereEachValueComesFrom) {
    const auto text = dump(*test::good("version: 1\nlisteners:\n  - listen: :8080\n    to: a\n"
                                       "clusters:\n  a: {endpoints: [\"10.0.0.1:80\"]}\n"
                                       "defaults:\n  timeout: 3s\n")
                                .document,
                           {.has_defaults = true, .has_origins = true});
    EXPECT_THAT(text, HasSubstr("    endpoints: [10.0.0.1:80]  # weir.yaml:6\n"));
    EXPECT_THAT(text, HasSubstr("      request: 3s  # weir.yaml:8\n"));
    EXPECT_THAT(text, HasSubstr("      connect: 1s  # built-in\n"));
    EXPECT_THAT(text, HasSubstr("  # name: hostname  # built-in\n"));
}

TEST(Dump, HasBuiltInValuesOnlyIfAskedFor) {
    const auto loaded = test::good(test::kAnswersOnly);
    EXPECT_THAT(dump(*loaded.document), Not(HasSubstr("drain")));
    EXPECT_THAT(dump(*loaded.document, {.has_defaults = true}), HasSubstr("drain: 30s\n"));
}

TEST(Dump, HidesSecrets) {
    const auto loaded = test::load(
        "version: 1\nadmin: {token: {file: secret-path}}\n"
        "listeners: [{listen: \":8080\", to: \"a:80\"}]\n");
    ASSERT_NE(loaded.document, nullptr);
    for (const auto& text : {dump(*loaded.document), dump_json(*loaded.document)}) {
        EXPECT_THAT(text, Not(HasSubstr("secret-path")));
        EXPECT_THAT(text, HasSubstr("***"));
    }
}

TEST(Dump, OfJsonHasOrigins) {
    const auto text = dump_json(*test::good(test::kShorthands).document, {.has_origins = true});
    const auto json = JsonValue::parse(text);
    ASSERT_TRUE(json.has_value()) << text;
    const auto& value = (*json)["clusters"]["orders"]["timeout"]["request"];
    EXPECT_EQ(value["value"].text(), "5s");
    EXPECT_EQ(value["origin"].text(), "weir.yaml:11");
}

}  // namespace
}  // namespace weir::describe
