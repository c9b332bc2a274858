#include "weir/config/config.hpp"
#include "weir/discovery/provider.hpp"

#include "unit/discovery/dns_server.hpp"
#include "unit/discovery/subject.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace weir::discovery {
namespace {

using namespace std::chrono_literals;
using test::DnsServer;
using test::endpoint;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using Addresses = std::vector<std::string>;

// Simulated time for what Weir times (TTL, hold, retry); the name server is real, on loopback.
class Dns : public ::testing::Test {
  protected:
    Dns() {
        cluster.name = "orders";
        cluster.discovery.type = config::Discovery::Type::dns;
        cluster.discovery.servers = {*Address::parse(server.address())};
        // A dot at its end keeps a name from the search domains of the machine that tests.
        cluster.endpoints = {endpoint("orders.:80")};
    }

    void give(Addresses v4, Addresses v6 = {}, std::uint32_t ttl = 60) {
        server.answer = [v4, v6, ttl](const std::string&, DnsServer::Type type) {
            return DnsServer::Reply{DnsServer::ok, type == DnsServer::a ? v4 : v6, ttl, "", ttl};
        };
    }
    void give(DnsServer::Rcode rcode) {
        server.answer = [rcode](const std::string&, DnsServer::Type) {
            return DnsServer::Reply{rcode, {}, 60, "", 60};
        };
    }

    void start() {
        subject = std::make_unique<test::Subject>(cluster, loop);
        subject->start();
    }

    // Lets the time pass; true when the provider has asked and heard an answer or a failure since.
    [[nodiscard]] bool hears_after(Duration time) {
        const auto failures = subject->status().failures;
        loop.advance(clock, time);
        return loop.run_until([&] {
            const Status status = subject->status();
            return status.failures != failures || status.last_contact == clock.now();
        });
    }

