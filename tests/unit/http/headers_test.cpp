#include "weir/http/headers.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

namespace weir::http {
namespace {

struct Known {
    const char* name;
    HeaderId id;
};

constexpr Known kKnown[] = {
    {"accept", HeaderId::accept},
    {"connection", HeaderId::connection},
    {"content-length", HeaderId::content_length},
    {"content-type", HeaderId::content_type},
    {"date", HeaderId::date},
    {"expect", HeaderId::expect},
    {"forwarded", HeaderId::forwarded},
    {"host", HeaderId::host},
    {"keep-alive", HeaderId::keep_alive},
    {"proxy-authenticate", HeaderId::proxy_authenticate},
    {"proxy-authorization", HeaderId::proxy_authorization},
    {"proxy-connection", HeaderId::proxy_connection},
    {"retry-after", HeaderId::retry_after},
    {"te", HeaderId::te},
    {"trailer", HeaderId::trailer},
    {"transfer-encoding", HeaderId::transfer_encoding},
    {"upgrade", HeaderId::upgrade},
    {"via", HeaderId::via},
    {"x-forwarded-for", HeaderId::x_forwarded_for},
    {"x-forwarded-host", HeaderId::x_forwarded_host},
    {"x-forwarded-proto", HeaderId::x_forwarded_proto},
    {"x-request-id", HeaderId::x_request_id},
    {"weir-error", HeaderId::weir_error},
    {"weir-route", HeaderId::weir_internal},
    {"weir-", HeaderId::weir_internal},
    {"x-weir-timeout", HeaderId::weir_internal},
    {"x-weir-", HeaderId::weir_internal},
    {"x-weir-a-rather-long-name-of-ours", HeaderId::weir_internal},
    {"x-forwarded-port", HeaderId::x_forwarded_other},
    {"x-forwarded-prefix", HeaderId::x_forwarded_other},
    {"x-forwarded-client-cert", HeaderId::x_forwarded_other},
};

TEST(HeaderId, KnowsItsNamesInAnyCase) {
    for (const Known& known : kKnown) {
        std::string upper = known.name;
        std::string mixed = known.name;
        for (std::size_t at = 0; at < upper.size(); ++at) {
            upper[at] = static_cast<char>(std::toupper(upper[at]));
            if (at % 2 == 0) mixed[at] = upper[at];
        }
        EXPECT_EQ(header_id(known.name), known.id) << known.name;
        EXPECT_EQ(header_id(upper), known.id) << upper;
        EXPECT_EQ(header_id(mixed), known.id) << mixed;
    }
}

TEST(HeaderId, TakesNoOtherNameForAKnownOne) {
    // Each known name with any one letter changed, dropped or added.
    for (const Known& known : kKnown) {
        if (known.id == HeaderId::weir_internal || known.id == HeaderId::x_forwarded_other)
            continue;
        const std::string name = known.name;
        for (std::size_t at = 0; at < name.size(); ++at) {
            std::string changed = name;
            changed[at] = changed[at] == 'q' ? 'z' : 'q';
            EXPECT_NE(header_id(changed), known.id) << changed;
            changed[at] = '_';
            EXPECT_NE(header_id(changed), known.id) << changed;
            EXPECT_NE(header_id(name.substr(0, at) + name.substr(at + 1)), known.id) << at << name;
        }
        EXPECT_NE(header_id(name + "s"), known.id) << name;
        EXPECT_NE(header_id("a" + name), known.id) << name;
    }
}

TEST(HeaderId, IsOtherForTheRest) {
    for (const char* name : {"", "a", "w", "x", "weir", "x-weir", "x-real-ip", "user-agent",
                             "content-lengthy", "x-forwarded", "x-forwardedfor", "cookie", "hosts",
                             "x_forwarded_for", "weir_error", "tee", "server", "x-wei"}) {
        EXPECT_EQ(header_id(name), HeaderId::other) << name;
    }
}

TEST(HeaderList, FindsTheFirstOfAName) {
    HeaderList headers;
    headers.add("Host", "a", HeaderId::host);
    headers.add("X-One", "1", HeaderId::other);
    headers.add("x-one", "2", HeaderId::other);
    EXPECT_EQ(headers.size(), 3U);
    EXPECT_EQ(headers.find("X-ONE")->value, "1");
    EXPECT_EQ(headers.find(HeaderId::host)->value, "a");
    EXPECT_EQ(headers.find("x-two"), nullptr);
    EXPECT_EQ(headers.find(HeaderId::via), nullptr);
    headers.clear();
    EXPECT_EQ(headers.find(HeaderId::host), nullptr);
    EXPECT_EQ(headers.begin(), headers.end());
}

TEST(EqualsIgnoringCase, ComparesLettersOnlyWithTheirCase) {
    EXPECT_TRUE(equals_ignoring_case("", ""));
    EXPECT_TRUE(equals_ignoring_case("Content-MD5", "content-md5"));
    EXPECT_FALSE(equals_ignoring_case("a", "ab"));
    EXPECT_FALSE(equals_ignoring_case("abc", "abd"));
    // Pairs that differ by the case bit and are no letters.
    EXPECT_FALSE(equals_ignoring_case("[", "{"));
    EXPECT_FALSE(equals_ignoring_case("@", "`"));
    EXPECT_FALSE(equals_ignoring_case("-", "\r"));
}

}  // namespace
}  // namespace weir::http
