#include "weir/http/message.hpp"

#include "unit/http/support.hpp"
#include <gtest/gtest.h>

namespace weir::http {
namespace {

TEST(Method, IsKnownInCapitalsOnly) {
    const std::pair<const char*, Method> known[] = {
        {"GET", Method::get},         {"HEAD", Method::head},   {"POST", Method::post},
        {"PUT", Method::put},         {"DELETE", Method::del},  {"CONNECT", Method::connect},
        {"OPTIONS", Method::options}, {"TRACE", Method::trace}, {"PATCH", Method::patch},
    };
    for (const auto& [text, method] : known) {
        EXPECT_EQ(method_from(text), method) << text;
        EXPECT_EQ(method_from(std::string(text) + "S"), Method::other) << text;
        std::string lower = text;
        lower[0] = static_cast<char>(lower[0] | 0x20);
        EXPECT_EQ(method_from(lower), Method::other) << lower;
    }
    EXPECT_EQ(method_from(""), Method::other);
    EXPECT_EQ(method_from("PURGE"), Method::other);
    EXPECT_EQ(method_from("PROPFIND"), Method::other);
}

TEST(ReasonPhrase, NamesTheStatusesWeirSends) {
    EXPECT_EQ(reason_phrase(200), "OK");
    EXPECT_EQ(reason_phrase(100), "Continue");
    EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
    EXPECT_EQ(reason_phrase(799), "Unknown");
    for (std::size_t reason = 0; reason < kReasonCount; ++reason) {
        const std::uint16_t status = info(static_cast<Reason>(reason)).status;
        EXPECT_TRUE(status == 0 || reason_phrase(status) != "Unknown") << status;
    }
}

TEST(RequestHead, IsAsNewAfterClear) {
    RequestHead head;
    constexpr std::string_view kBytes =
        "OPTIONS /a%2d/../b?q HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n"
        "Connection: close, x-a, te\r\nTE: trailers\r\n\r\n";
    ASSERT_EQ(parse_request_head(kBytes, {}, head).state, HeadParse::State::done);
    ASSERT_NE(test::describe(head), test::describe(RequestHead{}));
    head.clear();
    EXPECT_EQ(test::describe(head), test::describe(RequestHead{}));
    EXPECT_EQ(head.method, RequestHead{}.method);
    EXPECT_TRUE(head.path_storage.empty());
}

TEST(ResponseHead, IsAsNewAfterClear) {
    ResponseHead head;
    constexpr std::string_view kBytes =
        "HTTP/1.0 404 Gone Fishing\r\nConnection: keep-alive, x-a\r\nKeep-Alive: timeout=7\r\n"
        "Content-Length: 9\r\n\r\n";
    ASSERT_EQ(parse_response_head(kBytes, Method::get, {}, head).state, HeadParse::State::done);
    ASSERT_NE(test::describe(head), test::describe(ResponseHead{}));
    head.clear();
    EXPECT_EQ(test::describe(head), test::describe(ResponseHead{}));
}

}  // namespace
}  // namespace weir::http
