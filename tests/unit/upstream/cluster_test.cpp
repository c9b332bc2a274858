#include "weir/upstream/cluster.hpp"

#include <gtest/gtest.h>

namespace weir::upstream {
namespace {

class ClusterTest : public ::testing::Test {
  protected:
    static discovery::Found at(int port, std::uint32_t weight = 100) {
        return {*Address::from_ip("10.0.0.1", static_cast<std::uint16_t>(port)), "", weight};
    }
    void set(std::vector<discovery::Found> found) {
        cluster.set_endpoints({std::move(found)}, now);
    }
    [[nodiscard]] std::shared_ptr<Endpoint> endpoint(std::size_t index) const {
        return cluster.endpoints()->endpoints.at(index);
    }

    // "from>to:detail" of each event so far.
    [[nodiscard]] std::string words() const {
        std::string text;
        for (const auto& event : events.recent(100))
            text += event.from + ">" + event.to + ":" + event.detail + " ";
        return text;
    }

    const TimePoint now{std::chrono::hours{1}};
    telemetry::Registry registry;
    telemetry::EventLog events;
    config::Cluster config = [] {
        config::Cluster made;
        made.name = "app";
        return made;
    }();
    Cluster cluster{config, {registry, events, 2, 1}, now};
};

TEST_F(ClusterTest, KeepsAnEndpointByItsAddress) {
    set({at(1), at(2)});
    const auto first = endpoint(0);
    const auto second = endpoint(1);
    set({at(2), at(3)});
    EXPECT_EQ(endpoint(0), second);
    EXPECT_NE(endpoint(1), first);
    EXPECT_NE(endpoint(1)->id(), first->id());
}

TEST_F(ClusterTest, RemembersAnEndpointThatWasGone) {
    set({at(1), at(2)});
    const auto first = endpoint(0);
    set({at(2)});
    set({});
    set({at(1)});
    EXPECT_EQ(endpoint(0), first);
}

TEST_F(ClusterTest, ForgetsThoseThatWentLongAgo) {
    set({at(1)});
    const std::weak_ptr<Endpoint> first = endpoint(0);
    for (int port = 2; port <= 80; ++port)
        set({at(port)});
    EXPECT_TRUE(first.expired());
}

TEST_F(ClusterTest, TakesTheNewWeight) {
    set({at(1, 100)});
    const auto first = endpoint(0);
    set({at(1, 300)});
    EXPECT_EQ(first->weight(), 300U);
}

TEST_F(ClusterTest, TellsItsSubscribersOfEachSet) {
    std::vector<std::shared_ptr<const EndpointSet>> told;
    cluster.subscribe(1, [&](const auto& news) { told.push_back(news.set); });
    set({at(1)});
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0], cluster.endpoints());
    cluster.unsubscribe(1);
    set({at(2)});
    EXPECT_EQ(told.size(), 1U);
}

TEST_F(ClusterTest, TellsOfAFreeConnectionOnlyIfSomebodyWaits) {
    int told = 0;
    cluster.subscribe(0, [&](const auto& news) { told += news.set == nullptr ? 1 : 0; });
    cluster.connection_freed();
    EXPECT_EQ(told, 0);
    cluster.add_waiting();
    cluster.connection_freed();
    EXPECT_EQ(told, 1);
    cluster.remove_waiting();
    cluster.connection_freed();
    EXPECT_EQ(told, 1);
}

TEST_F(ClusterTest, ADrainedEndpointTakesNothingUntilItIsUndrained) {
    set({at(1), at(2)});
    int told = 0;
    cluster.subscribe(0,
                      [&](const auto& same) { told += same.set == cluster.endpoints() ? 1 : 0; });
    endpoint(0)->drain({.until = {}, .by = "me", .reason = "a deploy"}, now);
    EXPECT_EQ(told, 1) << "the workers close idle connections";
    EXPECT_EQ(endpoint(0)->state_word(), "draining");
    EXPECT_FALSE(endpoint(0)->is_selectable());
    EXPECT_TRUE(endpoint(0)->is_held());
    EXPECT_EQ(cluster.detectors()->size().ready, 1U);
    ASSERT_TRUE(endpoint(0)->held());
    EXPECT_EQ(endpoint(0)->held()->order.by, "me");
    EXPECT_EQ(endpoint(0)->held()->order.since, now);
    endpoint(0)->tick(now + std::chrono::hours{24 * 365});
    EXPECT_TRUE(endpoint(0)->is_drained());
    endpoint(0)->undrain(now);
    EXPECT_EQ(told, 2);
    EXPECT_EQ(endpoint(0)->state_word(), "healthy");
    EXPECT_TRUE(endpoint(0)->is_selectable());
    EXPECT_FALSE(endpoint(0)->held());
    EXPECT_EQ(cluster.detectors()->size().ready, 2U);
    EXPECT_EQ(words(), "healthy>draining:by me: a deploy draining>healthy:by an operator ");
}

