// What hangs is found before its timeouts fire; what is slow by nature is not taken for it.
#include "world.hpp"

#include <map>

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using resilience::State;
using telemetry::Family;

class Stalls : public ::testing::Test {
  protected:
    // A request each `gap` for so long, each on a connection that is free.
    void load(Duration length, Duration gap, std::string_view path = "/") {
        for (const TimePoint end = world.now() + length; world.now() < end;) {
            send(path);
            world.advance(gap);
            collect();
        }
    }
    void send(std::string_view path = "/", std::string_view method = "GET") {
        if (free_.empty()) free_.push_back(&world.client());
        Client* const client = free_.back();
        free_.pop_back();
        client->request(method, path);
        open_.push_back(client);
    }
    void collect() {
        std::vector<Client*> waiting;
        for (Client* const client : open_) {
            const auto answer = client->take();
            if (!answer) {
                waiting.push_back(client);
                continue;
            }
            ++statuses[answer->status];
            free_.push_back(client);
        }
        open_ = std::move(waiting);
    }
    // Enough answers that what is usual on the route is known.
    void learn(std::string_view path = "/", int answers = 110) {
        statuses.clear();
        for (int i = 0; i < answers; ++i) {
            send(path);
            world.advance(5ms);
            collect();
        }
        ASSERT_EQ(statuses[200], answers);
        statuses.clear();
    }
    [[nodiscard]] std::int64_t ejections(std::string_view reason) const {
        return world.value(Family::outlier_ejections, {"app", reason});
    }
    [[nodiscard]] std::int64_t openings(std::string_view reason) const {
        return world.value(Family::breaker_transitions, {"app", "open", reason});
    }

    World world;
    Origin& a = world.origin();
    std::map<int, int> statuses;

  private:
    std::vector<Client*> free_;
    std::vector<Client*> open_;
};

class OneOfThree : public Stalls {
  protected:
    Origin& b = world.origin();
    Origin& c = world.origin();
};

TEST_F(OneOfThree, HangsAndIsOutWithinTwoSeconds) {
    world.start_cluster("    lb: round_robin\n");
    learn();
    a.usually(hang());
    load(2s, 25ms);
    EXPECT_EQ(world.state(a), "ejected");
    EXPECT_EQ(ejections("stall"), 1);
    EXPECT_EQ(world.state(b), "healthy");
    EXPECT_EQ(world.state(c), "healthy");
    EXPECT_EQ(world.breaker(), State::closed);
}

// p2c sends the hung one what its open requests leave it: enough to see it.
TEST_F(OneOfThree, HangsUnderLoadAndIsOutWithinTwoSecondsByThePolicyOfDefault) {
    world.start_cluster();
    for (Origin* const origin : {&a, &b, &c})
        origin->usually(answer(200).after(4ms));
    learn();
    a.usually(hang());
    const std::size_t before = a.requests().size();
    load(2s, 2500us);
    EXPECT_EQ(world.state(a), "ejected");
    EXPECT_LE(a.requests().size() - before, 12U);
}

// The rescue: those that wait there get a second attempt elsewhere.
TEST_F(OneOfThree, HangsAndReplaySafeRequestsSeeNoError) {
    world.start_cluster("    lb: round_robin\n");
    learn();
    a.usually(hang());
    load(2s, 25ms);
    world.advance(500ms);
    collect();
    EXPECT_EQ(statuses[200], 80) << "all of them, and none after its timeout";
    EXPECT_EQ(statuses.size(), 1U);
}

TEST_F(OneOfThree, HangsAndKeepsThoseThatWaitWhenTheRescueIsOff) {
    world.start_cluster("    lb: round_robin\n    retry: {rescue: false}\n");
    learn();
    a.usually(hang());
    load(2s, 25ms);
    world.advance(500ms);
    collect();
    EXPECT_LT(statuses[200], 80);
}

TEST_F(OneOfThree, HangsUnnoticedForItsTimeoutsWhenTheRuleIsOff) {
    world.start_cluster("    lb: round_robin\n    outlier: {stall_after: off}\n");
    learn();
    a.usually(hang());
    load(4s, 25ms);
    EXPECT_EQ(world.state(a), "healthy");
    EXPECT_EQ(ejections("stall"), 0);
}

