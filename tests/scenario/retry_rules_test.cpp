#include "world.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using telemetry::Family;

// The sentences of "Retries", "Budget" and "Deadlines".
class RetryRules : public ::testing::Test {
  protected:
    World world;
    Origin& a = world.origin();

    // A listener that believes what its clients say of themselves.
    void start_outbound(const std::string& lines = {}) {
        world.start(
            "version: 1\nlisteners:\n  - {name: in, mode: outbound, listen: \":8080\", to: app}\n"
            "clusters:\n  app:\n    endpoints: [\"${A}\"]\n" +
            lines);
    }
    Message ask(std::string_view method = "GET",
                std::string_view fields = {},
                Duration wait = 600ms) {
        Client& client = world.client();
        client.request(method, "/", {}, fields);
        world.advance(wait);
        const Message got = client.await();
        client.close();
        world.settle();
        return got;
    }
    std::int64_t refused(std::string_view reason) {
        return world.value(Family::retries_refused, {"app", reason});
    }
    double budget() { return world.cluster().budget().available(world.now()); }
    // The number a request carried, or -1.
    static int number(const Origin::Request& request, const std::string& name) {
        const std::size_t at = request.head.find(name + ": ");
        return at == std::string::npos ? -1 : std::stoi(request.head.substr(at + name.size() + 2));
    }
};

TEST_F(RetryRules, A503WithRetryAfterIsNotTriedAgainUnder503) {
    world.start_cluster("    retry: {on: [503]}\n");
    a.next(answer(503, "busy", "Retry-After: 1\r\n"));
    EXPECT_EQ(ask("GET", {}, 3s).status, 503);
    EXPECT_EQ(a.count("GET"), 1U);
    EXPECT_EQ(refused("throttled"), 1);
}

TEST_F(RetryRules, A503WithoutRetryAfterIsTriedAgainUnder503) {
    world.start_cluster("    retry: {on: [503]}\n");
    a.next(answer(503, "busy"));
    EXPECT_EQ(ask("GET", {}, 3s).status, 200);
    EXPECT_EQ(a.count("GET"), 2U);
}

TEST_F(RetryRules, A503WithRetryAfterIsTriedAgainUnder5xxNotBefore) {
    world.start_cluster("    retry: {on: [5xx]}\n");
    a.next(answer(503, "busy", "Retry-After: 2\r\n"));
    Client& client = world.client();
    client.request("GET");
    world.advance(1999ms);
    EXPECT_EQ(a.count("GET"), 1U);
    world.advance(30ms);
    EXPECT_EQ(client.await().status, 200);
    EXPECT_EQ(a.count("GET"), 2U);
}

TEST_F(RetryRules, A429IsNotTriedAgain) {
    world.start_cluster("    retry: {on: [5xx, reset, timeout]}\n");
    a.next(answer(429));
    EXPECT_EQ(ask().status, 429);
    EXPECT_EQ(a.count("GET"), 1U);
    EXPECT_EQ(refused("throttled"), 1);
}

TEST_F(RetryRules, TooLittleTimeLeftIsNoTimeForARetry) {
    for (const bool is_short : {true, false}) {
        World each;
        Origin& origin = each.origin();
        each.start_cluster(std::string("    retry: {on: [5xx]}\n    timeout: {request: ") +
                           (is_short ? "2s}\n" : "60s}\n"));
        origin.next(answer(503, "busy", "Retry-After: 3\r\n"));
        Client& client = each.client();
        client.request("GET");
        each.advance(4s);
        EXPECT_EQ(client.await().status, is_short ? 503 : 200);
        EXPECT_EQ(each.value(Family::retries_refused, {"app", "deadline"}), is_short ? 1 : 0);
        each.expect_nothing_leaks();
    }
}

TEST_F(RetryRules, APerTryTimeoutLeavesTimeForAnother) {
    world.start_cluster("    retry: {on: [timeout], per_try_timeout: 100ms}\n");
    a.next(hang());
    EXPECT_EQ(ask().status, 200);
    EXPECT_EQ(a.count("GET"), 2U);
    world.expect_nothing_leaks();
}

TEST_F(RetryRules, AnotherEndpointThanBeforeIsTried) {
    Origin& b = world.origin();
    Origin& c = world.origin();
    world.start_cluster(
        "    retry: {attempts: 1, budget: 100%}\n    outlier: off\n    breaker: off\n");
    for (Origin* const origin : {&a, &b, &c})
        origin->usually(answer(503));
    for (int i = 0; i < 30; ++i) {
        const std::size_t before_a = a.requests().size();
        const std::size_t before_b = b.requests().size();
        const std::size_t before_c = c.requests().size();
        EXPECT_EQ(ask().status, 503);
        EXPECT_LE(a.requests().size() - before_a, 1U);
        EXPECT_LE(b.requests().size() - before_b, 1U);
        EXPECT_LE(c.requests().size() - before_c, 1U);
    }
}

