#include "admin/message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Message, DecodesPercentAndLeavesBrokenEscapes) {
    EXPECT_EQ(percent_decoded("a%3A80,%20b%3a80"), "a:80, b:80");
    EXPECT_EQ(percent_decoded("%"), "%");
    EXPECT_EQ(percent_decoded("%4"), "%4");
    EXPECT_EQ(percent_decoded("%zz%41"), "%zzA");
}

TEST(Message, FindsValuesOfTheQuery) {
    Request request;
    request.query = "n=5&cluster=a%20b&flag&empty=&n=6";
    EXPECT_EQ(request.query_value("n"), "5");
    EXPECT_EQ(request.query_value("cluster"), "a b");
    EXPECT_EQ(request.query_value("flag"), "");
    EXPECT_EQ(request.query_value("empty"), "");
    EXPECT_EQ(request.query_value("luster"), std::nullopt);
    EXPECT_EQ(Request{}.query_value("n"), std::nullopt);
}

TEST(Message, ReadsListsWithTheirQualities) {
    for (const auto& [list, is_taken] :
         std::initializer_list<std::pair<const char*, bool>>{{"gzip", true},
                                                             {"br, GZIP", true},
                                                             {"gzip;q=0.5", true},
                                                             {"*", true},
                                                             {"gzip; q=0", false},
                                                             {"gzip;q=0.0", false},
                                                             {"br", false},
                                                             {"gzipped", false},
                                                             {"", false}}) {
        EXPECT_EQ(takes_gzip(list), is_taken) << list;
    }
    EXPECT_TRUE(names_type("text/html, Application/YAML;q=0.1", "application/yaml"));
    EXPECT_FALSE(names_type("*/*", "application/yaml"));
}

TEST(Message, KeepsOfAHeadWhatTheGuardMustSee) {
    http::RequestHead head;
    const std::string_view text =
        "GET /a?b=c HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\nOrigin: http://x\r\n"
        "Sec-Fetch-Site: none\r\nAccept: a/b\r\nAccept: c/d\r\n\r\n";
    ASSERT_EQ(http::parse_request_head(text, {}, head).state, http::HeadParse::State::done);
    const Request request = to_request(head);
    EXPECT_EQ(request.path, "/a");
    EXPECT_EQ(request.query, "b=c");
    EXPECT_EQ(request.authority, "localhost");
    EXPECT_THAT(request.hosts, testing::ElementsAre("localhost"));
    EXPECT_THAT(request.origins, testing::ElementsAre("null", "http://x"));
    EXPECT_EQ(request.fetch_site, "none");
    EXPECT_EQ(request.accept, "a/b, c/d");
}

TEST(Message, ErrorsAreJsonWithACodeAndAMessage) {
    const Response response = error_response(404, "not_found", "no \"x\"");
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.body, "{\"error\":{\"code\":\"not_found\",\"message\":\"no \\\"x\\\"\"}}\n");
}

TEST(Message, AnswersForbidABrowserToMakeAnythingOfThem) {
    const std::string text = serialise(text_response(200, "ok\n"), {});
    EXPECT_THAT(text, testing::StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(text, HasSubstr("\r\nContent-Security-Policy: default-src 'none'; "));
    EXPECT_THAT(text, HasSubstr("frame-ancestors 'none'\r\n"));
    EXPECT_THAT(text, HasSubstr("\r\nX-Content-Type-Options: nosniff\r\n"));
    EXPECT_THAT(text, HasSubstr("\r\nCache-Control: no-store\r\n"));
    EXPECT_THAT(text, testing::EndsWith("\r\n\r\nok\n"));
}

TEST(Message, SaysWhatBecomesOfTheConnection) {
    const Response response = text_response(200, "ok\n");
    EXPECT_THAT(serialise(response, {}), Not(HasSubstr("Connection:")));
    EXPECT_THAT(serialise(response, {.keep_alive = false}), HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(serialise(response, {.client_minor = 0}), HasSubstr("Connection: keep-alive\r\n"));
}

TEST(Message, AnswersHeadWithTheLengthAndNoBody) {
    const std::string text = serialise(text_response(200, "ok\n"), {.is_head = true});
    EXPECT_THAT(text, HasSubstr("Content-Length: 3\r\n"));
    EXPECT_THAT(text, testing::EndsWith("\r\n\r\n"));
}

}  // namespace
}  // namespace weir::admin