TEST_F(OneOfThree, HangsInShadowAndIsLeftIn) {
    world.start_cluster("    lb: round_robin\n    outlier: {mode: shadow}\n");
    learn();
    a.usually(hang());
    load(2s, 25ms);
    EXPECT_EQ(ejections("stall"), 0);
    EXPECT_EQ(world.value(Family::shadow, {"app", "would_eject"}), 1);
}

TEST_F(OneOfThree, IsNotOutBeforeItsRouteIsKnown) {
    world.start_cluster("    lb: round_robin\n");
    learn("/", 30);
    a.usually(hang());
    load(1500ms, 50ms);  // 20 more answers
    EXPECT_EQ(ejections("stall"), 0);
}

TEST_F(OneOfThree, IsOutSoonerIfToldSoAlsoOnARouteThatIsNotKnown) {
    world.start_cluster("    lb: round_robin\n    outlier: {stall_after: 300ms}\n");
    a.usually(hang());
    load(1s, 25ms);
    EXPECT_EQ(ejections("stall"), 1);
}

TEST_F(OneOfThree, ComesBackThroughProbesWhenItAnswersAgain) {
    world.start_cluster("    lb: round_robin\n");
    learn();
    a.usually(hang());
    load(2s, 25ms);
    ASSERT_EQ(world.state(a), "ejected");
    a.usually(answer(200));
    load(4s, 25ms);
    EXPECT_EQ(world.state(a), "healthy");
    EXPECT_EQ(ejections("stall"), 1);
}

TEST_F(OneOfThree, IsNotStalledWhileItAnswersSome) {
    world.start_cluster("    lb: round_robin\n");
    learn();
    int n = 0;
    a.decide([&n](const Origin::Request&) { return ++n % 2 == 0 ? hang() : answer(200); });
    load(4s, 25ms);
    EXPECT_EQ(ejections("stall"), 0);
}

// All three hang: ejecting one would help nobody, the breaker is for that.
TEST_F(OneOfThree, AreAllLeftInWhenTheyHangAtOnceAndTheBreakerOpens) {
    world.start_cluster("    lb: round_robin\n");
    learn();
    for (Origin* const origin : {&a, &b, &c})
        origin->usually(hang());
    load(1500ms, 25ms);
    EXPECT_EQ(ejections("stall"), 0);
    EXPECT_EQ(openings("stall"), 1);
    EXPECT_NE(world.breaker(), State::closed);
}

TEST_F(Stalls, AHungServiceOpensItsBreakerWithinTwoSeconds) {
    world.start_cluster();
    learn();
    a.usually(hang());
    load(2s, 25ms);
    EXPECT_EQ(openings("stall"), 1);
    EXPECT_GT(world.value(Family::breaker_rejected, {"app"}), 0);
}

TEST_F(Stalls, AHungServiceIsFoundByTimeoutsOnlyWhenTheRuleIsOff) {
    world.start_cluster("    breaker: {stall_after: off}\n");
    learn();
    a.usually(hang());
    load(4s, 25ms);
    EXPECT_EQ(openings("stall"), 0);
    EXPECT_EQ(world.breaker(), State::closed);
}

TEST_F(Stalls, ABreakerNeedsTwentyThatWait) {
    world.start_cluster();
    learn();
    a.usually(hang());
    for (int i = 0; i < 19; ++i)
        send();
    world.advance(4s);
    EXPECT_EQ(world.breaker(), State::closed);
    send();
    world.advance(200ms);
    EXPECT_EQ(openings("stall"), 1);
}

TEST_F(Stalls, ABurstAfterAPauseIsNoStall) {
    world.start_cluster();
    learn();
    world.advance(50s);
    a.usually(answer(200).after(900ms));
    for (int i = 0; i < 40; ++i)
        send();
    world.advance(1s);
    collect();
    EXPECT_EQ(world.breaker(), State::closed);
    EXPECT_EQ(statuses[200], 40);
}

