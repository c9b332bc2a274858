#include "weir/resilience/classifier.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

AttemptEnd answered(std::uint16_t status) {
    AttemptEnd end;
    end.status = status;
    end.got_response_bytes = true;
    return end;
}

AttemptEnd ended_by(Reason reason) {
    AttemptEnd end;
    end.error = {.reason = reason, .origin = Error::Origin::upstream};
    return end;
}

AttemptEnd died_after(Duration since_last_write, bool is_reused) {
    AttemptEnd end = ended_by(Reason::upstream_reset);
    end.reused_connection = is_reused;
    end.since_last_write = since_last_write;
    return end;
}

AttemptEnd left_after(Duration waited, Duration patience) {
    AttemptEnd end;
    end.client_left = true;
    end.waited = waited;
    end.patience = patience;
    return end;
}

struct StatusRow {
    std::uint16_t status;
    Outcome outcome;
    FailureKind kind;
};

TEST(Classifier, JudgesEachStatusByTheTable) {
    const std::vector<StatusRow> rows = {
        {200, Outcome::ok, FailureKind::none},
        {204, Outcome::ok, FailureKind::none},
        {301, Outcome::ok, FailureKind::none},
        {400, Outcome::ok, FailureKind::none},
        {404, Outcome::ok, FailureKind::none},
        {408, Outcome::ok, FailureKind::none},
        {429, Outcome::throttled, FailureKind::none},
        {499, Outcome::ok, FailureKind::none},
        {500, Outcome::failure, FailureKind::status_500},
        {501, Outcome::ok, FailureKind::none},
        {502, Outcome::failure, FailureKind::status_502},
        {503, Outcome::failure, FailureKind::status_503},
        {504, Outcome::failure, FailureKind::status_504},
        {505, Outcome::ok, FailureKind::none},
        {599, Outcome::ok, FailureKind::none},
        {999, Outcome::ok, FailureKind::none},
    };
    for (const StatusRow& row : rows) {
        const Verdict verdict = classify(answered(row.status));
        EXPECT_EQ(word(verdict.outcome), word(row.outcome)) << row.status;
        EXPECT_EQ(word(verdict.kind), word(row.kind)) << row.status;
    }
}

struct ReasonRow {
    Reason reason;
    Outcome outcome;
    FailureKind kind;
};

TEST(Classifier, JudgesEachErrorByTheTable) {
    const std::vector<ReasonRow> rows = {
        {Reason::upstream_connect_refused, Outcome::local_failure, FailureKind::connect_refused},
        {Reason::upstream_connect_timeout, Outcome::local_failure, FailureKind::connect_timeout},
        {Reason::upstream_dns, Outcome::local_failure, FailureKind::dns},
        {Reason::upstream_reset, Outcome::local_failure, FailureKind::reset},
        {Reason::upstream_tls, Outcome::local_failure, FailureKind::tls},
        {Reason::upstream_protocol, Outcome::failure, FailureKind::protocol},
        {Reason::upstream_timeout, Outcome::failure, FailureKind::timeout},
        {Reason::bad_request, Outcome::ignored, FailureKind::none},
        {Reason::headers_too_large, Outcome::ignored, FailureKind::none},
        {Reason::body_too_large, Outcome::ignored, FailureKind::none},
        {Reason::request_timeout, Outcome::ignored, FailureKind::none},
        {Reason::no_route, Outcome::ignored, FailureKind::none},
        {Reason::no_healthy_endpoint, Outcome::ignored, FailureKind::none},
        {Reason::breaker_open, Outcome::ignored, FailureKind::none},
        {Reason::limit_exceeded, Outcome::ignored, FailureKind::none},
        {Reason::queue_full, Outcome::ignored, FailureKind::none},
        {Reason::queue_timeout, Outcome::ignored, FailureKind::none},
        {Reason::overloaded, Outcome::ignored, FailureKind::none},
        {Reason::draining, Outcome::ignored, FailureKind::none},
        {Reason::client_closed, Outcome::ignored, FailureKind::none},
    };
    for (const ReasonRow& row : rows) {
        const Verdict verdict = classify(ended_by(row.reason));
        EXPECT_EQ(word(verdict.outcome), word(row.outcome)) << word(row.reason);
        EXPECT_EQ(word(verdict.kind), word(row.kind)) << word(row.reason);
    }
}

