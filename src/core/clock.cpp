#include "weir/core/clock.hpp"

#include <atomic>

namespace weir {
namespace {

constexpr std::int64_t kNotSimulated = -1;
std::atomic<std::int64_t> simulated_at{kNotSimulated};
thread_local std::int64_t cached = 0;

// The wall clock minus the monotonic one, read once a second at most: a stepped wall clock shows
// in logs, never in decisions.
struct WallOffset {
    std::int64_t read_at = -1;
    std::int64_t value = 0;
};
thread_local WallOffset wall_offset;

std::int64_t read_steady() {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

}  // namespace

TimePoint Clock::refresh() noexcept {
    const std::int64_t simulated = simulated_at.load(std::memory_order_relaxed);
    cached = simulated == kNotSimulated ? read_steady() : simulated;
    return TimePoint{Duration{cached}};
}

TimePoint Clock::now() noexcept {
    if (cached == 0) return refresh();
    return TimePoint{Duration{cached}};
}

WallTime Clock::wall() noexcept {
    const std::int64_t at = now().time_since_epoch().count();
    constexpr std::int64_t kSecond = 1'000'000'000;
    if (wall_offset.read_at < 0 || at - wall_offset.read_at >= kSecond ||
        at < wall_offset.read_at) {
        const auto wall = std::chrono::system_clock::now().time_since_epoch();
        wall_offset.value =
            std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count() - read_steady();
        wall_offset.read_at = at;
    }
    return WallTime{
        std::chrono::duration_cast<WallTime::duration>(Duration{at + wall_offset.value})};
}

void Clock::simulate(time_point at) noexcept {
    simulated_at.store(at.time_since_epoch().count(), std::memory_order_relaxed);
    refresh();
}

void Clock::release() noexcept {
    simulated_at.store(kNotSimulated, std::memory_order_relaxed);
    refresh();
}

}  // namespace weir