// Two routes into one cluster of three: what is fast, and what waits by nature.
class TwoRoutes : public OneOfThree {
  protected:
    void start(std::string_view slow_timeout, std::string_view more = {}) {
        world.start(
            "version: 1\nlisteners:\n  - name: in\n    listen: \":8080\"\n    routes:\n"
            "      - {name: slow, path: /slow, to: app, timeout: {request: " +
            std::string(slow_timeout) +
            "}}\n      - {name: fast, path: /*, to: app}\n"
            "clusters:\n  app:\n    endpoints: [\"${A}\", \"${B}\", \"${C}\"]\n" +
            std::string(more));
    }
    // The slow route takes so long, on all of them.
    void take(Duration wait) {
        for (Origin* const origin : {&a, &b, &c}) {
            origin->decide([wait](const Origin::Request& request) {
                const bool is_slow = request.head.find("/slow") != std::string::npos;
                return is_slow ? answer(200).after(wait) : answer(200);
            });
        }
    }
    void run_both(Duration length) {
        for (const TimePoint end = world.now() + length; world.now() < end;) {
            send("/slow");
            send("/slow");
            load(200ms, 100ms, "/fast");
        }
    }
    void expect_no_stall() {
        EXPECT_EQ(ejections("stall"), 0);
        EXPECT_EQ(openings("stall"), 0);
        EXPECT_EQ(world.breaker(), State::closed);
        for (const Origin* const origin : {&a, &b, &c})
            EXPECT_EQ(world.state(*origin), "healthy");
    }
};

TEST_F(TwoRoutes, LongPollsOnOneDoNotTripTheStallRule) {
    start("never");
    take(25s);
    learn("/fast");
    run_both(10s);
    expect_no_stall();
}

TEST_F(TwoRoutes, LongPollsWithATimeoutDoNotTripTheStallRule) {
    start("60s");
    take(20s);
    for (int i = 0; i < 120; ++i)
        send("/slow");
    world.advance(21s);
    collect();
    ASSERT_EQ(statuses[200], 120);
    for (int i = 0; i < 60; ++i)
        send("/slow");
    world.advance(19s);
    expect_no_stall();
}

// The same, where the wait is given and not judged by the route.
TEST_F(TwoRoutes, LongPollsWithATimeoutTripARuleThatDoesNotKnowThem) {
    start("60s", "    outlier: {stall_after: 1s}\n    breaker: {stall_after: 1s}\n");
    take(20s);
    for (int i = 0; i < 60; ++i)
        send("/slow");
    world.advance(2s);
    EXPECT_GE(openings("stall"), 1);
}

TEST_F(TwoRoutes, ASlowReportBesideAFastOneIsNoStall) {
    start("60s");
    take(5s);
    for (int i = 0; i < 120; ++i)
        send("/slow");
    world.advance(6s);
    collect();
    learn("/fast");
    run_both(12s);
    world.advance(4s);  // only reports are under way
    expect_no_stall();
}

TEST_F(TwoRoutes, QuietWatchesAreNoStall) {
    start("15s");
    for (Origin* const origin : {&a, &b, &c}) {
        origin->decide([](const Origin::Request& request) {
            const bool is_watch = request.head.find("/slow") != std::string::npos;
            const Act whole = answer(200, std::string(1000, 'x'));
            return is_watch ? whole.cut(whole.bytes.size() - 500, Act::Then::keep) : answer(200);
        });
    }
    learn("/fast");
    for (int i = 0; i < 40; ++i)
        send("/slow");
    world.advance(10s);
    expect_no_stall();
}

TEST_F(Stalls, ARequestWhoseBodyIsStillComingWaitsForNobody) {
    world.start_cluster("    outlier: {stall_after: 300ms}\n    breaker: {stall_after: 300ms}\n");
    for (int i = 0; i < 25; ++i) {
        Client& client = world.client();
        client.request("POST", "/", {}, "Transfer-Encoding: chunked\r\n");
        client.send("5\r\nhello\r\n");
    }
    world.advance(2s);
    EXPECT_EQ(world.breaker(), State::closed);
}

}  // namespace
}  // namespace weir::test
