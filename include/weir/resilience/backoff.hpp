#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/random.hpp"

#include <cstdint>

namespace weir::resilience {

// Waits before a retry with full jitter: uniform in [0, min(base * 2^(n-1), cap)). What the
// upstream asked for by Retry-After is a lower bound: added, so that those who were told the same
// do not come back together. Thread: any (a value).
struct Backoff {
    Duration base = std::chrono::milliseconds{25};
    Duration cap = std::chrono::milliseconds{250};

    // The upper end of the wait before retry n = 1, 2, ...
    [[nodiscard]] Duration ceiling(std::uint32_t n) const;
    [[nodiscard]] Duration wait(std::uint32_t n, Duration hint, Random& random) const;
};

}  // namespace weir::resilience
