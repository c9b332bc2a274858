#pragma once

#include "weir/core/clock.hpp"

#include <cstdint>

// How much a key may do. Each algorithm keeps a word of state a key (0: never seen) and says what
// becomes of it; who stores the word is another's matter. A word is greater the more its loss would
// forgive. Values, pure. Thread: any (immutable).
namespace weir::quota {

struct Decision {
    bool is_admitted = true;
    std::uint64_t remaining = 0;  // that would be admitted now, after this
    Duration retry_after{0};      // refused: from when on the same would be admitted
    Duration reset{0};            // until all of the quota is there
};

struct Change {
    std::uint64_t word = 0;
    Decision decision;
};

// What is promised: `quota` in any `window` of a client that was idle before.
struct Promise {
    std::uint64_t quota = 0;
    Duration window{0};
};

// Generic cell rate algorithm: `rate` a second, and up to `burst` at once. The word is the time at
// which all of the quota is there again, in sixteenths of a nanosecond, so that rates of millions a
// second are met to a hundredth of a percent.
class Gcra {
  public:
    // rate > 0, burst > 0
    Gcra(double rate, std::uint32_t burst);

    [[nodiscard]] Change take(std::uint64_t word, TimePoint now, std::uint32_t cost) const;
    // Words up to this say nothing any more.
    [[nodiscard]] std::uint64_t idle(TimePoint now) const;
    [[nodiscard]] Promise promise() const;

  private:
    std::uint64_t interval_;  // of one token
    std::uint64_t depth_;     // of the whole burst
};

// At most `limit` in a window that slides: what was counted in the present window, and of the one
// before the share that a window ending now would still see. Off by at most the unevenness of that
// share. The word has the number of the window, its count and that of the one before.
class SlidingWindow {
  public:
    // limit > 0, window > 0
    SlidingWindow(std::uint64_t limit, Duration window);

    [[nodiscard]] Change take(std::uint64_t word, TimePoint now, std::uint32_t cost) const;
    [[nodiscard]] std::uint64_t idle(TimePoint now) const;
    [[nodiscard]] Promise promise() const { return {limit_, window_}; }

  private:
    struct Counts;
    [[nodiscard]] Counts counts_at(std::uint64_t word, TimePoint now) const;
    [[nodiscard]] Duration until_fits(const Counts& counts, std::uint64_t units) const;

    std::uint64_t limit_;
    Duration window_;
    // Limits too large for the word are counted in units; then a cost is rounded up.
    std::uint64_t unit_ = 1;
    std::uint64_t limit_units_;
};

// At most `max` at once. The word is how many there are.
class Concurrency {
  public:
    explicit Concurrency(std::uint64_t max) : max_(max) {}  // max > 0

    [[nodiscard]] Change take(std::uint64_t word, std::uint32_t cost) const;
    // What was taken is over. A key that was pushed out meanwhile stays at 0.
    [[nodiscard]] static Change give_back(std::uint64_t word, std::uint32_t cost);
    [[nodiscard]] std::uint64_t max() const { return max_; }

  private:
    std::uint64_t max_;
};

}  // namespace weir::quota
