#include "weir/balance/chooser.hpp"
#include "weir/balance/key.hpp"

#include "fixture.hpp"

#include <set>

namespace weir::balance {
namespace {

using namespace std::chrono_literals;
using config::Policy;

class HashedTest : public ::testing::TestWithParam<Policy> {
  protected:
    static constexpr int kKeys = 2000;

    void make(std::size_t count) {
        fleet.add_many(count);
        std::vector<Placement::Member> members;
        for (std::size_t i = 0; i < count; ++i)
            members.push_back({"10.0.0." + std::to_string(i) + ":80", 100});
        chooser = std::make_unique<Chooser>(GetParam(), NoneReady::least_bad, fleet.roster);
        chooser->set(fleet.candidates(), Placement::make(GetParam(), members));
    }
    std::size_t choose(std::uint64_t key, const Standing* avoid = nullptr) {
        return chooser->choose({.now = fleet.now, .avoid = avoid, .key = key}, random).index;
    }
    // Where each of some keys goes.
    std::vector<std::size_t> map() {
        std::vector<std::size_t> found;
        for (int key = 0; key < kKeys; ++key)
            found.push_back(choose(hash_of(std::to_string(key))));
        return found;
    }

    Fleet fleet{{.max_ejected = 0.9}};
    Random random{3};
    std::unique_ptr<Chooser> chooser;
};

TEST_P(HashedTest, AKeyStaysWithItsEndpoint) {
    make(5);
    const auto once = map();
    EXPECT_EQ(map(), once);
    EXPECT_EQ(std::set<std::size_t>(once.begin(), once.end()).size(), 5U);
}

TEST_P(HashedTest, WithoutAKeyItGoesAnywhere) {
    make(5);
    std::vector<int> counts(5);
    for (int i = 0; i < 5000; ++i)
        ++counts[chooser->choose({.now = fleet.now}, random).index];
    for (const int count : counts)
        EXPECT_NEAR(count, 1000, 250);
}

TEST_P(HashedTest, AnEjectedOneMovesItsOwnKeysOnly) {
    make(5);
    const auto before = map();
    fleet.force_out(2);
    const auto during = map();
    std::vector<int> heirs(5);
    for (int key = 0; key < kKeys; ++key) {
        if (before[key] != 2) {
            ASSERT_EQ(during[key], before[key]);
        } else {
            ++heirs[during[key]];
        }
    }
    EXPECT_EQ(heirs[2], 0);
    for (const std::size_t heir : {0U, 1U, 3U, 4U})
        EXPECT_NEAR(heirs[heir], kKeys / 20, kKeys / 35);
    fleet.members[2]->detector.machine().unforce(fleet.now);
    fleet.members[2]->standing.refresh(fleet.now);
}

TEST_P(HashedTest, ARetryGoesToTheSameOtherOne) {
    make(3);
    for (int key = 0; key < 200; ++key) {
        const auto hash = hash_of(std::to_string(key));
        const std::size_t first = choose(hash);
        const Standing& avoid = fleet.members[first]->standing;
        const std::size_t second = choose(hash, &avoid);
        EXPECT_NE(second, first);
        EXPECT_EQ(choose(hash, &avoid), second);
    }
}

TEST_P(HashedTest, OneThatRampsGetsItsKeysBackForGood) {
    make(3);
    const auto before = map();
    fleet.fail(0);
    fleet.succeed_as_probe(0);
    ASSERT_EQ(fleet.members[0]->standing.condition(), Standing::Condition::ready);
    int last = -1;
    for (int step = 0; step < 20; ++step) {
        const auto now = map();
        int back = 0;
        for (int key = 0; key < kKeys; ++key) {
            if (before[key] == 0 && now[key] == 0) ++back;
            if (before[key] == 0) continue;
            ASSERT_EQ(now[key], before[key]);
        }
        EXPECT_GE(back, last);
        last = back;
        fleet.now += 500ms;
        for (int i = 0; i < 50; ++i)
            fleet.ok(0);
    }
    EXPECT_EQ(map(), before);
}

TEST_P(HashedTest, ManyThatAreOutLeaveTheLastOnes) {
    make(100);
    for (std::size_t i = 0; i < 99; ++i)
        fleet.force_out(i);
    for (const std::size_t index : map())
        EXPECT_EQ(index, 99U);
}

INSTANTIATE_TEST_SUITE_P(Policies,
                         HashedTest,
                         ::testing::Values(Policy::maglev, Policy::ring_hash),
                         [](const auto& policy) {
                             return policy.param == Policy::maglev ? "Maglev" : "RingHash";
                         });

}  // namespace
}  // namespace weir::balance
