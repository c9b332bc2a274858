#include "weir/core/json.hpp"

#include "world.hpp"

// The stories of requests that failed, and the trace of attempts.
namespace weir::test {
namespace {

using namespace std::chrono_literals;
using resilience::FailureKind;
using resilience::Outcome;
using resilience::RetryRefusal;
using telemetry::AttemptRole;
using telemetry::Failure;

class Failures : public ::testing::Test {
  protected:
    World world;
    Origin& a = world.origin();

    Message ask(std::string_view method = "GET", std::string_view path = "/") {
        Client& client = world.client();
        client.request(method, path);
        world.advance(1s);
        return client.await();
    }
    static bool has_fired(const Failure& failure, std::string_view key) {
        for (std::size_t i = 0; i < failure.timer_count; ++i) {
            if (failure.timers[i].key == key) return failure.timers[i].has_fired;
        }
        ADD_FAILURE() << "no timer " << key;
        return false;
    }
};

TEST_F(Failures, ARequestThatSucceedsIsNoStory) {
    world.start_cluster();
    EXPECT_EQ(ask().status, 200);
    a.next(answer(404)).next(answer(501));
    EXPECT_EQ(ask().status, 404);
    EXPECT_EQ(ask().status, 501);
    EXPECT_TRUE(world.failures().recent({}).empty());
}

TEST_F(Failures, OneThatARetrySavedIsNone) {
    world.start_cluster();
    a.next(answer(503));
    EXPECT_EQ(ask().status, 200);
    EXPECT_TRUE(world.failures().recent({}).empty());
}

TEST_F(Failures, EachAttemptIsToldInItsOrder) {
    world.start_cluster("    retry: {attempts: 1, on: [connect, 503]}\n");
    a.next(answer(503)).next(answer(500));
    EXPECT_EQ(ask("GET", "/orders?id=1").status, 500);
    const Failure failure = world.failure();
    EXPECT_EQ(failure.method, "GET");
    EXPECT_EQ(failure.path, "/orders?id=1");
    EXPECT_EQ(failure.host, "example.com");
    EXPECT_EQ(failure.listener, "in");
    EXPECT_EQ(failure.cluster, "app");
    EXPECT_FALSE(failure.request_id.empty());
    EXPECT_EQ(failure.status, 500);
    EXPECT_EQ(failure.reason, Reason::none);
    EXPECT_FALSE(failure.is_cut);
    EXPECT_EQ(failure.attempts_total, 2U);
    ASSERT_EQ(failure.attempt_count, 2);
    EXPECT_EQ(failure.attempts[0].endpoint, a.address());
    EXPECT_EQ(failure.attempts[0].verdict.kind, FailureKind::status_503);
    EXPECT_EQ(failure.attempts[0].status, 503);
    EXPECT_EQ(failure.attempts[0].role, AttemptRole::first);
    EXPECT_TRUE(failure.attempts[0].connect);
    EXPECT_TRUE(failure.attempts[0].headers);
    EXPECT_EQ(failure.attempts[1].verdict.kind, FailureKind::status_500);
    EXPECT_EQ(failure.attempts[1].role, AttemptRole::retry);
    EXPECT_TRUE(failure.attempts[1].is_reused);
    EXPECT_FALSE(failure.attempts[1].connect);
    EXPECT_EQ(failure.refusal, RetryRefusal::not_wanted);
    EXPECT_EQ(failure.breaker, "closed");
}

TEST_F(Failures, ARefusedConnectionSaysWhyNoOtherWasTried) {
    Origin& b = world.origin();
    world.start_cluster("    retry: {attempts: 1}\n");
    a.refuse();
    b.refuse();
    EXPECT_EQ(ask().status, 503);
    const Failure failure = world.failure();
    EXPECT_EQ(failure.reason, Reason::upstream_connect_refused);
    ASSERT_EQ(failure.attempt_count, 2);
    EXPECT_NE(failure.attempts[0].endpoint, failure.attempts[1].endpoint);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(failure.attempts[i].verdict.outcome, Outcome::local_failure);
        EXPECT_EQ(failure.attempts[i].verdict.kind, FailureKind::connect_refused);
        EXPECT_FALSE(failure.attempts[i].is_sent);
        EXPECT_FALSE(failure.attempts[i].headers);
    }
    EXPECT_EQ(failure.refusal, RetryRefusal::exhausted);
    EXPECT_EQ(failure.candidate_count, 2);
    EXPECT_EQ(failure.candidates_total, 2U);
}

TEST_F(Failures, TheTimerThatFiredIsMarked) {
    world.start_cluster("    timeout: {request: 300ms}\n");
    a.usually(hang());
    EXPECT_EQ(ask().status, 504);
    const Failure failure = world.failure();
    EXPECT_EQ(failure.reason, Reason::upstream_timeout);
    EXPECT_TRUE(has_fired(failure, "timeout.request"));
    EXPECT_FALSE(has_fired(failure, "timeout.connect"));
    EXPECT_STREQ(failure.detail, "timeout.request");
    EXPECT_EQ(failure.duration, 300ms);
}

TEST_F(Failures, ATimerOfAnAttemptIsMarkedToo) {
    world.start_cluster("    retry: {attempts: 0, per_try_timeout: 200ms}\n");
    a.usually(hang());
    EXPECT_EQ(ask().status, 504);
    const Failure failure = world.failure();
    EXPECT_TRUE(has_fired(failure, "retry.per_try_timeout"));
    EXPECT_FALSE(has_fired(failure, "timeout.request"));
    ASSERT_EQ(failure.attempt_count, 1);
    EXPECT_EQ(failure.attempts[0].ended - failure.attempts[0].began, 200ms);
}

TEST_F(Failures, AnAnswerThatWasCutOffIsSaid) {
    world.start_cluster();
    a.next(answer(200, "0123456789").cut(50, Act::Then::close));
    Client& client = world.client();
    client.request("GET");
    world.advance(600ms);
    EXPECT_TRUE(world.until([&] { return client.has_ended(); }));
    const Failure failure = world.failure();
    EXPECT_EQ(failure.status, 200);
    EXPECT_EQ(failure.reason, Reason::upstream_reset);
    EXPECT_TRUE(failure.is_cut);
}

TEST_F(Failures, AnOpenBreakerSaysWhyItIsOpen) {
    world.start_cluster("    breaker: {consecutive_for: 0s}\n    retry: {attempts: 0}\n");
    a.usually(answer(500));
    for (int i = 0; i < 6 && world.breaker() == resilience::State::closed; ++i) {
        EXPECT_EQ(world.ask().status, 500);
    }
    EXPECT_EQ(world.ask().status, 503);
    const Failure failure = world.failure();
    EXPECT_EQ(failure.reason, Reason::breaker_open);
    EXPECT_EQ(failure.breaker, "open");
    EXPECT_EQ(failure.breaker_reason, "consecutive");
    ASSERT_EQ(failure.attempt_count, 1);
    EXPECT_EQ(failure.attempts[0].endpoint, "");
    EXPECT_EQ(failure.candidate_count, 0);
}

TEST_F(Failures, AnEjectedEndpointIsExcludedForItsState) {
    Origin& b = world.origin();
    world.start_cluster("    outlier: {consecutive_for: 0s}\n    retry: {attempts: 0}\n");
    a.usually(answer(500));
    b.usually(answer(500));
    for (int i = 0; i < 30 && world.state(a) != "ejected" && world.state(b) != "ejected"; ++i)
        EXPECT_EQ(world.ask().status, 500);
    EXPECT_EQ(world.ask().status, 500);
    const Failure failure = world.failure();
    ASSERT_EQ(failure.candidate_count, 2);
    int excluded = 0;
    for (std::size_t i = 0; i < 2; ++i) {
        if (failure.candidates[i].excluded.empty()) continue;
        ++excluded;
        EXPECT_EQ(failure.candidates[i].excluded, "ejected");
        EXPECT_EQ(failure.candidates[i].reason, "consecutive");
    }
    EXPECT_EQ(excluded, 1);
}

TEST_F(Failures, APathIsCutAndItsSecretsAreHidden) {
    world.start_cluster();
    a.usually(answer(500));
    EXPECT_EQ(ask("GET", "/?cookie=abc&x=" + std::string(5000, 'y')).status, 500);
    const Failure failure = world.failure();
    EXPECT_EQ(failure.path.size(), Failure::kLongestPath);
    EXPECT_TRUE(failure.path.ends_with("yyy..."));
    EXPECT_TRUE(failure.path.starts_with("/?cookie=***&x=yyy")) << failure.path;
}

TEST_F(Failures, AClientThatWaitedLongAndLeftIsAStory) {
    world.start_cluster("    timeout: {request: 4s}\n");
    a.usually(hang());
    for (const Duration patience : {100ms, 3000ms}) {
        Client& client = world.client();
        client.request("GET");
        world.advance(patience);
        client.reset();
        world.settle();
    }
    const auto all = world.failures().recent({});
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].reason, Reason::client_closed);
    EXPECT_EQ(all[0].duration, 3s);
    EXPECT_EQ(all[0].attempts[0].verdict.kind, FailureKind::timeout);
}

