#include "world.hpp"

#include <algorithm>

// What the end of an attempt means, and for whom: breakers of routes beside their cluster's.
namespace weir::test {
namespace {

using namespace std::chrono_literals;
using resilience::State;
using telemetry::Family;

class Routes : public ::testing::Test {
  protected:
    World world;

    // Route `crash` for /crash and route `good` for the rest, into `app` of all origins. `breaker`
    // are keys of app's; `crash` more keys of that route.
    void start(int origins, const std::string& breaker, const std::string& crash = {}) {
        std::string endpoints;
        for (int i = 0; i < origins; ++i) {
            all.push_back(&world.origin());
            all.back()->decide([](const Origin::Request& request) {
                return request.is("GET /crash") || request.is("POST /crash") ? answer(500)
                                                                             : answer(200);
            });
            endpoints += std::string(i == 0 ? "" : ", ") + "\"${" +
                         std::string(1, static_cast<char>('A' + i)) + "}\"";
        }
        world.start(
            "version: 1\nlisteners:\n  - name: in\n    listen: \":8080\"\n    routes:\n"
            "      - {name: crash, path: /crash, to: app" +
            crash +
            "}\n      - {name: good, to: app}\n"
            "clusters:\n  app:\n    endpoints: [" +
            endpoints + "]\n    retry: off\n    breaker: {" + breaker + "}\n");
    }
    [[nodiscard]] std::shared_ptr<upstream::Breaker> breaker(std::string_view id) {
        for (const auto& each : world.cluster().breakers()) {
            if (each->id() == id) return each;
        }
        return nullptr;
    }
    [[nodiscard]] State state(std::string_view id) {
        const auto found = breaker(id);
        return found ? found->machine().state() : State::closed;
    }
    // Letting time pass: a probe that failed is sent again elsewhere after a tick.
    int status(Client& client, std::string_view path) {
        client.request("GET", path);
        world.settle();
        auto got = client.take();
        for (int i = 0; i < 50 && !got; ++i) {
            world.advance(1ms);
            got = client.take();
        }
        EXPECT_TRUE(got) << path;
        return got ? got->status : 0;
    }
    // 500 requests/s for the crashing path beside 10/s of good ones. How many good ones failed.
    int crash_for(Duration length) {
        Client& client = world.client();
        int failed = 0;
        int sent = 0;
        for (const TimePoint end = world.now() + length; world.now() < end; ++sent) {
            status(client, "/crash");
            if (sent % 50 == 0 && status(client, "/good") != 200) ++failed;
            world.advance(2ms);
        }
        return failed;
    }

    // 20 requests/s for the crashing path beside 380/s of good ones: no endpoint's own share is
    // bad.
    void crash_seldom_for(Duration length) {
        Client& client = world.client();
        int sent = 0;
        for (const TimePoint end = world.now() + length; world.now() < end; ++sent) {
            status(client, sent % 20 == 0 ? "/crash" : "/good");
            world.advance(2500us);
        }
    }

