#include "weir/http/client_address.hpp"

#include <gtest/gtest.h>

namespace weir::http {
namespace {

struct Row {
    const char* what;
    std::string_view forwarded_for;
    std::uint32_t hops;
    std::string_view client;
};

// The peer is 10.0.0.1; trusted are 10.0.0.0/8 and fd00::/8.
constexpr Row kRows[] = {
    {"nothing said", "", 0, "10.0.0.1"},
    {"one client", "1.2.3.4", 0, "1.2.3.4"},
    {"through a trusted proxy", "1.2.3.4, 10.0.0.2", 0, "1.2.3.4"},
    {"a client cannot add on the right", "6.6.6.6, 1.2.3.4, 10.0.0.2", 0, "1.2.3.4"},
    {"a client that claims to be a proxy", "10.9.9.9, 1.2.3.4", 0, "1.2.3.4"},
    {"all are proxies: the left-most", "10.0.0.3, 10.0.0.2", 0, "10.0.0.3"},
    {"spaces and tabs", " \t1.2.3.4\t ,\t10.0.0.2 ", 0, "1.2.3.4"},
    {"no spaces", "1.2.3.4,10.0.0.2", 0, "1.2.3.4"},
    {"rubbish says nothing", "unknown", 0, "10.0.0.1"},
    {"rubbish ends the search", "1.2.3.4, unknown, 10.0.0.2", 0, "10.0.0.2"},
    {"an empty entry ends the search", "1.2.3.4,, 10.0.0.2", 0, "10.0.0.2"},
    {"ends with a comma", "1.2.3.4,", 0, "10.0.0.1"},
    {"an entry with a port is none", "1.2.3.4:80", 0, "10.0.0.1"},
    {"IPv6", "2001:db8::1, fd00::2", 0, "2001:db8::1"},
    {"IPv4 mapped into IPv6 is trusted too", "1.2.3.4, ::ffff:10.0.0.2", 0, "1.2.3.4"},
    {"one hop: who the peer says", "1.2.3.4, 5.6.7.8", 1, "5.6.7.8"},
    {"two hops", "9.9.9.9, 1.2.3.4, 5.6.7.8", 2, "1.2.3.4"},
    {"two hops, a proxy between them", "1.2.3.4, 10.0.0.2", 2, "1.2.3.4"},
    {"more hops than entries", "1.2.3.4", 5, "1.2.3.4"},
    {"one hop: trust of its address does not matter", "1.2.3.4, 10.0.0.2", 1, "10.0.0.2"},
};

TEST(RealClient, IsTheRightMostThatIsNoTrustedProxy) {
    const std::vector<config::Cidr> trusted = {*config::Cidr::parse("10.0.0.0/8"),
                                               *config::Cidr::parse("fd00::/8")};
    for (const Row& row : kRows)
        EXPECT_EQ(real_client(row.forwarded_for, "10.0.0.1", trusted, row.hops), row.client)
            << row.what;
}

TEST(RealClient, WithoutTrustIsWhoThePeerNames) {
    EXPECT_EQ(real_client("1.2.3.4, 10.0.0.2", "10.0.0.1", {}, 0), "10.0.0.2");
}

}  // namespace
}  // namespace weir::http
