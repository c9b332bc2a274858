#pragma once

#include "weir/balance/candidate.hpp"
#include "weir/balance/placement.hpp"
#include "weir/config/config.hpp"
#include "weir/core/random.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace weir::balance {

class Balancer;

// What to do when no endpoint is ready.
//   least_bad  the penalized that fail least, then the ejected whose time is up next. Each
//              penalized one gets at least a trickle, by which it can show that it is well again.
//   all        as if all were ready
//   fail       nothing, but for the trickle to the penalized
using config::NoneReady;

struct Wish {
    TimePoint now{};
    bool is_replay_safe = false;
    const Standing* avoid = nullptr;  // only if there is no other
    std::uint64_t key = kNoKey;       // of a hash policy
};

struct Choice {
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    std::size_t index = kNone;   // of the candidates
    bool is_none_ready = false;  // taken although it is not ready, or none for that reason
};

// Chooses the endpoint of the next attempt: first a half-open one that wants a probe, then as the
// policy says among those that are ready, then `none_ready`. Costs no more among a thousand than
// among three while most are ready. One for each worker and cluster. Thread: worker.
class Chooser {
  public:
    using Candidates = std::vector<Candidate*>;

    Chooser(config::Policy policy, NoneReady none_ready, std::shared_ptr<Roster> roster);
    Chooser(const Chooser&) = delete;
    Chooser& operator=(const Chooser&) = delete;
    ~Chooser();

    // They outlive it, or the next set(). `placement`, of a hash policy, has them as its members.
    void set(Candidates candidates, std::shared_ptr<const Placement> placement = nullptr);
    // The same, where their standings know their places: looks at none of them.
    void set_placed(Candidates candidates, std::shared_ptr<const Placement> placement);
    [[nodiscard]] const Candidates& candidates() const { return candidates_; }

    [[nodiscard]] Choice choose(const Wish& wish, Random& random);
    // One that is ready, no probe, and not `avoid`; or none. For a second attempt beside the first.
    [[nodiscard]] Choice choose_other(const Wish& wish, Random& random);

    // An answer of one of them, after the candidate has heard of it.
    void observe(Duration latency);
    [[nodiscard]] const Peers& peers() const { return peers_; }

  private:
    [[nodiscard]] Choice probe(const Wish& wish);
    [[nodiscard]] Choice when_none_ready(const Wish& wish, Random& random) const;
    [[nodiscard]] std::size_t least_bad(const Wish& wish, Random& random) const;
    [[nodiscard]] std::size_t trickle(const Wish& wish, Random& random) const;
    [[nodiscard]] std::size_t any(const Wish& wish, Random& random) const;
    void learn_median();

    const NoneReady none_ready_;
    const std::shared_ptr<Roster> roster_;
    const std::unique_ptr<Balancer> balancer_;
    Candidates candidates_;
    std::shared_ptr<const Placement> placement_;
    Peers peers_;
    std::uint32_t learn_in_ = 1;  // answers until the median is learned again
    std::uint32_t learn_every_ = 1;
};

}  // namespace weir::balance