    std::vector<Origin*> all;
};

TEST_F(Routes, OneCrashingUrlAt500PerSecondBeside10OfGoodOnesLeavesTheClusterClosed) {
    start(3, "");
    EXPECT_EQ(crash_for(3s), 0);
    EXPECT_EQ(world.cluster().breaker().snapshot(world.now()).opens_total, 0U);
    ASSERT_NE(breaker("app@crash"), nullptr);
    EXPECT_GE(breaker("app@crash")->machine().snapshot(world.now()).opens_total, 1U);
    EXPECT_EQ(breaker("app@good"), nullptr);
}

TEST_F(Routes, ARouteThatNoEndpointAnswersOpensItsBreakerThoughTheEndpointsAreWell) {
    start(3, "");
    crash_seldom_for(3s);
    ASSERT_NE(breaker("app@crash"), nullptr);
    EXPECT_GE(breaker("app@crash")->machine().snapshot(world.now()).opens_total, 1U);
    EXPECT_EQ(world.breaker(), State::closed);
}

TEST_F(Routes, ARouteThatSomeEndpointsAnswerKeepsItsBreakerClosed) {
    start(3, "");
    for (std::size_t i : {std::size_t{1}, std::size_t{2}})
        all[i]->decide([](const Origin::Request&) { return answer(200); });
    crash_seldom_for(5s);
    const auto own = breaker("app@crash");
    EXPECT_EQ(own ? own->machine().snapshot(world.now()).opens_total : 0U, 0U);
    EXPECT_EQ(world.breaker(), State::closed);
}

// The rule off: one breaker for all routes.
TEST_F(Routes, WithOneBreakerForAllRoutesACrashingUrlTakesTheServiceDown) {
    start(3, "scope: cluster");
    EXPECT_GT(crash_for(3s), 0);
    EXPECT_GE(world.cluster().breaker().snapshot(world.now()).opens_total, 1U);
    EXPECT_EQ(world.cluster().breakers().size(), 1U);
}

TEST_F(Routes, AnOpenBreakerOfARouteRefusesItsRequestsOnly) {
    start(1, "");
    Client& client = world.client();
    for (int i = 0; i < 5; ++i, world.advance(25ms))
        EXPECT_EQ(status(client, "/crash"), 500);
    const Message refused = client.exchange("GET", "/crash");
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.field("weir-error"), "breaker_open");
    EXPECT_EQ(refused.field("retry-after"), "1");
    EXPECT_EQ(status(client, "/good"), 200);
    EXPECT_EQ(state("app@crash"), State::open);
    EXPECT_EQ(world.breaker(), State::closed);
    world.expect_nothing_leaks();
}

TEST_F(Routes, ABreakerOfARouteClosesAfterTwoGoodProbes) {
    start(1, "");
    Client& client = world.client();
    for (int i = 0; i < 5; ++i, world.advance(25ms))
        status(client, "/crash");
    ASSERT_EQ(state("app@crash"), State::open);
    all.front()->decide([](const Origin::Request&) { return answer(200); });
    world.advance(651ms);
    EXPECT_EQ(status(client, "/crash"), 200);
    EXPECT_EQ(state("app@crash"), State::half_open);
    EXPECT_EQ(status(client, "/crash"), 200);
    EXPECT_EQ(state("app@crash"), State::closed);
    world.expect_nothing_leaks();
}

TEST_F(Routes, AServiceThatIsGoneOpensTheBreakerOfTheCluster) {
    start(1, "");
    all.front()->refuse();
    Client& client = world.client();
    for (int i = 0; i < 5; ++i, world.advance(25ms))
        EXPECT_EQ(client.exchange("POST", "/crash", "x").status, 503);
    EXPECT_EQ(world.breaker(), State::open);
    EXPECT_EQ(breaker("app@crash"), nullptr);
    EXPECT_EQ(client.exchange("GET", "/good").field("weir-error"), "breaker_open");
}

TEST_F(Routes, ScopeRouteKeepsABadRouteFromTheOthersWhateverItsFailures) {
    start(1, "scope: route");
    all.front()->decide([](const Origin::Request& request) {
        return request.is("GET /crash") ? answer(504) : answer(200);
    });
    Client& client = world.client();
    for (int i = 0; i < 5; ++i, world.advance(25ms))
        EXPECT_EQ(status(client, "/crash"), 504);
    EXPECT_EQ(state("app@crash"), State::open);
    EXPECT_EQ(world.breaker(), State::closed);
    EXPECT_EQ(status(client, "/good"), 200);
}

TEST_F(Routes, ABreakerOfARouteHasRulesOfItsOwn) {
    start(1, "", ", breaker: {consecutive_failures: 2, consecutive_for: 0s, failure_on: [404]}");
    all.front()->decide([](const Origin::Request&) { return answer(404); });
    Client& client = world.client();
    EXPECT_EQ(status(client, "/crash"), 404);
    EXPECT_EQ(status(client, "/crash"), 404);
    EXPECT_EQ(state("app@crash"), State::open);
    EXPECT_EQ(status(client, "/good"), 404);
    EXPECT_EQ(world.breaker(), State::closed);
}

TEST_F(Routes, AnOperatorForcesTheBreakerOfARoute) {
    start(1, "scope: route");
    ASSERT_NE(breaker("app@good"), nullptr);
    breaker("app@good")->force(State::open, {.until = world.now() + 1min, .by = "me"}, world.now());
    Client& client = world.client();
    EXPECT_EQ(client.exchange("GET", "/good").field("weir-error"), "breaker_open");
    EXPECT_EQ(status(client, "/crash"), 500);
    breaker("app@good")->unforce(world.now());
    EXPECT_EQ(status(client, "/good"), 200);
}

// ---- outcomes

class Outcomes : public ::testing::Test {
  protected:
    World world;
    Origin& origin = world.origin();

