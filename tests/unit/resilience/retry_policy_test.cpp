#include "weir/resilience/retry_policy.hpp"

#include "weir/resilience/classifier.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

RetryInput get() {
    RetryInput input;
    input.is_method_listed = true;
    return input;
}

RetryInput post() {
    return {};
}

RetryInput answered(RetryInput input, std::uint16_t status, Duration retry_after = 0s) {
    AttemptEnd end;
    end.status = status;
    end.got_response_bytes = true;
    end.has_retry_after = retry_after > 0s;
    end.retry_after = retry_after;
    input.status = status;
    input.got_response_bytes = true;
    input.verdict = classify(end);
    return input;
}

RetryInput refused_by_peer(RetryInput input) {
    AttemptEnd end;
    end.status = 503;
    end.got_response_bytes = true;
    end.weir_error = "breaker_open";
    end.has_retry_after = true;
    end.retry_after = 5s;
    input.status = 503;
    input.weir_error = end.weir_error;
    input.got_response_bytes = true;
    input.verdict = classify(end);
    return input;
}

RetryInput failed(RetryInput input, Reason reason) {
    AttemptEnd end;
    end.error = {.reason = reason, .origin = Error::Origin::upstream};
    input.error = end.error;
    input.verdict = classify(end);
    return input;
}

RetryInput died(RetryInput input, bool is_reused, Duration since_last_write) {
    AttemptEnd end;
    end.error = {.reason = Reason::upstream_reset, .origin = Error::Origin::upstream};
    end.reused_connection = is_reused;
    end.since_last_write = since_last_write;
    input.error = end.error;
    input.is_connection_reused = is_reused;
    input.verdict = classify(end);
    return input;
}

std::string why(const RetryInput& input, const RetryOptions& options = {}) {
    return std::string(word(decide_retry(options, input).refusal));
}

RetryOptions with(RetryOn on) {
    RetryOptions options;
    options.on = on;
    return options;
}

TEST(RetryPolicy, HasTheDefaultsOfTheReference) {
    const RetryOptions options;
    EXPECT_EQ(options.attempts, 2U);
    EXPECT_EQ(options.max_depth, 1U);
    EXPECT_TRUE(has(options.on, RetryOn::connect));
    EXPECT_TRUE(has(options.on, RetryOn::refused));
    EXPECT_TRUE(has(options.on, RetryOn::reused));
    EXPECT_TRUE(has(options.on, RetryOn::status_503));
    EXPECT_FALSE(has(options.on, RetryOn::reset));
    EXPECT_FALSE(has(options.on, RetryOn::timeout));
    EXPECT_FALSE(has(options.on, RetryOn::status_5xx));
}

TEST(RetryPolicy, RetriesConnectFailuresOfAnyMethod) {
    for (const Reason reason : {Reason::upstream_connect_refused, Reason::upstream_connect_timeout,
                                Reason::upstream_dns}) {
        EXPECT_EQ(why(failed(get(), reason)), "none") << word(reason);
        EXPECT_EQ(why(failed(post(), reason)), "none") << word(reason);
        EXPECT_EQ(why(failed(get(), reason), with(RetryOn::reused)), "not_wanted") << word(reason);
    }
}

// HTTP/2: a stream that was refused, or that GOAWAY left out.
TEST(RetryPolicy, RetriesRefusedStreamsOfAnyMethod) {
    for (const bool is_reused : {false, true}) {
        RetryInput input = post();
        input.error = {Reason::upstream_reset, Error::Origin::upstream, Error::Retry::safe, ""};
        input.is_connection_reused = is_reused;
        AttemptEnd end;
        end.error = input.error;
        end.reused_connection = is_reused;
        input.verdict = classify(end);
        EXPECT_EQ(input.verdict.outcome, is_reused ? Outcome::stale : Outcome::local_failure);
        EXPECT_EQ(why(input), "none");
        EXPECT_EQ(why(input, with(RetryOn::reset)), "none");
        EXPECT_EQ(why(input, with(RetryOn::connect | RetryOn::reused)), "not_wanted");
    }
}

RetryInput answered_by_grpc(RetryInput input, std::uint32_t code, Duration pushback = 0s) {
    AttemptEnd end;
    end.status = 200;
    end.grpc_status = code;
    end.got_response_bytes = true;
    end.has_retry_after = pushback > 0s;
    end.retry_after = pushback;
    input.status = 200;
    input.grpc_status = code;
    input.got_response_bytes = true;
    input.verdict = classify(end);
    return input;
}

TEST(RetryPolicy, RetriesCodesOfGrpcThatAreListedWhereTheMethodIs) {
    EXPECT_EQ(why(answered_by_grpc(get(), 14)), "none");
    EXPECT_EQ(why(answered_by_grpc(post(), 14)), "unsafe");
    EXPECT_EQ(why(answered_by_grpc(get(), 13)), "not_wanted");
    EXPECT_EQ(why(answered_by_grpc(get(), 0)), "not_wanted");
    RetryOptions options;
    options.on_grpc = 1U << 8U | 1U << 13U;
    EXPECT_EQ(why(answered_by_grpc(get(), 13), options), "none");
    EXPECT_EQ(why(answered_by_grpc(get(), 14), options), "not_wanted");
    EXPECT_EQ(why(answered_by_grpc(get(), 8), options), "throttled");
    EXPECT_EQ(why(answered_by_grpc(get(), 8, 1s), options), "none");
    EXPECT_EQ(why(answered_by_grpc(get(), 14, 1s)), "none");
}

