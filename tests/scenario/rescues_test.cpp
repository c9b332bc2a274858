#include "world.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using telemetry::Family;

// What waits on an endpoint that is ejected for a stall gets a second attempt elsewhere.
class Rescues : public ::testing::Test {
  protected:
    World world;
    Origin& hung = world.origin();
    Origin& well = world.origin();
    std::vector<Client*> waiting;

    void start(const std::string& lines = {}) {
        world.start_cluster("    lb: round_robin\n    outlier: {stall_after: 300ms}\n" + lines);
        hung.usually(hang());
    }
    // Requests until some wait on the hung endpoint, and the other has answered meanwhile.
    void send(std::string_view method, int times) {
        for (int i = 0; i < times; ++i) {
            Client& client = world.client();
            client.request(method, "/", method == "POST" ? "pay" : "");
            world.advance(20ms);
            if (!client.take()) waiting.push_back(&client);
        }
    }
    void keep_peer_answering(Duration length) {
        for (const TimePoint end = world.now() + length; world.now() < end;) {
            Client& client = world.client();
            client.request("GET", "/keep");
            world.advance(25ms);
        }
    }
    [[nodiscard]] int answered() {
        int count = 0;
        for (Client* const client : waiting) {
            const auto got = client->take();
            if (got && got->status == 200) ++count;
        }
        return count;
    }
};

TEST_F(Rescues, WhatWaitsIsSentElsewhereWhenItsEndpointIsEjected) {
    start();
    send("GET", 10);
    ASSERT_GE(waiting.size(), 3U);
    keep_peer_answering(700ms);
    EXPECT_EQ(world.state(hung), "ejected");
    EXPECT_EQ(answered(), static_cast<int>(waiting.size()));
    EXPECT_GE(world.value(Family::second_attempts, {"app", "rescue", "won"}),
              static_cast<std::int64_t>(waiting.size()));
    world.expect_nothing_leaks();
}

TEST_F(Rescues, WithoutTheKeyItWaitsOn) {
    start("    retry: {rescue: false}\n");
    send("GET", 10);
    keep_peer_answering(700ms);
    EXPECT_EQ(world.state(hung), "ejected");
    EXPECT_EQ(answered(), 0);
    EXPECT_EQ(world.value(Family::second_attempts, {"app", "rescue", "won"}), 0);
}

TEST_F(Rescues, ASpentBudgetRefusesNone) {
    start("    retry: {budget: 0%, budget_min: 0/s}\n");
    send("GET", 10);
    keep_peer_answering(700ms);
    EXPECT_EQ(answered(), static_cast<int>(waiting.size()));
}

TEST_F(Rescues, APostIsNotSentTwice) {
    start();
    send("POST", 10);
    ASSERT_GE(waiting.size(), 3U);
    keep_peer_answering(700ms);
    EXPECT_EQ(world.state(hung), "ejected");
    EXPECT_EQ(answered(), 0);
    EXPECT_EQ(hung.count("POST") + well.count("POST"), 10U);
}

TEST_F(Rescues, InShadowAreOnlyCounted) {
    start("    retry: {mode: shadow}\n");
    send("GET", 10);
    keep_peer_answering(700ms);
    EXPECT_EQ(answered(), 0);
    EXPECT_GE(world.value(Family::shadow, {"app", "would_retry"}), 3);
}

}  // namespace
}  // namespace weir::test
