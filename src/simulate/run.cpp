#include "weir/simulate/run.hpp"

#include "engine.hpp"

#include <algorithm>
#include <cmath>

namespace weir::simulate {
namespace {

constexpr double kAnOctave = 8;
constexpr double kLowest = 1e3;  // nanoseconds

}  // namespace

void Histogram::add(Duration latency) {
    const double value = std::max(static_cast<double>(latency.count()), kLowest);
    const auto index = static_cast<std::size_t>(std::log2(value / kLowest) * kAnOctave);
    ++buckets_[std::min(index, buckets_.size() - 1)];
    ++count_;
}

Duration Histogram::quantile(double q) const {
    if (count_ == 0) return Duration{0};
    const auto rank = static_cast<std::uint64_t>(q * static_cast<double>(count_ - 1));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        seen += buckets_[i];
        if (seen <= rank) continue;
        const double middle = (static_cast<double>(i) + 0.5) / kAnOctave;
        return Duration{static_cast<Duration::rep>(kLowest * std::exp2(middle))};
    }
    return Duration{0};
}

Outcome run(const Scenario& scenario, const Policy& policy) {
    return Engine(scenario, policy).run();
}

}  // namespace weir::simulate
