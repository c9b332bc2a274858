#include "weir/quota/limiter.hpp"

namespace weir::quota {

Decision Limiter::take(std::uint64_t key, TimePoint now, std::uint32_t cost) {
    if (const auto* gcra = std::get_if<Gcra>(&algorithm_)) {
        const auto change = [&](std::uint64_t word) { return gcra->take(word, now, cost); };
        return table_.update(key, gcra->idle(now), change).decision;
    }
    if (const auto* window = std::get_if<SlidingWindow>(&algorithm_)) {
        const auto change = [&](std::uint64_t word) { return window->take(word, now, cost); };
        return table_.update(key, window->idle(now), change).decision;
    }
    const auto& concurrency = std::get<Concurrency>(algorithm_);
    const auto change = [&](std::uint64_t word) { return concurrency.take(word, cost); };
    return table_.update(key, 0, change).decision;
}

void Limiter::give_back(std::uint64_t key, std::uint32_t cost) {
    if (!is_concurrency()) return;
    table_.update(key, 0, [&](std::uint64_t word) { return Concurrency::give_back(word, cost); });
}

Promise Limiter::promise() const {
    if (const auto* gcra = std::get_if<Gcra>(&algorithm_)) return gcra->promise();
    if (const auto* window = std::get_if<SlidingWindow>(&algorithm_)) return window->promise();
    return {std::get<Concurrency>(algorithm_).max(), Duration{0}};
}

}  // namespace weir::quota
