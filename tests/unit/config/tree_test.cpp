#include "config/tree.hpp"

#include "support.hpp"

namespace weir::config {
namespace {

struct Parsed {
    std::optional<Node> root;
    Report report;
};
Parsed parse(std::string_view text, std::map<std::string, std::string> variables = {}) {
    Parsed parsed;
    const auto environment = test::environment(std::move(variables));
    Allowance allowance;
    parsed.root = parse_tree(text, &environment, parsed.report, allowance);
    return parsed;
}
int first_code(const Parsed& parsed) {
    return parsed.report.has_errors() ? parsed.report.sorted().front().code : 0;
}

TEST(ConfigTree, KeepsPlacesAndDuplicates) {
    const auto parsed = parse("a: 1\nb:\n  - x\n  - 'y z'\na: 2\n");
    ASSERT_TRUE(parsed.root);
    const auto& entries = parsed.root->entries;
    ASSERT_EQ(entries.size(), 3U);
    EXPECT_EQ(entries[0].value.text, "1");
    EXPECT_EQ(entries[2].value.text, "2");
    EXPECT_EQ(entries[2].place.line, 5U);
    EXPECT_EQ(entries[1].value.items[1].place.line, 4U);
    EXPECT_EQ(entries[1].value.items[1].place.column, 5U);
    EXPECT_TRUE(entries[1].value.items[1].is_quoted);
    EXPECT_EQ(entries[1].value.items[1].width, 5U);
}

TEST(ConfigTree, PlacesAnAliasWhereItIsUsed) {
    const auto parsed = parse("a: &x {k: v}\nb: *x\n");
    ASSERT_TRUE(parsed.root);
    const auto& alias = parsed.root->entries[1].value;
    EXPECT_EQ(alias.place.line, 2U);
    EXPECT_EQ(alias.place.column, 4U);
    ASSERT_EQ(alias.entries.size(), 1U);
    EXPECT_EQ(alias.entries[0].value.text, "v");
}

TEST(ConfigTree, EmptyValuesStandAtTheirKey) {
    const auto parsed = parse("a:\nb: ~\n");
    ASSERT_TRUE(parsed.root);
    EXPECT_EQ(parsed.root->entries[0].value.kind, Node::Kind::null);
    EXPECT_EQ(parsed.root->entries[0].value.place.line, 1U);
}

TEST(ConfigTree, KnowsQuotesWhereverALineIsLong) {
    std::string text = "{a: [x";
    while (text.size() < 100'000)
        text += ", 'b', c";
    const auto parsed = parse(text + "]}\n");
    ASSERT_TRUE(parsed.root);
    const auto& items = parsed.root->entries.at(0).value.items;
    ASSERT_GT(items.size(), 20'000U);
    for (std::size_t i = 0; i < items.size(); ++i)
        ASSERT_EQ(items[i].is_quoted, i % 2 == 1) << i;
}

TEST(ConfigTree, ReplacesVariablesInValuesOnly) {
    const auto parsed =
        parse("a: ${X}:${Y:-80}\n${X}: '${X}'\nb: ${E:-}z\nc: $X {}\nd: ${X}\n", {{"X", "${Y}"}});
    ASSERT_TRUE(parsed.root);
    EXPECT_FALSE(parsed.report.has_errors());
    const auto& entries = parsed.root->entries;
    EXPECT_EQ(entries[0].value.text, "${Y}:80");  // a value is not looked at again
    EXPECT_EQ(entries[1].key, "${X}");
    EXPECT_EQ(entries[1].value.text, "${Y}");
    EXPECT_EQ(entries[2].value.text, "z");
    EXPECT_EQ(entries[3].value.text, "$X {}");
}

TEST(ConfigTree, RefusesWhatYamlOffersAndWeDoNotTake) {
    const struct {
        const char* name;
        std::string text;
        int code;
    } cases[] = {
        {"second document", "a: 1\n---\nb: 2\n", 116},
        {"document end", "a: 1\n...\nb: 2\n", 116},
        {"mixed list and map", "- a\nb: 1\n", 100},
        {"merge key", "a: {<<: {b: 1}}\n", 116},
        {"tag", "a: !!str 5\n", 116},
        {"own tag", "a: !x [1]\n", 116},
        {"depth", std::string(70, '['), 116},
        {"anchor in itself", "a: &x [*x]\n", 116},
        {"no anchor", "a: *x\n", 100},
        {"key that is a list", "? [a]\n: b\n", 100},
        {"open quote", "a: \"b\nc: d\n", 100},
        {"open single quote", "a: 'it''s\n", 100},
        {"NUL", std::string("a: b\0c\n", 7), 100},
        {"not UTF-8", "a: \xff\xfe\n", 100},
        {"cut UTF-8", "a: \xc3", 100},
        {"too large", std::string(kMostBytes + 1, '#'), 116},
        {"empty", "", 114},
        {"comment", "# nothing\n", 114},
        {"tab", "a:\n\tb: 1\n", 100},
        {"open list", "a: [1, 2\nb: 1\n", 100},
        {"at sign", "a: @x\n", 100},
        {"escape", "a: \"\\q\"\n", 100},
        {"variable in a flow map", "a: {b: ${X}}\n", 100},
        {"unquoted IPv6", "a: [::1]:80\n", 112},
        {"unquoted IPv6 in a list", "a: [b:80, [::1]:80]\n", 112},
        {"a list for a key", "? [a, b]\n: 1\n", 100},
        {"unset variable", "a: ${NOPE}\n", 107},
        {"odd variable", "a: ${}\n", 107},
        {"open variable", "a: ${X\n", 107},
    };
    for (const auto& [name, text, code] : cases)
        EXPECT_EQ(first_code(parse(text)), code) << name;
}

TEST(ConfigTree, BoundsWhatAliasesExpandTo) {
    std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 9; ++i) {
        const auto before = "*a" + std::to_string(i - 1);
        laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
        for (int k = 0; k < 10; ++k)
            laughs += (k == 0 ? "" : ", ") + before;
        laughs += "]\n";
    }
    EXPECT_EQ(first_code(parse(laughs)), 116);
}

TEST(ConfigTree, TakesALargeFileWithoutAliases) {
    std::string text = "a:\n";
    for (int i = 0; i < 150'000; ++i)
        text += "  - x\n";
    const auto parsed = parse(text);
    ASSERT_TRUE(parsed.root);
    EXPECT_EQ(parsed.root->entries[0].value.items.size(), 150'000U);
}

TEST(ConfigTree, SaysWhereAQuoteBeganThatEndsTooLate) {
    const auto parsed = parse("a: \"b\nc: \"d\"\n");
    ASSERT_TRUE(parsed.report.has_errors());
    EXPECT_NE(parsed.report.sorted().front().help.find("line 1"), std::string::npos);
}

}  // namespace
}  // namespace weir::config
