#include "weir/describe/format.hpp"

#include "support.hpp"
#include "texts.hpp"

namespace weir::describe {
namespace {

struct Case {
    std::string_view name;
    std::string_view from;
    std::string_view to;
};
constexpr Case kCases[] = {
    {"two spaces a level", "a:\n    b:\n        c: 1\n", "a:\n  b:\n    c: 1\n"},
    {"a list below its key", "a:\n- b: 1\n  c: 2\n- d\n", "a:\n  - b: 1\n    c: 2\n  - d\n"},
    {"a key after a list at its column", "a:\n- x\nb: 1\n", "a:\n  - x\nb: 1\n"},
    {"one blank after a dash", "a:\n  -   b: 1\n      c: 2\n", "a:\n  - b: 1\n    c: 2\n"},
    {"lists in lists", "- - a\n  - b\n-   - c\n", "- - a\n  - b\n- - c\n"},
    {"a dash alone", "a:\n  -\n    b: 1\n", "a:\n  -\n    b: 1\n"},
    {"tabs", "a:\n\tb: 1\n\tc:\n\t\td: 2\n", "a:\n  b: 1\n  c:\n    d: 2\n"},
    {"blanks at the end", "a: 1  \nb: 2\t\r\n\n\n", "a: 1\nb: 2\n"},
    {"the last line", "a: 1", "a: 1\n"},
    {"an address", "a: [::1]:8080 # x\n", "a: \"[::1]:8080\" # x\n"},
    {"addresses in lists", "a: [[::1]:80, \"[::2]:80\"]\nb:\n- [fe80::1]:1\n",
     "a: [\"[::1]:80\", \"[::2]:80\"]\nb:\n  - \"[fe80::1]:1\"\n"},
    {"a list that is no address", "a: [::1]\nb: [a:1, c]\n", "a: [::1]\nb: [a:1, c]\n"},
    {"comments", "# top\na:\n    # of b\n    b: 1 # end\n    # after b\n# last\n",
     "# top\na:\n  # of b\n  b: 1 # end\n  # after b\n# last\n"},
    {"a comment after a list at its key's column", "a:\n- b\n# c\n", "a:\n  - b\n# c\n"},
    {"empty lines between", "a: 1\n\n\nb: 2\n", "a: 1\n\n\nb: 2\n"},
    {"a text in block style", "a:\n    b: |\n        x\n          y  \n\n        z\n    c: 1\n",
     "a:\n  b: |\n      x\n        y  \n\n      z\n  c: 1\n"},
    {"a text in quotes over lines", "a:\n    b: \"x\n      # no comment\n      y\"\n    c: 1\n",
     "a:\n  b: \"x\n    # no comment\n    y\"\n  c: 1\n"},
    {"brackets over lines", "a:\n    b: [x,\n        y, [::1]:80,\n    ]\n    c: 1\n",
     "a:\n  b: [x,\n      y, \"[::1]:80\",\n  ]\n  c: 1\n"},
    {"a plain text over lines", "a:\n    b: x\n        - y\n    c: 1\n",
     "a:\n  b: x\n      - y\n  c: 1\n"},
    {"brackets in a plain text", "a: /u/{id}\nb: it's\nc: 1\n", "a: /u/{id}\nb: it's\nc: 1\n"},
    {"json", "{\n    \"a\": 1\n}\n", "{\n    \"a\": 1\n}\n"},
    {"an anchor", "a: &x\n    b: 1\nc: *x\n", "a: &x\n  b: 1\nc: *x\n"},
    {"the beginning of the document", "---\na:\n    b: 1\n", "---\na:\n  b: 1\n"},
    {"nothing", "", ""},
};

TEST(Format, Mends) {
    for (const auto& of : kCases)
        EXPECT_EQ(format(of.from), of.to) << of.name;
}

TEST(Format, ChangesNothingTheSecondTime) {
    for (const auto& of : kCases)
        EXPECT_EQ(format(format(of.from)), format(of.from)) << of.name;
}

// The same with more and with less indentation, and lists at the column of their keys.
std::string spread(std::string_view text, std::size_t step) {
    std::string out;
    std::stringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        const auto blanks = std::min(line.find_first_not_of(' '), line.size());
        out += std::string(blanks * step / 2, ' ') + line.substr(blanks) + "   \n";
    }
    return out;
}

void expect_same_meaning(const std::string& text, const std::string& name) {
    const auto before = config::load_text(text, name, test::environment());
    if (!before) return;
    const auto formatted = format(text);
    const auto after = config::load_text(formatted, name, test::environment());
    ASSERT_TRUE(after) << formatted << config::render(after.report, after.sources);
    EXPECT_TRUE(*after.config == *before.config) << text << formatted;
    EXPECT_EQ(format(formatted), formatted) << name;
}

TEST(Format, DoesNotChangeWhatIsSaid) {
    std::vector<std::pair<std::string, std::string>> texts;
    for (const auto text : test::kTexts)
        texts.emplace_back("weir.yaml", text);
    for (const auto& file : test::valid_files())
        texts.emplace_back(file, test::read(file));
    for (const auto& [name, text] : texts) {
        ASSERT_TRUE(config::load_text(text, name, test::environment())) << name;
        expect_same_meaning(text, name);
        expect_same_meaning(spread(text, 4), name);
        const auto loaded = config::load_text(text, name, test::environment());
        expect_same_meaning(dump(*loaded.document, {.has_defaults = true}), name);
        expect_same_meaning(dump_json(*loaded.document), name);
    }
}

TEST(Format, LeavesFilesOfThisRepositoryAlone) {
    for (const auto& file : test::valid_files()) {
        if (file.find("/config/") == std::string::npos || file.find("/fuzz/") != std::string::npos)
            continue;
        EXPECT_EQ(format(test::read(file)), test::read(file)) << file;
    }
}

}  // namespace
}  // namespace weir::describe
