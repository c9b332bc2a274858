#include "weir/balance/placement.hpp"

#include "weir/balance/key.hpp"

#include <algorithm>
#include <numeric>

namespace weir::balance {
namespace {

// Primes (Eisenbud and others, "Maglev", 2016, 5.3): a hundred slots an endpoint keep the shares
// even to a percent.
constexpr std::uint32_t kTable = 65'537;
constexpr std::uint32_t kLargeTable = 655'373;
constexpr std::size_t kManyMembers = kTable / 100;

constexpr std::uint64_t kPointsOfHeaviest = 1024;
constexpr std::uint64_t kMostPoints = 1U << 18U;

constexpr std::uint32_t kFree = UINT32_MAX;

std::uint32_t heaviest(const std::vector<Placement::Member>& members) {
    std::uint32_t most = 1;
    for (const auto& member : members)
        most = std::max(most, member.weight);
    return most;
}

// The order in which one endpoint wants the slots: all of them, as the size is a prime.
struct Wishes {
    std::uint32_t offset;
    std::uint32_t skip;
    std::uint32_t next(std::uint32_t size) {
        const std::uint32_t slot = offset;
        offset = (offset + skip) % size;
        return slot;
    }
};

}  // namespace

std::shared_ptr<const Placement> Placement::make(config::Policy policy,
                                                 std::vector<Member> members,
                                                 const std::shared_ptr<const Placement>& before) {
    const bool is_ring = policy == config::Policy::ring_hash;
    if (members.empty() || (!is_ring && policy != config::Policy::maglev)) return nullptr;
    if (before && before->members_ == members && before->points_.empty() != is_ring) return before;
    const std::shared_ptr<Placement> made(new Placement(std::move(members)));
    is_ring ? made->make_ring() : made->make_table();
    return made;
}

std::size_t Placement::slot_of(std::uint64_t key) const {
    if (points_.empty()) return key % owners_.size();
    const auto at = std::upper_bound(points_.begin(), points_.end(), key);
    return at == points_.end() ? 0 : static_cast<std::size_t>(at - points_.begin());
}

// Each takes the first free slot it wishes for in its turn, one of half the weight every other
// turn.
void Placement::make_table() {
    const std::uint32_t size = members_.size() > kManyMembers ? kLargeTable : kTable;
    std::vector<Wishes> wishes;
    for (const Member& member : members_) {
        wishes.push_back({static_cast<std::uint32_t>(hash_of(member.name, 1) % size),
                          static_cast<std::uint32_t>(hash_of(member.name, 2) % (size - 1) + 1)});
    }
    std::vector<std::uint32_t> order(members_.size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        return members_[a].name < members_[b].name;
    });
    owners_.assign(size, kFree);
    const std::uint64_t most = heaviest(members_);
    std::vector<std::uint64_t> taken(members_.size());
    std::uint32_t filled = 0;
    for (std::uint64_t turn = 1; filled < size; ++turn) {
        for (const std::uint32_t member : order) {
            if (turn * members_[member].weight < (taken[member] + 1) * most) continue;
            ++taken[member];
            std::uint32_t slot = wishes[member].next(size);
            while (owners_[slot] != kFree)
                slot = wishes[member].next(size);
            owners_[slot] = member;
            if (++filled == size) break;
        }
    }
}

void Placement::make_ring() {
    const std::uint64_t most = heaviest(members_);
    const std::uint64_t points =
        std::clamp<std::uint64_t>(kMostPoints / members_.size(), 1, kPointsOfHeaviest);
    std::vector<std::pair<std::uint64_t, std::uint32_t>> ring;
    for (std::uint32_t member = 0; member < members_.size(); ++member) {
        const std::uint64_t own =
            std::max<std::uint64_t>((points * members_[member].weight + most / 2) / most, 1);
        for (std::uint64_t point = 0; point < own; ++point)
            ring.emplace_back(hash_of(members_[member].name, point + 3), member);
    }
    std::sort(ring.begin(), ring.end(), [&](const auto& a, const auto& b) {
        return a.first != b.first ? a.first < b.first
                                  : members_[a.second].name < members_[b.second].name;
    });
    owners_.reserve(ring.size());
    points_.reserve(ring.size());
    for (const auto& [point, member] : ring) {
        points_.push_back(point);
        owners_.push_back(member);
    }
}

}  // namespace weir::balance