TEST(Classifier, CallsA503WithRetryAfterThrottledAndKeepsTheHint) {
    AttemptEnd end = answered(503);
    end.has_retry_after = true;
    end.retry_after = 3s;
    EXPECT_EQ(classify(end).outcome, Outcome::throttled);
    EXPECT_EQ(classify(end).hint, 3s);
}

TEST(Classifier, KeepsTheHintOfA429) {
    AttemptEnd end = answered(429);
    EXPECT_EQ(classify(end).hint, 0s);
    end.has_retry_after = true;
    end.retry_after = 1s;
    EXPECT_EQ(classify(end).hint, 1s);
}

TEST(Classifier, DoesNotCallA500WithRetryAfterThrottled) {
    AttemptEnd end = answered(500);
    end.has_retry_after = true;
    end.retry_after = 1s;
    EXPECT_EQ(classify(end).outcome, Outcome::failure);
    EXPECT_EQ(classify(end).hint, 1s);
}

TEST(Classifier, TakesAMeshPeersRefusalForALocalFailure) {
    for (const char* reason : {"breaker_open", "draining", "queue_full", "no_healthy_endpoint"}) {
        AttemptEnd end = answered(503);
        end.weir_error = reason;
        end.has_retry_after = true;
        end.retry_after = 2s;
        EXPECT_EQ(classify(end).outcome, Outcome::local_failure) << reason;
        EXPECT_EQ(classify(end).kind, FailureKind::peer_refused) << reason;
        EXPECT_EQ(classify(end).hint, 2s) << reason;
    }
}

TEST(Classifier, TakesAMeshPeersOtherReasonsForAFailure) {
    for (const char* reason :
         {"upstream_reset", "upstream_connect_refused", "overloaded", "x", ""}) {
        AttemptEnd end = answered(503);
        end.weir_error = reason;
        EXPECT_EQ(classify(end).outcome, Outcome::failure) << reason;
    }
}

TEST(Classifier, BelievesAPeersRefusalOnlyWithA503) {
    AttemptEnd end = answered(200);
    end.weir_error = "breaker_open";
    EXPECT_EQ(classify(end).outcome, Outcome::ok);
    end.status = 500;
    EXPECT_EQ(classify(end).kind, FailureKind::status_500);
}

TEST(Classifier, CallsAReusedConnectionThatDiesAtOnceStale) {
    EXPECT_EQ(classify(died_after(0ms, true)).outcome, Outcome::stale);
    EXPECT_EQ(classify(died_after(10ms, true)).outcome, Outcome::stale);
}

TEST(Classifier, CallsAReusedConnectionThatDiesLaterAFailure) {
    const Verdict verdict = classify(died_after(10ms + 1ns, true));
    EXPECT_EQ(verdict.outcome, Outcome::failure);
    EXPECT_EQ(verdict.kind, FailureKind::reset);
}

TEST(Classifier, GivesAFarEndpointTwiceItsConnectTimeToBeStale) {
    AttemptEnd end = died_after(80ms, true);
    end.connect_time = 40ms;
    EXPECT_EQ(classify(end).outcome, Outcome::stale);
    end.since_last_write = 80ms + 1ns;
    EXPECT_EQ(classify(end).outcome, Outcome::failure);
}

TEST(Classifier, NeverCallsAFreshConnectionStale) {
    EXPECT_EQ(classify(died_after(0ms, false)).outcome, Outcome::local_failure);
    EXPECT_EQ(classify(died_after(10s, false)).outcome, Outcome::local_failure);
}

TEST(Classifier, NeverCallsAConnectionStaleThatHadBegunToAnswer) {
    AttemptEnd end = died_after(0ms, true);
    end.got_response_bytes = true;
    EXPECT_EQ(classify(end).outcome, Outcome::failure);
}

TEST(Classifier, CallsAFreshConnectionThatDiesWithinTheHeadALocalFailure) {
    AttemptEnd end = died_after(0ms, false);
    end.got_response_bytes = true;
    EXPECT_EQ(classify(end).outcome, Outcome::local_failure);
}

TEST(Classifier, CallsAResetAfterTheHeadersAFailureOnAnyConnection) {
    for (const bool is_reused : {false, true}) {
        AttemptEnd end = died_after(0ms, is_reused);
        end.status = 200;
        end.got_response_bytes = true;
        EXPECT_EQ(classify(end).outcome, Outcome::failure) << is_reused;
        EXPECT_EQ(classify(end).kind, FailureKind::reset) << is_reused;
    }
}

