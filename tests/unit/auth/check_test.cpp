#include "weir/auth/check.hpp"

#include "unit/config/support.hpp"
#include <gtest/gtest.h>

namespace weir::auth {
namespace {

namespace test = config::test;

const WallTime kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 23);

// All that is wrong, a line each.
std::string problems(const std::string& auth, const std::string& route = "to: c") {
    const auto loaded = test::load(
        "version: 1\nlisteners: [{listen: \":80\", auth: users, routes: [{path: /*, " + route +
        "}]}]\nauth: {users: {" + auth + "}}\nclusters: {c: {endpoints: [\"10.0.0.1:80\"]}}\n");
    EXPECT_TRUE(loaded) << test::messages(loaded);
    config::Report report;
    if (loaded) check(*loaded.config, report, kNow);
    std::string out;
    for (const auto& problem : report.sorted())
        out += std::to_string(problem.code) + " " + problem.what + "\n";
    return out;
}

class AuthCheck : public testing::Test {
  protected:
    std::string file(const std::string& text) {
        return "{file: " + folder.write("file", text) + "}";
    }
    const test::Folder folder;
    const std::string secret =
        "type: jwt, secret: " + ("{file: " + folder.write("s", std::string(32, 's')) + "}");
};

TEST_F(AuthCheck, FindsNothingInWhatIsGood) {
    EXPECT_EQ(problems(secret), "");
    EXPECT_EQ(problems(secret, "require: 'claims.sub == \"7\"', to: c"), "");
    EXPECT_EQ(problems(secret, "auth: none, require: 'not has auth', to: c"), "");
}

TEST_F(AuthCheck, FindsSecretsThatAreShort) {
    EXPECT_EQ(problems("type: jwt, secret: " + file(std::string(31, 's'))).substr(0, 3), "123");
}

TEST_F(AuthCheck, FindsSetsOfNoUse) {
    EXPECT_EQ(problems("type: jwt, jwks: '{\"keys\":[]}'").substr(0, 3), "121");
    const std::string oct = R"({"kty":"oct","k":"c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M"})";
    EXPECT_EQ(problems("type: jwt, jwks: '" + oct + "'").substr(0, 3), "121");
    EXPECT_EQ(problems("type: jwt, algorithms: [HS256], jwks: '" + oct + "'").substr(0, 3), "151");
    const std::string path = folder.write("oct.json", oct);
    EXPECT_EQ(problems("type: jwt, algorithms: [HS256], jwks: " + path), "");
    EXPECT_EQ(problems("type: jwt, algorithms: [HS512], jwks: " + path).substr(0, 3), "201");
}

TEST_F(AuthCheck, FindsADocumentOfNobodyInParticular) {
    const std::string fetched =
        "type: jwt, jwks_cluster: c, jwks: 'https://i.test/.well-known/openid-configuration'";
    EXPECT_EQ(problems(fetched).substr(0, 3), "114");
    EXPECT_EQ(problems(fetched + ", issuer: 'https://i.test'"), "");
}

TEST_F(AuthCheck, FindsFilesOfKeysWithTheirLine) {
    const auto keys = problems("type: api_key, keys: " + file("# keys\nacme:hunter2\n"));
    EXPECT_NE(keys.find("line 2"), std::string::npos) << keys;
    EXPECT_EQ(keys.find("hunter2"), std::string::npos) << keys;
    EXPECT_EQ(problems("type: basic, keys: " + file("ann:hunter2\n")).substr(0, 3), "121");
}

TEST_F(AuthCheck, FindsRulesThatAreNone) {
    EXPECT_EQ(problems(secret, "require: 'claims.sub = 7', to: c").substr(0, 3), "119");
    EXPECT_NE(problems(secret, "require: 'claims.sub = 7', to: c").find("character 12"),
              std::string::npos);
}

TEST_F(AuthCheck, FindsRulesThatCannotHold) {
    EXPECT_EQ(problems(secret, "auth: none, require: 'has claims.sub', to: c").substr(0, 3), "201");
    EXPECT_EQ(problems(secret, "require: 'spiffe == \"x\"', to: c").substr(0, 3), "201");
}

}  // namespace
}  // namespace weir::auth