TEST_F(ClusterTest, ADrainEndsByItself) {
    set({at(1)});
    endpoint(0)->drain({.until = now + std::chrono::minutes{5}, .by = "me", .reason = {}}, now);
    endpoint(0)->tick(now + std::chrono::minutes{5} - Duration{1});
    EXPECT_TRUE(endpoint(0)->is_drained());
    endpoint(0)->drain({.until = now + std::chrono::minutes{9}, .by = "me", .reason = {}}, now);
    endpoint(0)->tick(now + std::chrono::minutes{5});
    EXPECT_TRUE(endpoint(0)->is_drained()) << "the last word counts";
    endpoint(0)->tick(now + std::chrono::minutes{9});
    EXPECT_FALSE(endpoint(0)->is_drained());
}

TEST_F(ClusterTest, ADrainSurvivesTheComingAndGoingOfItsEndpoint) {
    set({at(1), at(2)});
    endpoint(0)->drain({.until = {}, .by = "me", .reason = {}}, now);
    set({at(2)});
    set({at(1), at(2)});
    EXPECT_TRUE(endpoint(0)->is_drained());
    EXPECT_EQ(cluster.detectors()->size().ready, 1U);
}

TEST_F(ClusterTest, AnEndpointIsEjectedByAnOperatorForATimeAndThenOnTrial) {
    set({at(1), at(2)});
    const Order order{.until = now + std::chrono::minutes{5}, .by = "me", .reason = {}};
    endpoint(0)->eject(order, now);
    EXPECT_EQ(endpoint(0)->state_word(), "ejected");
    EXPECT_TRUE(endpoint(0)->is_held());
    EXPECT_FALSE(endpoint(0)->is_selectable());
    ASSERT_TRUE(endpoint(0)->held());
    EXPECT_EQ(endpoint(0)->held()->state, "ejected");
    endpoint(0)->tick(now + std::chrono::minutes{5});
    EXPECT_EQ(endpoint(0)->state_word(), "half_open");
    EXPECT_FALSE(endpoint(0)->is_held());
    EXPECT_FALSE(endpoint(0)->held());
    EXPECT_EQ(words(), "healthy>ejected:by me for 5m ejected>half_open:forced ");
}

TEST_F(ClusterTest, UnejectBringsAnEndpointBackAtOnceWhoeverEjectedIt) {
    set({at(1), at(2)});
    const auto first = endpoint(0);
    first->eject({.until = now + std::chrono::minutes{5}, .by = "me", .reason = {}}, now);
    first->uneject(now);
    EXPECT_EQ(first->state_word(), "healthy");
    for (int i = 0; i < 30; ++i) {
        const auto admission = first->detector().acquire(now, {});
        first->detector().complete(
            admission.permit,
            {.outcome = resilience::Outcome::failure, .kind = resilience::FailureKind::status_500},
            now, 0);
    }
    ASSERT_EQ(first->state_word(), "ejected") << "the detector has judged on";
    first->uneject(now);
    EXPECT_EQ(first->state_word(), "healthy");
    const auto before = words();
    first->uneject(now);
    EXPECT_EQ(words(), before) << "twice is once";
}

TEST_F(ClusterTest, ABreakerIsForcedByAnOperatorWhoIsNamed) {
    const Order order{.until = now + std::chrono::minutes{10}, .by = "me", .reason = "test"};
    cluster.force_breaker(resilience::State::open, order, now);
    ASSERT_TRUE(cluster.breaker_order());
    EXPECT_EQ(cluster.breaker_order()->reason, "test");
    cluster.free_breaker(now);
    EXPECT_FALSE(cluster.breaker_order());
    EXPECT_EQ(cluster.breaker().state(), resilience::State::half_open);
    EXPECT_EQ(words(), "closed>open:by me for 10m: test open>half_open:forced ");
}

TEST_F(ClusterTest, TellsOfAForceThatChangesNoStateToo) {
    const Order order{.until = now + std::chrono::minutes{10}, .by = "me", .reason = {}};
    cluster.force_breaker(resilience::State::closed, order, now);
    EXPECT_TRUE(cluster.breaker_order());
    cluster.free_breaker(now);
    EXPECT_EQ(words(), "closed>closed:by me for 10m closed>closed:decides for itself ");
}

