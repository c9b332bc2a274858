#include "world.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using resilience::State;
using telemetry::Family;

// One endpoint, which is never ejected: its breaker protects it.
class Breaker : public ::testing::Test {
  protected:
    World world;
    Origin& origin = world.origin();

    void fail(int times, Duration between) {
        for (int i = 0; i < times; ++i) {
            if (i > 0) world.advance(between);
            EXPECT_EQ(world.ask("POST").status, 500);
        }
    }
    void open() {
        origin.usually(answer(500));
        fail(5, 25ms);
        ASSERT_EQ(world.breaker(), State::open);
    }
};

TEST_F(Breaker, OpensAfterFiveFailuresThatLast100Milliseconds) {
    world.start_cluster();
    origin.usually(answer(500));
    fail(4, 25ms);
    EXPECT_EQ(world.breaker(), State::closed);
    world.advance(25ms);
    EXPECT_EQ(world.ask("POST").status, 500);
    EXPECT_EQ(world.breaker(), State::open);
}

TEST_F(Breaker, StaysClosedWhileTheFailuresAreABlink) {
    world.start_cluster();
    origin.usually(answer(500));
    fail(8, 10ms);  // 70 ms
    EXPECT_EQ(world.breaker(), State::closed);
    EXPECT_EQ(origin.requests().size(), 8U);
}

TEST_F(Breaker, OpenAnswersAtOnceAndLeavesTheOriginAlone) {
    world.start_cluster();
    open();
    const std::size_t before = origin.requests().size();
    const TimePoint asked = world.now();

    const Message got = world.ask("GET");

    EXPECT_EQ(world.now(), asked);
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.field("weir-error"), "breaker_open");
    EXPECT_EQ(got.field("retry-after"), "1");
    EXPECT_EQ(origin.requests().size(), before);
    EXPECT_EQ(world.value(Family::breaker_rejected, {"app"}), 1);
    world.expect_nothing_leaks();
}

TEST_F(Breaker, HalfOpensBetween500And650Milliseconds) {
    world.start_cluster();
    open();
    world.advance(499ms);
    EXPECT_EQ(world.ask().field("weir-error"), "breaker_open");
    world.advance(152ms);
    origin.usually(answer(200));
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(world.breaker(), State::half_open);
}

TEST_F(Breaker, ClosesAfterTwoGoodProbes) {
    world.start_cluster();
    open();
    origin.usually(answer(200));
    world.advance(651ms);
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(world.breaker(), State::half_open);
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(world.breaker(), State::closed);
    world.expect_nothing_leaks();
}

TEST_F(Breaker, LetsOneProbeThroughAtATime) {
    world.start_cluster();
    open();
    origin.usually(answer(200).after(100ms));
    const std::size_t before = origin.requests().size();
    world.advance(651ms);
    Client& probe = world.client();
    probe.request("GET");
    world.settle();
    EXPECT_EQ(world.ask().field("weir-error"), "breaker_open");
    world.advance(110ms);
    EXPECT_EQ(probe.await().status, 200);
    EXPECT_EQ(origin.requests().size(), before + 1);
    world.expect_nothing_leaks();
}

TEST_F(Breaker, AFailedProbeOpensItAgain) {
    world.start_cluster();
    open();
    world.advance(651ms);
    EXPECT_EQ(world.ask("POST").status, 500);
    EXPECT_EQ(world.breaker(), State::open);
    world.advance(749ms);  // the wait has doubled, up to max_open_for
    EXPECT_EQ(world.ask().field("weir-error"), "breaker_open");
}

TEST_F(Breaker, AProbeWhoseClientLeavesGivesItsPermitBack) {
    world.start_cluster();
    open();
    origin.usually(hang());
    world.advance(651ms);
    Client& probe = world.client();
    probe.request("GET");
    world.settle();
    probe.reset();
    world.settle();

    origin.usually(answer(200));
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(world.breaker(), State::closed);
    world.expect_nothing_leaks();
}

// A slow answer to a request from before the trip says nothing about the probe.
TEST_F(Breaker, AnAnswerFromBeforeTheTripChangesNothing) {
    world.start_cluster();
    origin.usually(answer(200).after(300ms));
    Client& slow = world.client();
    slow.request("GET");
    world.settle();
    open();
    world.advance(301ms);
    EXPECT_EQ(slow.await().status, 200);
    EXPECT_EQ(world.breaker(), State::open);
    world.expect_nothing_leaks();
}

TEST_F(Breaker, ClientsThatGiveUpOnAHungOriginOpenIt) {
    world.start_cluster("    timeout: {request: 8s}\n");
    origin.usually(hang());
    for (int i = 0; i < 5; ++i) {
        Client& client = world.client();
        client.request("GET");
        world.advance(5s);
        client.reset();
        world.settle();
    }
    EXPECT_EQ(world.breaker(), State::open);
    world.expect_nothing_leaks();
}

