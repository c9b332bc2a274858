#pragma once

#include "weir/balance/candidate.hpp"
#include "weir/balance/placement.hpp"
#include "weir/config/config.hpp"
#include "weir/core/random.hpp"

#include <memory>
#include <span>

namespace weir::balance {

// What a pick is made from.
struct Field {
    std::span<Candidate* const> candidates;
    const Peers& peers;
    const Placement* placement = nullptr;  // of the candidates, for a hash policy
    TimePoint now{};
    std::uint64_t key = kNoKey;
    bool is_plain = true;          // all are ready and have their full weight
    std::uint32_t least_ramp = 0;  // no ramping one weighs less, in 1/1000
    const Standing* avoid = nullptr;

    [[nodiscard]] bool is_usable(std::size_t index) const {
        const Standing& standing = candidates[index]->standing();
        return &standing != avoid && (is_plain || standing.is_selectable());
    }
    // Of its weight, in 1/1000.
    [[nodiscard]] std::uint32_t permille(std::size_t index) const;
    [[nodiscard]] double share(std::size_t index) const {
        const double weight = candidates[index]->weight();
        return is_plain ? weight : weight * permille(index) / 1000.0;
    }
};

// Chooses among the endpoints of a cluster that are selectable. Thread: worker.
class Balancer {
  public:
    Balancer() = default;
    Balancer(const Balancer&) = delete;
    Balancer& operator=(const Balancer&) = delete;
    virtual ~Balancer() = default;

    // The set or a weight has changed.
    virtual void on_change(std::span<Candidate* const> candidates) = 0;

    // An index of a selectable candidate other than `avoid`, or size() if there is none.
    [[nodiscard]] virtual std::size_t pick(const Field& field, Random& random) = 0;
};

[[nodiscard]] std::unique_ptr<Balancer> make_balancer(config::Policy policy);

}  // namespace weir::balance
