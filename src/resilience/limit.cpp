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

void Limit::set_max(std::optional<std::uint32_t> max) {
    max_.store(max ? std::uint64_t{*max} : kUnlimited, std::memory_order_relaxed);
}

std::optional<std::uint32_t> Limit::max() const {
    const std::uint64_t max = max_.load(std::memory_order_relaxed);
    if (max == kUnlimited) return std::nullopt;
    return static_cast<std::uint32_t>(max);
}

std::optional<Limit::Slot> Limit::try_acquire(TimePoint now) {
    const std::uint64_t max = max_.load(std::memory_order_relaxed);
    if (max == kUnlimited) return Slot{};
    if (used_.fetch_add(1, std::memory_order_acquire) < max) return Slot{this};
    used_.fetch_sub(1, std::memory_order_relaxed);
    rejected_.fetch_add(1, std::memory_order_relaxed);
    rejected_at_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    return std::nullopt;
}

Limit::Slot Limit::acquire_always() {
    if (max_.load(std::memory_order_relaxed) == kUnlimited) return Slot{};
    used_.fetch_add(1, std::memory_order_acquire);
    return Slot{this};
}

// Above max only for the moment between a refusal's addition and its rolling back.
std::uint32_t Limit::in_use() const {
    const auto most = max();
    return most ? std::min(used_.load(std::memory_order_relaxed), *most) : 0;
}

std::optional<TimePoint> Limit::last_rejection() const {
    if (rejected_total() == 0) return std::nullopt;
    return TimePoint{Duration{rejected_at_.load(std::memory_order_relaxed)}};
}

}  // namespace weir::resilience
