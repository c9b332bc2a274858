#include "admin/guard.hpp"

#include <gtest/gtest.h>

namespace weir::admin {
namespace {

const Address kListen = *Address::parse("10.1.2.3:9347");
const std::vector<std::string> kHosts{"localhost", "127.0.0.1", "[::1]"};  // the default

Request asking(std::string host) {
    Request request;
    request.path = "/api/v1/status";
    request.authority = host;
    request.hosts = {std::move(host)};
    return request;
}

std::uint16_t verdict(const Request& request, const Address& listen = kListen) {
    const auto refusal = refuse_stranger(request, listen, kHosts);
    return refusal ? refusal->status : std::uint16_t{200};
}

TEST(Guard, TakesItsOwnNamesWithAnyPortAndNoOthers) {
    struct Case {
        const char* host;
        bool is_own;
    };
    for (const Case& c : std::initializer_list<Case>{{"localhost", true},
                                                     {"LocalHost:1", true},
                                                     {"127.0.0.1", true},
                                                     {"127.0.0.1:9347", true},
                                                     {"127.8.9.1:80", false},
                                                     {"[::1]", true},
                                                     {"[::1]:5", true},
                                                     {"[0:0::1]", true},
                                                     {"[::ffff:127.0.0.1]", true},
                                                     {"10.1.2.3", true},
                                                     {"10.1.2.3:80", true},
                                                     {"10.1.2.4", false},
                                                     {"127.evil.com", false},
                                                     {"127.0.0.1.evil.com", false},
                                                     {"127.0.0.1@evil.com", false},
                                                     {"evil.com@127.0.0.1", false},
                                                     {"localhost.evil.com", false},
                                                     {"localhost.", false},
                                                     {"evil.com", false},
                                                     {"evil.com:127", false},
                                                     {"2130706433", false},
                                                     {"0x7f000001", false},
                                                     {"127.1", false},
                                                     {"0.0.0.0", false},
                                                     {"[::]", false},
                                                     {"[::ffff:8.8.8.8]", false},
                                                     {"127.0.0.1:99999", false},
                                                     {"127.0.0.1 evil.com", false},
                                                     {"", false}}) {
        EXPECT_EQ(is_own_host(c.host, std::span(&kListen, 1), kHosts), c.is_own) << c.host;
        EXPECT_EQ(verdict(asking(c.host)), c.is_own ? 200 : 421) << c.host;
    }
}

TEST(Guard, RefusesIfTheTargetIsOwnButTheHostFieldIsNot) {
    Request request = asking("localhost");
    request.hosts = {"evil.example"};
    EXPECT_EQ(verdict(request), 421);
}

TEST(Guard, TakesTheHostsOfTheListAndThoseOnly) {
    const std::vector<std::string> hosts{"weir.internal", "10.9.9.9", "[2001:db8::1]"};
    const auto is_own = [&](const char* host) {
        return is_own_host(host, std::span(&kListen, 1), hosts);
    };
    for (const char* host : {"weir.internal", "WEIR.internal:80", "10.9.9.9:1", "[2001:db8::1]",
                             "[2001:db8:0::1]:9", "10.1.2.3"})
        EXPECT_TRUE(is_own(host)) << host;
    for (const char* host : {"localhost", "127.0.0.1", "[::1]", "x.weir.internal", "weir.internal.",
                             "10.9.9.90", "10.9.9.9.evil.com", "[2001:db8::2]"})
        EXPECT_FALSE(is_own(host)) << host;
}

// Listening on all addresses, the one it came to counts; all addresses themselves are nobody's.
TEST(Guard, TakesTheAddressThatTheRequestCameTo) {
    const Address everywhere = *Address::parse(":9347");
    for (const auto& [host, status] : std::initializer_list<std::pair<const char*, std::uint16_t>>{
             {"192.0.2.7:9347", 200}, {"192.0.2.8:9347", 421}, {"0.0.0.0", 421}, {"[::]", 421}}) {
        Request request = asking(host);
        request.local = *Address::parse("192.0.2.7:9347");
        EXPECT_EQ(verdict(request, everywhere), status) << host;
    }
}

TEST(Guard, AsksForTheTokenWholeAndInItsScheme) {
    const config::Secret token("s3cret");
    for (const auto& [given, is_right] :
         std::initializer_list<std::pair<const char*, bool>>{{"Bearer s3cret", true},
                                                             {"bearer s3cret", true},
                                                             {"Bearer s3creT", false},
                                                             {"Bearer s3cre", false},
                                                             {"Bearer s3crets", false},
                                                             {"Bearer s3crets3cret", false},
                                                             {"Bearer ", false},
                                                             {"Bearer", false},
                                                             {"Bearer  s3cret", false},
                                                             {"Basic s3cret", false},
                                                             {"s3cret", false},
                                                             {"", false}}) {
        Request request = asking("localhost");
        request.authorization = given;
        const auto refusal = refuse_without_token(request, token);
        EXPECT_EQ(!refusal.has_value(), is_right) << given;
        if (refusal) {
            EXPECT_EQ(refusal->status, 401);
            EXPECT_TRUE(refusal->asks_for_token);
        }
    }
    Request request = asking("localhost");
    request.authorization = "Bearer ";
    EXPECT_TRUE(refuse_without_token(request, config::Secret(""))) << "nothing is no token";
}

TEST(Guard, TakesBodiesOnlyOfATypeThatAPageCannotSendUnasked) {
    struct Case {
        const char* path;
        const char* type;
        bool is_taken;
    };
    for (const Case& c :
         std::initializer_list<Case>{{"/api/v1/drain", "application/json", true},
                                     {"/api/v1/drain", "Application/JSON; charset=utf-8", true},
                                     {"/api/v1/drain", "application/yaml", false},
                                     {"/api/v1/drain", "text/plain", false},
                                     {"/api/v1/drain", "application/x-www-form-urlencoded", false},
                                     {"/api/v1/drain", "multipart/form-data; boundary=x", false},
                                     {"/api/v1/drain", "application/jsonx", false},
                                     {"/api/v1/drain", "", false},
                                     {"/api/v1/config", "application/yaml", true},
                                     {"/api/v1/config/validate", "application/json", true},
                                     {"/api/v1/config", "text/yaml", false}}) {
        Request request = asking("localhost");
        request.path = c.path;
        request.content_type = c.type;
        EXPECT_FALSE(refuse_body(request)) << "without a body there is no type";
        request.has_body = true;
        const auto refusal = refuse_body(request);
        EXPECT_EQ(!refusal.has_value(), c.is_taken) << c.path << " " << c.type;
        EXPECT_EQ(refusal ? refusal->status : 415, 415);
    }
}

TEST(Guard, LetsRootTheOwnerAndTheGroupUseTheSocket) {
    const Ownership socket{.uid = 1000, .gid = 50, .may_group_write = true};
    EXPECT_TRUE(may_ask({.uid = 0, .pid = 1, .groups = {0}}, socket));
    EXPECT_TRUE(may_ask({.uid = 1000, .pid = 1, .groups = {1000}}, socket));
    EXPECT_TRUE(may_ask({.uid = 7, .pid = 1, .groups = {7, 50}}, socket));
    EXPECT_FALSE(may_ask({.uid = 7, .pid = 1, .groups = {7, 51}}, socket));
    EXPECT_FALSE(may_ask({.uid = 7, .pid = 1, .groups = {}}, socket));
    const Ownership private_socket{.uid = 1000, .gid = 50, .may_group_write = false};
    EXPECT_FALSE(may_ask({.uid = 7, .pid = 1, .groups = {50}}, private_socket));
}

TEST(Guard, AsksNoHostOnAUnixSocket) {
    const Address unix_socket = *Address::parse("unix:/run/weir/admin.sock");
    EXPECT_EQ(verdict(asking("anything.example"), unix_socket), 200);
    EXPECT_EQ(verdict(asking(""), unix_socket), 200);
}

TEST(Guard, TakesOnlyTheSameOrigin) {
    struct Case {
        std::vector<std::string> origins;
        std::uint16_t status;
    };
    for (const Case& c : std::initializer_list<Case>{{{}, 200},
                                                     {{"http://localhost:9347"}, 200},
                                                     {{"HTTP://LOCALHOST:9347"}, 200},
                                                     {{"http://localhost"}, 403},
                                                     {{"http://localhost:9348"}, 403},
                                                     {{"https://localhost:9347"}, 403},
                                                     {{"http://127.0.0.1:9347"}, 403},
                                                     {{"http://localhost:9347.evil"}, 403},
                                                     {{"http://evil.example"}, 403},
                                                     {{"null"}, 403},
                                                     {{""}, 403},
                                                     {{"http://"}, 403},
                                                     {{"http://localhost:9347", "null"}, 403}}) {
        Request request = asking("localhost:9347");
        request.origins = c.origins;
        EXPECT_EQ(verdict(request), c.status) << testing::PrintToString(c.origins);
    }
}

TEST(Guard, ChecksTheOriginOnAUnixSocketToo) {
    Request request = asking("localhost");
    request.origins = {"http://evil.example"};
    EXPECT_EQ(verdict(request, *Address::parse("unix:/run/weir/admin.sock")), 403);
}

TEST(Guard, RefusesWhatABrowserSaysComesFromAnotherSite) {
    for (const auto& [site, status] : std::initializer_list<std::pair<const char*, std::uint16_t>>{
             {"cross-site", 403}, {"Cross-Site", 403}, {"same-origin", 200}, {"none", 200}}) {
        Request request = asking("localhost");
        request.fetch_site = site;
        EXPECT_EQ(verdict(request), status) << site;
    }
}

}  // namespace
}  // namespace weir::admin