    test::SimulatedClock clock;
    test::ControlLoop loop;
    DnsServer server{loop.context()};
    config::Cluster cluster;
    std::unique_ptr<test::Subject> subject;
};

TEST_F(Dns, GivesTheAddressesOfBothFamiliesSorted) {
    give({"127.0.0.3", "127.0.0.2"}, {"::1"});
    start();
    ASSERT_TRUE(subject->reaches({"127.0.0.2:80", "127.0.0.3:80", "[::1]:80"}));
    EXPECT_THAT(server.asked, UnorderedElementsAre("A orders.", "AAAA orders."));
    EXPECT_EQ(subject->updates.size(), 1U);
    EXPECT_EQ(subject->updates[0].endpoints[0].name, "orders.:80");
    const Status status = subject->status();
    EXPECT_STREQ(status.type, "dns");
    EXPECT_TRUE(status.has_answered);
    EXPECT_EQ(status.last_contact, clock.now());
    EXPECT_EQ(status.last_error, "");
    EXPECT_EQ(status.size, 3U);
    EXPECT_EQ(status.updates, 1U);
    EXPECT_EQ(status.failures, 0U);
}

TEST_F(Dns, LeavesOutIpv6AddressesWithoutARouteWhenThereAreIpv4Ones) {
    give({"127.0.0.2"}, {"::1", "fe80::1"});  // link-local without a link: no host has a route
    start();
    ASSERT_TRUE(subject->reaches(1));
    EXPECT_EQ(subject->last(), (Addresses{"127.0.0.2:80", "[::1]:80"}));
}

TEST_F(Dns, GivesIpv6AddressesWithoutARouteWhenThereIsNothingElse) {
    give({}, {"fe80::1"});
    start();
    ASSERT_TRUE(subject->reaches(1));
    EXPECT_EQ(subject->last(), Addresses{"[fe80::1]:80"});
}

TEST_F(Dns, AsksAgainWhenTheTtlIsOver) {
    give({"127.0.0.2"}, {}, 30);
    start();
    ASSERT_TRUE(subject->reaches({"127.0.0.2:80"}));
    give({"127.0.0.9"}, {}, 5);
    const auto asked = server.asked.size();
    loop.advance(clock, 30s - 1ms);
    EXPECT_EQ(server.asked.size(), asked);
    loop.advance(clock, 1ms);
    ASSERT_TRUE(subject->reaches({"127.0.0.9:80"}));
    give({"127.0.0.4"});
    loop.advance(clock, 5s);
    ASSERT_TRUE(subject->reaches({"127.0.0.4:80"}));
}

TEST_F(Dns, AsksAgainByTheShorterTtlOfAnAlias) {
    server.answer = [](const std::string&, DnsServer::Type type) {
        DnsServer::Reply reply;
        if (type == DnsServer::a) reply.addresses = {"127.0.0.2"};
        reply.ttl = 3600;
        reply.alias = "target";
        reply.alias_ttl = 7;
        return reply;
    };
    start();
    ASSERT_TRUE(subject->reaches({"127.0.0.2:80"}));
    EXPECT_TRUE(hears_after(7s));
}

TEST_F(Dns, TakesATtlOfZeroForASecond) {
    give({"127.0.0.2"}, {}, 0);
    start();
    ASSERT_TRUE(subject->reaches({"127.0.0.2:80"}));
    const auto asked = server.asked.size();
    loop.advance(clock, 1s - 1ms);
    EXPECT_EQ(server.asked.size(), asked);
    EXPECT_TRUE(hears_after(1ms));
}

TEST_F(Dns, AsksAtLeastOnceAnHour) {
    give({"127.0.0.2"}, {}, 1'000'000);
    start();
    ASSERT_TRUE(subject->reaches({"127.0.0.2:80"}));
    EXPECT_TRUE(hears_after(1h));
}

TEST_F(Dns, RefreshOverridesTheTtl) {
    cluster.discovery.refresh = 10s;
    give({"127.0.0.2"}, {}, 1);
    start();
    ASSERT_TRUE(subject->reaches({"127.0.0.2:80"}));
    const auto asked = server.asked.size();
    loop.advance(clock, 10s - 1ms);
    EXPECT_EQ(server.asked.size(), asked);
    EXPECT_TRUE(hears_after(1ms));
}

TEST_F(Dns, SaysNothingAnewWhenTheAnswerIsTheSame) {
    give({"127.0.0.2", "127.0.0.3"});
    start();
    ASSERT_TRUE(subject->reaches(1));
    give({"127.0.0.3", "127.0.0.2"});
    ASSERT_TRUE(hears_after(60s));
    EXPECT_EQ(subject->updates.size(), 1U);
}

TEST_F(Dns, KeepsTheLastSetWhileTheServerFailsAndTriesAgainSoon) {
    give({"127.0.0.2"});
    start();
    ASSERT_TRUE(subject->reaches(1));
    const auto contact = subject->status().last_contact;
    give(DnsServer::server_failure);
    ASSERT_TRUE(hears_after(60s));
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(hears_after(31s));
    EXPECT_EQ(subject->updates.size(), 1U);
    EXPECT_EQ(subject->status().failures, 6U);
    EXPECT_EQ(subject->status().last_contact, contact);
    EXPECT_THAT(subject->status().last_error, HasSubstr("orders.: "));
    give({"127.0.0.3"});
    loop.advance(clock, 31s);
    ASSERT_TRUE(subject->reaches({"127.0.0.3:80"}));
    EXPECT_EQ(subject->status().last_error, "");
}

TEST_F(Dns, RetriesAFailureWithinASecondAtFirstAndNeverSlowerThanHalfAMinute) {
    give(DnsServer::server_failure);
    start();
    ASSERT_TRUE(hears_after(0s));
    EXPECT_TRUE(subject->updates.empty());
    EXPECT_FALSE(subject->status().has_answered);
    for (const Duration most : {1s, 2s, 4s, 8s, 16s, 30s, 30s, 30s}) {
        const auto asked = server.asked.size();
        loop.advance(clock, most / 2);
        ASSERT_EQ(server.asked.size(), asked);
        ASSERT_TRUE(hears_after(most - most / 2));
    }
}

TEST_F(Dns, EmptiesTheSetOnAFailureIfToldNotToKeepIt) {
    cluster.discovery.keep_last = false;
    give({"127.0.0.2"});
    start();
    ASSERT_TRUE(subject->reaches(1));
    give(DnsServer::server_failure);
    loop.advance(clock, 60s);
    EXPECT_TRUE(subject->reaches(Addresses{}));
}

// c-ares, asked for both families at once, would give ::1 alone and hide the failure.
TEST_F(Dns, KeepsTheAddressesOfAFamilyWhoseQueryFails) {
    give({"127.0.0.2"}, {"::1"});
    start();
    ASSERT_TRUE(subject->reaches({"127.0.0.2:80", "[::1]:80"}));
    server.answer = [](const std::string&, DnsServer::Type type) {
        if (type == DnsServer::a)
            return DnsServer::Reply{DnsServer::server_failure, {}, 60, "", 60};
        return DnsServer::Reply{DnsServer::ok, {"::1"}, 60, "", 60};
    };
    ASSERT_TRUE(hears_after(60s));
    EXPECT_EQ(subject->last(), (Addresses{"127.0.0.2:80", "[::1]:80"}));
    EXPECT_EQ(subject->status().failures, 1U);
}

TEST_F(Dns, BelievesThatANameIsGoneAfterTheHold) {
    give({"127.0.0.2"});
    start();
    ASSERT_TRUE(subject->reaches(1));
    give(DnsServer::no_such_name);
    ASSERT_TRUE(hears_after(60s));
    const TimePoint gone_since = clock.now();
    while (clock.now() + 1s < gone_since + 10s)
        loop.advance(clock, 1s);
    EXPECT_EQ(subject->last(), Addresses{"127.0.0.2:80"});
    loop.advance(clock, gone_since + 10s - clock.now());
    EXPECT_TRUE(subject->reaches(Addresses{}));
    EXPECT_EQ(subject->status().failures, 0U);
}

TEST_F(Dns, KeepsANameThatComesBackWithinTheHold) {
    give({"127.0.0.2"});
    start();
    ASSERT_TRUE(subject->reaches(1));
    give(DnsServer::no_such_name);
    ASSERT_TRUE(hears_after(60s));
    give({"127.0.0.2"});
    ASSERT_TRUE(hears_after(1s));
    ASSERT_TRUE(hears_after(60s));
    EXPECT_EQ(subject->updates.size(), 1U);
}

TEST_F(Dns, SaysAtOnceThatANameHasNoAddressFromTheStart) {
    give(DnsServer::no_such_name);
    start();
    ASSERT_TRUE(subject->reaches(1));
    EXPECT_EQ(subject->last(), Addresses{});
    EXPECT_TRUE(subject->status().has_answered);
    give({"127.0.0.2"});
    loop.advance(clock, 1s);
    EXPECT_TRUE(subject->reaches({"127.0.0.2:80"}));
}

TEST_F(Dns, MixesAddressesAndNamesAndUsesTheAddressesAtOnce) {
    cluster.endpoints = {endpoint("127.0.0.9:80", 50), endpoint("orders.:80"),
                         endpoint("[::1]:81")};
    give({"127.0.0.2", "127.0.0.9"});
    start();
    ASSERT_EQ(subject->updates.size(), 1U);
    EXPECT_EQ(subject->last(), (Addresses{"127.0.0.9:80", "[::1]:81"}));
    EXPECT_FALSE(subject->status().has_answered);
    ASSERT_TRUE(subject->reaches({"127.0.0.2:80", "127.0.0.9:80", "[::1]:81"}));
    EXPECT_TRUE(subject->status().has_answered);
    // Named twice: the first that names it wins.
    EXPECT_EQ(subject->updates.back().endpoints[1].weight, 50U);
    EXPECT_EQ(subject->updates.back().endpoints[1].name, "127.0.0.9:80");
}

TEST_F(Dns, OneFailingNameDoesNotHideTheOthers) {
    cluster.endpoints = {endpoint("bad.:80"), endpoint("good.:80")};
    server.answer = [](const std::string& name, DnsServer::Type type) {
        if (name == "bad.") return DnsServer::Reply{DnsServer::server_failure, {}, 60, "", 60};
        DnsServer::Reply reply;
        if (type == DnsServer::a) reply.addresses = {"127.0.0.2"};
        return reply;
    };
    start();
    EXPECT_TRUE(subject->reaches({"127.0.0.2:80"}));
}

TEST_F(Dns, ReadsTheHostsFileFirst) {
    cluster.endpoints = {endpoint("localhost:80")};
    start();
    ASSERT_TRUE(subject->reaches(1));
    EXPECT_THAT(subject->last(), ::testing::Contains("127.0.0.1:80"));
    EXPECT_TRUE(server.asked.empty());
}

TEST_F(Dns, EndsWithAQueryUnderWay) {
    start();
    server.answer = [&](const std::string&, DnsServer::Type) {
        subject->stop();
        return DnsServer::Reply{DnsServer::ok, {"127.0.0.2"}, 60, "", 60};
    };
    ASSERT_TRUE(loop.run_until([&] { return !server.asked.empty(); }));
    loop.run_due();
    EXPECT_TRUE(subject->updates.empty());
}

TEST(ProviderLifetime, AProviderMayGoWithItsLoopWhileItAsks) {
    auto loop = std::make_unique<test::ControlLoop>();
    auto server = std::make_unique<DnsServer>(loop->context());
    config::Cluster cluster;
    cluster.discovery.type = config::Discovery::Type::dns;
    cluster.discovery.servers = {*Address::parse(server->address())};
    cluster.endpoints = {endpoint("orders.:80")};
    auto subject = std::make_unique<test::Subject>(cluster, *loop);
    subject->start();
    loop->context().poll_one();
    loop->context().poll_one();
    server.reset();
    subject.reset();
    loop.reset();
}

TEST(StaticList, SaysItsAddressesBeforeStartReturns) {
    test::ControlLoop loop;
    config::Cluster cluster;
    cluster.endpoints = {endpoint("10.0.0.2:80", 7), endpoint("10.0.0.1:80"),
                         endpoint("10.0.0.2:80")};
    test::Subject subject(cluster, loop);
    subject.start();
    ASSERT_EQ(subject.updates.size(), 1U);
    EXPECT_EQ(subject.updates[0], (Update{{{*Address::parse("10.0.0.1:80"), "10.0.0.1:80", 100},
                                           {*Address::parse("10.0.0.2:80"), "10.0.0.2:80", 7}}}));
    EXPECT_STREQ(subject.status().type, "static");
    EXPECT_TRUE(subject.status().has_answered);
    EXPECT_EQ(subject.status().last_contact, std::nullopt);
}

TEST(StaticList, TakesUnixSockets) {
    test::ControlLoop loop;
    config::Cluster cluster;
    config::Endpoint endpoint;
    endpoint.text = "unix:/run/app.sock";
    endpoint.address = Address::parse(endpoint.text);
    cluster.endpoints = {endpoint};
    test::Subject subject(cluster, loop);
    subject.start();
    EXPECT_EQ(subject.last(), Addresses{"unix:/run/app.sock"});
}

}  // namespace
}  // namespace weir::discovery