TEST_F(ClusterTest, IsAwaitedUntilItsSourceHasAnsweredOrForFiveSeconds) {
    EXPECT_TRUE(cluster.is_awaited(now));
    EXPECT_TRUE(cluster.is_awaited(now + std::chrono::seconds{5} - Duration{1}));
    EXPECT_FALSE(cluster.is_awaited(now + std::chrono::seconds{5}));
    set({});
    EXPECT_FALSE(cluster.is_awaited(now)) << "none is an answer";
    const Cluster next{config, {registry, events, 2, 2}, now, &cluster};
    EXPECT_FALSE(next.is_awaited(now));
}

// ---- what a reload that changes the section keeps

class ClusterReloadTest : public ClusterTest {
  protected:
    // The cluster's next object, in force.
    [[nodiscard]] std::unique_ptr<Cluster> next(const config::Cluster& section) {
        auto made = std::make_unique<Cluster>(
            section, Cluster::Surroundings{registry, events, 2, 2}, now, &cluster);
        made->take_over(cluster, now);
        return made;
    }
    [[nodiscard]] static Order order_of(TimePoint until) {
        return {.until = until, .by = "me", .reason = {}};
    }
};

TEST_F(ClusterReloadTest, KeepsBreakerEndpointsAndBudgetWhenOtherKeysChange) {
    set({at(1), at(2)});
    cluster.breaker().force(resilience::State::open, now + std::chrono::hours{1}, now);
    config.timeout.idle = std::chrono::seconds{7};
    const auto made = next(config);
    EXPECT_EQ(made->config().timeout.idle, std::chrono::seconds{7});
    EXPECT_EQ(&made->breaker(), &cluster.breaker());
    EXPECT_EQ(&made->budget(), &cluster.budget());
    EXPECT_EQ(made->endpoints()->endpoints, cluster.endpoints()->endpoints);
}

TEST_F(ClusterReloadTest, KeepsTheEndpointsWithAnotherBreaker) {
    set({at(1), at(2)});
    config.breaker.consecutive_failures = 9;
    const auto made = next(config);
    EXPECT_NE(&made->breaker(), &cluster.breaker());
    EXPECT_EQ(made->breaker().options().consecutive_failures, 9U);
    EXPECT_EQ(made->endpoints()->endpoints, cluster.endpoints()->endpoints);
}

TEST_F(ClusterReloadTest, BeginsWithTheSameAddressesUnderAnotherDetector) {
    set({at(1), at(2, 50)});
    config.outlier.consecutive_failures = 9;
    const auto made = next(config);
    EXPECT_EQ(&made->breaker(), &cluster.breaker());
    const auto endpoints = made->endpoints()->endpoints;
    ASSERT_EQ(endpoints.size(), 2U);
    EXPECT_NE(endpoints[1], endpoint(1));
    EXPECT_EQ(endpoints[1]->address(), at(2).address);
    EXPECT_EQ(endpoints[1]->weight(), 50U);
    EXPECT_EQ(endpoints[1]->detector().machine().options().consecutive_failures, 9U);
    EXPECT_EQ(made->detectors()->size().endpoints, 2U);
}

TEST_F(ClusterReloadTest, CountsWhatIsUnderWayAgainstTheNewLimits) {
    config.limits.max_requests = 1;
    Cluster before{config, {registry, events, 2, 1}, now};
    before.set_endpoints({{at(1)}}, now);
    const auto slot = before.requests().try_acquire(now);
    ASSERT_TRUE(slot);
    config.limits.max_requests = 2;
    config.limits.max_connections = 3;
    Cluster after{config, {registry, events, 2, 1}, now, &before};
    EXPECT_EQ(after.requests().max(), 1U) << "not in force yet";
    after.take_over(before, now);
    EXPECT_EQ(after.requests().in_use(), 1U);
    const auto second = after.requests().try_acquire(now);
    EXPECT_TRUE(second);
    EXPECT_FALSE(after.requests().try_acquire(now));
    EXPECT_EQ(before.endpoints()->endpoints.at(0)->connections().max(), 3U);
}