TEST_F(RetryRules, ARetryOfAHopAboveIsNotTriedAgain) {
    start_outbound();
    a.usually(answer(503));
    EXPECT_EQ(ask("GET", "x-weir-retry-depth: 1\r\n").status, 503);
    EXPECT_EQ(a.count("GET"), 1U);
    EXPECT_EQ(refused("depth"), 1);
    EXPECT_EQ(number(a.requests()[0], "x-weir-retry-depth"), 1);
}

TEST_F(RetryRules, ARetryOfAHopAboveIsTriedAgainWhereDepthAllows) {
    start_outbound("    retry: {max_depth: 2, attempts: 1}\n");
    a.usually(answer(503));
    EXPECT_EQ(ask("GET", "x-weir-retry-depth: 1\r\n").status, 503);
    ASSERT_EQ(a.count("GET"), 2U);
    EXPECT_EQ(number(a.requests()[1], "x-weir-retry-depth"), 2);
    EXPECT_EQ(a.requests()[1].head.find("x-weir-retry-depth"),
              a.requests()[1].head.rfind("x-weir-retry-depth"));
}

TEST_F(RetryRules, WhatAHopBelowHasTriedAgainIsNotTriedAgain) {
    for (const bool is_marked : {true, false}) {
        World each;
        Origin& origin = each.origin();
        each.start_cluster();
        origin.next(answer(503, "x", is_marked ? "x-weir-retried: 2\r\n" : ""));
        Client& client = each.client();
        client.request("GET");
        each.advance(1s);
        const Message got = client.await();
        EXPECT_EQ(got.status, is_marked ? 503 : 200);
        // A gateway says it in its own name.
        EXPECT_EQ(got.field("x-weir-retried"), is_marked ? "0" : "");
        EXPECT_EQ(each.value(Family::retries_refused, {"app", "depth"}), is_marked ? 1 : 0);
    }
}

TEST_F(RetryRules, WhatAHopBelowSaysGoesOnInAMesh) {
    start_outbound();
    a.next(answer(503, "x", "X-Weir-Retried: 2\r\n"));
    EXPECT_EQ(ask().field("x-weir-retried"), "2");
}

TEST_F(RetryRules, AFailedAnswerSaysThatItWasTriedAgain) {
    world.start_cluster("    retry: {attempts: 2}\n");
    a.usually(answer(503));
    EXPECT_EQ(ask().field("x-weir-retried"), "2");
    a.usually(answer(500));
    EXPECT_EQ(ask().field("x-weir-retried"), "");
}

TEST_F(RetryRules, AFailedAnswerSaysThatTheBudgetWasSpent) {
    world.start_cluster("    retry: {budget: 0%, budget_min: 0/s}\n");
    a.usually(answer(503));
    EXPECT_EQ(ask().field("x-weir-retried"), "0");
    a.usually(answer(500));
    EXPECT_EQ(ask().field("x-weir-retried"), "");
    a.refuse();
    a.close_connections();
    const Message got = ask();
    EXPECT_EQ(got.field("weir-error"), "upstream_connect_refused");
    EXPECT_EQ(got.field("x-weir-retried"), "") << "nobody has worked on it";
}

TEST_F(RetryRules, ARetryRefusedByABreakerAnswersWithTheLastRealFailure) {
    world.start_cluster(
        "    retry: {on: [502, connect], backoff: 100ms}\n"
        "    breaker: {consecutive_failures: 1, consecutive_for: 0s, open_for: 10s}\n");
    a.usually(answer(502));
    const Message answered = ask();
    EXPECT_EQ(answered.status, 502);
    EXPECT_EQ(answered.field("weir-error"), "breaker_open");
    EXPECT_EQ(a.requests().size(), 1U);
    EXPECT_EQ(world.cluster().breaker().state(), resilience::State::open);
}

TEST_F(RetryRules, ARetryRefusedByABreakerAnswersWithTheLastRealError) {
    world.start_cluster(
        "    breaker: {consecutive_failures: 1, consecutive_for: 0s, open_for: 10s}\n");
    a.refuse();
    const Message got = ask();
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.field("weir-error"), "upstream_connect_refused");
    EXPECT_EQ(world.cluster().breaker().state(), resilience::State::open);
    // The next one is refused at once: there is no other failure to tell of.
    EXPECT_EQ(ask().field("weir-error"), "breaker_open");
}

TEST_F(RetryRules, ABackOffThatIsCancelledCostsNoBudget) {
    world.start_cluster("    retry: {backoff: 10s, max_backoff: 10s, budget: 0%}\n");
    a.usually(answer(503));
    const double before = budget();
    Client& client = world.client();
    client.request("GET");
    world.settle();
    EXPECT_LT(budget(), before);
    client.reset();
    world.settle();
    EXPECT_EQ(budget(), before);
}

