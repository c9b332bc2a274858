#include "weir/quota/store_health.hpp"

namespace weir::quota {
namespace {

resilience::CircuitBreaker::Options breaker_options() {
    auto options = resilience::CircuitBreaker::Options::breaker();
    options.consecutive_failures = 1;
    options.consecutive_for = Duration{0};
    options.failure_rate = 0;
    options.open_for = std::chrono::milliseconds{100};
    options.max_open_for = std::chrono::seconds{2};
    options.do_probes_double = false;
    options.successes_to_close = 1;
    return options;
}

}  // namespace

StoreHealth::StoreHealth(std::uint64_t seed, TimePoint now)
    : breaker_(breaker_options(), seed, now) {}

void StoreHealth::note_failure(std::string_view why, TimePoint now) {
    const std::lock_guard guard(mutex_);
    error_ = why;
    failed_at_ = now;
}

StoreHealth::View StoreHealth::view(TimePoint now) const {
    const auto breaker = breaker_.snapshot(now);
    View view{.state = breaker.state, .since = breaker.since};
    const auto answered = answered_at_.load(std::memory_order_relaxed);
    if (answered != 0) view.answered_at = TimePoint{Duration{answered}};
    const std::lock_guard guard(mutex_);
    view.error = error_;
    view.failed_at = failed_at_;
    return view;
}

}  // namespace weir::quota
