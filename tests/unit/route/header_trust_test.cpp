#include "weir/core/random.hpp"
#include "weir/http/h1.hpp"
#include "weir/route/route_table.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

// Nobody walks past a route that is to stop them by saying the same in another way.
namespace weir::route {
namespace {

using Kind = config::Matcher::Kind;

// The first is to stop, the second takes what is left.
std::vector<config::Route> guarded(const config::Matcher& matcher, bool is_header = true) {
    std::vector<config::Route> routes(2);
    routes[0].name = "deny";
    (is_header ? routes[0].headers : routes[0].query).push_back(matcher);
    routes[0].action = config::Respond{.status = 403, .body = {}};
    routes[1].name = "allow";
    routes[1].action = config::Respond{};
    return routes;
}

config::Matcher matcher(std::string name, Kind kind, std::string value) {
    return {.name = std::move(name), .kind = kind, .value = std::move(value), .place = {}};
}

bool is_denied(const RouteTable& table, const std::string& bytes) {
    http::RequestHead head;
    const auto parsed = http::parse_request_head(bytes, {}, head);
    EXPECT_EQ(parsed.state, http::HeadParse::State::done) << bytes;
    return table.match(head) == 0;
}

std::string in_any_case(std::string text, Random& random) {
    for (char& c : text) {
        if (random.below(2) == 0 && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return text;
}

TEST(HeaderTrust, NoCaseOrderOrCompanyOfAFieldTurnsADenyIntoAnAllow) {
    Random random(11);
    const RouteTable exact(guarded(matcher("x-role", Kind::exact, "admin")));
    const RouteTable regex(guarded(matcher("x-role", Kind::regex, ".*adm[i]n.*")));
    const RouteTable present(guarded(matcher("x-role", Kind::present, "")));
    for (int round = 0; round < 2000; ++round) {
        std::vector<std::string> lines;
        for (std::uint32_t others = random.below(4); others > 0; --others) {
            const char* const value[] = {"", "user", "\xff\xfe", "a, b"};
            lines.push_back(in_any_case("x-role", random) + ": " + value[random.below(4)]);
        }
        const std::size_t at = random.below(static_cast<std::uint32_t>(lines.size()) + 1);
        const std::string blanks(random.below(3), ' ');
        lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at),
                     in_any_case("x-role", random) + ":" + blanks + "admin" + blanks);
        std::string bytes = "GET / HTTP/1.1\r\nHost: test\r\n";
        for (const auto& line : lines)
            bytes += line + "\r\n";
        bytes += "\r\n";
        ASSERT_TRUE(is_denied(exact, bytes)) << bytes;
        ASSERT_TRUE(is_denied(regex, bytes)) << bytes;
        ASSERT_TRUE(is_denied(present, bytes)) << bytes;
    }
}

TEST(HeaderTrust, AListIsTheSameInOneFieldOrInSeveral) {
    const RouteTable table(guarded(matcher("x-roles", Kind::exact, "a, b")));
    const RouteTable regex(guarded(matcher("x-roles", Kind::regex, "a.*b")));
    for (const char* fields : {"X-Roles: a, b\r\n", "x-roles: a\r\nX-ROLES: b\r\n"}) {
        const std::string bytes = std::string("GET / HTTP/1.1\r\nHost: t\r\n") + fields + "\r\n";
        EXPECT_TRUE(is_denied(table, bytes)) << bytes;
        EXPECT_TRUE(is_denied(regex, bytes)) << bytes;
    }
}

TEST(HeaderTrust, BytesThatAreNoTextAreCharactersToo) {
    const RouteTable table(guarded(matcher("x-note", Kind::regex, ".*evil.*")));
    for (const char* value :
         {"\xff evil", "evil\xff", "\xc3\x28 evil \xe2\x82", "caf\xc3\xa9 evil"}) {
        const std::string bytes =
            std::string("GET / HTTP/1.1\r\nHost: t\r\nx-note: ") + value + "\r\n\r\n";
        EXPECT_TRUE(is_denied(table, bytes)) << bytes;
    }
}

TEST(HeaderTrust, NoSpellingOfAParameterTurnsADenyIntoAnAllow) {
    const RouteTable exact(guarded(matcher("mode", Kind::exact, "a b"), false));
    const RouteTable regex(guarded(matcher("mode", Kind::regex, "a.b"), false));
    for (const char* query : {"mode=a+b", "mode=a%20b", "m%6Fde=%61%20%62", "x=1&mode=a+b",
                              "mode=other&mode=a%20b", "%6d%6f%64%65=a+b"}) {
        const std::string bytes = std::string("GET /?") + query + " HTTP/1.1\r\nHost: t\r\n\r\n";
        EXPECT_TRUE(is_denied(exact, bytes)) << bytes;
        EXPECT_TRUE(is_denied(regex, bytes)) << bytes;
    }
}

TEST(HeaderTrust, NoSpellingOfAPathTurnsADenyIntoAnAllow) {
    std::vector<config::Route> routes(3);
    routes[0].path = {config::PathPattern::Kind::prefix, "/admin/"};
    routes[1].path = {config::PathPattern::Kind::regex, "/secret/.*"};
    for (auto& route : routes)
        route.action = config::Respond{};
    const RouteTable table(routes);
    for (const char* path :
         {"/admin/x", "//admin/x", "/./admin/x", "/a/../admin/x", "/%61dmin/x", "/admin//x",
          "/a/%2e%2e/admin/x", "/secret/x", "//secret//x", "/x/../secret/x", "/%73ecret/x"}) {
        http::RequestHead head;
        const std::string bytes = std::string("GET ") + path + " HTTP/1.1\r\nHost: t\r\n\r\n";
        ASSERT_EQ(http::parse_request_head(bytes, {}, head).state, http::HeadParse::State::done);
        EXPECT_LT(table.match(head), 2U) << path;
    }
}

}  // namespace
}  // namespace weir::route