TEST_F(ClusterReloadTest, AnOrderOutlivesWhatItWasAbout) {
    set({at(1), at(2)});
    const TimePoint later = now + std::chrono::minutes{10};
    cluster.force_breaker(resilience::State::open, order_of(later), now);
    endpoint(0)->drain(order_of(later), now);
    endpoint(1)->eject(order_of(later), now);
    config.breaker.consecutive_failures = 9;
    config.outlier.consecutive_failures = 9;
    const auto made = next(config);
    EXPECT_NE(&made->breaker(), &cluster.breaker());
    EXPECT_EQ(made->breaker().state(), resilience::State::open);
    ASSERT_TRUE(made->breaker_order());
    EXPECT_EQ(made->breaker_order()->until, later);
    EXPECT_EQ(made->endpoints()->endpoints.at(0)->state_word(), "draining");
    EXPECT_EQ(made->endpoints()->endpoints.at(1)->state_word(), "ejected");
}

TEST_F(ClusterReloadTest, TellsTheSubscribersOfTheObjectInForce) {
    set({at(1)});
    config.timeout.idle = std::chrono::seconds{7};
    const auto made = next(config);
    int told = 0;
    made->subscribe(0, [&](const auto& /*news*/) { ++told; });
    endpoint(0)->drain(order_of(now + std::chrono::hours{1}), now);
    EXPECT_EQ(told, 1);
}

// ---- rules that need all endpoints, or all workers

class PeersOfClusterTest : public ClusterTest {
  protected:
    // So many answers of it, one of ten of which fails if it is sick.
    void answer(std::size_t index, int times, bool is_sick) {
        auto& detector = endpoint(index)->detector();
        for (int i = 0; i < times; ++i) {
            const auto admission = detector.acquire(now, {});
            const auto outcome =
                is_sick && i % 10 == 0 ? resilience::Outcome::failure : resilience::Outcome::ok;
            detector.complete(admission.permit, {.outcome = outcome}, now, 0);
        }
    }
    void load() {
        set({at(1), at(2), at(3), at(4)});
        for (std::size_t i = 0; i < 4; ++i)
            answer(i, 200, i == 2);
    }
};

TEST_F(PeersOfClusterTest, AreComparedByTheTick) {
    load();
    cluster.tick(now);
    EXPECT_EQ(endpoint(2)->state_word(), "ejected");
    EXPECT_EQ(endpoint(2)->detector().machine().snapshot(now).reason,
              resilience::TripReason::success_rate);
    EXPECT_EQ(endpoint(0)->state_word(), "healthy");
}

TEST_F(PeersOfClusterTest, AreNotComparedWithOneThatIsDrained) {
    load();
    endpoint(0)->drain({.by = "me"}, now);
    endpoint(1)->drain({.by = "me"}, now);
    cluster.tick(now);
    EXPECT_EQ(endpoint(2)->state_word(), "healthy") << "two are fewer than min_peers";
}

TEST_F(ClusterTest, AddsUpWhatItsWorkersCountedLately) {
    using namespace std::chrono_literals;
    set({at(1)});
    Endpoint& first = *endpoint(0);
    const auto publish = [&](unsigned worker, std::uint32_t waiting, TimePoint when) {
        first.stats(worker).stalled.store(waiting);
        first.stats(worker).stalled_at.store(when.time_since_epoch().count());
        cluster.pulse(worker).publish_waiting(10 * waiting, when);
    };
    publish(0, 1, now);
    publish(1, 2, now - 1s);
    EXPECT_EQ(first.stalled(now - 2s), 3U);
    EXPECT_EQ(first.stalled(now - 300ms), 1U) << "the other one is of before";
    EXPECT_EQ(cluster.waiting(now - 2s), 30U);
    EXPECT_EQ(cluster.waiting(now - 300ms), 10U);
}

TEST_F(ClusterTest, KnowsTheLastAnswerOfAllWorkersAndTheGapBetweenTheirs) {
    using namespace std::chrono_literals;
    set({at(1)});
    Endpoint& first = *endpoint(0);
    EXPECT_EQ(cluster.last_answer(), TimePoint{});
    EXPECT_EQ(first.answering().last, TimePoint{});
    cluster.pulse(0).answered(now - 1s);
    cluster.pulse(1).answered(now - 2s);
    EXPECT_EQ(cluster.last_answer(), now - 1s);
    first.stats(0).answered_at.store((now - 3s).time_since_epoch().count());
    first.stats(1).answered_at.store((now - 2s).time_since_epoch().count());
    first.stats(0).mean_gap.store(Duration{100ms}.count());
    first.stats(1).mean_gap.store(Duration{25ms}.count());
    EXPECT_EQ(first.answering().last, now - 2s);
    EXPECT_NEAR(static_cast<double>(first.answering().mean_gap.count()), 20e6, 1.0);
}

