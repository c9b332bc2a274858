#include "world.hpp"

// What answers in place of an open breaker; and clients that end their side while they wait.
namespace weir::test {
namespace {

using namespace std::chrono_literals;
using resilience::State;
using telemetry::Family;

class Fallback : public ::testing::Test {
  protected:
    World world;
    Origin& main = world.origin();
    Origin& spare = world.origin();

    void start(const std::string& fallback, const std::string& spares = {}) {
        world.start(
            "version: 1\nlisteners:\n  - {name: in, listen: \":8080\", to: app}\nclusters:\n"
            "  app:\n    endpoints: [\"${A}\"]\n    breaker: {fallback: {" +
            fallback + "}}\n  spare:\n    endpoints: [\"${B}\"]\n" + spares);
        spare.usually(answer(200, "spare"));
    }
    void force_open(std::string_view cluster) {
        world.cluster(cluster).force_breaker(State::open, {.until = world.now() + 1min, .by = "me"},
                                             world.now());
    }
};

TEST_F(Fallback, AFixedAnswerTakesThePlaceOfTheRefusal) {
    start("status: 200, body: \"later\"");
    EXPECT_EQ(world.ask().body, "ok");
    force_open("app");
    const Message got = world.ask();
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.body, "later");
    EXPECT_EQ(got.field("weir-error"), "breaker_open");
    EXPECT_NE(got.field("retry-after"), "");
    EXPECT_EQ(main.requests().size(), 1U);
    EXPECT_EQ(world.value(Family::breaker_fallback, {"app", "_none"}), 1);
    EXPECT_EQ(world.value(Family::breaker_rejected, {"app"}), 1);
    EXPECT_EQ(
        world.value(Family::requests, {"in", "default", "app", "200", "ignored", "breaker_open"}),
        1);
    world.expect_nothing_leaks();
}

TEST_F(Fallback, ARefusalWithAnotherBodyIsStillAFailure) {
    start("body: \"try again shortly\"");
    force_open("app");
    const Message got = world.ask();
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.body, "try again shortly");
    EXPECT_EQ(
        world.value(Family::requests, {"in", "default", "app", "503", "failure", "breaker_open"}),
        1);
}

TEST_F(Fallback, AnotherClusterAnswersInItsPlace) {
    start("to: spare");
    EXPECT_EQ(world.ask().body, "ok");
    force_open("app");
    const Message got = world.ask("POST", "/orders", "three");
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.body, "spare");
    ASSERT_EQ(spare.requests().size(), 1U);
    EXPECT_EQ(spare.requests().front().body, "three");
    EXPECT_EQ(world.value(Family::breaker_fallback, {"app", "spare"}), 1);
    EXPECT_EQ(world.value(Family::requests, {"in", "default", "spare", "200", "ok", "none"}), 1);
    world.expect_nothing_leaks();
}

TEST_F(Fallback, TheOtherClustersBreakerApplies) {
    start("to: spare");
    force_open("app");
    force_open("spare");
    const Message got = world.ask();
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.field("weir-error"), "breaker_open");
    EXPECT_EQ(spare.requests().size(), 0U);
    world.expect_nothing_leaks();
}

TEST_F(Fallback, AFallbackMayHaveOne) {
    start("to: spare", "    breaker: {fallback: {status: 200, body: \"nobody\"}}\n");
    force_open("app");
    force_open("spare");
    EXPECT_EQ(world.ask().body, "nobody");
}

TEST_F(Fallback, AClosedBreakerNeedsNone) {
    start("to: spare");
    main.usually(answer(500));
    EXPECT_EQ(world.ask("POST").status, 500);
    EXPECT_EQ(spare.requests().size(), 0U);
}

// A failure that reached the upstream is the answer, though the breaker has opened meanwhile.
TEST_F(Fallback, ARequestThatWasTriedDoesNotFallBack) {
    start("to: spare");
    main.usually(answer(503));
    Client& client = world.client();
    client.request("GET");
    world.settle();
    force_open("app");
    world.advance(1s);
    const auto got = client.take();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->status, 503);
    EXPECT_EQ(spare.requests().size(), 0U);
}

// ---- half-close

class HalfClose : public ::testing::Test {
  protected:
    World world;
    Origin& origin = world.origin();

    // So many answers at once that patience is a second.
    void learn() {
        world.start_cluster();
        Client& client = world.client();
        for (int i = 0; i < 100; ++i)
            ASSERT_EQ(client.exchange("GET").status, 200);
    }
    // A request and the end of the client's side.
    Client& ask_and_end() {
        Client& client = world.client();
        client.request("GET");
        world.settle();
        client.shutdown_send();
        world.settle();
        return client;
    }
    std::int64_t left() {
        return world.value(Family::requests,
                           {"in", "default", "app", "499", "ignored", "client_closed"});
    }
};

TEST_F(HalfClose, AClientThatEndedItsSideStillGetsItsAnswer) {
    learn();
    origin.usually(answer(200).after(900ms));
    Client& client = ask_and_end();
    world.advance(900ms);
    const auto got = client.take();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->status, 200);
    world.expect_nothing_leaks();
}

TEST_F(HalfClose, AClientThatEndedItsSideHasLeftWhenItsPatienceIsOver) {
    learn();
    origin.usually(hang());
    for (int i = 0; i < 5; ++i) {
        Client& client = ask_and_end();
        world.advance(990ms);
        EXPECT_EQ(left(), i);
        world.advance(20ms);
        EXPECT_EQ(left(), i + 1);
        EXPECT_TRUE(client.has_ended());
    }
    EXPECT_EQ(world.breaker(), State::open);
    world.expect_nothing_leaks();
}

TEST_F(HalfClose, OfARouteOfWhichNothingIsKnownItIsHalfTheTimeout) {
    world.start_cluster("    timeout: {request: 8s}\n");
    origin.usually(hang());
    ask_and_end();
    world.advance(3900ms);
    EXPECT_EQ(left(), 0);
    world.advance(200ms);
    EXPECT_EQ(left(), 1);
    world.expect_nothing_leaks();
}

}  // namespace
}  // namespace weir::test
