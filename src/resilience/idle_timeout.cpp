#include "weir/resilience/idle_timeout.hpp"

#include <algorithm>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

constexpr int kAgreeing = 3;
// Closes within so long of each other are one event.
constexpr Duration kOneMoment = 20ms;
// What an origin that nobody knows yet is trusted with: no server closes sooner.
constexpr Duration kTrusted = 50ms;
constexpr Duration kLeastMargin = 20ms;

// Origins look at their timers when they get to it, some by sweeping every now and then.
bool is_near(Duration age, Duration other) {
    return 4 * age >= 3 * other && 3 * age <= 4 * other;
}

// Before the close by an eighth, and by what a request needs to get there.
Duration with_margin(Duration timeout, Duration round_trip) {
    const Duration least = std::min(timeout / 2, kLeastMargin + 2 * round_trip);
    return timeout - std::max(timeout / 8, least);
}

}  // namespace

void IdleTimeout::closed(Duration age, TimePoint now) {
    age = std::max(age, Duration{1us});
    const std::lock_guard lock(mutex_);
    if (last_close_ != TimePoint{} && now - last_close_ < kOneMoment) return;
    last_close_ = now;
    if (age.count() < survived_.load(std::memory_order_relaxed))
        survived_.store(age.count(), std::memory_order_relaxed);
    const Duration known{learned_.load(std::memory_order_relaxed)};
    if (known > 0ns && is_near(age, known)) {
        agreeing_ = 0;
        const Duration next = known + (age - known) / (age < known ? 2 : 16);
        return learned_.store(next.count(), std::memory_order_relaxed);
    }
    const bool agrees = agreeing_ > 0 && is_near(age, candidate_);
    candidate_ = agrees ? std::min(age, candidate_) : age;
    agreeing_ = agrees ? agreeing_ + 1 : 1;
    if (agreeing_ < kAgreeing) return;
    agreeing_ = 0;
    learned_.store(candidate_.count(), std::memory_order_relaxed);
}

void IdleTimeout::open_after(Duration age) {
    if (age.count() > survived_.load(std::memory_order_relaxed))
        survived_.store(age.count(), std::memory_order_relaxed);
    const Duration known{learned_.load(std::memory_order_relaxed)};
    // A little beyond it is the origin's being late.
    if (known > 0ns && 3 * age > 4 * known) learned_.store(age.count(), std::memory_order_relaxed);
}

std::optional<Duration> IdleTimeout::learned() const {
    const Duration known{learned_.load(std::memory_order_relaxed)};
    if (known == 0ns) return std::nullopt;
    return known;
}

Duration IdleTimeout::good_for(Duration promised, Duration round_trip) const {
    const Duration known{learned_.load(std::memory_order_relaxed)};
    Duration good = Duration::max();
    if (known > 0ns) good = with_margin(known, round_trip);
    if (promised > 0ns) good = std::min(good, with_margin(promised, round_trip));
    return good;
}

Duration IdleTimeout::good_without_repeat(Duration promised) const {
    const Duration known{learned_.load(std::memory_order_relaxed)};
    if (known > 0ns) return promised > 0ns ? std::min(known, promised) / 2 : known / 2;
    if (promised > 0ns) return promised / 2;
    return std::max(kTrusted, Duration{survived_.load(std::memory_order_relaxed)} / 2);
}

}  // namespace weir::resilience
