#pragma once

#include "weir/balance/standing.hpp"
#include "weir/core/clock.hpp"

#include <cstdint>

namespace weir::balance {

// What is usual in a cluster, for endpoints of which too little is known.
struct Peers {
    Duration median{};  // of the endpoints' averages
    Duration p95{};     // of the answers
};

// One worker's view of an endpoint, as far as choosing needs it: one cache line. Thread: worker.
class alignas(64) Candidate {
  public:
    // `standing` outlives it.
    Candidate(Standing& standing, std::uint32_t weight) : standing_(&standing), weight_(weight) {}

    [[nodiscard]] Standing& standing() const { return *standing_; }
    [[nodiscard]] std::uint32_t weight() const { return weight_; }
    void set_weight(std::uint32_t weight) { weight_ = weight; }

    void request_began() { ++active_; }
    void request_ended() { --active_; }
    [[nodiscard]] std::uint32_t active() const { return active_; }

    // A latency counts at once if it is a peak and fades in over a second else (the "peak EWMA" of
    // Finagle).
    void observe(Duration latency, TimePoint now);
    // A failed attempt counts as a slow one: an endpoint that fails fast must not attract load.
    void observe_failure(TimePoint now);
    [[nodiscard]] Duration ewma() const { return ewma_; }  // zero: unknown

    // Known to be fast or slow, but not since a second, nor about to be: its cost may be out of
    // date.
    [[nodiscard]] bool is_stale(TimePoint now) const;

    // Expected wait; `now` fades what was seen long ago, `share` is of the weight.
    [[nodiscard]] double cost(TimePoint now, const Peers& peers, double share) const;

  private:
    Standing* standing_;
    std::uint32_t weight_;
    std::uint32_t active_ = 0;
    Duration ewma_{};
    TimePoint observed_{};  // the epoch: never tried
    TimePoint failed_{};    // last; never: the epoch
};

}  // namespace weir::balance
