#include "proxy/local_reply.hpp"

#include "weir/core/json.hpp"

#include <gtest/gtest.h>

namespace weir::proxy {
namespace {

using namespace std::chrono_literals;

struct Written {
    std::string head;
    std::string body;
    std::size_t size = 0;

    [[nodiscard]] bool has(std::string_view line) const {
        return head.find("\r\n" + std::string(line) + "\r\n") != std::string::npos;
    }
    [[nodiscard]] bool names(std::string_view field) const {
        return head.find("\r\n" + std::string(field) + ":") != std::string::npos;
    }
};

Written write(const LocalReply& reply) {
    std::string out = "before";
    Written written;
    written.size = write_local_reply(out, reply);
    EXPECT_EQ(out.rfind("beforeHTTP/1.1 ", 0), 0U);
    const std::size_t end = out.find("\r\n\r\n");
    written.head = out.substr(6, end - 6 + 2);
    written.body = out.substr(end + 4);
    return written;
}

TEST(LocalReply, HasStatusWordAndSentenceOfEachReason) {
    for (std::size_t i = 1; i < kReasonCount; ++i) {
        const auto reason = static_cast<Reason>(i);
        SCOPED_TRACE(word(reason));
        const Written got = write({.reason = reason, .request_id = "abc"});
        EXPECT_EQ(got.head.rfind("HTTP/1.1 " + std::to_string(info(reason).status) + " ", 0), 0U);
        EXPECT_TRUE(got.has("weir-error: " + std::string(word(reason))));
        EXPECT_TRUE(got.has("x-request-id: abc"));
        EXPECT_TRUE(got.has("content-type: text/plain; charset=utf-8"));
        EXPECT_TRUE(got.has("content-length: " + std::to_string(got.body.size())));
        EXPECT_NE(got.body.find(info(reason).sentence), std::string::npos);
        EXPECT_NE(got.body.find("weir explain " + std::string(word(reason))), std::string::npos);
        EXPECT_EQ(got.size, got.body.size());
    }
}

TEST(LocalReply, IsOneLine) {
    const Written got = write({.reason = Reason::upstream_timeout,
                               .request_id = "abc",
                               .cluster = "orders",
                               .attempts = 2,
                               .detail = "timeout.request"});
    EXPECT_EQ(got.body,
              "weir: 'orders' did not answer in time (timeout.request; 2 attempts). request abc"
              " - see: weir explain upstream_timeout\n");
}

TEST(LocalReply, NamesTheClusterOnlyIfItMay) {
    for (const bool is_problem : {false, true}) {
        LocalReply reply{.reason = Reason::breaker_open, .wants_problem_json = is_problem};
        EXPECT_EQ(write(reply).body.find("orders"), std::string::npos);
        reply.cluster = "orders";
        EXPECT_NE(write(reply).body.find("orders"), std::string::npos);
    }
}

TEST(LocalReply, IsAProblemForClientsThatTakeThem) {
    const Written got = write({.reason = Reason::breaker_open,
                               .request_id = "abc",
                               .cluster = "a \"quoted\" one",
                               .wants_problem_json = true});
    EXPECT_TRUE(got.has("content-type: application/problem+json"));
    EXPECT_EQ(got.body, R"({"type":"about:blank","title":"Service Unavailable","status":503,)"
                        R"("detail":"the circuit breaker of 'a \"quoted\" one' is open",)"
                        R"("weir_error":"breaker_open",)"
                        R"("cluster":"a \"quoted\" one","request_id":"abc"})"
                        "\n");
}

TEST(LocalReply, HasNoBodyForHeadButItsLength) {
    const LocalReply reply{.reason = Reason::no_route};
    LocalReply head = reply;
    head.is_head = true;
    const Written got = write(head);
    EXPECT_EQ(got.body, "");
    EXPECT_EQ(got.size, 0U);
    EXPECT_TRUE(got.has("content-length: " + std::to_string(write(reply).size)));
}

