#include "weir/quota/key.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace weir::quota {
namespace {

struct Request {
    http::RequestHead head;
    std::string client = "192.0.2.77";
    std::string principal;
    JsonValue claims;
    std::string spiffe;

    explicit Request(
        std::initializer_list<std::pair<std::string_view, std::string_view>> fields = {}) {
        head.method_text = "GET";
        for (const auto& [name, value] : fields)
            head.headers.add(name, value, http::header_id(name));
    }
    [[nodiscard]] std::string key(std::initializer_list<std::string_view> parts) const {
        std::vector<KeyPart> parsed;
        for (const auto part : parts)
            parsed.push_back(config::read_rate_key(part).value());
        std::string out;
        append_key(out, parsed, {head, client, "public", "orders", principal, &claims, spiffe});
        return out;
    }
    Request& from(std::string_view ip) {
        client = ip;
        return *this;
    }
};

TEST(Key, IsTheAddressOfTheClient) {
    EXPECT_EQ(Request().key({"client_ip"}), "192.0.2.77|10");
    EXPECT_EQ(Request().from("::ffff:192.0.2.77").key({"client_ip"}), "192.0.2.77|10");
    EXPECT_EQ(Request().key({"client_ip/24"}), "192.0.2.0|9");
    EXPECT_EQ(Request().key({"client_ip/30"}), "192.0.2.76|10");
    EXPECT_EQ(Request().key({"client_ip/128"}), "192.0.2.77|10");
}

TEST(Key, TakesWhatIsNoAddressAsItIs) {
    EXPECT_EQ(Request().from("unix:").key({"client_ip/24"}), "unix:|5");
    EXPECT_EQ(Request().from("").key({"client_ip"}), "|0");
}

TEST(Key, TakesANetworkOfIPv6ForOneClient) {
    Request request;
    request.from("2001:db8:1:2:aaaa::1");
    EXPECT_EQ(request.key({"client_ip"}), "2001:db8:1:2::|14");
    EXPECT_EQ(request.key({"client_ip/24"}), "2001:db8:1::|12");
    EXPECT_EQ(request.key({"client_ip/56"}), "2001:db8:1::|12");
    EXPECT_EQ(request.key({"client_ip/128"}), "2001:db8:1:2:aaaa::1|20");
}

TEST(Key, JoinsAHeaderThatIsSplit) {
    EXPECT_EQ(Request({{"X-User", "a"}, {"other", "x"}, {"x-user", "b"}}).key({"header:x-user"}),
              Request({{"x-user", "a,b"}}).key({"header:X-USER"}));
    EXPECT_EQ(Request().key({"header:x-user"}), "|0");
}

TEST(Key, IsTheFirstCookieOfItsName) {
    EXPECT_EQ(Request({{"cookie", "sid2=x; sid=7; sid=8"}}).key({"cookie:sid"}), "7|1");
    EXPECT_EQ(Request({{"cookie", "a=1"}, {"Cookie", "sid=9"}}).key({"cookie:sid"}), "9|1");
    EXPECT_EQ(Request({{"cookie", "asid=1;sid"}}).key({"cookie:sid"}), "|0");
    EXPECT_EQ(Request({{"cookie", ";;; sid=;"}}).key({"cookie:sid"}), "|0");
}

TEST(Key, IsTheIdentity) {
    Request request;
    EXPECT_EQ(request.key({"jwt:sub", "api_key", "spiffe"}), "|0|0|0");
    request.claims = *JsonValue::parse(R"({"sub":"alice","level":7})");
    request.principal = "shop";
    request.spiffe = "spiffe://a/b";
    EXPECT_EQ(request.key({"jwt:sub", "api_key", "spiffe"}), "alice|5shop|4spiffe://a/b|12");
    EXPECT_EQ(request.key({"jwt:level"}), "7|1");
}

TEST(Key, TellsMethodAndRoute) {
    EXPECT_EQ(Request().key({"method", "route", "global"}), "GET|3public/orders|13|0");
}

TEST(Key, IsAnotherForEachListOfValues) {
    const auto key = [](std::string_view a, std::string_view b) {
        return Request({{"a", a}, {"b", b}}).key({"header:a", "header:b"});
    };
    EXPECT_NE(key("x", "y"), key("xy", ""));
    EXPECT_NE(key("x|1", ""), key("x", "|1"));
    EXPECT_NE(key("", "x|1"), key("|0x", "|1"));
}

}  // namespace
}  // namespace weir::quota
