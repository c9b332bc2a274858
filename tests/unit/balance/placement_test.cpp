#include "weir/balance/placement.hpp"

#include "weir/balance/key.hpp"
#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace weir::balance {
namespace {

using Members = std::vector<Placement::Member>;
using config::Policy;

Members many(std::size_t count) {
    Members members;
    for (std::size_t i = 0; i < count; ++i)
        members.push_back(
            {"10.0." + std::to_string(i / 256) + '.' + std::to_string(i % 256) + ":80", 100});
    return members;
}

std::vector<std::string> owners(const Placement& placement, const Members& members, int keys) {
    std::vector<std::string> found;
    for (int key = 0; key < keys; ++key) {
        const std::uint64_t hash = hash_of("user-" + std::to_string(key));
        found.push_back(members[placement.owner(placement.slot_of(hash))].name);
    }
    return found;
}

class PlacementTest : public ::testing::TestWithParam<Policy> {
  protected:
    static constexpr int kKeys = 100'000;
    [[nodiscard]] std::vector<std::string> place(const Members& members) const {
        return owners(*Placement::make(GetParam(), members), members, kKeys);
    }
    // Of the keys that `gone` did not have, how many another one has now.
    [[nodiscard]] static double moved(const std::vector<std::string>& before,
                                      const std::vector<std::string>& after,
                                      const std::string& gone) {
        int others = 0;
        int moved = 0;
        for (std::size_t i = 0; i < before.size(); ++i) {
            if (before[i] == gone || after[i] == gone) continue;
            ++others;
            if (before[i] != after[i]) ++moved;
        }
        return static_cast<double>(moved) / others;
    }
};

TEST_P(PlacementTest, SpreadsKeysByWeight) {
    for (const std::size_t size : {1U, 2U, 3U, 10U, 100U}) {
        Members members = many(size);
        for (std::size_t i = 0; i < size; ++i)
            members[i].weight = i % 2 == 0 ? 100 : 50;
        std::map<std::string, int> counts;
        for (const auto& owner : place(members))
            ++counts[owner];
        const double total = std::accumulate(
            members.begin(), members.end(), 0.0,
            [](double sum, const Placement::Member& member) { return sum + member.weight; });
        // Of the table: a percent. Of a ring: what 1024 points leave to chance, four deviations.
        const double slack = GetParam() == Policy::maglev ? 0.02 : 4.0 / std::sqrt(512.0);
        for (const auto& member : members) {
            const double wanted = kKeys * member.weight / total;
            const double chance = 4.0 * std::sqrt(wanted);
            EXPECT_NEAR(counts[member.name], wanted, wanted * slack + chance)
                << member.name << " of " << size;
        }
    }
}

TEST_P(PlacementTest, AMemberThatGoesMovesHardlyAnyKeyOfTheOthers) {
    const Members all = many(10);
    Members fewer = all;
    fewer.erase(fewer.begin() + 3);
    const double share = moved(place(all), place(fewer), all[3].name);
    if (GetParam() == Policy::ring_hash) {
        EXPECT_EQ(share, 0.0);
    }
    EXPECT_LT(share, 0.03);
}

TEST_P(PlacementTest, TheOrderOfTheMembersDoesNotMatter) {
    const Members members = many(7);
    Members turned(members.rbegin(), members.rend());
    EXPECT_EQ(place(members), place(turned));
}

TEST_P(PlacementTest, HasAnOwnerForEveryKeyWhateverTheWeights) {
    Random random(7);
    for (int round = 0; round < 20; ++round) {
        Members members = many(1 + random.below(300));
        for (auto& member : members)
            member.weight = 1 + (random.below(4) == 0 ? random.below(65'535) : 0);
        const auto placement = Placement::make(GetParam(), members);
        std::vector<bool> is_owner(members.size());
        for (std::size_t slot = 0; slot < placement->slots(); ++slot) {
            ASSERT_LT(placement->owner(slot), members.size());
            is_owner[placement->owner(slot)] = true;
        }
        for (int key = 0; key < 1000; ++key)
            ASSERT_LT(placement->slot_of(random()), placement->slots());
        for (const std::uint64_t key : {std::uint64_t{0}, UINT64_MAX})
            ASSERT_LT(placement->slot_of(key), placement->slots());
    }
}

TEST_P(PlacementTest, TheSameMembersKeepTheirTable) {
    const auto placement = Placement::make(GetParam(), many(3));
    EXPECT_EQ(Placement::make(GetParam(), many(3), placement), placement);
    EXPECT_NE(Placement::make(GetParam(), many(4), placement), placement);
    const Policy other = GetParam() == Policy::maglev ? Policy::ring_hash : Policy::maglev;
    EXPECT_NE(Placement::make(other, many(3), placement), placement);
    EXPECT_EQ(Placement::make(Policy::random, many(3), placement), nullptr);
    EXPECT_EQ(Placement::make(GetParam(), {}), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Policies,
                         PlacementTest,
                         ::testing::Values(Policy::maglev, Policy::ring_hash),
                         [](const auto& policy) {
                             return policy.param == Policy::maglev ? "Maglev" : "RingHash";
                         });

TEST(Placement, KeepsTheSameKeysInEveryVersion) {
    // Other replicas run other versions: these values are a contract.
    EXPECT_EQ(hash_of(""), 0xefd01f60ba992926U);
    EXPECT_EQ(hash_of("user-7"), 429065253268745055U);
}

TEST(Placement, ManyMembersHaveALargerTable) {
    const auto placement = Placement::make(Policy::maglev, many(1000));
    EXPECT_EQ(placement->slots(), 655'373U);
    std::vector<int> counts(1000);
    for (std::size_t slot = 0; slot < placement->slots(); ++slot)
        ++counts[placement->owner(slot)];
    const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
    EXPECT_LE(*most - *least, 2);
}

http::RequestHead request(std::string_view path) {
    http::RequestHead head;
    head.path = path;
    return head;
}

TEST(HashKey, GoesByWhatItsSourceSays) {
    using Source = config::HashKey::Source;
    http::RequestHead head = request("/a");
    head.headers.add("X-User", "ann", http::HeaderId::other);
    head.headers.add("Cookie", "a=b; sid=42; sid=43", http::HeaderId::other);
    EXPECT_EQ(key_of({Source::header, "x-user"}, head, "1.2.3.4"), hash_of("ann"));
    EXPECT_EQ(key_of({Source::cookie, "sid"}, head, "1.2.3.4"), hash_of("42"));
    EXPECT_EQ(key_of({Source::client_ip, {}}, head, "1.2.3.4"), hash_of("1.2.3.4"));
    EXPECT_EQ(key_of({Source::path, {}}, head, "1.2.3.4"), hash_of("/a"));
    EXPECT_EQ(key_of({Source::header, "x-nobody"}, head, "1.2.3.4"), kNoKey);
    EXPECT_EQ(key_of({Source::cookie, "si"}, head, "1.2.3.4"), kNoKey);
}

}  // namespace
}  // namespace weir::balance
