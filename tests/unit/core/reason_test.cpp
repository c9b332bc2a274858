#include "weir/core/reason.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace weir {
namespace {

Reason reason_at(std::size_t i) {
    return static_cast<Reason>(i);
}

TEST(Reason, EachHasAWordOfItsOwnInSnakeCase) {
    std::set<std::string_view> words;
    for (std::size_t i = 0; i < kReasonCount; ++i) {
        const std::string_view text = word(reason_at(i));
        EXPECT_FALSE(text.empty()) << i;
        EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || c == '_';
        })) << text;
        EXPECT_TRUE(words.insert(text).second) << text;
    }
}

TEST(Reason, IsFoundByItsWord) {
    for (std::size_t i = 0; i < kReasonCount; ++i) {
        EXPECT_EQ(reason_from(word(reason_at(i))), reason_at(i));
    }
    for (const char* unknown : {"", "No_Route", "no_route ", "no route", "nonsense"}) {
        EXPECT_EQ(reason_from(unknown), std::nullopt) << unknown;
    }
}

TEST(Reason, HasTheStatusAndWordThatCallersSee) {
    const std::map<std::string, int> expected = {
        {"none", 0},
        {"bad_request", 400},
        {"headers_too_large", 431},
        {"uri_too_long", 414},
        {"body_too_large", 413},
        {"request_timeout", 408},
        {"misdirected", 421},
        {"unauthorized", 401},
        {"forbidden", 403},
        {"auth_unavailable", 503},
        {"rate_limited", 429},
        {"fault_injected", 503},
        {"no_route", 404},
        {"no_healthy_endpoint", 503},
        {"breaker_open", 503},
        {"limit_exceeded", 503},
        {"queue_full", 503},
        {"queue_timeout", 503},
        {"overloaded", 503},
        {"draining", 503},
        {"upstream_connect_refused", 503},
        {"upstream_connect_timeout", 503},
        {"upstream_dns", 503},
        {"upstream_reset", 502},
        {"upstream_tls", 503},
        {"upstream_protocol", 502},
        {"upstream_timeout", 504},
        {"client_closed", 499},
    };
    EXPECT_EQ(expected.size(), kReasonCount);
    for (const auto& [text, status] : expected) {
        const auto reason = reason_from(text);
        ASSERT_TRUE(reason) << text;
        EXPECT_EQ(info(*reason).status, status) << text;
    }
}

// The table is an array in the order of the enumerators: one inserted in the midst shifts the rest.
TEST(Reason, TheTableStandsInTheOrderOfTheEnumerators) {
    EXPECT_EQ(word(Reason::none), "none");
    EXPECT_EQ(word(Reason::misdirected), "misdirected");
    EXPECT_EQ(word(Reason::breaker_open), "breaker_open");
    EXPECT_EQ(word(Reason::draining), "draining");
    EXPECT_EQ(word(Reason::upstream_dns), "upstream_dns");
    EXPECT_EQ(word(Reason::upstream_timeout), "upstream_timeout");
    EXPECT_EQ(word(Reason::client_closed), "client_closed");
}

TEST(Reason, SaysASentenceForPeople) {
    for (std::size_t i = 0; i < kReasonCount; ++i) {
        const std::string_view sentence = info(reason_at(i)).sentence;
        EXPECT_GT(sentence.size(), 15U) << i;
        EXPECT_NE(sentence.back(), '.') << sentence;
    }
}

TEST(Reason, NamesTheClusterWhereItHasAPartInIt) {
    EXPECT_EQ(sentence(Reason::upstream_connect_refused, "legacy"),
              "'legacy' refused the connection");
    EXPECT_EQ(sentence(Reason::breaker_open, "a%b"), "the circuit breaker of 'a%b' is open");
    EXPECT_EQ(sentence(Reason::breaker_open, ""), "the circuit breaker is open");
    EXPECT_EQ(sentence(Reason::bad_request, "legacy"), "the request is not valid HTTP");
    for (std::size_t i = 0; i < kReasonCount; ++i) {
        const ReasonInfo& known = info(reason_at(i));
        if (known.named.empty()) continue;
        EXPECT_EQ(std::count(known.named.begin(), known.named.end(), '%'), 1) << known.word;
    }
}

}  // namespace
}  // namespace weir