TEST(LocalReply, SaysRetryAfterInWholeSecondsRoundedUp) {
    const struct {
        Duration wait;
        std::string_view seconds;
    } kRows[] = {{0ms, ""},     {-1s, ""},     {1ns, "1"},  {999ms, "1"},
                 {1000ms, "1"}, {1001ms, "2"}, {59s, "59"}, {60'500ms, "61"}};
    for (const auto& row : kRows) {
        const Written got = write({.reason = Reason::draining, .retry_after = row.wait});
        EXPECT_EQ(got.names("retry-after"), !row.seconds.empty());
        if (row.seconds.empty()) continue;
        EXPECT_TRUE(got.has("retry-after: " + std::string(row.seconds)));
    }
}

TEST(LocalReply, SaysWhatBecomesOfTheConnection) {
    const struct {
        bool keeps_alive;
        std::uint8_t client_minor;
        std::string_view connection;
    } kRows[] = {{true, 1, ""}, {false, 1, "close"}, {true, 0, "keep-alive"}, {false, 0, "close"}};
    for (const auto& row : kRows) {
        const Written got = write({.reason = Reason::draining,
                                   .keeps_alive = row.keeps_alive,
                                   .client_minor = row.client_minor});
        EXPECT_EQ(got.names("connection"), !row.connection.empty());
        if (row.connection.empty()) continue;
        EXPECT_TRUE(got.has("connection: " + std::string(row.connection)));
    }
}

TEST(LocalReply, OfARouteSaysWhatTheRouteSays) {
    const Written got = write({.status = 200, .body = "fine\n", .request_id = "abc"});
    EXPECT_EQ(got.body, "fine\n");
    EXPECT_FALSE(got.names("weir-error"));
    EXPECT_TRUE(got.has("content-length: 5"));

    const Written empty = write({.status = 200});
    EXPECT_TRUE(empty.has("content-length: 0"));
    EXPECT_FALSE(empty.names("content-type"));
}

TEST(LocalReply, WithoutContentHasNoLength) {
    for (const std::uint16_t status : {std::uint16_t{204}, std::uint16_t{304}}) {
        const Written got = write({.status = status, .body = "ignored"});
        EXPECT_EQ(got.body, "");
        EXPECT_FALSE(got.names("content-length"));
        EXPECT_FALSE(got.names("content-type"));
    }
}

TEST(LocalReply, RedirectsToItsLocation) {
    const Written got = write({.status = 308, .location = "https://a/b"});
    EXPECT_TRUE(got.has("location: https://a/b"));
    EXPECT_TRUE(got.has("content-length: 0"));
}

TEST(LocalReply, OfACallSaysItsStatusInTheHead) {
    for (std::size_t i = 1; i < kReasonCount; ++i) {
        const auto reason = static_cast<Reason>(i);
        SCOPED_TRACE(word(reason));
        const LocalReply reply{
            .reason = reason, .request_id = "abc", .grpc = http::GrpcKind::plain};
        const Written got = write(reply);
        EXPECT_EQ(got.head.rfind("HTTP/1.1 200 OK\r\n", 0), 0U);
        EXPECT_EQ(status_of(reply), 200);
        EXPECT_EQ(got.body, "");
        EXPECT_EQ(got.size, 0U);
        EXPECT_TRUE(got.has("content-type: application/grpc"));
        EXPECT_TRUE(got.has("content-length: 0"));
        EXPECT_TRUE(got.has("grpc-status: " +
                            std::to_string(static_cast<unsigned>(http::grpc_code(reason)))));
        EXPECT_TRUE(got.has("weir-error: " + std::string(word(reason))));
        EXPECT_TRUE(got.has("x-request-id: abc"));
    }
}

TEST(LocalReply, OfACallSaysInOneLineWhatHappened) {
    const Written got = write({.reason = Reason::breaker_open,
                               .request_id = "abc",
                               .cluster = "caf\xc3\xa9",
                               .retry_after = 1500us,
                               .retried = 1,
                               .wants_problem_json = true,
                               .keeps_alive = false,
                               .grpc = http::GrpcKind::plain});
    EXPECT_TRUE(
        got.has("grpc-message: weir: the circuit breaker of 'caf%C3%A9' is open. request abc"
                " - see: weir explain breaker_open"));
    EXPECT_TRUE(got.has("grpc-retry-pushback-ms: 2"));
    EXPECT_TRUE(got.has("x-weir-retried: 1"));
    EXPECT_TRUE(got.has("connection: close"));
    EXPECT_FALSE(got.names("retry-after"));
}

TEST(LocalReply, OfACallIsOfItsKind) {
    const auto type = [](http::GrpcKind kind) {
        return write({.reason = Reason::no_route, .is_h2 = true, .grpc = kind});
    };
    EXPECT_TRUE(type(http::GrpcKind::plain).has("content-type: application/grpc"));
    EXPECT_TRUE(type(http::GrpcKind::web).has("content-type: application/grpc-web+proto"));
    EXPECT_TRUE(
        type(http::GrpcKind::web_text).has("content-type: application/grpc-web-text+proto"));
    EXPECT_FALSE(type(http::GrpcKind::plain).names("content-length"));
}

TEST(LocalReply, OfACallMaySayAnotherCode) {
    const Written got = write({.reason = Reason::breaker_open,
                               .status = 503,
                               .grpc = http::GrpcKind::plain,
                               .grpc_code = http::GrpcCode::aborted});
    EXPECT_TRUE(got.has("grpc-status: 10"));
}

TEST(LocalReply, OfARouteToACallSaysWhatTheRouteSays) {
    const LocalReply reply{.status = 503, .body = "no\n", .grpc = http::GrpcKind::plain};
    const Written got = write(reply);
    EXPECT_EQ(got.body, "no\n");
    EXPECT_EQ(status_of(reply), 503);
    EXPECT_FALSE(got.names("grpc-status"));
}

}  // namespace
}  // namespace weir::proxy
