#include "weir/manual/pages.hpp"

#include "weir/core/json.hpp"
#include "weir/decode/keys.hpp"
#include "weir/manual/explain.hpp"
#include "weir/telemetry/families.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace weir::manual {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<Verb> some_verbs() {
    return {{"run",
             "Run the proxy",
             "Verbs",
             {{"FILE", "configuration", {}, true, true, false},
              {"-h,--help", "help", {}, false, false, false},
              {"--from", "where to listen", {}, true, false, false}}},
            {"config dump",
             "Write it out",
             "Verbs",
             {{"-o,--output", "form", {"yaml", "json"}, true, false, false}}},
            {"config explain", "A value", "Verbs", {{"PATH", "a key", {}, true, true, true}}}};
}

TEST(Schema, IsJsonOfTheDraft) {
    const auto schema = JsonValue::parse(json_schema());
    ASSERT_TRUE(schema.has_value());
    EXPECT_EQ((*schema)["$schema"].text(), "https://json-schema.org/draft/2020-12/schema");
    EXPECT_EQ((*schema)["type"].text(), "object");
    EXPECT_EQ((*schema)["required"].items().front().text(), "version");
}

// Where the schema has a key of the table.
const JsonValue& property(const JsonValue& schema, const std::string& path) {
    const auto dot = path.rfind('.');
    if (dot == std::string::npos) return schema["properties"][path];
    std::string block;
    for (const char c : path.substr(0, dot)) {
        if (std::string("[]{}").find(c) == std::string::npos) block += c;
    }
    const auto key = path.substr(dot + 1);
    const bool is_client = path.starts_with("timeout.client_");
    return schema["$defs"][is_client ? "defaults.timeout" : block]["properties"][key];
}

TEST(Schema, HasEveryKeyOfTheTableAndNoOther) {
    const auto schema = *JsonValue::parse(json_schema());
    std::size_t count = 0;
    for (const auto& key : config::keys()) {
        const auto& found = property(schema, key.path);
        EXPECT_TRUE(found.is_object()) << key.path;
        EXPECT_THAT(found["description"].text(), HasSubstr(std::string(key.doc))) << key.path;
        ++count;
    }
    std::size_t in_schema = schema["properties"].members().size();
    for (const auto& [name, definition] : schema["$defs"].members()) {
        const auto& properties = definition["properties"];
        if (name == "secret" || !properties.is_object()) continue;
        EXPECT_EQ(definition["additionalProperties"].boolean(), false) << name;
        // defaults.timeout is timeout once more, with the two client_*.
        in_schema += name == "defaults.timeout" ? 2 : properties.members().size();
    }
    EXPECT_EQ(in_schema, count);
}

TEST(Schema, PointsOnlyAtWhatItDefines) {
    const auto text = json_schema();
    const auto schema = *JsonValue::parse(text);
    const std::string mark = "\"#/$defs/";
    std::size_t count = 0;
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
        const auto begin = at + mark.size();
        const auto name = text.substr(begin, text.find('"', begin) - begin);
        EXPECT_TRUE(schema["$defs"][name].is_object()) << name;
        ++count;
    }
    EXPECT_GT(count, 50U);
}

TEST(ConfigurationPage, HasEveryKey) {
    const auto page = configuration_page();
    for (const auto& key : config::keys()) {
        const auto dot = key.path.rfind('.');
        const auto name = dot == std::string::npos ? key.path : key.path.substr(dot + 1);
        const auto block = dot == std::string::npos ? std::string("Top level")
                                                    : "`" + key.path.substr(0, dot) + "`";
        const auto heading = page.find("\n## " + block + "\n");
        ASSERT_NE(heading, std::string::npos) << block;
        const auto row = page.find("\n| `" + name + "` | ", heading);
        ASSERT_NE(row, std::string::npos) << key.path;
        EXPECT_LT(row, std::min(page.find("\n## ", heading + 1), page.size())) << key.path;
    }
}

TEST(ConfigurationPage, TellsShorthands) {
    EXPECT_THAT(
        configuration_page(),
        HasSubstr("## `retry`\n\nA bare value in place of the object is `attempts`. The word "
                  "`off` is `attempts: 0`.\n"));
}

TEST(MetricsPage, HasEveryFamily) {
    const auto page = metrics_page();
    for (const auto& family : telemetry::families())
        EXPECT_THAT(page, HasSubstr("\n| `" + std::string(family.name) + "` | "));
}

TEST(ErrorsPage, HasEveryWord) {
    const auto page = errors_page();
    for (const auto& explanation : explanations())
        EXPECT_THAT(page, HasSubstr("\n### " + std::string(explanation.word) + "\n"));
}

// A cell that holds an unescaped | would be two.
TEST(Pages, HaveTablesOfEqualRows) {
    for (const auto& page : {configuration_page(), metrics_page()}) {
        std::size_t cells = 0;
        std::size_t begin = 0;
        while (begin < page.size()) {
            const auto end = page.find('\n', begin);
            const auto line = page.substr(begin, end - begin);
            begin = end + 1;
            std::size_t count = 0;
            for (std::size_t i = 0; i < line.size(); ++i)
                count += line[i] == '|' && (i == 0 || line[i - 1] != '\\') ? 1U : 0U;
            if (!line.starts_with('|')) {
                cells = 0;
            } else if (cells == 0) {
                cells = count;
            } else {
                EXPECT_EQ(count, cells) << line;
            }
        }
    }
}

TEST(ManPage, HasEveryVerbAndKey) {
    const auto page = man_page(some_verbs());
    EXPECT_THAT(page, HasSubstr(".SS weir config explain PATH\n"));
    EXPECT_THAT(page, HasSubstr(".B \\-o, \\-\\-output yaml|json\n"));
    EXPECT_THAT(page, HasSubstr(".SS weir run [FILE]\n"));
    EXPECT_THAT(page, Not(HasSubstr("help")));
    for (const auto& key : config::keys())
        EXPECT_THAT(page, HasSubstr("\n.BR " + key.path + " \"")) << key.path;
}

TEST(Completion, IsThereForThreeShells) {
    for (const auto* shell : {"bash", "zsh", "fish"}) {
        const auto script = completion(shell, some_verbs());
        ASSERT_TRUE(script.has_value());
        EXPECT_THAT(*script, HasSubstr("run"));
        EXPECT_THAT(*script, HasSubstr("dump"));
        EXPECT_THAT(*script, HasSubstr("yaml json"));
        EXPECT_THAT(*script, HasSubstr("defaults.timeout.request"));
        EXPECT_THAT(*script, HasSubstr("limits.header_size"));
    }
    EXPECT_EQ(completion("tcsh", some_verbs()), std::nullopt);
}

}  // namespace
}  // namespace weir::manual
