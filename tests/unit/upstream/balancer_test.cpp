#include "upstream/balancer.hpp"

#include "support/clock.hpp"
#include <boost/smart_ptr/make_local_shared.hpp>
#include <gtest/gtest.h>

#include <vector>

namespace weir::upstream {
namespace {

using namespace std::chrono_literals;
using config::Policy;

constexpr Policy kPolicies[] = {Policy::round_robin, Policy::random, Policy::least_request,
                                Policy::p2c_ewma};

class BalancerTest : public ::testing::TestWithParam<Policy> {
  protected:
    void add(const std::vector<std::uint32_t>& weights) {
        config.name = "app";
        cluster = std::make_shared<Cluster>(config, Cluster::Surroundings{registry, events, 1, 1},
                                            clock.now());
        discovery::Update update;
        for (std::size_t i = 0; i < weights.size(); ++i) {
            const auto address = Address::from_ip("10.0.0.1", static_cast<std::uint16_t>(i + 1));
            update.endpoints.push_back({*address, "", weights[i]});
        }
        cluster->set_endpoints(update, clock.now());
        local = boost::make_local_shared<LocalCluster>(context, cluster);
        for (const auto& endpoint : cluster->endpoints()->endpoints)
            candidates.push_back(
                boost::make_local_shared<LocalEndpoint>(context, *local, endpoint));
        balancer = make_balancer(GetParam());
        balancer->on_change(candidates);
    }
    std::size_t pick(const Endpoint* avoid = nullptr) {
        return balancer->pick(candidates, random, clock.now(), avoid);
    }
    std::vector<int> picks(int times) {
        std::vector<int> counts(candidates.size());
        for (int i = 0; i < times; ++i)
            ++counts.at(pick());
        return counts;
    }
    Endpoint& endpoint(std::size_t index) { return candidates[index]->shared(); }
    void eject(std::size_t index) {
        endpoint(index).detector().machine().force(resilience::State::open, clock.now() + 1h,
                                                   clock.now());
        ASSERT_FALSE(endpoint(index).detector().is_selectable());
    }

    test::SimulatedClock clock;
    transport::EventLoop loop;
    telemetry::Registry registry;
    telemetry::EventLog events;
    LocalContext context{loop, registry.make_shard(), 0, Random(1)};
    Random random{2};
    config::Cluster config;
    std::shared_ptr<Cluster> cluster;
    boost::local_shared_ptr<LocalCluster> local;
    std::vector<boost::local_shared_ptr<LocalEndpoint>> candidates;
    std::unique_ptr<Balancer> balancer;
};

TEST_P(BalancerTest, FindsNothingAmongNone) {
    add({});
    EXPECT_EQ(pick(), 0U);
}

TEST_P(BalancerTest, TakesTheOnlyOne) {
    add({100});
    EXPECT_EQ(pick(), 0U);
    EXPECT_EQ(pick(&endpoint(0)), 1U);  // no other
}

TEST_P(BalancerTest, SpreadsEqualWeightsEvenly) {
    add({100, 100, 100, 100});
    for (const int count : picks(40'000))
        EXPECT_NEAR(count, 10'000, 400);
}

TEST_P(BalancerTest, NeverTakesAnEjectedOneWhileAnotherIsReady) {
    add({100, 100, 100, 100, 100, 100, 100, 100, 100, 100});
    for (std::size_t i = 1; i < candidates.size(); ++i)
        eject(i);
    EXPECT_EQ(picks(1000)[0], 1000);
    eject(0);
    EXPECT_EQ(pick(), candidates.size());
}

TEST_P(BalancerTest, AvoidsWhereItWasTriedIfThereIsAnother) {
    add({100, 100, 100});
    eject(2);
    for (int i = 0; i < 1000; ++i)
        ASSERT_EQ(pick(&endpoint(0)), 1U);
}

using BalancerByShareTest = BalancerTest;

TEST_P(BalancerByShareTest, SharesAreTheWeights) {
    add({300, 100, 600});
    const std::vector<int> counts = picks(100'000);
    const int off = GetParam() == Policy::round_robin ? 5 : 800;
    EXPECT_NEAR(counts[0], 30'000, off);
    EXPECT_NEAR(counts[1], 10'000, off);
    EXPECT_NEAR(counts[2], 60'000, off);
}

using BalancerByLoadTest = BalancerTest;

TEST_P(BalancerByLoadTest, PrefersWhoHasLessToDo) {
    add({100, 100});
    candidates[0]->request_began();
    EXPECT_EQ(picks(1000)[1], 1000);
    candidates[0]->request_ended({});
}

using BalancerByLatencyTest = BalancerTest;

TEST_P(BalancerByLatencyTest, PrefersWhoAnswersFaster) {
    add({100, 100});
    candidates[0]->observe(20ms, clock.now());
    candidates[1]->observe(2ms, clock.now());
    EXPECT_EQ(picks(1000)[1], 1000);
}

TEST_P(BalancerByLatencyTest, AFailingOneIsAvoidedAndLookedAtAgainWithinTwoSeconds) {
    add({100, 100});
    candidates[0]->observe(2ms, clock.now());
    candidates[1]->observe(2ms, clock.now());
    candidates[0]->observe_failure(clock.now());
    EXPECT_EQ(picks(1000)[1], 1000);
    Duration waited{};
    for (; waited < 10s && picks(50)[0] < 10; waited += 10ms) {
        clock.advance(10ms);
        candidates[1]->observe(2ms, clock.now());
    }
    EXPECT_GE(waited, 50ms);
    EXPECT_LE(waited, 2s);
}

INSTANTIATE_TEST_SUITE_P(Policies, BalancerTest, ::testing::ValuesIn(kPolicies));
INSTANTIATE_TEST_SUITE_P(Policies,
                         BalancerByShareTest,
                         ::testing::Values(Policy::round_robin, Policy::random));
INSTANTIATE_TEST_SUITE_P(Policies,
                         BalancerByLoadTest,
                         ::testing::Values(Policy::least_request, Policy::p2c_ewma));
INSTANTIATE_TEST_SUITE_P(Policies, BalancerByLatencyTest, ::testing::Values(Policy::p2c_ewma));

}  // namespace
}  // namespace weir::upstream
