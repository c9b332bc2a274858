#include "world.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using telemetry::Family;

// Two attempts of one request under way at once.
class Races : public ::testing::Test {
  protected:
    World world;
    Origin& sick = world.origin();
    Origin& well = world.origin();

    // On trial from now on: the next replay-safe request is its probe.
    void put_on_trial() {
        auto& endpoint = const_cast<upstream::Endpoint&>(world.endpoint(sick));
        endpoint.eject({.until = world.now() + 1ms, .by = "test", .reason = {}}, world.now());
        world.advance(2ms);
        endpoint.tick(world.now());
        ASSERT_EQ(world.state(sick), "half_open");
    }
    Client& send(std::string_view method = "GET") {
        Client& client = world.client();
        client.request(method);
        world.settle();
        return client;
    }
    std::int64_t seconds(std::string_view kind, std::string_view result) {
        return world.value(Family::second_attempts, {"app", kind, result});
    }
};

TEST_F(Races, AProbeThatHangsMakesNobodyWait) {
    world.start_cluster();
    put_on_trial();
    sick.usually(hang());
    Client& client = send();
    ASSERT_EQ(sick.requests().size(), 1U);
    world.advance(49ms);
    EXPECT_EQ(well.requests().size(), 0U);
    world.advance(1ms);
    EXPECT_EQ(client.await().status, 200);
    EXPECT_EQ(well.requests().size(), 1U);
    EXPECT_NE(well.requests()[0].head.find("x-weir-retry-depth: 1\r\n"), std::string::npos);
    EXPECT_EQ(seconds("probe", "won"), 1);
    // It is still out: the next request is no probe.
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(sick.requests().size(), 1U);
    EXPECT_EQ(world.state(sick), "half_open");
    world.advance(6s);
    EXPECT_EQ(world.state(sick), "ejected");
    world.expect_nothing_leaks();
}

TEST_F(Races, AProbeNobodyWaitsForIsJudgedByItsAnswer) {
    world.start_cluster();
    put_on_trial();
    sick.usually(answer(200, "late").after(300ms));
    for (int i = 0; i < 2; ++i) {
        Client& client = send();
        world.advance(60ms);
        EXPECT_EQ(client.await().body, "ok");
        EXPECT_EQ(world.state(sick), "half_open");
        world.advance(300ms);
    }
    EXPECT_EQ(sick.requests().size(), 2U);
    EXPECT_NE(world.state(sick), "ejected");
    EXPECT_NE(world.state(sick), "half_open");
    world.expect_nothing_leaks();
}

TEST_F(Races, AProbeNobodyWaitsForIsJudgedByItsBadAnswer) {
    world.start_cluster();
    put_on_trial();
    sick.usually(answer(500).after(300ms));
    Client& client = send();
    world.advance(60ms);
    EXPECT_EQ(client.await().status, 200);
    world.advance(300ms);
    EXPECT_EQ(world.state(sick), "ejected");
    world.expect_nothing_leaks();
}

TEST_F(Races, AProbeThatDiesUnheardIsJudged) {
    world.start_cluster();
    put_on_trial();
    sick.usually(reset_unanswered().after(300ms));
    Client& client = send();
    world.advance(60ms);
    EXPECT_EQ(client.await().status, 200);
    world.advance(300ms);
    EXPECT_EQ(world.state(sick), "ejected");
    world.expect_nothing_leaks();
}

TEST_F(Races, ASlowProbeMayStillBeTheFirstToAnswer) {
    world.start_cluster();
    put_on_trial();
    sick.usually(answer(200, "probe").after(80ms));
    well.usually(answer(200, "other").after(200ms));
    Client& client = send();
    world.advance(81ms);
    EXPECT_EQ(client.await().body, "probe");
    EXPECT_EQ(well.requests().size(), 1U);
    EXPECT_EQ(seconds("probe", "lost"), 1);
    EXPECT_EQ(world.state(well), "healthy");
    world.expect_nothing_leaks();
}

TEST_F(Races, WhereTheSecondFailsTheProbeGoesOnForItsClient) {
    world.start_cluster();
    put_on_trial();
    sick.usually(answer(200, "probe").after(100ms));
    well.usually(answer(500));
    Client& client = send();
    world.advance(101ms);
    EXPECT_EQ(client.await().body, "probe");
    EXPECT_EQ(well.requests().size(), 1U);
    world.expect_nothing_leaks();
}

TEST_F(Races, WhereTheProbeFailsTheSecondGoesOn) {
    world.start_cluster();
    put_on_trial();
    sick.usually(answer(500).after(80ms));
    well.usually(answer(200, "other").after(100ms));
    Client& client = send();
    world.advance(151ms);
    EXPECT_EQ(client.await().body, "other");
    EXPECT_EQ(world.state(sick), "ejected");
    EXPECT_EQ(seconds("probe", "won"), 1);
    world.expect_nothing_leaks();
}

