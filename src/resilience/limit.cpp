#include "weir/resilience/limit.hpp"

#include <algorithm>
#include <utility>

namespace weir::resilience {

Limit::Slot& Limit::Slot::operator=(Slot&& other) noexcept {
    if (this == &other) return *this;
    reset();
    limit_ = std::exchange(other.limit_, nullptr);
    return *this;
}

void Limit::Slot::reset() {
    Limit* const limit = std::exchange(limit_, nullptr);
    if (limit != nullptr) limit->used_.fetch_sub(1, std::memory_order_release);
}

std::optional<Limit::Slot> Limit::try_acquire(TimePoint now) {
    if (!max_) return Slot{};
    if (used_.fetch_add(1, std::memory_order_acquire) < *max_) return Slot{this};
    used_.fetch_sub(1, std::memory_order_relaxed);
    rejected_.fetch_add(1, std::memory_order_relaxed);
    rejected_at_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    return std::nullopt;
}

// Above max only for the moment between a refusal's addition and its rolling back.
std::uint32_t Limit::in_use() const {
    return max_ ? std::min(used_.load(std::memory_order_relaxed), *max_) : 0;
}

std::optional<TimePoint> Limit::last_rejection() const {
    if (rejected_total() == 0) return std::nullopt;
    return TimePoint{Duration{rejected_at_.load(std::memory_order_relaxed)}};
}

}  // namespace weir::resilience