TEST(Classifier, IgnoresAClientThatLeftEarly) {
    EXPECT_EQ(classify(left_after(900ms, 1s)).outcome, Outcome::ignored);
    EXPECT_EQ(classify(left_after(1s, 1s)).outcome, Outcome::ignored);
}

TEST(Classifier, TakesAClientThatLeftAfterLongWaitingForATimeout) {
    const Verdict verdict = classify(left_after(1s + 1ns, 1s));
    EXPECT_EQ(verdict.outcome, Outcome::failure);
    EXPECT_EQ(verdict.kind, FailureKind::timeout);
}

TEST(Classifier, IgnoresAClientThatLeftWhenNoPatienceIsKnown) {
    AttemptEnd end;
    end.client_left = true;
    end.waited = 1h;
    EXPECT_EQ(classify(end).outcome, Outcome::ignored);
}

TEST(Classifier, IgnoresAClientThatLeftDuringTheBodyHoweverLongItWaited) {
    AttemptEnd end = left_after(1h, 1s);
    end.status = 200;
    EXPECT_EQ(classify(end).outcome, Outcome::ignored);
}

TEST(Classifier, CountsABadAnswerThoughTheClientLeftWhileItCame) {
    AttemptEnd end = left_after(1ms, 1s);
    end.status = 500;
    EXPECT_EQ(classify(end).outcome, Outcome::failure);
}

TEST(Classifier, CountsOnlyTheStatusesTheUserLists) {
    Classifier::Options options;
    options.failure_statuses.reset(500);
    options.failure_statuses.set(404);
    const Classifier classifier(options);
    EXPECT_EQ(classifier.classify(answered(500)).outcome, Outcome::ok);
    EXPECT_EQ(classifier.classify(answered(404)).outcome, Outcome::failure);
    EXPECT_EQ(classifier.classify(answered(404)).kind, FailureKind::status_other);
    EXPECT_EQ(classifier.classify(answered(502)).outcome, Outcome::failure);
}

TEST(Classifier, IgnoresConnectFailuresTheUserDoesNotList) {
    Classifier::Options options;
    options.is_connect_failure = false;
    const Classifier classifier(options);
    for (const Reason reason : {Reason::upstream_connect_refused, Reason::upstream_connect_timeout,
                                Reason::upstream_dns}) {
        EXPECT_EQ(classifier.classify(ended_by(reason)).outcome, Outcome::ignored) << word(reason);
    }
    EXPECT_EQ(classifier.classify(ended_by(Reason::upstream_timeout)).outcome, Outcome::failure);
    EXPECT_EQ(classifier.classify(ended_by(Reason::upstream_reset)).outcome,
              Outcome::local_failure);
}

TEST(Classifier, IgnoresTimeoutsTheUserDoesNotList) {
    Classifier::Options options;
    options.is_timeout_failure = false;
    const Classifier classifier(options);
    EXPECT_EQ(classifier.classify(ended_by(Reason::upstream_timeout)).outcome, Outcome::ignored);
    EXPECT_EQ(classifier.classify(left_after(1h, 1s)).outcome, Outcome::ignored);
    EXPECT_EQ(classifier.classify(ended_by(Reason::upstream_dns)).outcome, Outcome::local_failure);
}

TEST(Classifier, IgnoresResetsTheUserDoesNotListButStillSeesStaleOnes) {
    Classifier::Options options;
    options.is_reset_failure = false;
    const Classifier classifier(options);
    EXPECT_EQ(classifier.classify(died_after(1s, true)).outcome, Outcome::ignored);
    EXPECT_EQ(classifier.classify(died_after(1s, false)).outcome, Outcome::ignored);
    EXPECT_EQ(classifier.classify(died_after(1ms, true)).outcome, Outcome::stale);
}

AttemptEnd answered_by_grpc(std::uint32_t code) {
    AttemptEnd end = answered(200);
    end.grpc_status = code;
    return end;
}

TEST(Classifier, JudgesAnAnswerOfGrpcByItsCode) {
    const std::vector<std::pair<std::uint32_t, Verdict>> rows = {
        {0, {Outcome::ok}},
        {1, {Outcome::ok}},
        {2, {Outcome::failure, FailureKind::grpc_unknown}},
        {3, {Outcome::ok}},
        {4, {Outcome::failure, FailureKind::grpc_deadline_exceeded}},
        {5, {Outcome::ok}},
        {7, {Outcome::ok}},
        {8, {Outcome::throttled}},
        {12, {Outcome::ok}},
        {13, {Outcome::failure, FailureKind::grpc_internal}},
        {14, {Outcome::failure, FailureKind::grpc_unavailable}},
        {15, {Outcome::failure, FailureKind::grpc_data_loss}},
        {16, {Outcome::ok}},
        {99, {Outcome::ok}},
    };
    for (const auto& [code, expected] : rows) {
        const Verdict verdict = classify(answered_by_grpc(code));
        EXPECT_EQ(word(verdict.outcome), word(expected.outcome)) << code;
        EXPECT_EQ(word(verdict.kind), word(expected.kind)) << code;
    }
}

