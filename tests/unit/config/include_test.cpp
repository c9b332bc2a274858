#include "support.hpp"

#include <algorithm>
#include <sys/stat.h>
#include <unistd.h>

namespace weir::config {
namespace {

using test::codes;
using test::Folder;

const std::string kMain =
    "version: 1\ninclude: [conf.d/*.yaml]\nlisteners: [{listen: \":80\", to: \"h:1\"}]\n";

LoadResult load_in(const Folder& folder) {
    return load_file((folder.path() / "weir.yaml").string(), test::environment({{"PORT", "8443"}}));
}
bool has(const std::vector<std::string>& list, const std::filesystem::path& path) {
    return std::find(list.begin(), list.end(), path.string()) != list.end();
}

TEST(ConfigInclude, MergesMapsAndAppendsListenersInOrderOfNames) {
    const Folder folder;
    folder.write("weir.yaml", kMain +
                                  "clusters: {own: {endpoints: [\"h:1\"]}}\n"
                                  "defaults: {retry: 1}\n");
    folder.write("conf.d/20-b.yaml",
                 "listeners: [{listen: \":${PORT}\", to: beta}]\n"
                 "clusters: {beta: {endpoints: [\"h:2\"]}}\n");
    folder.write("conf.d/10-a.yaml",
                 "listeners: [{listen: \":81\", to: own}]\n"
                 "clusters: {alpha: {endpoints: [\"h:3\"]}}\n"
                 "defaults: {timeout: 5s}\n");
    folder.write("conf.d/readme.txt", "not: [yaml");
    folder.write("conf.d/30-empty.yaml", "# nothing yet\n");
    const auto result = load_in(folder);
    ASSERT_TRUE(result) << test::messages(result);
    const auto& config = *result.config;
    ASSERT_EQ(config.listeners.size(), 3U);
    EXPECT_EQ(config.listeners[0].name, ":80");
    EXPECT_EQ(config.listeners[1].name, ":81");
    EXPECT_EQ(config.listeners[2].name, ":8443");
    EXPECT_TRUE(config.clusters.contains("alpha"));
    EXPECT_TRUE(config.clusters.contains("beta"));
    EXPECT_EQ(config.clusters.at("own").retry.attempts, 1U);
    EXPECT_EQ(config.clusters.at("own").timeout.request, std::chrono::seconds{5});
    EXPECT_EQ(config.clusters.at("alpha").place.file, 1U);
    EXPECT_EQ(config.clusters.at("beta").place.file, 2U);
    ASSERT_EQ(config.source.files.size(), 4U);
    EXPECT_TRUE(config.source.files[2].ends_with("conf.d/20-b.yaml"));
}

TEST(ConfigInclude, AddsRoutesToAListenerThatThereIs) {
    const Folder folder;
    folder.write("weir.yaml",
                 "version: 1\ninclude: [conf.d/*.yaml]\nlisteners:\n"
                 "  - {name: public, listen: \":80\", routes: [{name: a, path: /a, to: \"h:1\"}]}\n"
                 "  - {name: bare, listen: \":81\"}\n");
    folder.write("conf.d/20.yaml",
                 "listeners: [{name: public, routes: [{name: c, path: /c, to: \"h:1\"}]}]\n");
    folder.write("conf.d/10.yaml",
                 "listeners:\n  - {name: bare, routes: [{to: \"h:2\"}]}\n"
                 "  - {name: public, routes: [{name: b, path: /b, to: \"h:1\"}]}\n");
    const auto result = load_in(folder);
    ASSERT_TRUE(result) << test::messages(result);
    ASSERT_EQ(result.config->listeners.size(), 2U);
    const auto& routes = result.config->listeners[0].routes;
    ASSERT_EQ(routes.size(), 3U);
    EXPECT_EQ(routes[1].name, "b");
    EXPECT_EQ(routes[2].name, "c");
    EXPECT_EQ(routes[2].place.file, 2U);
    EXPECT_EQ(result.config->listeners[1].routes.size(), 1U);
}

TEST(ConfigInclude, RoutesForNobodyAreAnError) {
    const Folder folder;
    folder.write("weir.yaml", kMain);
    folder.write("conf.d/10.yaml", "listeners: [{name: nobody, routes: [{to: \"h:1\"}]}]\n");
    EXPECT_FALSE(load_in(folder));
    folder.write("conf.d/10.yaml",
                 "listeners: [{name: \":80\", routes: [{name: a, to: \"h:1\"}]}]\n");
    EXPECT_FALSE(load_in(folder));
}

TEST(ConfigInclude, SaysTheSameAsOneFile) {
    const Folder folder;
    folder.write("weir.yaml", kMain);
    folder.write("conf.d/a.yaml", "clusters: {a: {endpoints: [\"h:1\"]}}\n");
    const Folder whole;
    whole.write("weir.yaml",
                "version: 1\nlisteners: [{listen: \":80\", to: \"h:1\"}]\n"
                "clusters: {a: {endpoints: [\"h:1\"]}}\n");
    EXPECT_EQ(*load_in(folder).config, *load_in(whole).config);
}

TEST(ConfigInclude, IsInTheHashAndInWhatIsWatched) {
    const Folder folder;
    folder.write("weir.yaml", kMain);
    folder.write("conf.d/a.yaml", "drain: 5s\n");
    const auto before = load_in(folder).config;
    folder.write("conf.d/a.yaml", "drain: 6s\n");
    const auto after = load_in(folder).config;
    ASSERT_TRUE(before && after);
    EXPECT_NE(before->source.hash, after->source.hash);
    const auto& watched = after->source.watched;
    for (const auto* name : {"weir.yaml", "conf.d/a.yaml", "conf.d"})
        EXPECT_TRUE(has(watched, folder.path() / name)) << name;
    EXPECT_TRUE(has(watched, folder.path()));
}

TEST(ConfigInclude, WatchesTheFolderOfAPatternThatFindsNothingYet) {
    const Folder folder;
    folder.write("weir.yaml", kMain);
    const auto result = load_in(folder);
    ASSERT_TRUE(result) << test::messages(result);
    EXPECT_TRUE(has(result.config->source.watched, folder.path() / "conf.d"));
}

TEST(ConfigInclude, WatchesWhereALinkLeads) {
    const Folder folder;
    folder.write("data/weir.yaml", "version: 1\nlisteners: [{listen: \":80\", to: \"h:1\"}]\n");
    std::filesystem::create_symlink("data/weir.yaml", folder.path() / "weir.yaml");
    const auto result = load_in(folder);
    ASSERT_TRUE(result);
    EXPECT_TRUE(
        has(result.config->source.watched, std::filesystem::canonical(folder.path()) / "data"));
}

TEST(ConfigInclude, NamesBothPlacesOfWhatIsDefinedTwice) {
    const Folder folder;
    const auto main = folder.write("weir.yaml", kMain +
                                                    "clusters:\n  a: {endpoints: [\"h:1\"]}\n"
                                                    "drain: 5s\n");
    const auto part =
        folder.write("conf.d/a.yaml", "clusters:\n  a: {endpoints: [\"h:1\"]}\ndrain: 5s\n");
    const auto result = load_in(folder);
    EXPECT_EQ(codes(result), "131 102");
    const auto text = test::messages(result);
    EXPECT_NE(text.find(part + ":2:3: error[W131]: a cluster named 'a' is already there"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("first at " + main + ":5"), std::string::npos) << text;
    EXPECT_NE(text.find("first at " + main + ":6"), std::string::npos) << text;
    EXPECT_NE(text.find("    2 |   a: {endpoints: [\"h:1\"]}\n"), std::string::npos) << text;
}

TEST(ConfigInclude, RefusesWhatItCannotTake) {
    const struct {
        const char* include;
        const char* part;
        const char* codes;
    } cases[] = {{"none.yaml", "", "122"},
                 {"none-*.yaml", "", ""},
                 {"conf.d", "", "122"},
                 {"\"\"", "", "122"},
                 {"{}", "", "108"},
                 {"[[a]]", "", "108"},
                 {"[conf.d/*.yaml, conf.d/a.yaml]", "drain: 5s", ""},
                 {"[\"*.yaml\"]", "", ""},
                 {"conf.d/a.yaml", "include: x.yaml", "122"},
                 {"conf.d/a.yaml", "[a, b]", "108"},
                 {"conf.d/a.yaml", "a: [", "100"},
                 {"conf.d/a.yaml", "drain: 5", "103"},
                 {"conf.d/a.yaml", "drain: ${NONE}", "107"},
                 {"conf.d/a.yaml", "drain: 5s\ndrain: 6s", "102"},
                 {"conf.d/a.yaml", "listeners: {}", "102"},
                 {"conf.d/a.yaml", "version: 1", ""},
                 {"conf.d/a.yaml", "version: 2", "102"},
                 {"conf.d/a.yaml", "clusters: {b: {endpoints: [\"h:1\"]}, b: {}}", "102"}};
    for (const auto& [include, part, expected] : cases) {
        const Folder folder;
        folder.write("weir.yaml", "version: 1\ninclude: " + std::string(include) +
                                      "\nlisteners: [{listen: \":80\", to: \"h:1\"}]\n");
        folder.write("conf.d/a.yaml", part);
        const auto result = load_in(folder);
        EXPECT_EQ(codes(result), expected) << include << " | " << part << test::messages(result);
    }
}

TEST(ConfigInclude, WaitsForNoPipe) {
    const Folder folder;
    folder.write("weir.yaml",
                 "version: 1\ninclude: pipe\nadmin: {token: {file: pipe}}\n"
                 "listeners: [{listen: \":80\", to: \"h:1\"}]\n");
    ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
    EXPECT_EQ(codes(load_in(folder)), "122 121");
}

TEST(ConfigInclude, SpendsOneAllowanceForAllFiles) {
    const Folder folder;
    folder.write("weir.yaml", kMain);
    const std::string comment = "#" + std::string(3 * 1024 * 1024, 'x') + "\n";
    folder.write("conf.d/a.yaml", comment);
    EXPECT_EQ(codes(load_in(folder)), "");
    folder.write("conf.d/b.yaml", comment);
    EXPECT_EQ(codes(load_in(folder)), "116");
    std::string copies = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\nb: &b [";
    for (int i = 0; i < 3000; ++i)
        copies += "*a, ";
    copies += "]\n";
    folder.write("conf.d/a.yaml", copies);
    folder.write("conf.d/b.yaml", copies);
    EXPECT_NE(codes(load_in(folder)).find("116"), std::string::npos);
    folder.write("conf.d/b.yaml", "");
    EXPECT_EQ(codes(load_in(folder)).find("116"), std::string::npos);
}

TEST(ConfigInclude, ReadsNothingWhereItMayNot) {
    auto environment = test::environment();
    environment.reads_files = false;
    const auto result = load_text(kMain, "weir.yaml", environment);
    EXPECT_EQ(codes(result), "122");
}

// ---- secrets

std::string with_token(const std::string& token) {
    return "version: 1\nlisteners: [{listen: \":80\", to: \"h:1\"}]\nadmin: {listen: \":9347\", "
           "token: " +
           token + "}\n";
}

TEST(ConfigSecret, ComesFromAFileOrAVariable) {
    const Folder folder;
    folder.write("token", "s3cret\n");
    const auto path = folder.write("weir.yaml", with_token("{file: token}"));
    const auto from_file = load_file(path, test::environment());
    ASSERT_TRUE(from_file) << test::messages(from_file);
    EXPECT_EQ(from_file.config->admin_token->reveal(), "s3cret");
    EXPECT_TRUE(has(from_file.config->source.files, folder.path() / "token"));
    EXPECT_TRUE(has(from_file.config->source.watched, folder.path() / "token"));

    const auto from_variable = load_text(with_token("{env: TOKEN}"), "weir.yaml",
                                         test::environment({{"TOKEN", "s3cret"}}));
    ASSERT_TRUE(from_variable) << test::messages(from_variable);
    EXPECT_EQ(from_variable.config->admin_token, from_file.config->admin_token);

    folder.write("token", "another");
    EXPECT_FALSE(*load_file(path, test::environment()).config == *from_file.config);
}

TEST(ConfigSecret, IsNeverInTheText) {
    const auto inline_text = test::load(with_token("hunter2"));
    EXPECT_EQ(codes(inline_text), "151");
    EXPECT_EQ(test::messages(inline_text).find("hunter2"), std::string::npos)
        << test::messages(inline_text);
    EXPECT_EQ(inline_text.report.sorted()[0].note, "write {file: PATH} or {env: NAME}");
    const struct {
        const char* token;
        const char* codes;
    } cases[] = {{"{file: /nonexistent/token}", "121"},
                 {"{env: NONE}", "107"},
                 {"{env: EMPTY}", "121"},
                 {"{env: LINES}", "121"},
                 {"{file: a, env: B}", "115"},
                 {"{}", "114"},
                 {"{value: s3cret}", "101"},
                 {"{file: a, value: s3cret}", "101"},
                 {"[a]", "151"},
                 {"{env: [A]}", "108"},
                 {"\"${TOKEN}\"", "151"}};
    for (const auto& [token, expected] : cases) {
        const auto result = load_text(
            with_token(token), "weir.yaml",
            test::environment({{"EMPTY", ""}, {"LINES", "s3cret\nmore"}, {"TOKEN", "s3cret"}}));
        const auto text = test::messages(result);
        EXPECT_EQ(codes(result), expected) << token << text;
        EXPECT_EQ(text.find("s3cret"), std::string::npos) << text;
    }
}

TEST(ConfigSecret, OpensTheAdminPortToOthers) {
    const auto with = test::environment({{"TOKEN", "s3cret"}});
    EXPECT_EQ(codes(load_text(with_token("{env: TOKEN}"), "weir.yaml", with)), "");
    EXPECT_EQ(codes(test::kListener +
                    "clusters: {a: {endpoints: [\"h:1\"]}}\nadmin: {listen: \":9347\"}\n"),
              "150");
}

TEST(ConfigAdmin, TakesHostsWithoutPorts) {
    const auto with = [](const std::string& hosts) {
        return test::kListener + "clusters: {a: {endpoints: [\"h:1\"]}}\nadmin: {hosts: " + hosts +
               "}\n";
    };
    EXPECT_EQ(test::good(with("[weir.example, 10.0.0.1, \"[::1]\"]")).admin_hosts.size(), 3U);
    EXPECT_EQ(test::good(with("localhost")).admin_hosts, std::vector<std::string>{"localhost"});
    EXPECT_EQ(codes(with("[\"weir.example:9347\", \"*\", \"a b\"]")), "119 119 119");
}

}  // namespace
}  // namespace weir::config
