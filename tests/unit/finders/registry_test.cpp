#include "weir/finders/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace weir::finders {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Address address(int number) {
    return *Address::from_ip(
        "10.0." + std::to_string(number / 250) + "." + std::to_string(number % 250 + 1), 80);
}

using Change = Registry::Change;

class RegistryTest : public testing::Test {
  protected:
    Registry::Put put(const std::string& service, int number, Duration ttl = 30s) {
        return registry.put(service, address(number), {.ttl = ttl, .zone = {}}, now);
    }
    [[nodiscard]] std::vector<std::string> names(const std::string& service) const {
        std::vector<std::string> names;
        for (const auto& found : registry.endpoints(service))
            names.push_back(found.name);
        return names;
    }

    TimePoint now{1h};
    Registry registry{now};
};

TEST_F(RegistryTest, KeepsAnAddressForItsLease) {
    EXPECT_EQ(put("a", 1, 10s), Registry::Put::created);
    EXPECT_EQ(put("a", 2, 20s), Registry::Put::created);
    registry.expire(now + 10s - 1ns);
    EXPECT_THAT(names("a"), ElementsAre("10.0.0.2:80", "10.0.0.3:80"));
    registry.expire(now + 10s);
    EXPECT_THAT(names("a"), ElementsAre("10.0.0.3:80"));
    registry.expire(now + 20s);
    EXPECT_THAT(names("a"), IsEmpty());
    EXPECT_THAT(registry.services(), IsEmpty());
    EXPECT_EQ(registry.expired(), 2U);
}

TEST_F(RegistryTest, AHeartbeatRenewsTheLeaseAndMayShortenIt) {
    EXPECT_EQ(put("a", 1, 10s), Registry::Put::created);
    now += 9s;
    EXPECT_EQ(put("a", 1, 10s), Registry::Put::renewed);
    registry.expire(now + 10s - 1ns);
    EXPECT_THAT(names("a"), ElementsAre("10.0.0.2:80"));
    EXPECT_EQ(put("a", 1, 1s), Registry::Put::renewed);
    registry.expire(now + 1s);
    EXPECT_THAT(names("a"), IsEmpty());
}

TEST_F(RegistryTest, TellsChangesApartFromHeartbeats) {
    std::vector<Registry::Change> told;
    auto token = registry.subscribe(
        "a", [&](Registry::Change change, const std::string&) { told.push_back(change); });
    put("a", 1);
    put("a", 1);
    put("b", 1);
    EXPECT_EQ(registry.put("a", address(1), {.weight = 5, .zone = {}}, now),
              Registry::Put::renewed);
    EXPECT_TRUE(registry.remove("a", address(1)));
    EXPECT_FALSE(registry.remove("a", address(1)));
    EXPECT_THAT(told, ElementsAre(Change::put, Change::heartbeat, Change::put, Change::withdrawn));
    put("a", 1, 1s);
    registry.expire(now + 1s);
    EXPECT_EQ(told.size(), 6U);
    token.reset();
    put("a", 1);
    EXPECT_EQ(told.size(), 6U);
}

TEST_F(RegistryTest, WhatIsRegisteredAtOthersIsShownBesideWhatIsRegisteredHere) {
    EXPECT_EQ(put("a", 1, 10s), Registry::Put::created);
    registry.set_remote("a", {{address(1), {.weight = 7, .zone = {}}}, {address(2), {}}}, now);
    EXPECT_THAT(names("a"), ElementsAre("10.0.0.2:80", "10.0.0.3:80"));
    EXPECT_EQ(registry.endpoints("a")[0].weight, 100U) << "what is registered here is ours";
    registry.expire(now + 1h);
    EXPECT_THAT(names("a"), ElementsAre("10.0.0.3:80"));
    EXPECT_EQ(put("a", 2, 10s), Registry::Put::renewed);
    registry.set_remote("a", {}, now);
    EXPECT_THAT(names("a"), ElementsAre("10.0.0.3:80")) << "it has registered here meanwhile";
    registry.expire(now + 1h);
    EXPECT_THAT(registry.services(), IsEmpty());
}

TEST_F(RegistryTest, IsBounded) {
    for (std::size_t i = 0; i < Registry::kMostServices; ++i)
        ASSERT_EQ(put("s" + std::to_string(i), 1), Registry::Put::created);
    EXPECT_EQ(put("another", 1), Registry::Put::too_many_services);
    EXPECT_EQ(put("s1", 1), Registry::Put::renewed);
    for (std::size_t i = 1; i < Registry::kMostAddresses; ++i)
        ASSERT_EQ(put("s0", static_cast<int>(i) + 1), Registry::Put::created);
    EXPECT_EQ(put("s0", 20'000), Registry::Put::too_many_addresses);
    registry.expire(now + 30s);
    EXPECT_EQ(put("another", 1), Registry::Put::created);
}

TEST_F(RegistryTest, NeverLosesCount) {
    std::minstd_rand random(1);  // NOLINT: the same each time
    for (int turn = 0; turn < 20'000; ++turn) {
        now += std::chrono::milliseconds{random() % 200};
        const std::string service = "s" + std::to_string(random() % 5);
        const int number = static_cast<int>(random() % 20);
        if (random() % 4 == 0) {
            registry.remove(service, address(number));
        } else {
            put(service, number, std::chrono::milliseconds{1000 + random() % 3000});
        }
        registry.expire(now);
        for (const auto& [name, entries] : registry.services()) {
            ASSERT_FALSE(entries.empty());
            for (const auto& [text, entry] : entries)
                ASSERT_GT(entry.expires, now);
        }
    }
    registry.expire(now + 1h);
    EXPECT_THAT(registry.services(), IsEmpty());
    // Room for all again.
    for (std::size_t i = 0; i < Registry::kMostAddresses; ++i)
        ASSERT_EQ(put("all", static_cast<int>(i)), Registry::Put::created);
}

}  // namespace
}  // namespace weir::finders