TEST(Classifier, CountsOnlyTheCodesOfGrpcTheUserLists) {
    Classifier::Options options;
    options.failure_grpc = 1U << 5U;
    const Classifier classifier(options);
    EXPECT_EQ(classifier.classify(answered_by_grpc(5)).kind, FailureKind::grpc_other);
    EXPECT_EQ(classifier.classify(answered_by_grpc(14)).outcome, Outcome::ok);
}

TEST(Classifier, JudgesAFailedAnswerOfHttpByItsStatusThoughItIsOfGrpc) {
    AttemptEnd end = answered(503);
    end.grpc_status = 0;
    EXPECT_EQ(classify(end).kind, FailureKind::status_503);
}

TEST(Classifier, TakesUnavailableOfAPeerThatDidNothingForItsRefusal) {
    AttemptEnd end = answered_by_grpc(14);
    end.weir_error = "breaker_open";
    EXPECT_EQ(classify(end).outcome, Outcome::local_failure);
    EXPECT_EQ(classify(end).kind, FailureKind::peer_refused);
    end.weir_error = "upstream_reset";
    EXPECT_EQ(classify(end).kind, FailureKind::grpc_unavailable);
    end.weir_error = "breaker_open";
    end.grpc_status = 13;
    EXPECT_EQ(classify(end).kind, FailureKind::grpc_internal);
}

TEST(Classifier, TakesTheTimeToAStatusInTrailersForItsWait) {
    AttemptEnd end = answered_by_grpc(4);
    end.waited = 1ms;
    end.took = 500ms;
    end.patience = 1s;
    end.caller_deadline = 500ms;
    EXPECT_EQ(classify(end).outcome, Outcome::ignored);
    end.took = 100ms;
    EXPECT_EQ(classify(end).outcome, Outcome::failure);
}

// Each way of telling that a deadline has passed, with a caller that gave half a second.
std::vector<AttemptEnd> ends_by_deadline() {
    std::vector<AttemptEnd> ends = {answered(504), answered_by_grpc(4),
                                    ended_by(Reason::upstream_timeout)};
    for (AttemptEnd& end : ends) {
        end.waited = 500ms;
        end.patience = 1s;
    }
    return ends;
}

TEST(Classifier, IgnoresADeadlineThatItsCallerMadeShorterThanPatience) {
    for (AttemptEnd& end : ends_by_deadline()) {
        EXPECT_EQ(classify(end).outcome, Outcome::failure);
        end.caller_deadline = 500ms;
        EXPECT_EQ(classify(end).outcome, Outcome::ignored);
    }
}

TEST(Classifier, BelievesADeadlineOfACallerThatWaitedLongEnough) {
    for (AttemptEnd& end : ends_by_deadline()) {
        end.waited = end.caller_deadline = 2s;
        EXPECT_EQ(classify(end).outcome, Outcome::failure);
    }
}

TEST(Classifier, BelievesA504LongBeforeTheCallersDeadline) {
    AttemptEnd end = answered(504);
    end.waited = 10ms;
    end.caller_deadline = 500ms;
    end.patience = 1s;
    EXPECT_EQ(classify(end).outcome, Outcome::failure);
}

TEST(Classifier, HasAnotherMeasureOfSlownessForTheEndpoint) {
    Classifier::Options options;
    options.slow_call_at_endpoint = 50ms;
    AttemptEnd end = answered(200);
    end.waited = 50ms;
    EXPECT_FALSE(Classifier(options).classify(end).is_slow);
    EXPECT_TRUE(Classifier(options).classify(end).is_slow_at_endpoint);
}

struct HeardRow {
    Verdict verdict;
    std::string_view all, gone, unreached, own;
    std::string_view probe_gone, probe_unreached, probe_own;
};

