#include "weir/resilience/backoff.hpp"

#include <algorithm>

namespace weir::resilience {

Duration Backoff::ceiling(std::uint32_t n) const {
    Duration ceiling = base;
    for (std::uint32_t i = 1; i < n && ceiling > Duration{0} && ceiling < cap; ++i) {
        ceiling = ceiling > cap / 2 ? cap : ceiling * 2;
    }
    return std::min(ceiling, cap);
}

Duration Backoff::wait(std::uint32_t n, Duration hint, Random& random) const {
    const auto top = static_cast<double>(ceiling(n).count());
    return std::max(Duration{static_cast<Duration::rep>(top * random.uniform())}, hint);
}

}  // namespace weir::resilience