TEST_F(Failures, ATraceHasEachAttemptWhileItIsRead) {
    world.start_cluster("    retry: {attempts: 1}\n");
    EXPECT_EQ(ask().status, 200);
    telemetry::AttemptTrace::Reader reader(world.trace(), "", world.now(), WallTime{});
    a.next(answer(503));
    EXPECT_EQ(ask().status, 200);
    EXPECT_EQ(ask("POST").status, 200);
    const std::string text = reader.next(100);
    std::vector<JsonValue> lines;
    for (std::size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1) {
        lines.push_back(
            JsonValue::parse(text.substr(begin, text.find('\n', begin) - begin)).value());
    }
    ASSERT_EQ(lines.size(), 3U) << text;
    EXPECT_EQ(lines[0]["kind"].text(), "status_503");
    EXPECT_EQ(lines[0]["endpoint"].text(), a.address());
    EXPECT_EQ(lines[0]["cluster"].text(), "app");
    EXPECT_EQ(lines[1]["attempt"].text(), "2");
    EXPECT_EQ(lines[0]["request"].text(), lines[1]["request"].text());
    EXPECT_EQ(lines[1]["outcome"].text(), "ok");
    EXPECT_NE(lines[2]["request"].text(), lines[1]["request"].text());
    EXPECT_EQ(lines[2]["method"].text(), "POST");
    EXPECT_EQ(lines[2]["replay_safe"].boolean(), false);
}

}  // namespace
}  // namespace weir::test
