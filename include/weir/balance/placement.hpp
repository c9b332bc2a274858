#pragma once

#include "weir/config/config.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::balance {

// Of a request that does not say what a hash policy goes by: it may go to any endpoint.
inline constexpr std::uint64_t kNoKey = 0;

// Which endpoint of a cluster a key belongs to, for the hash policies: slots, each of which has an
// owner. A key begins at a slot; while the owner is not to be had, the next slot's serves, so that
// an endpoint that fails moves its own keys only, to all the others alike.
//
//   maglev     65 537 slots, as even as the weights to a percent; a set that changes moves few keys
//              of the others, too. One look a key.
//   ring_hash  1 024 points of the heaviest endpoint on a ring, as even as a few percent; a set
//   that
//              changes moves no key of the others. A binary search a key.
//
// The order of the endpoints does not matter: another process, whose discovery names them in
// another one, places each key with the same. Making one takes about a millisecond: not for
// workers. Thread: any (immutable).
class Placement {
  public:
    struct Member {
        std::string name;  // of the endpoint, the same in every process
        std::uint32_t weight = 1;
        bool operator==(const Member&) const = default;
    };

    // None for a policy that goes by no key, or without members. `before`, if it is of the same
    // members, is given back.
    [[nodiscard]] static std::shared_ptr<const Placement> make(
        config::Policy policy,
        std::vector<Member> members,
        const std::shared_ptr<const Placement>& before = nullptr);

    [[nodiscard]] std::size_t slots() const { return owners_.size(); }
    [[nodiscard]] std::size_t slot_of(std::uint64_t key) const;
    // An index of the members.
    [[nodiscard]] std::uint32_t owner(std::size_t slot) const { return owners_[slot]; }

  private:
    explicit Placement(std::vector<Member> members) : members_(std::move(members)) {}
    void make_table();
    void make_ring();

    const std::vector<Member> members_;
    std::vector<std::uint32_t> owners_;
    std::vector<std::uint64_t> points_;  // of a ring, where each slot begins; ascending
};

}  // namespace weir::balance
