#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/random.hpp"

#include <algorithm>

namespace weir::control {

// How long to wait before asking again what did not answer: doubling, each with a jitter of half,
// so that those who failed together do not come back together. Thread: its owner's.
class Backoff {
  public:
    struct Options {
        Duration first = std::chrono::milliseconds{200};
        Duration longest = std::chrono::seconds{30};
    };

    Backoff() : Backoff(Options()) {}
    explicit Backoff(const Options& options) : options_(options), next_(options.first) {}

    [[nodiscard]] Duration wait(Random& random) {
        const Duration nominal = next_;
        next_ = std::min(next_ * 2, options_.longest);
        return std::chrono::duration_cast<Duration>(nominal * (0.5 + random.uniform() / 2));
    }
    void succeeded() { next_ = options_.first; }

  private:
    Options options_;
    Duration next_;
};

}  // namespace weir::control
