#include "support.hpp"

#include <algorithm>

namespace weir::config {
namespace {

using namespace std::chrono_literals;
using test::codes;
using test::good;

constexpr std::string_view kJwks = R"('{"keys":[]}')";

std::string with_auth(const std::string& auth,
                      const std::string& listener = "to: c",
                      const std::string& rest = {}) {
    return "version: 1\nlisteners:\n  - {listen: \":8080\", " + listener + "}\nauth:\n" + auth +
           "clusters: {c: {endpoints: [\"10.0.0.1:80\"]}}\n" + rest;
}
std::string one(const std::string& keys) {
    return "  users: {" + keys + "}\n";
}
std::string inline_jwt(const std::string& more = {}) {
    return one("type: jwt, jwks: " + std::string(kJwks) + more);
}

TEST(ConfigAuth, HasTheDefaultsOfTheReference) {
    const Auth made = good(with_auth(inline_jwt())).auth.at("users");
    EXPECT_EQ(made.name, "users");
    EXPECT_EQ(made.algorithms, (std::vector<std::string>{"RS256", "PS256", "ES256", "EdDSA"}));
    EXPECT_EQ(made.leeway, 30s);
    EXPECT_EQ(made.max_stale, 24h);
    EXPECT_EQ(made.min_refetch, 10s);
    EXPECT_FALSE(made.max_lifetime);
    EXPECT_EQ(made.from, "header:authorization");
    EXPECT_EQ(made.timeout, 500ms);
    EXPECT_FALSE(made.fail_open);
    EXPECT_EQ(made.jwks_text, made.jwks);
}

TEST(ConfigAuth, ReadsTheWholeBlock) {
    const test::Folder folder;
    const std::string secret = folder.write("secret", "0123456789abcdef0123456789abcdef\n");
    const Auth made =
        good(with_auth(one("type: jwt, jwks: 'https://issuer.test/keys', jwks_cluster: c, "
                           "secret: {file: " +
                           secret +
                           "}, issuer: i, audience: [a, b], leeway: 5s, max_stale: 1h, "
                           "min_refetch: 1m, max_lifetime: 2h, from: 'cookie:Sid', "
                           "forward_claims: {sub: X-User-Id}, require: {scope: [a, b], n: 7}")))
            .auth.at("users");
    EXPECT_EQ(made.jwks, "https://issuer.test/keys");
    EXPECT_EQ(made.jwks_text, "");
    EXPECT_EQ(made.jwks_cluster, "c");
    EXPECT_EQ(made.secret->reveal(), "0123456789abcdef0123456789abcdef");
    EXPECT_EQ(made.audiences, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(made.algorithms.back(), "HS256");
    EXPECT_EQ(made.from, "cookie:Sid");
    EXPECT_EQ(made.forward_claims.at("sub"), "x-user-id");
    EXPECT_EQ(made.require.at("scope"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(made.require.at("n"), std::vector<std::string>{"7"});
    EXPECT_EQ(made.max_lifetime, 2h);
}

TEST(ConfigAuth, KeysAreAFileOfLines) {
    const test::Folder folder;
    const std::string keys = folder.write("keys", "a:1\nb:2\n");
    const Auth made =
        good(with_auth(one("type: api_key, from: 'header:X-Api-Key', keys: {file: " + keys + "}")))
            .auth.at("users");
    EXPECT_EQ(made.keys->reveal(), "a:1\nb:2");
    EXPECT_EQ(made.from, "header:x-api-key");
    EXPECT_EQ(codes(with_auth(one("type: basic, keys: a"))), "151");
    EXPECT_EQ(codes(with_auth(one("type: basic, keys: {file: /nowhere}"))), "121");
}

TEST(ConfigAuth, WhoIsAskedIsOneCluster) {
    const Config made =
        good(with_auth(one("type: external, to: '10.0.0.9:80', path: /a, "
                           "forward_headers: [X-User], fail_open: true")));
    EXPECT_EQ(made.auth.at("users").to, "10.0.0.9:80");
    EXPECT_TRUE(made.clusters.contains("10.0.0.9:80"));
    EXPECT_EQ(made.auth.at("users").forward_headers, std::vector<std::string>{"x-user"});
    EXPECT_EQ(codes(with_auth(one("type: external, to: nobody"))), "110");
    EXPECT_NE(codes(with_auth(one("type: external, to: [c, '10.0.0.9:80']"))), "");
    EXPECT_EQ(codes(with_auth(one("type: external, to: c, path: a"))), "119");
}

TEST(ConfigAuth, RoutesInheritFromTheirListener) {
    const auto routes = good(with_auth(inline_jwt() + "  other: {type: mtls}\n",
                                       "auth: users, routes: [{path: /a, auth: none, to: c}, "
                                       "{path: /b, auth: [other, users], to: c}, "
                                       "{path: /c, require: 'has auth', to: c}]"))
                            .listeners[0]
                            .routes;
    EXPECT_TRUE(routes[0].auth.is_none());
    EXPECT_EQ(routes[1].auth.any_of, (std::vector<std::string>{"other", "users"}));
    EXPECT_EQ(routes[2].auth.any_of, std::vector<std::string>{"users"});
    EXPECT_EQ(routes[2].auth.require, "has auth");
    const auto only = good(with_auth(inline_jwt(), "auth: users, to: c")).listeners[0].routes;
    EXPECT_EQ(only[0].auth.any_of, std::vector<std::string>{"users"});
}

TEST(ConfigAuth, RefusesNamesThatAreNone) {
    EXPECT_EQ(codes(with_auth(inline_jwt(), "auth: user, to: c")), "110");
    EXPECT_EQ(codes(with_auth(inline_jwt(), "auth: [users, users], to: c")), "102");
    EXPECT_EQ(codes(with_auth(inline_jwt(), "auth: [], to: c")), "114");
    EXPECT_EQ(codes(with_auth("  none: {type: mtls}\n")), "118");
    EXPECT_EQ(codes(with_auth("  'a b': {type: mtls}\n")), "118");
    EXPECT_EQ(codes(with_auth(inline_jwt(), "auth: users, protocol: tcp, to: c")), "115");
}

TEST(ConfigAuth, RefusesWhatItsKindDoesNotKnow) {
    for (const std::string keys :
         {"type: mtls, issuer: x", "type: mtls, to: c", "type: external, to: c, jwks: a",
          "type: external, to: c, forward_claims: {sub: x}", "type: mtls, fail_open: true",
          "type: mtls, forward_claims: {name: x-name}"}) {
        EXPECT_NE(codes(with_auth(one(keys))).find("115"), std::string::npos) << keys;
    }
}

TEST(ConfigAuth, RefusesWhatIsMissing) {
    for (const char* keys :
         {"issuer: x", "type: jwt", "type: basic", "type: api_key", "type: external",
          "type: introspection", "type: jwt, jwks: 'https://issuer.test/keys'"}) {
        EXPECT_EQ(codes(with_auth(one(keys))), "114") << keys;
    }
}

TEST(ConfigAuth, RefusesAlgorithmsThatProveNothing) {
    for (const char* name : {"none", "None", "NONE", "RS1", "rs256", "ES256K"}) {
        EXPECT_EQ(codes(with_auth(inline_jwt(", algorithms: [" + std::string(name) + "]"))), "105")
            << name;
    }
    const std::string fetched =
        one("type: jwt, jwks: 'https://i.test/k', jwks_cluster: c, algorithms: [HS256]");
    EXPECT_EQ(codes(with_auth(fetched)), "115");
    EXPECT_EQ(codes(with_auth(inline_jwt(", algorithms: [HS256, ES512]"))), "");
    EXPECT_EQ(codes(with_auth(inline_jwt(", algorithms: []"))), "114");
}

TEST(ConfigAuth, RefusesHeadersThatAreNotForIt) {
    for (const char* header : {"Host", "content-length", "X-Forwarded-For", "connection", "te",
                               "x-weir-depth", "a b", "\"\"", "x:y", "transfer-encoding"}) {
        EXPECT_NE(
            codes(with_auth(inline_jwt(", forward_claims: {sub: " + std::string(header) + "}"))),
            "")
            << header;
    }
    for (const char* from :
         {"query:", "query:a b", "query:a=b", "body:key", "header:", "authorization", "header:a b",
          "cookie:", "cookie:a;b", "header:host", ":key", "query"}) {
        EXPECT_EQ(codes(with_auth(inline_jwt(", from: '" + std::string(from) + "'"))), "119")
            << from;
    }
}

TEST(ConfigAuth, CredentialsMayStandInAHeaderACookieOrTheQuery) {
    const test::Folder folder;
    const std::string keys = folder.write("keys", "a:1\n");
    for (const char* from : {"query:Key", "cookie:Key", "header:x-key"}) {
        const std::string key =
            "type: api_key, from: '" + std::string(from) + "', keys: {file: " + keys + "}";
        EXPECT_EQ(good(with_auth(one(key))).auth.at("users").from, from);
        const std::string jwt = ", from: '" + std::string(from) + "'";
        EXPECT_EQ(good(with_auth(inline_jwt(jwt))).auth.at("users").from, from);
    }
}

TEST(ConfigAuth, AccessLogsShowNoCredentials) {
    const Config made = good(with_auth(inline_jwt(", from: 'query:Token'") +
                                           "  pages: {type: introspection, to: c, "
                                           "from: 'cookie:sid'}\n",
                                       "to: c", "access_log: {redact: []}\n"));
    const auto hides = [](const AccessLog& log, const char* name) {
        return std::count(log.redact.begin(), log.redact.end(), name) == 1;
    };
    for (const AccessLog* const log : {&made.access_log, &made.listeners[0].access_log,
                                       &made.listeners[0].routes[0].access_log}) {
        EXPECT_TRUE(hides(*log, "token"));
        EXPECT_TRUE(hides(*log, "sid"));
    }
}

TEST(ConfigAuth, RefusesUrlsNobodyCanFetch) {
    for (const char* url : {"ftp://i.test/k", "https:///k", "https://user@i.test/k",
                            "https://i.test/k#a", "https://i test/k"}) {
        EXPECT_EQ(
            codes(with_auth(one("type: jwt, jwks_cluster: c, jwks: '" + std::string(url) + "'"))),
            "119")
            << url;
    }
    EXPECT_EQ(codes(with_auth(inline_jwt(", jwks_cluster: c"))), "115");
    EXPECT_EQ(codes(with_auth(one("type: jwt, jwks: 'https://i.test/k', jwks_cluster: d"))), "110");
    EXPECT_EQ(codes(with_auth(one("type: jwt, jwks: /nowhere/jwks.json"))), "121");
}

}  // namespace
}  // namespace weir::config