TEST_F(RetryRules, ARetryThatIsSentCostsBudget) {
    world.start_cluster("    retry: {attempts: 1, budget: 0%, budget_min: 1/s}\n");
    a.next(answer(503));
    const double before = budget();
    Client& client = world.client();
    client.request("GET");
    world.advance(30ms);
    EXPECT_EQ(client.await().status, 200);
    EXPECT_LT(budget(), before);
}

TEST_F(RetryRules, ARetryThatIsRefusedHereCostsNoBudget) {
    world.start_cluster(
        "    retry: {attempts: 1, budget: 0%, budget_min: 1/s}\n"
        "    breaker: {consecutive_failures: 1, consecutive_for: 0s, open_for: 10s}\n");
    a.usually(answer(503));
    const double before = budget();
    Client& client = world.client();
    client.request("GET");
    world.advance(30ms);
    EXPECT_EQ(client.await().status, 503);
    EXPECT_EQ(a.requests().size(), 1U);
    EXPECT_EQ(budget(), before);
}

TEST_F(RetryRules, InShadowAreOnlyCounted) {
    world.start_cluster("    retry: {mode: shadow}\n");
    a.usually(answer(503));
    EXPECT_EQ(ask().status, 503);
    EXPECT_EQ(a.requests().size(), 1U);
    EXPECT_EQ(world.value(Family::shadow, {"app", "would_retry"}), 1);
    EXPECT_EQ(world.value(Family::retries, {"app", "failure"}), 0);
}

// ---- deadlines

TEST_F(RetryRules, EachTryIsToldTheTimeThatRemains) {
    world.start_cluster("    timeout: {request: 2s}\n    retry: {attempts: 1}\n");
    a.next(answer(503).after(700ms));
    EXPECT_EQ(ask("GET", {}, 1s).status, 200);
    ASSERT_EQ(a.requests().size(), 2U);
    EXPECT_EQ(number(a.requests()[0], "x-weir-deadline-ms"), 2000);
    EXPECT_LE(number(a.requests()[1], "x-weir-deadline-ms"), 1300);
    EXPECT_GE(number(a.requests()[1], "x-weir-deadline-ms"), 1270);
}

TEST_F(RetryRules, WithoutADeadlineNoneIsTold) {
    world.start_cluster("    timeout: {request: never}\n");
    EXPECT_EQ(ask().status, 200);
    EXPECT_EQ(number(a.requests()[0], "x-weir-deadline-ms"), -1);
}

TEST_F(RetryRules, ACallersShorterDeadlineIsKeptAndBlamesNobody) {
    start_outbound("    outlier: off\n    breaker: {consecutive_failures: 3}\n");
    a.usually(hang());
    for (int i = 0; i < 5; ++i) {
        Client& client = world.client();
        client.request("GET", "/", {}, "X-Weir-Deadline-Ms: 100\r\n");
        world.advance(99ms);
        EXPECT_FALSE(client.take());
        world.advance(2ms);
        EXPECT_EQ(client.await().status, 504);
        EXPECT_EQ(number(a.requests().back(), "x-weir-deadline-ms"), 100);
    }
    EXPECT_EQ(world.breaker(), resilience::State::closed);
    world.expect_nothing_leaks();
}

TEST_F(RetryRules, OurOwnTimeoutBlamesTheUpstream) {
    world.start_cluster(
        "    timeout: {request: 100ms}\n    outlier: off\n    breaker: {consecutive_failures: "
        "3}\n");
    a.usually(hang());
    for (int i = 0; i < 5; ++i) {
        Client& client = world.client();
        client.request("GET");
        world.advance(101ms);
        EXPECT_GE(client.await().status, 503);
    }
    EXPECT_EQ(world.breaker(), resilience::State::open);
}

TEST_F(RetryRules, ACallersLongerDeadlineChangesNothing) {
    start_outbound("    timeout: {request: 1s}\n");
    EXPECT_EQ(ask("GET", "x-weir-deadline-ms: 5000\r\n").status, 200);
    EXPECT_EQ(number(a.requests()[0], "x-weir-deadline-ms"), 1000);
}

TEST_F(RetryRules, AStrangersDeadlineIsNotBelieved) {
    world.start_cluster("    timeout: {request: 1s}\n");
    EXPECT_EQ(ask("GET", "x-weir-deadline-ms: 5\r\n").status, 200);
    EXPECT_EQ(number(a.requests()[0], "x-weir-deadline-ms"), 1000);
}

TEST_F(RetryRules, ADeadlineThatIsNoNumberIsNone) {
    start_outbound("    timeout: {request: 1s}\n");
    for (const char* const value : {"", "soon", "-5", "5s", "99999999999999999999999"}) {
        EXPECT_EQ(ask("GET", std::string("x-weir-deadline-ms: ") + value + "\r\n").status, 200);
        EXPECT_EQ(number(a.requests().back(), "x-weir-deadline-ms"), 1000);
    }
}

}  // namespace
}  // namespace weir::test