TEST_F(Breaker, ShadowRefusesNothing) {
    world.start_cluster("    breaker: {mode: shadow}\n");
    origin.usually(answer(500));
    fail(20, 25ms);
    EXPECT_EQ(origin.requests().size(), 20U);
}

// ---- endpoints

class Ejection : public ::testing::Test {
  protected:
    World world;
    Origin& a = world.origin();
    Origin& b = world.origin();

    // Requests every 10 ms; says how many were not answered well.
    int load(Duration length, std::string_view method = "GET") {
        int failed = 0;
        for (const TimePoint end = world.now() + length; world.now() < end;) {
            Client& client = world.client();
            client.request(method);
            world.advance(10ms);
            auto got = client.take();
            for (int i = 0; i < 60 && !got; ++i) {
                world.advance(10ms);
                got = client.take();
            }
            if (!got || got->status != 200) ++failed;
            client.close();
        }
        return failed;
    }
};

TEST_F(Ejection, OneOfTwoFailingEndpointsIsEjectedAndReturns) {
    world.start_cluster("    lb: round_robin\n");
    a.usually(answer(503));
    load(500ms);
    EXPECT_EQ(world.state(a), "ejected");
    EXPECT_EQ(world.state(b), "healthy");
    EXPECT_EQ(world.breaker(), State::closed);
    const std::size_t seen = a.requests().size();
    EXPECT_EQ(load(300ms), 0);
    EXPECT_EQ(a.requests().size(), seen);

    a.usually(answer(200));
    EXPECT_EQ(load(2s), 0);
    EXPECT_EQ(world.state(a), "healthy");
    EXPECT_GT(a.requests().size(), seen + 2);
    world.expect_nothing_leaks();
}

TEST_F(Ejection, ARefusingEndpointCostsNoUserAnything) {
    world.start_cluster("    lb: round_robin\n");
    EXPECT_EQ(load(2s), 0);  // earns retries
    const std::size_t before = a.requests().size();
    a.refuse();
    a.close_connections();
    EXPECT_EQ(load(1s, "POST"), 0);
    EXPECT_EQ(world.state(a), "ejected");
    a.accept_again();
    EXPECT_EQ(load(3s), 0);
    EXPECT_EQ(world.state(a), "healthy");
    EXPECT_GT(a.requests().size(), before + 2);
    world.expect_nothing_leaks();
}

TEST_F(Ejection, AFailedProbeIsReplayedElsewhere) {
    world.start_cluster("    lb: round_robin\n    retry: off\n");
    a.usually(answer(500));
    load(400ms);
    ASSERT_EQ(world.state(a), "ejected");
    const std::size_t seen = a.requests().size();

    EXPECT_EQ(load(4s), 0);  // 500 is not retried: only the replay of a probe saves its user
    EXPECT_GT(a.requests().size(), seen);
    EXPECT_NE(world.state(a), "healthy");
    world.expect_nothing_leaks();
}

TEST_F(Ejection, TheLastEndpointIsNeverEjectedButPenalized) {
    world.start_cluster("    lb: round_robin\n    breaker: off\n");
    a.usually(answer(500));
    b.usually(answer(500));
    load(2s);
    const bool a_is_out = world.state(a) != "penalized";
    EXPECT_EQ(world.state(a_is_out ? b : a), "penalized");

    a.usually(answer(200));
    b.usually(answer(200));
    load(4s);
    EXPECT_EQ(world.state(a), "healthy");
    EXPECT_EQ(world.state(b), "healthy");
    world.expect_nothing_leaks();
}

TEST_F(Ejection, ADiscoveryFlapForgivesNothing) {
    world.start_cluster("    lb: round_robin\n");
    a.usually(answer(500));
    load(400ms);
    ASSERT_EQ(world.state(a), "ejected");
    world.set_endpoints({&b});
    EXPECT_EQ(load(100ms), 0);
    world.set_endpoints({&a, &b});
    EXPECT_EQ(world.state(a), "ejected");
    world.expect_nothing_leaks();
}

// With p2c an endpoint that fails is avoided; but avoided for good, its detector would never see
// whether it goes on.
TEST_F(Ejection, AFailingEndpointIsSeenEnoughToBeEjected) {
    world.start_cluster();
    a.usually(answer(503).after(2ms));
    b.usually(answer(200).after(2ms));
    for (int i = 0; i < 500 && world.state(a) == "healthy"; ++i)
        load(10ms);
    EXPECT_EQ(world.state(a), "ejected");
}

TEST_F(Ejection, OneHungOfTwoIsOutByItsTimeouts) {
    world.start_cluster(
        "    timeout: {request: 2s, response_header: 200ms}\n"
        "    retry: {on: [connect, timeout]}\n    lb: round_robin\n");
    a.usually(hang());
    EXPECT_EQ(load(1s), 0);
    EXPECT_EQ(world.state(a), "ejected");
    world.expect_nothing_leaks();
}

}  // namespace
}  // namespace weir::test
