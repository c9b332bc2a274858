#include "world.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using telemetry::Family;

// Hedging: a second attempt when the first is slower than retry.hedge_after.
class Hedges : public ::testing::Test {
  protected:
    World world;
    Origin& a = world.origin();
    Origin& b = world.origin();
    Act first = answer(200, "first").after(500ms);
    Act second = answer(200, "second");

    // Whichever endpoint is asked first, it does `first`; all that follow do `second`.
    void start(const std::string& lines) {
        world.start_cluster(lines);
        for (Origin* const origin : {&a, &b}) {
            origin->decide([this](const Origin::Request&) {
                return a.requests().size() + b.requests().size() <= 1 ? first : second;
            });
        }
    }
    [[nodiscard]] std::size_t attempts() const { return a.requests().size() + b.requests().size(); }
    Client& send(std::string_view method = "GET", std::string_view body = {}) {
        Client& client = world.client();
        client.request(method, "/", body);
        world.settle();
        return client;
    }
    std::int64_t hedges(std::string_view result) {
        return world.value(Family::second_attempts, {"app", "hedge", result});
    }
};

TEST_F(Hedges, ASlowFirstAttemptGetsARivalAtAnotherEndpoint) {
    start("    retry: {hedge_after: 50ms}\n");
    Client& client = send();
    world.advance(49ms);
    EXPECT_EQ(attempts(), 1U);
    world.advance(1ms);
    EXPECT_EQ(client.await().body, "second");
    EXPECT_EQ(a.requests().size(), 1U);
    EXPECT_EQ(b.requests().size(), 1U);
    EXPECT_EQ(hedges("won"), 1);
    world.expect_nothing_leaks();
}

TEST_F(Hedges, WithoutTheKeyThereIsNone) {
    start("");
    Client& client = send();
    world.advance(501ms);
    EXPECT_EQ(client.await().body, "first");
    EXPECT_EQ(attempts(), 1U);
    world.expect_nothing_leaks();
}

TEST_F(Hedges, AFastFirstAttemptHasNoRival) {
    first = answer(200, "first").after(40ms);
    start("    retry: {hedge_after: 50ms}\n");
    Client& client = send();
    world.advance(200ms);
    EXPECT_EQ(client.await().body, "first");
    EXPECT_EQ(attempts(), 1U);
}

TEST_F(Hedges, TheFirstMayStillWin) {
    first = answer(200, "first").after(80ms);
    second = answer(200, "second").after(200ms);
    start("    retry: {hedge_after: 50ms}\n");
    Client& client = send();
    world.advance(81ms);
    EXPECT_EQ(client.await().body, "first");
    EXPECT_EQ(attempts(), 2U);
    EXPECT_EQ(hedges("lost"), 1);
    world.expect_nothing_leaks();
}

TEST_F(Hedges, TheLoserIsNotAFailureOfItsEndpoint) {
    first = hang();
    start("    retry: {hedge_after: 50ms, budget: 100%}\n    outlier: {consecutive_failures: 1}\n");
    Client& client = send();
    world.advance(60ms);
    EXPECT_EQ(client.await().body, "second");
    EXPECT_EQ(world.state(a), "healthy");
    EXPECT_EQ(world.state(b), "healthy");
    EXPECT_EQ(world.value(Family::upstream_requests_active, {"app"}), 0);
    world.expect_nothing_leaks();
}

// Its attempts are cancelled before they say anything, all of them: it must not look idle.
TEST_F(Hedges, AnEndpointThatLosesThemAllAttractsFewRequests) {
    world.start_cluster("    retry: {hedge_after: 50ms, budget: 100%}\n    outlier: off\n");
    const auto ask = [this](int times) {
        for (int i = 0; i < times; ++i) {
            Client& client = send();
            world.advance(60ms);
            EXPECT_EQ(client.await().status, 200);
            client.close();
        }
    };
    a.usually(answer(200).after(5ms));
    b.usually(answer(200).after(5ms));
    ask(20);
    const std::size_t before = a.requests().size();
    ASSERT_GE(before, 1U);
    a.usually(hang());
    ask(60);
    EXPECT_GT(a.requests().size(), before);
    EXPECT_LE(a.requests().size(), before + 20);
    world.expect_nothing_leaks();
}