TEST(RetryPolicy, DoesNotRetryGoodAnswers) {
    for (const std::uint16_t status : std::vector<std::uint16_t>{200, 204, 301, 404, 499}) {
        EXPECT_EQ(why(answered(get(), status), with(RetryOn::status_5xx)), "not_wanted") << status;
    }
}

struct StatusRow {
    std::uint16_t status;
    RetryOn on;
    const char* refusal;
};

TEST(RetryPolicy, RetriesStatusesByTheTable) {
    const RetryOn defaults = RetryOptions{}.on;
    const std::vector<StatusRow> rows = {
        {503, defaults, "none"},
        {500, defaults, "not_wanted"},
        {502, defaults, "not_wanted"},
        {504, defaults, "not_wanted"},
        {502, RetryOn::status_502, "none"},
        {504, RetryOn::status_504, "none"},
        {503, RetryOn::status_502, "not_wanted"},
        {500, RetryOn::status_5xx, "none"},
        {501, RetryOn::status_5xx, "none"},
        {502, RetryOn::status_5xx, "none"},
        {503, RetryOn::status_5xx, "none"},
        {504, RetryOn::status_5xx, "none"},
        {599, RetryOn::status_5xx, "none"},
        {600, RetryOn::status_5xx, "not_wanted"},
        {429, defaults, "throttled"},
        {429, RetryOn::status_5xx, "throttled"},
    };
    for (const StatusRow& row : rows) {
        EXPECT_EQ(why(answered(get(), row.status), with(row.on)), row.refusal) << row.status;
    }
}

TEST(RetryPolicy, SendsNoPostAgainThatWasAnswered) {
    EXPECT_EQ(why(answered(post(), 503)), "unsafe");
    EXPECT_EQ(why(answered(post(), 500), with(RetryOn::status_5xx)), "unsafe");
}

TEST(RetryPolicy, Retries503WithRetryAfterOnlyIfAny5xxIsListed) {
    EXPECT_EQ(why(answered(get(), 503, 1s)), "throttled");
    EXPECT_EQ(why(answered(get(), 503, 1s), with(RetryOn::status_5xx)), "none");
}

TEST(RetryPolicy, RefusesAThrottledAnswerWithoutAHint) {
    RetryInput input = answered(get(), 503, 1s);
    input.verdict.hint = 0s;
    EXPECT_EQ(why(input, with(RetryOn::status_5xx)), "throttled");
}

TEST(RetryPolicy, TakesAPeersRefusalElsewhereWithAnyMethod) {
    EXPECT_EQ(why(refused_by_peer(get())), "none");
    EXPECT_EQ(why(refused_by_peer(post())), "none");
    EXPECT_TRUE(decide_retry({}, refused_by_peer(post())).needs_other_endpoint);
    EXPECT_FALSE(decide_retry({}, answered(get(), 503)).needs_other_endpoint);
    EXPECT_EQ(why(refused_by_peer(get()), with(RetryOn::reused)), "not_wanted");
}

TEST(RetryPolicy, RetriesAReusedConnectionThatDied) {
    EXPECT_EQ(why(died(get(), true, 1ms)), "none");
    EXPECT_EQ(why(died(get(), true, 5s)), "none") << "no longer stale, but still without a byte";
    EXPECT_EQ(why(died(get(), true, 1ms), with(RetryOn::connect)), "not_wanted");
    EXPECT_EQ(why(died(get(), true, 1ms), with(RetryOn::reset)), "none");
}

TEST(RetryPolicy, SendsAPostAgainOnlyIfItIsProvablyUnread) {
    RetryInput input = died(post(), true, 1ms);
    EXPECT_EQ(why(input), "unsafe");
    input.is_provably_unread = true;
    EXPECT_EQ(why(input), "none");
    input.is_connection_reused = false;
    EXPECT_EQ(why(input, with(RetryOn::reset)), "unsafe");
}

// A POST whose bytes were acknowledged is never sent twice.
TEST(RetryPolicy, NeverSendsAPostTwiceThatMayHaveBeenRead) {
    const RetryOn all = RetryOn::connect | RetryOn::reused | RetryOn::reset | RetryOn::timeout |
                        RetryOn::status_502 | RetryOn::status_503 | RetryOn::status_504 |
                        RetryOn::status_5xx;
    for (const bool is_reused : {false, true}) {
        for (const Duration after : {Duration{0s}, Duration{1ms}, Duration{1s}}) {
            EXPECT_EQ(why(died(post(), is_reused, after), with(all)), "unsafe");
        }
    }
    EXPECT_EQ(why(failed(post(), Reason::upstream_timeout), with(all)), "unsafe");
    EXPECT_EQ(why(failed(post(), Reason::upstream_protocol), with(all)), "unsafe");
    RetryInput answered_by_half = died(post(), true, 1ms);
    answered_by_half.got_response_bytes = true;
    answered_by_half.is_provably_unread = true;
    EXPECT_EQ(why(answered_by_half, with(all)), "unsafe");
}

