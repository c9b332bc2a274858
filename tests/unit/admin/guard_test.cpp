#include "admin/guard.hpp"

#include <gtest/gtest.h>

namespace weir::admin {
namespace {

const Address kListen = *Address::parse("10.1.2.3:9347");

Request asking(std::string host) {
    Request request;
    request.path = "/api/v1/status";
    request.authority = host;
    request.hosts = {std::move(host)};
    return request;
}

std::uint16_t verdict(const Request& request, const Address& listen = kListen) {
    const auto refusal = refuse_stranger(request, listen);
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
                                                     {"127.8.9.1:80", true},
                                                     {"[::1]", true},
                                                     {"[::1]:5", true},
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
        EXPECT_EQ(is_own_host(c.host, kListen), c.is_own) << c.host;
        EXPECT_EQ(verdict(asking(c.host)), c.is_own ? 200 : 421) << c.host;
    }
}

TEST(Guard, RefusesIfTheTargetIsOwnButTheHostFieldIsNot) {
    Request request = asking("localhost");
    request.hosts = {"evil.example"};
    EXPECT_EQ(verdict(request), 421);
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
