#include "world.hpp"

#include <cmath>
#include <vector>

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using telemetry::Family;

// Weirs in a row before one origin: what each allows itself must not multiply.
class Hops : public ::testing::Test {
  protected:
    static constexpr int kSeconds = 3;
    static constexpr int kRate = 40;

    // `mode` of the listeners behind the first, and lines for each cluster.
    static std::string chain(const std::string& mode, const std::string& lines) {
        return "version: 1\nlisteners:\n"
               "  - {name: in, mode: outbound, listen: \":8080\", to: one}\n"
               "  - {name: two, mode: " +
               mode +
               ", listen: \":8081\", to: two}\n"
               "  - {name: three, mode: " +
               mode +
               ", listen: \":8082\", to: three}\n"
               "clusters:\n"
               "  one:\n    endpoints: [\"${L1}\"]\n" +
               lines + "  two:\n    endpoints: [\"${L2}\"]\n" + lines +
               "  three:\n    endpoints: [\"${A}\"]\n" + lines;
    }

    // Attempts at the origin for each request of a client, in a total outage.
    static double amplification(const std::string& mode,
                                const std::string& lines,
                                const Act& outage) {
        World world;
        Origin& origin = world.origin();
        world.reserve_listeners(2);
        world.start(chain(mode, lines));
        origin.usually(outage);
        for (int i = 0; i < kSeconds * kRate; ++i) {
            Client& client = world.client();
            client.request("GET");
            world.advance(std::chrono::milliseconds{1000 / kRate});
            client.reset();
        }
        world.advance(1s);
        EXPECT_EQ(world.value(Family::requests_active, {"three"}), 0);
        return static_cast<double>(origin.requests().size()) / (kSeconds * kRate);
    }
    // 20 % of the requests, and 3 a second.
    static constexpr double kAllowed = 1.2 + 3.0 * (kSeconds + 1) / (kSeconds * kRate);

    static inline const std::string kNoBreakers = "    breaker: off\n    outlier: off\n";
};

TEST_F(Hops, ATotalOutageIsNotMultipliedOverThreeHops) {
    EXPECT_LE(amplification("outbound", kNoBreakers, answer(503)), kAllowed);
}

TEST_F(Hops, ATotalOutageIsNotMultipliedWhereHopsDoNotTrustEachOther) {
    EXPECT_LE(amplification("inbound", kNoBreakers, answer(503)), kAllowed);
}

TEST_F(Hops, ATotalOutageIsNotMultipliedByResets) {
    const std::string lines = kNoBreakers + "    retry: {on: [reset, reused, 502, 503]}\n";
    EXPECT_LE(amplification("inbound", lines, reset_unanswered()), kAllowed);
}

TEST_F(Hops, WithBreakersATotalOutageReachesTheOriginHardlyAtAll) {
    EXPECT_LE(amplification("outbound", "", answer(503)), 0.3);
}

TEST_F(Hops, ATotalOutageIsNotMultipliedByGateways) {
    EXPECT_LE(amplification("gateway", kNoBreakers, answer(503)), kAllowed);
}

// The opposite.
TEST_F(Hops, WithoutABudgetTheLastHopTriesThreeTimes) {
    const std::string lines = kNoBreakers + "    retry: {budget: 100%, budget_min: 1000/s}\n";
    EXPECT_GT(amplification("outbound", lines, answer(503)), 2.5);
}

// A sidecar whose app has died asks it again in vain: that is no load, and its callers may still
// ask another.
TEST_F(Hops, AHopThatFindsNobodyLeavesTheRetryToTheOneAbove) {
    for (const std::string mode : {"inbound", "outbound", "gateway"}) {
        World world;
        Origin& gone = world.origin();
        Origin& other = world.origin();
        world.reserve_listeners(1);
        world.start(
            "version: 1\nlisteners:\n"
            "  - {name: in, mode: outbound, listen: \":8080\", to: one}\n"
            "  - {name: two, mode: " +
            mode +
            ", listen: \":8081\", to: two}\n"
            "clusters:\n"
            "  one: {endpoints: [\"${L1}\", \"${B}\"], lb: round_robin, breaker: off, outlier: "
            "off}\n"
            "  two: {endpoints: [\"${A}\"]}\n");
        const auto ask = [&](int count) {
            std::vector<Client*> clients;
            for (int i = 0; i < count; ++i) {
                clients.push_back(&world.client());
                clients.back()->request("GET");
            }
            return clients;
        };
        const auto expect_answers = [&](const std::vector<Client*>& clients) {
            world.advance(1s);
            for (Client* const client : clients) {
                const auto answered = client->take();
                EXPECT_EQ(answered ? answered->status : 0, 200) << mode;
            }
        };
        gone.usually(answer(200).after(100ms));
        other.usually(answer(200).after(100ms));
        expect_answers(ask(16));  // so that there are connections
        gone.usually(hang());
        const auto in_flight = ask(16);  // half of them at the one that dies, on connections it had
        world.settle();
        EXPECT_EQ(gone.requests().size(), 16U);
        EXPECT_EQ(other.requests().size(), 16U);
        gone.refuse();
        gone.reset_connections();
        expect_answers(in_flight);
        for (int i = 0; i < 20; ++i)  // and those that come when it is dead
            expect_answers(ask(1));
        EXPECT_EQ(gone.requests().size(), 16U);
    }
}

}  // namespace
}  // namespace weir::test