TEST(RetryPolicy, RetriesAPostTheErrorCallsSafe) {
    RetryInput input = died(post(), false, 0ms);
    input.error.retry = Error::Retry::safe;
    EXPECT_EQ(why(input, with(RetryOn::reset)), "none");
}

TEST(RetryPolicy, RetriesResetsAndTimeoutsOnlyIfListed) {
    EXPECT_EQ(why(died(get(), false, 0ms)), "not_wanted");
    EXPECT_EQ(why(died(get(), false, 0ms), with(RetryOn::reset)), "none");
    EXPECT_EQ(why(failed(get(), Reason::upstream_timeout)), "not_wanted");
    EXPECT_EQ(why(failed(get(), Reason::upstream_timeout), with(RetryOn::timeout)), "none");
    EXPECT_EQ(why(failed(get(), Reason::upstream_protocol)), "not_wanted");
    EXPECT_EQ(why(failed(get(), Reason::upstream_protocol), with(RetryOn::reset)), "none");
}

TEST(RetryPolicy, TakesAConnectionThatDiedWithinTheHeadForAReset) {
    RetryInput input = died(get(), true, 1ms);
    input.got_response_bytes = true;
    input.verdict = {Outcome::failure, FailureKind::reset};
    EXPECT_EQ(why(input), "not_wanted");
    EXPECT_EQ(why(input, with(RetryOn::reset)), "none");
}

TEST(RetryPolicy, DoesNotRetryOurOwnRefusals) {
    for (const Reason reason : {Reason::breaker_open, Reason::limit_exceeded, Reason::queue_full,
                                Reason::client_closed, Reason::draining, Reason::bad_request}) {
        EXPECT_EQ(why(failed(get(), reason)), "not_wanted") << word(reason);
    }
}

TEST(RetryPolicy, NeverRetriesWhatWasForwarded) {
    RetryInput input = failed(get(), Reason::upstream_connect_refused);
    input.is_response_forwarded = true;
    EXPECT_EQ(why(input), "forwarded");
}

TEST(RetryPolicy, StopsAfterTwoExtraTries) {
    RetryInput input = answered(get(), 503);
    for (std::uint32_t retries = 0; retries < 4; ++retries) {
        input.retries = retries;
        EXPECT_EQ(why(input), retries < 2 ? "none" : "exhausted") << retries;
    }
}

TEST(RetryPolicy, IsOffWithoutAttempts) {
    RetryOptions options;
    options.attempts = 0;
    EXPECT_EQ(why(answered(get(), 503), options), "not_wanted");
    EXPECT_EQ(why(answered(get(), 429), options), "not_wanted");
}

TEST(RetryPolicy, DoesNotRetryARetryOfAWeirBefore) {
    RetryInput input = answered(get(), 503);
    input.depth = 1;
    EXPECT_EQ(why(input), "depth");
    RetryOptions deeper;
    deeper.max_depth = 2;
    EXPECT_EQ(why(input, deeper), "none");
    input.depth = 2;
    EXPECT_EQ(why(input, deeper), "depth");
}

TEST(RetryPolicy, NeedsTheBody) {
    RetryInput input = failed(post(), Reason::upstream_connect_refused);
    input.is_body_replayable = false;
    EXPECT_EQ(why(input), "buffer");
    input.is_method_listed = true;
    EXPECT_EQ(why(input), "buffer");
}

TEST(RetryPolicy, NeedsTimeForTheWaitAndTheMedianAnswer) {
    RetryInput input = answered(get(), 503);
    input.wait = 25ms;
    input.median_latency = 100ms;
    input.remaining = 125ms;
    EXPECT_EQ(why(input), "none");
    input.remaining = 125ms - 1ns;
    EXPECT_EQ(why(input), "deadline");
    input.remaining = 10ms;
    EXPECT_EQ(why(input), "deadline");
    input.remaining = 0ms;
    input.wait = 0ms;
    input.median_latency = 0ms;
    EXPECT_EQ(why(input), "deadline");
    input.remaining = Duration::max();
    input.wait = 10h;
    input.median_latency = 10h;
    EXPECT_EQ(why(input), "none");
}

TEST(RetryPolicy, NamesItsRefusalsAsTheMetricDoes) {
    EXPECT_EQ(word(RetryRefusal::budget), "budget");
    EXPECT_EQ(word(RetryRefusal::deadline), "deadline");
    EXPECT_EQ(word(RetryRefusal::throttled), "throttled");
    EXPECT_EQ(word(RetryRefusal::depth), "depth");
    EXPECT_EQ(word(RetryRefusal::buffer), "buffer");
}

}  // namespace
}  // namespace weir::resilience