    static Act grpc(int code) {
        return {.bytes =
                    "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\n"
                    "Transfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n"
                    "2\r\nok\r\n0\r\ngrpc-status: " +
                    std::to_string(code) + "\r\n\r\n"};
    }
    void ask(int times, Duration between) {
        Client& client = world.client();
        for (int i = 0; i < times; ++i, world.advance(between))
            client.exchange("POST");
    }
    void wait_and_leave(Duration patience) {
        Client& client = world.client();
        client.request("GET");
        world.advance(patience);
        client.reset();
        world.settle();
    }
};

TEST_F(Outcomes, GrpcFailureInTrailersTrips) {
    world.start_cluster();
    origin.usually(grpc(14));
    ask(5, 26ms);
    EXPECT_EQ(world.breaker(), State::open);
    EXPECT_EQ(world.value(Family::requests, {"in", "default", "app", "200", "failure", "none"}), 5);
    world.expect_nothing_leaks();
}

TEST_F(Outcomes, GrpcFailureInTrailersTripsNothingIfItIsNotListed) {
    world.start_cluster("    breaker: {failure_on: [500]}\n");
    origin.usually(grpc(14));
    ask(30, 26ms);
    EXPECT_EQ(world.breaker(), State::closed);
}

TEST_F(Outcomes, GoodAnswersOfGrpcAreGood) {
    world.start_cluster();
    origin.usually(grpc(0));
    ask(30, 26ms);
    EXPECT_EQ(world.breaker(), State::closed);
    EXPECT_EQ(world.value(Family::requests, {"in", "default", "app", "200", "ok", "none"}), 30);
}

TEST_F(Outcomes, AStormOf429DoesNotTripTheRuns) {
    world.start_cluster("    retry: off\n");
    origin.usually(answer(429));
    ask(60, 10ms);
    EXPECT_EQ(world.breaker(), State::closed);
    EXPECT_EQ(world.state(origin), "healthy");
    EXPECT_EQ(world.value(Family::requests, {"in", "default", "app", "429", "throttled", "none"}),
              60);
}

// The rule off: 429 named as a failure.
TEST_F(Outcomes, AStormOf503WithoutAHintDoesTripThem) {
    world.start_cluster("    retry: off\n");
    origin.usually(answer(503));
    ask(60, 10ms);
    EXPECT_EQ(world.breaker(), State::open);
}

TEST_F(Outcomes, ClientsThatGiveUpAfter5SecondsOnAHungUpstreamOpenItsBreaker) {
    world.start_cluster();
    ask(100, 1ms);  // the route answers in no time: then patience is a second
    origin.usually(hang());
    for (int i = 0; i < 5; ++i)
        wait_and_leave(5s);
    EXPECT_EQ(world.breaker(), State::open);
    world.expect_nothing_leaks();
}

// The rule off: nothing is known of the route, and half of 15 s is more than they have.
TEST_F(Outcomes, ClientsThatGiveUpOnARouteOfWhichNothingIsKnownSayNothing) {
    world.start_cluster();
    origin.usually(hang());
    for (int i = 0; i < 10; ++i)
        wait_and_leave(5s);
    EXPECT_EQ(world.breaker(), State::closed);
}

TEST_F(Outcomes, ImpatientClientsOpenNothing) {
    world.start_cluster();
    ask(100, 1ms);
    origin.usually(hang());
    for (int i = 0; i < 30; ++i)
        wait_and_leave(900ms);
    EXPECT_EQ(world.breaker(), State::closed);
}

TEST_F(Outcomes, AShadowedRefusalIsToldInTheMetrics) {
    world.start_cluster("    breaker: {mode: shadow}\n");
    origin.usually(answer(500));
    ask(10, 26ms);
    EXPECT_EQ(origin.requests().size(), 10U);
    EXPECT_EQ(world.value(Family::shadow, {"app", "would_open"}), 1);
}

// A probe gets what the route's slow answers need: max(5 s, 3 x p99), at most timeout.request.
TEST_F(Outcomes, AProbeOfASlowRouteHasALeaseToMatch) {
    world.start_cluster("    timeout: {request: 30s}\n");
    Client& client = world.client();
    origin.usually(answer(200).after(3s));
    for (int i = 0; i < 100; ++i) {
        client.request("GET");
        world.advance(3s);
        ASSERT_TRUE(client.take());
    }
    origin.usually(answer(500));
    ask(5, 26ms);
    ASSERT_EQ(world.breaker(), State::open);
    origin.usually(answer(200).after(8s));
    world.advance(651ms);
    client.request("GET");
    world.advance(7s);
    world.cluster().breaker().tick(world.now());
    EXPECT_EQ(world.breaker(), State::half_open) << "5 s are no lease for answers of 3 s";
    world.advance(1s);
    ASSERT_TRUE(client.take());
}

TEST_F(Outcomes, AFixedLeaseIsTaken) {
    world.start_cluster("    timeout: {request: 30s}\n    breaker: {probe_timeout: 1s}\n");
    origin.usually(answer(500));
    ask(5, 26ms);
    ASSERT_EQ(world.breaker(), State::open);
    origin.usually(hang());
    world.advance(651ms);
    Client& client = world.client();
    client.request("GET");
    world.advance(1100ms);
    world.cluster().breaker().tick(world.now());
    EXPECT_EQ(world.breaker(), State::open);
    client.reset();
    world.settle();
}

}  // namespace
}  // namespace weir::test
