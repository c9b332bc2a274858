#include "weir/quota/algorithm.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace weir::quota {
namespace {

constexpr std::uint64_t kPerNanosecond = 16;
constexpr std::uint64_t kLongest = std::uint64_t{1} << 60;  // 2 years: no sum overflows

std::uint64_t ticks(TimePoint at) {
    return static_cast<std::uint64_t>(at.time_since_epoch().count()) * kPerNanosecond;
}
// Rounded up: what is promised for then is true then.
Duration to_duration(std::uint64_t ticks) {
    return Duration{static_cast<Duration::rep>((ticks + kPerNanosecond - 1) / kPerNanosecond)};
}

constexpr unsigned kCountBits = 20;
constexpr std::uint64_t kMostCounted = (std::uint64_t{1} << kCountBits) - 1;
constexpr std::uint64_t kIndexMask = (std::uint64_t{1} << (64 - 2 * kCountBits)) - 1;

}  // namespace

Gcra::Gcra(double rate, std::uint32_t burst) {
    const double interval = std::round(1e9 * static_cast<double>(kPerNanosecond) / rate);
    const double most = static_cast<double>(kLongest) / std::max(burst, 1U);
    interval_ = static_cast<std::uint64_t>(std::clamp(interval, 1.0, most));
    depth_ = interval_ * std::max(burst, 1U);
}

Change Gcra::take(std::uint64_t word, TimePoint now, std::uint32_t cost) const {
    const std::uint64_t at = ticks(now);
    // What is full since long is full; and no clock that went back makes a debt of centuries.
    const std::uint64_t debt = std::min(std::max(word, at) - at, depth_);
    const std::uint64_t after = debt + interval_ * cost;
    if (after > depth_) {
        const Decision no{false, (depth_ - debt) / interval_, to_duration(after - depth_),
                          to_duration(debt)};
        return {word, no};
    }
    return {at + after, {true, (depth_ - after) / interval_, Duration{0}, to_duration(after)}};
}

std::uint64_t Gcra::idle(TimePoint now) const {
    return ticks(now);
}

Promise Gcra::promise() const {
    return {depth_ / interval_, to_duration(depth_)};
}

struct SlidingWindow::Counts {
    std::uint64_t index;  // of the window
    std::uint64_t before;
    std::uint64_t now;
    double passed;  // of the window: 0 to 1

    [[nodiscard]] double seen() const {
        return static_cast<double>(before) * (1 - passed) + static_cast<double>(now);
    }
};

SlidingWindow::SlidingWindow(std::uint64_t limit, Duration window)
    : limit_(std::max<std::uint64_t>(limit, 1)), window_(window) {
    unit_ = limit_ / (kMostCounted / 2) + 1;
    limit_units_ = limit_ / unit_;
}

SlidingWindow::Counts SlidingWindow::counts_at(std::uint64_t word, TimePoint now) const {
    const auto since = now.time_since_epoch();
    // From 1, so that no word of a key that was seen is 0.
    const std::uint64_t index = (static_cast<std::uint64_t>(since / window_) % kIndexMask) + 1;
    const double passed =
        static_cast<double>((since % window_).count()) / static_cast<double>(window_.count());
    Counts counts{index, 0, 0, passed};
    const std::uint64_t known = word >> (2 * kCountBits);
    const std::uint64_t count = word & kMostCounted;
    if (known == index) {
        counts.now = count;
        counts.before = (word >> kCountBits) & kMostCounted;
    } else if (known + 1 == index) {
        counts.before = count;
    }
    return counts;
}

// When what is seen has fallen far enough: as the window before fades, or else the present one
// does once it is the one before.
Duration SlidingWindow::until_fits(const Counts& counts, std::uint64_t units) const {
    const double room = static_cast<double>(limit_units_) - static_cast<double>(units);
    const auto length = static_cast<double>(window_.count());
    const auto now = static_cast<double>(counts.now);
    double at = 1;  // of this window, or beyond
    if (now <= room && counts.before > 0) {
        at = 1 - (room - now) / static_cast<double>(counts.before);
    } else if (now > room) {
        at = room < 0 ? 3 : 2 - room / now;
    }
    return Duration{
        static_cast<Duration::rep>(std::ceil(std::max(at - counts.passed, 0.0) * length))};
}

Change SlidingWindow::take(std::uint64_t word, TimePoint now, std::uint32_t cost) const {
    Counts counts = counts_at(word, now);
    const std::uint64_t units = (cost + unit_ - 1) / unit_;
    const auto length = static_cast<double>(window_.count());
    const auto reset = [&] {
        const double left = (counts.now > 0 ? 2 : 1) - counts.passed;
        return Duration{
            static_cast<Duration::rep>(counts.now + counts.before > 0 ? left * length : 0)};
    };
    const auto remaining = [&] {
        const double left = static_cast<double>(limit_units_) - counts.seen();
        return left <= 0 ? 0 : static_cast<std::uint64_t>(left) * unit_;
    };
    if (counts.seen() + static_cast<double>(units) > static_cast<double>(limit_units_))
        return {word, {false, remaining(), until_fits(counts, units), reset()}};
    counts.now += units;
    const std::uint64_t next =
        counts.index << (2 * kCountBits) | counts.before << kCountBits | counts.now;
    return {next, {true, remaining(), Duration{0}, reset()}};
}

std::uint64_t SlidingWindow::idle(TimePoint now) const {
    const Counts counts = counts_at(0, now);
    return counts.index < 2 ? 0 : ((counts.index - 1) << (2 * kCountBits)) - 1;
}

Change Concurrency::take(std::uint64_t word, std::uint32_t cost) const {
    if (word + cost > max_)
        return {word, {false, max_ - std::min(word, max_), Duration{0}, Duration{0}}};
    return {word + cost, {true, max_ - word - cost, Duration{0}, Duration{0}}};
}

Change Concurrency::give_back(std::uint64_t word, std::uint32_t cost) {
    return {word - std::min<std::uint64_t>(word, cost), {}};
}

}  // namespace weir::quota