TEST_F(Hedges, OnlyAGoodHeadWins) {
    first = answer(200, "first").after(100ms);
    second = answer(503);
    start("    retry: {hedge_after: 50ms}\n");
    Client& client = send();
    world.advance(101ms);
    EXPECT_EQ(client.await().body, "first");
    EXPECT_EQ(attempts(), 2U);
    world.expect_nothing_leaks();
}

TEST_F(Hedges, WhereBothFailTheLastOneDecides) {
    first = answer(500).after(100ms);
    second = answer(500);
    start("    retry: {hedge_after: 50ms}\n");
    Client& client = send();
    world.advance(101ms);
    EXPECT_EQ(client.await().status, 500);
    EXPECT_EQ(attempts(), 2U);
    world.expect_nothing_leaks();
}

TEST_F(Hedges, APostIsNotHedged) {
    start("    retry: {hedge_after: 50ms}\n");
    Client& client = send("POST", "pay");
    world.advance(501ms);
    EXPECT_EQ(client.await().body, "first");
    EXPECT_EQ(attempts(), 1U);
}

TEST_F(Hedges, TheWholeBodyGoesAlong) {
    start("    retry: {hedge_after: 50ms}\n");
    Client& client = send("PUT", "the body");
    world.advance(60ms);
    EXPECT_EQ(client.await().body, "second");
    EXPECT_EQ(a.requests().at(0).body, "the body");
    EXPECT_EQ(b.requests().at(0).body, "the body");
}

TEST_F(Hedges, AreMarkedForTheHopBelow) {
    start("    retry: {hedge_after: 50ms}\n");
    Client& client = send();
    world.advance(60ms);
    EXPECT_EQ(client.await().status, 200);
    const bool is_a_first = a.requests().at(0).head.find("x-weir-retry-depth") == std::string::npos;
    const Origin& later = is_a_first ? b : a;
    EXPECT_NE(later.requests().at(0).head.find("x-weir-retry-depth: 1\r\n"), std::string::npos);
}

TEST_F(Hedges, AreRefusedWhereTheBudgetIsSpent) {
    start("    retry: {hedge_after: 50ms, budget: 0%, budget_min: 0/s}\n");
    Client& client = send();
    world.advance(501ms);
    EXPECT_EQ(client.await().body, "first");
    EXPECT_EQ(attempts(), 1U);
    EXPECT_EQ(world.value(Family::retries_refused, {"app", "budget"}), 1);
}

TEST_F(Hedges, AreChargedWhenSent) {
    start("    retry: {hedge_after: 50ms, budget: 0%, budget_min: 1/s}\n");
    const double before = world.cluster().budget().available(world.now());
    Client& client = send();
    world.advance(51ms);
    EXPECT_EQ(client.await().body, "second");
    EXPECT_LT(world.cluster().budget().available(world.now()), before);
}

TEST_F(Hedges, AreRefundedWhereNoOtherEndpointIsReady) {
    start("    retry: {hedge_after: 50ms, budget: 0%, budget_min: 1/s}\n");
    const double before = world.cluster().budget().available(world.now());
    world.set_endpoints({&a});
    Client& client = send();
    world.advance(60ms);
    EXPECT_EQ(world.cluster().budget().available(world.now()), before);
    world.advance(500ms);
    EXPECT_EQ(client.await().body, "first");
    EXPECT_EQ(attempts(), 1U);
    EXPECT_EQ(hedges("lost"), 0);
    world.expect_nothing_leaks();
}

TEST_F(Hedges, InShadowAreOnlyCounted) {
    start("    retry: {hedge_after: 50ms, mode: shadow}\n");
    Client& client = send();
    world.advance(501ms);
    EXPECT_EQ(client.await().body, "first");
    EXPECT_EQ(attempts(), 1U);
    EXPECT_EQ(world.value(Family::shadow, {"app", "would_retry"}), 1);
}

TEST_F(Hedges, OfADeadEndpointHurtNobody) {
    start("    retry: {hedge_after: 50ms}\n    lb: round_robin\n");
    Client& client = send();
    (a.requests().empty() ? a : b).refuse();
    world.advance(501ms);
    EXPECT_EQ(client.await().body, "first");
    EXPECT_EQ(attempts(), 1U);
    world.expect_nothing_leaks();
}

}  // namespace
}  // namespace weir::test
