#pragma once

#include "weir/core/clock.hpp"

#include <algorithm>

namespace weir::admin {

// The share of a core that a port may take in the long run: a fifth, and a quarter of a second more
// at once. What took very long is not paid for in full, so that the port is there for the next who
// asks. Whoever scrapes in a loop then waits for itself, and the workers have the machine.
// Pure. Thread: main.
class Share {
  public:
    static constexpr Duration kBurst = std::chrono::milliseconds{250};
    static constexpr Duration kMostDebt = std::chrono::seconds{1};
    static constexpr int kOneIn = 5;

    void charge(Duration cost, TimePoint now) {
        refill(now);
        left_ = std::max<Duration>(left_ - cost, -kMostDebt);
    }

    // How long until more may be done; zero for now.
    [[nodiscard]] Duration delay(TimePoint now) {
        refill(now);
        if (left_ > Duration::zero()) return Duration::zero();
        return std::max<Duration>((-left_ + Duration{1}) * kOneIn, std::chrono::milliseconds{1});
    }

  private:
    void refill(TimePoint now) {
        left_ = std::min(kBurst, left_ + std::max(now - since_, Duration::zero()) / kOneIn);
        since_ = now;
    }

    Duration left_ = kBurst;
    TimePoint since_{};
};

}  // namespace weir::admin