// ---- what discovery says besides the address

discovery::Found found(int port, std::uint8_t priority, std::string uid = "") {
    discovery::Found made;
    made.address = *Address::from_ip("10.0.0.1", static_cast<std::uint16_t>(port));
    made.priority = priority;
    made.uid = std::move(uid);
    return made;
}

std::string ports(const std::vector<std::shared_ptr<Endpoint>>& endpoints) {
    std::string text;
    for (const auto& endpoint : endpoints)
        text += std::to_string(endpoint->address().port()) + ":" +
                std::string(endpoint->state_word()) + " ";
    return text;
}

TEST_F(ClusterTest, KnowsAnotherOneAtTheAddressByItsUid) {
    set({found(1, 0, "a"), found(2, 0, "b")});
    const auto first = endpoint(0);
    const auto second = endpoint(1);
    set({found(1, 0, "c"), found(2, 0, "b")});
    EXPECT_NE(endpoint(0), first);
    EXPECT_EQ(endpoint(1), second);
    set({found(1, 0, "a"), found(2, 0, "b")});
    EXPECT_EQ(endpoint(0), first);
}

TEST_F(ClusterTest, UsesTheLowestPriority) {
    set({found(1, 5), found(2, 1), found(3, 1)});
    EXPECT_EQ(ports(cluster.endpoints()->endpoints), "2:healthy 3:healthy ");
    EXPECT_EQ(ports(cluster.endpoints()->others), "1:standby ");
    EXPECT_EQ(cluster.roster()->ready(), 2U);
}

TEST_F(ClusterTest, UsesTheNextPriorityWhileThoseBelowFail) {
    set({found(1, 0), found(2, 1), found(3, 2)});
    const Order order{now + std::chrono::minutes{1}, "t", "t", now};
    const auto first = endpoint(0);
    first->drain(order, now);
    cluster.tick(now);
    EXPECT_EQ(ports(cluster.endpoints()->endpoints), "1:draining 2:healthy ");
    EXPECT_EQ(ports(cluster.endpoints()->others), "3:standby ");
    endpoint(1)->drain(order, now);
    cluster.tick(now);
    EXPECT_EQ(cluster.endpoints()->endpoints.size(), 3U);
    first->undrain(now);
    cluster.tick(now);
    EXPECT_EQ(ports(cluster.endpoints()->endpoints), "1:healthy ");
    EXPECT_EQ(endpoint(0), first);
    EXPECT_EQ(cluster.roster()->ready(), 1U);
}

TEST_F(ClusterTest, UsesThoseOnTheirWayOutOnlyWhileNobodyServes) {
    auto leaving = found(1, 0);
    leaving.state = discovery::Found::State::terminating;
    set({leaving, found(2, 3)});
    EXPECT_EQ(ports(cluster.endpoints()->endpoints), "2:healthy ");
    EXPECT_EQ(ports(cluster.endpoints()->others), "1:terminating ");
    set({leaving});
    EXPECT_EQ(ports(cluster.endpoints()->endpoints), "1:terminating ");
    EXPECT_EQ(cluster.roster()->ready(), 1U);
    set({found(1, 0)});
    EXPECT_EQ(ports(cluster.endpoints()->endpoints), "1:healthy ");
}

TEST_F(ClusterTest, FollowsAnyOrderOfChanges) {
    Random random(7);
    std::map<int, const Endpoint*> known;
    for (int round = 0; round < 300; ++round) {
        std::vector<discovery::Found> next;
        for (int port = 1; port <= 12; ++port) {
            if (random.below(2) == 0) continue;
            next.push_back(found(port, static_cast<std::uint8_t>(random.below(2))));
            if (random.below(4) == 0) next.back().state = discovery::Found::State::terminating;
        }
        const std::size_t size = next.size();
        set(next);
        const auto now_in = cluster.endpoints();
        ASSERT_EQ(now_in->endpoints.size() + now_in->others.size(), size);
        ASSERT_EQ(cluster.roster()->ready(), now_in->endpoints.size());
        for (const auto* const list : {&now_in->endpoints, &now_in->others}) {
            for (const auto& each : *list) {
                const Endpoint*& before = known[each->address().port()];
                ASSERT_TRUE(before == nullptr || before == each.get());
                before = each.get();
            }
        }
    }
}

}  // namespace
}  // namespace weir::upstream