TEST_F(Races, APostIsNoProbeAndIsNotSentTwice) {
    world.start_cluster();
    put_on_trial();
    sick.usually(hang());
    well.usually(answer(200).after(500ms));
    Client& client = send("POST");
    world.advance(501ms);
    EXPECT_EQ(client.await().status, 200);
    EXPECT_EQ(sick.requests().size(), 0U);
    EXPECT_EQ(well.requests().size(), 1U);
    world.expect_nothing_leaks();
}

TEST_F(Races, AClientThatLeavesEndsBoth) {
    world.start_cluster();
    put_on_trial();
    sick.usually(hang());
    well.usually(hang());
    Client& client = send();
    world.advance(60ms);
    ASSERT_EQ(well.requests().size(), 1U);
    client.reset();
    world.settle();
    EXPECT_EQ(world.begun(), 0);
    EXPECT_EQ(world.state(sick), "half_open");
    EXPECT_EQ(world.state(well), "healthy");
    world.expect_nothing_leaks();
}

TEST_F(Races, ADeadlineEndsBoth) {
    world.start_cluster("    timeout: {request: 200ms}\n");
    put_on_trial();
    sick.usually(hang());
    well.usually(hang());
    Client& client = send();
    world.advance(201ms);
    EXPECT_EQ(client.await().status, 504);
    world.settle();
    EXPECT_EQ(world.value(Family::upstream_requests_active, {"app"}), 0);
    EXPECT_EQ(world.state(sick), "ejected");
    world.expect_nothing_leaks();
}

TEST_F(Races, AWorldMayEndWhileAProbeIsOut) {
    world.start_cluster();
    put_on_trial();
    sick.usually(hang());
    Client& client = send();
    world.advance(60ms);
    EXPECT_EQ(client.await().status, 200);
}

// Errors of a client, once the sick endpoint is out, over many probes of it.
struct Errors {
    int requests = 0;
    int failed = 0;
    std::size_t probes = 0;
};

Errors errors_while_on_trial(std::uint64_t seed, const Act& sickness, const std::string& lines) {
    World world(seed);
    Origin& sick = world.origin();
    world.origin();
    world.origin();
    world.start_cluster(lines);
    auto& endpoint = const_cast<upstream::Endpoint&>(world.endpoint(sick));
    endpoint.eject({.until = world.now() + 1ms, .by = "test", .reason = {}}, world.now());
    sick.usually(sickness);
    Errors errors;
    for (; errors.requests < 80; ++errors.requests) {
        world.advance(100ms);
        endpoint.tick(world.now());
        Client& client = world.client();
        client.request("GET");
        world.advance(60ms);
        if (client.await().status != 200) ++errors.failed;
        client.close();
    }
    errors.probes = sick.requests().size();
    world.advance(6s);
    world.expect_nothing_leaks();
    return errors;
}

TEST(Probes, CostNoUserAnErrorWhereAnotherEndpointIsReady) {
    for (const Act& sickness : {answer(500), answer(429), hang(), reset_unanswered(),
                                close_unanswered(), answer(503).after(70ms)}) {
        for (const std::uint64_t seed : {1, 2}) {
            const Errors errors = errors_while_on_trial(seed, sickness, {});
            EXPECT_EQ(errors.failed, 0) << sickness.bytes;
            EXPECT_GE(errors.probes, 2U);
        }
    }
}

// The opposite: a method that may not be sent twice is a probe once in a while, and may fail.
TEST(Probes, OfRequestsThatMayNotBeSentTwiceCostTheirUser) {
    EXPECT_GT(errors_while_on_trial(1, answer(500), "    retry: {methods: [PUT]}\n").failed, 0);
}

// With the only endpoint on trial there is nowhere else to go.
TEST(LoneEndpoint, AHangingProbeIsNotSentTwice) {
    World world;
    Origin& only = world.origin();
    world.start_cluster();
    auto& endpoint = const_cast<upstream::Endpoint&>(world.endpoint(only));
    endpoint.eject({.until = world.now() + 1ms, .by = "test", .reason = {}}, world.now());
    world.advance(2ms);
    endpoint.tick(world.now());
    only.usually(answer(200).after(1s));
    Client& client = world.client();
    client.request("GET");
    world.advance(1001ms);
    EXPECT_EQ(client.await().status, 200);
    EXPECT_EQ(only.requests().size(), 1U);
    world.expect_nothing_leaks();
}

}  // namespace
}  // namespace weir::test
