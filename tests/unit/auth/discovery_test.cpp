#include "weir/auth/discovery.hpp"

#include <gtest/gtest.h>

namespace weir::auth {
namespace {

constexpr std::string_view kUrl = "https://id.test/realm/.well-known/openid-configuration";
constexpr std::string_view kIssuer = "https://id.test/realm";

std::string document(std::string_view keys, std::string_view issuer = kIssuer) {
    return std::string(R"({"issuer":")").append(issuer).append(R"(","jwks_uri":")") +
           std::string(keys) + R"(","response_types_supported":["code"]})";
}

TEST(Discovery, IsKnownByItsPath) {
    for (const char* url : {"https://id.test/.well-known/openid-configuration",
                            "http://id.test:8080/a/.well-known/openid-configuration",
                            "https://id.test/.well-known/openid-configuration?p=b2c"})
        EXPECT_TRUE(is_discovery(url)) << url;
    for (const char* url : {"https://id.test/keys", "https://id.test/.well-known/jwks.json",
                            "https://id.test/?/.well-known/openid-configuration",
                            "https://id.test/.well-known/openid-configuration/keys",
                            "https://id.test.well-known/openid-configuration",
                            "/etc/.well-known/openid-configuration", "{}", ""})
        EXPECT_FALSE(is_discovery(url)) << url;
}

TEST(Discovery, NamesTheKeysAtTheSameServer) {
    for (const char* keys : {"https://id.test/keys", "https://ID.test/keys?x=1",
                             "https://id.test:443/keys", "HTTPS://id.test/a/../keys"}) {
        const KeysPlace place = find_keys(document(keys), kUrl, kIssuer);
        EXPECT_EQ(place.url, keys) << place.problem;
    }
    EXPECT_EQ(
        find_keys(document("http://a:80/k"), "http://a/.well-known/openid-configuration", kIssuer)
            .url,
        "http://a:80/k");
}

TEST(Discovery, RefusesKeysThatAreElsewhere) {
    for (const char* keys :
         {"https://evil.test/keys", "http://id.test/keys", "https://id.test:444/keys",
          "https://id.test.evil.test/keys", "https://id.tes/keys", "https://id.test:80/keys"}) {
        const KeysPlace place = find_keys(document(keys), kUrl, kIssuer);
        EXPECT_EQ(place.url, "") << keys;
        EXPECT_NE(place.problem.find("jwks_uri is elsewhere, at " + std::string(keys)),
                  std::string::npos)
            << place.problem;
    }
}

TEST(Discovery, RefusesWhatIsNoUrl) {
    for (const char* keys :
         {"", "/keys", "keys", "//id.test/keys", "https://", "https:///keys", "https://id.test/a b",
          "https://id.test/a\\r\\nx: 1", "https://id.test/\\u0000", "https://u@id.test/keys",
          "https://id.test@evil.test/keys", "https://id.test/keys#a",
          "https://id.test\\\\@evil.test/", "https://id.test/\\u00e9"}) {
        const KeysPlace place = find_keys(document(keys), kUrl, kIssuer);
        EXPECT_EQ(place.url, "") << keys;
        EXPECT_EQ(place.problem, "the discovery document has no URL in jwks_uri") << keys;
    }
    const std::string longest = "https://id.test/" + std::string(3000, 'a');
    EXPECT_EQ(find_keys(document(longest), kUrl, kIssuer).url, "");
}

TEST(Discovery, RefusesTheDocumentOfAnotherIssuer) {
    for (const char* issuer :
         {"", "https://id.test/realm/", "https://ID.test/realm", "https://evil.test"}) {
        const KeysPlace place = find_keys(document("https://id.test/keys", issuer), kUrl, kIssuer);
        EXPECT_EQ(place.url, "");
        EXPECT_EQ(place.problem, "the discovery document is of another issuer");
    }
}

TEST(Discovery, RefusesWhatIsNoDocument) {
    for (
        const char* text :
        {"", "null", "[]", "<html>", "{", R"({"jwks_uri":"https://id.test/keys"})",
         R"({"issuer":"https://id.test/realm"})",
         R"({"issuer":["https://id.test/realm"],"jwks_uri":"https://id.test/keys"})",
         R"({"issuer":"https://id.test/realm","jwks_uri":["https://id.test/keys"]})",
         R"({"issuer":"x","issuer":"https://id.test/realm","jwks_uri":"https://id.test/keys"})",
         R"({"issuer":"https://id.test/realm","jwks_uri":"https://id.test/a","jwks_uri":"https://id.test/b"})"}) {
        const KeysPlace place = find_keys(text, kUrl, kIssuer);
        EXPECT_EQ(place.url, "") << text;
        EXPECT_NE(place.problem, "") << text;
    }
}

}  // namespace
}  // namespace weir::auth