TEST(Hearing, TellsEachBreakerWhatIsItsBusiness) {
    const Verdict crashed{Outcome::failure, FailureKind::status_500};
    const Verdict absent{Outcome::failure, FailureKind::status_503};
    const Verdict late{Outcome::failure, FailureKind::timeout};
    const Verdict refused{Outcome::local_failure, FailureKind::connect_refused};
    const Verdict listed{Outcome::failure, FailureKind::status_other};
    const std::string_view f = "failure";
    const std::string_view i = "ignored";
    const std::string_view l = "local_failure";
    const std::vector<HeardRow> rows = {
        {crashed, f, i, i, f, "ok", "ok", f},
        {listed, f, i, i, f, "ok", "ok", f},
        {absent, f, f, i, i, f, f, f},
        {late, f, f, i, i, f, f, f},
        {refused, l, l, l, i, l, l, l},
        {{Outcome::ok}, "ok", "ok", "ok", "ok", "ok", "ok", "ok"},
        {{Outcome::throttled},
         "throttled",
         "throttled",
         "throttled",
         "throttled",
         "throttled",
         "throttled",
         "throttled"},
    };
    for (const HeardRow& row : rows) {
        const auto as = [&](Hearing hearing, bool is_probe) {
            return word(heard(row.verdict, hearing, is_probe).outcome);
        };
        const auto kind = word(row.verdict.kind);
        EXPECT_EQ(as(Hearing::all, false), row.all) << kind;
        EXPECT_EQ(as(Hearing::all, true), row.all) << kind;
        EXPECT_EQ(as(Hearing::gone, false), row.gone) << kind;
        EXPECT_EQ(as(Hearing::unreached, false), row.unreached) << kind;
        EXPECT_EQ(as(Hearing::own, false), row.own) << kind;
        EXPECT_EQ(as(Hearing::gone, true), row.probe_gone) << kind;
        EXPECT_EQ(as(Hearing::unreached, true), row.probe_unreached) << kind;
        EXPECT_EQ(as(Hearing::own, true), row.probe_own) << kind;
    }
}

TEST(Classifier, CallsNothingSlowUnlessAskedTo) {
    AttemptEnd end = answered(200);
    end.waited = 1h;
    EXPECT_FALSE(classify(end).is_slow);
}

TEST(Classifier, MarksAnswersSlowFromTheThresholdOn) {
    Classifier::Options options;
    options.slow_call = 500ms;
    const Classifier classifier(options);
    AttemptEnd end = answered(200);
    end.waited = 500ms - 1ns;
    EXPECT_FALSE(classifier.classify(end).is_slow);
    end.waited = 500ms;
    EXPECT_TRUE(classifier.classify(end).is_slow);
    EXPECT_EQ(classifier.classify(end).outcome, Outcome::ok);
    end.status = 500;
    EXPECT_TRUE(classifier.classify(end).is_slow);
    end.status = 429;
    EXPECT_FALSE(classifier.classify(end).is_slow);
}

TEST(Patience, IsHalfTheRequestTimeoutUntilTheRouteIsKnown) {
    EXPECT_EQ(patience(0, 1ms, 60s), 30s);
    EXPECT_EQ(patience(99, 1ms, 10s), 5s);
}

TEST(Patience, IsTenTimesTheP99ButAtLeastASecond) {
    EXPECT_EQ(patience(100, 1ms, 60s), 1s);
    EXPECT_EQ(patience(100, 100ms, 60s), 1s);
    EXPECT_EQ(patience(100, 101ms, 60s), 1010ms);
    EXPECT_EQ(patience(1000000, 2s, 60s), 20s);
}

// Clients that give up after 5 s on a hung upstream must not hide that it hangs.
TEST(Patience, LetsClientsThatGiveUpAfterFiveSecondsSpeakOfAHungUpstream) {
    AttemptEnd end = left_after(5s, patience(5000, 20ms, 60s));
    EXPECT_EQ(classify(end).kind, FailureKind::timeout);
    end.patience = Duration::max();
    EXPECT_EQ(classify(end).outcome, Outcome::ignored);
}

TEST(PeerRefusal, KnowsTheFourWords) {
    EXPECT_TRUE(is_peer_refusal("breaker_open"));
    EXPECT_TRUE(is_peer_refusal("draining"));
    EXPECT_TRUE(is_peer_refusal("queue_full"));
    EXPECT_TRUE(is_peer_refusal("no_healthy_endpoint"));
    EXPECT_FALSE(is_peer_refusal("queue_timeout"));
    EXPECT_FALSE(is_peer_refusal("Breaker_open"));
    EXPECT_FALSE(is_peer_refusal(""));
}

}  // namespace
}  // namespace weir::resilience
