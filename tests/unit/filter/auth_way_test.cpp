#include "filter/auth_way.hpp"

#include <gtest/gtest.h>

namespace weir::filter {
namespace {

using State = Credentials::State;

struct Request {
    std::string query;
    std::vector<std::pair<std::string, std::string>> fields;
};

http::RequestHead head_of(const Request& request) {
    http::RequestHead head;
    head.query = request.query;
    for (const auto& [name, value] : request.fields)
        head.headers.add(name, value, http::header_id(name));
    return head;
}

TEST(Credentials, AreWhereTheyAreSaidToBe) {
    struct Row {
        const char* what;
        const char* from;
        Request request;
        State state;
        const char* text;
    };
    const Row kRows[] = {
        {"a scheme",
         "header:authorization",
         {"", {{"Authorization", "Bearer t"}}},
         State::there,
         "t"},
        {"another scheme",
         "header:authorization",
         {"", {{"Authorization", "Basic t"}}},
         State::absent,
         ""},
        {"a scheme without a word",
         "header:authorization",
         {"", {{"authorization", "Bearer"}}},
         State::there,
         ""},
        {"a header", "header:x-key", {"", {{"X-KEY", " k "}}}, State::there, "k"},
        {"a header twice",
         "header:x-key",
         {"", {{"X-Key", "k"}, {"x-key", "k"}}},
         State::twice,
         nullptr},
        {"a cookie", "cookie:sid", {"", {{"Cookie", "a=1; sid=k;b=2"}}}, State::there, "k"},
        {"a cookie in a crumb",
         "cookie:sid",
         {"", {{"cookie", "a=1"}, {"cookie", "sid=k"}}},
         State::there,
         "k"},
        {"a cookie in two crumbs",
         "cookie:sid",
         {"", {{"cookie", "sid=k"}, {"cookie", "sid=k"}}},
         State::twice,
         nullptr},
        {"a cookie twice", "cookie:sid", {"", {{"cookie", "sid=k; sid=l"}}}, State::twice, nullptr},
        {"a cookie of another case", "cookie:sid", {"", {{"cookie", "SID=k"}}}, State::absent, ""},
        {"a cookie whose name ends so",
         "cookie:sid",
         {"", {{"cookie", "xsid=k; sidx=k"}}},
         State::absent,
         ""},
        {"a parameter", "query:key", {"a=1&key=k&b=2", {}}, State::there, "k"},
        {"an encoded parameter", "query:key", {"k%65y=a%2Bb+c", {}}, State::there, "a+b c"},
        {"a parameter twice", "query:key", {"key=k&key=k", {}}, State::twice, nullptr},
        {"a parameter twice, once encoded",
         "query:key",
         {"key=k&k%65y=l", {}},
         State::twice,
         nullptr},
        {"a parameter without a value", "query:key", {"key", {}}, State::there, ""},
        {"a parameter of another case", "query:key", {"KEY=k", {}}, State::absent, ""},
        {"a header is no parameter", "query:key", {"", {{"key", "k"}}}, State::absent, ""},
        {"a parameter is no cookie", "cookie:key", {"key=k", {}}, State::absent, ""},
    };
    for (const Row& row : kRows) {
        const auto found = find_credentials(head_of(row.request), row.from, "bearer");
        EXPECT_EQ(found.state, row.state) << row.what;
        if (row.text != nullptr) {
            EXPECT_EQ(found.text(), row.text) << row.what;
        }
    }
}

TEST(Credentials, OfAQueryLeaveTheRestAsItWas) {
    struct Row {
        const char* query;
        const char* rest;  // null: nothing was there
    };
    constexpr Row kRows[] = {
        {"", nullptr},
        {"a=1&b=%20", nullptr},
        {"keys=1&xkey=2", nullptr},
        {"key=k", ""},
        {"key", ""},
        {"a=1&key=k&b=%20+", "a=1&b=%20+"},
        {"key=k&a=1", "a=1"},
        {"a=1&key=k", "a=1"},
        {"k%65y=k&%6bey=l&a", "a"},
        {"key=k&key=l&key=m", ""},
        {"token=k&a=1", "a=1"},
    };
    for (const Row& row : kRows) {
        const auto rest = query_without(row.query, {"key", "token"});
        EXPECT_EQ(rest.has_value(), row.rest != nullptr) << row.query;
        if (rest && row.rest != nullptr) {
            EXPECT_EQ(*rest, row.rest) << row.query;
        }
    }
}

TEST(Credentials, OfCookiesLeaveTheOthers) {
    const auto rest = [](const Request& request) {
        return cookies_without(head_of(request), {"sid"});
    };
    EXPECT_EQ(rest({}), std::nullopt);
    EXPECT_EQ(rest({"", {{"Cookie", "a=1; SID=2"}, {"X", "sid=3"}}}), std::nullopt);
    EXPECT_EQ(rest({"", {{"Cookie", "a=1; sid=2; b=3"}}}), "a=1; b=3");
    EXPECT_EQ(rest({"", {{"Cookie", "sid=2"}}}), "");
    EXPECT_EQ(rest({"", {{"cookie", "a=1"}, {"cookie", "sid=2"}, {"cookie", "b=3"}}}), "a=1; b=3");
    EXPECT_EQ(rest({"", {{"Cookie", " sid =2;; sid=3 ; flag"}}}), "flag");
}

TEST(OwnPlaces, AreThoseOfKeysAndOfWhateverIsInAQuery) {
    config::Auth section;
    section.type = config::Auth::Type::api_key;
    section.from = "header:x-key";
    EXPECT_EQ(own_places(section).header, "x-key");
    section.from = "cookie:Key";
    EXPECT_EQ(own_places(section).cookie, "Key");
    EXPECT_EQ(own_places(section).header, "");
    section.from = "query:key";
    EXPECT_EQ(own_places(section).parameter, "key");
    section.type = config::Auth::Type::jwt;
    EXPECT_EQ(own_places(section).parameter, "key");
    section.from = "header:authorization";
    EXPECT_EQ(own_places(section).header, "");
    section.type = config::Auth::Type::basic;
    EXPECT_EQ(own_places(section).header, "");
}

TEST(BearerNamed, MakesNoLinesOfWhatACertificateSays) {
    config::Auth section;
    section.forward_claims = {{"sub", "x-who"}};
    EXPECT_EQ(bearer_named(section, "spiffe://a/b")->request_lines, "x-who: spiffe://a/b\r\n");
    for (const char* name : {"a\r\nx-admin: 1", "a\nb", "a\tb", "a\x7f"}) {
        const auto bearer = bearer_named(section, name);
        EXPECT_EQ(bearer->request_lines, "");
        EXPECT_EQ(bearer->principal, name);
    }
}

}  // namespace
}  // namespace weir::filter
