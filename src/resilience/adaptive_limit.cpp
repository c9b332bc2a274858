#include "weir/resilience/adaptive_limit.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

// samples_: the count above, the sum of logarithms below, in units of 1/1024.
constexpr unsigned kCountShift = 40;
constexpr std::uint64_t kSumMask = (std::uint64_t{1} << kCountShift) - 1;
constexpr double kUnits = 1024;

// The share of the estimated knee at which nothing queues for sure.
constexpr double kBelowKnee = 0.8;
// A limit that fell so far may have fallen for a base that holds no more.
constexpr double kFell = 0.7;
constexpr double kClose = 0.85;
constexpr Duration kSoonest = 3s;  // after a measurement, for the next
constexpr Duration kFirst = 2s;
constexpr double kSmoothing = 0.3;
constexpr double kRefusedShare = 0.1;

// The binary logarithm, its fraction taken from the mantissa (Mitchell, 1962): base and sample
// err alike.
std::uint64_t logarithm(Duration latency) {
    const auto ns = static_cast<std::uint64_t>(std::max<Duration::rep>(latency.count(), 1));
    const auto whole = static_cast<unsigned>(std::bit_width(ns)) - 1;
    const std::uint64_t fraction =
        whole >= 10 ? (ns >> (whole - 10)) & 1023U : (ns << (10 - whole)) & 1023U;
    return (std::uint64_t{whole} << 10U) | fraction;
}

double power(double logarithm) {
    const double whole = std::floor(logarithm);
    return std::exp2(whole) * (1.0 + (logarithm - whole));
}

}  // namespace

AdaptiveLimit::Slot& AdaptiveLimit::Slot::operator=(Slot&& other) noexcept {
    if (this == &other) return *this;
    reset();
    limit_ = std::exchange(other.limit_, nullptr);
    return *this;
}

void AdaptiveLimit::Slot::reset() {
    AdaptiveLimit* const limit = std::exchange(limit_, nullptr);
    if (limit != nullptr) limit->leave();
}

void AdaptiveLimit::Slot::finish(Duration latency, TimePoint now) {
    AdaptiveLimit* const limit = std::exchange(limit_, nullptr);
    if (limit == nullptr) return;
    limit->leave();
    limit->samples_.fetch_add((std::uint64_t{1} << kCountShift) + logarithm(latency),
                              std::memory_order_relaxed);
    limit->end_window(now);
}

void AdaptiveLimit::Slot::refused(TimePoint now) {
    AdaptiveLimit* const limit = std::exchange(limit_, nullptr);
    if (limit == nullptr) return;
    limit->leave();
    limit->refused_.fetch_add(1, std::memory_order_relaxed);
    limit->end_window(now);
}

AdaptiveLimit::AdaptiveLimit(const Options& options, TimePoint now)
    : options_(options),
      cap_(options.initial),
      limit_(options.initial),
      window_end_((now + options.window).time_since_epoch().count()),
      exact_(options.initial),
      began_(now) {}

std::optional<AdaptiveLimit::Slot> AdaptiveLimit::try_acquire() {
    const std::uint32_t before = in_flight_.fetch_add(1, std::memory_order_acquire);
    if (before >= cap_.load(std::memory_order_relaxed)) {
        leave();
        rejected_.fetch_add(1, std::memory_order_relaxed);
        note_peak(before);
        return std::nullopt;
    }
    note_peak(before + 1);
    return Slot{this};
}

AdaptiveLimit::Slot AdaptiveLimit::acquire_always() {
    note_peak(in_flight_.fetch_add(1, std::memory_order_acquire) + 1);
    return Slot{this};
}

// Two at once may leave the lesser: the next one corrects it.
void AdaptiveLimit::note_peak(std::uint32_t in_flight) {
    if (in_flight > peak_.load(std::memory_order_relaxed))
        peak_.store(in_flight, std::memory_order_relaxed);
}

void AdaptiveLimit::end_window(TimePoint now) {
    if (now.time_since_epoch().count() < window_end_.load(std::memory_order_relaxed)) return;
    const auto count = [](std::uint64_t samples) { return samples >> kCountShift; };
    const std::uint32_t refused = refused_.load(std::memory_order_relaxed);
    if (count(samples_.load(std::memory_order_relaxed)) + refused < kSamples) return;
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || now.time_since_epoch().count() < window_end_.load(std::memory_order_relaxed))
        return;
    const std::uint64_t samples = samples_.exchange(0, std::memory_order_relaxed);
    refused_.store(0, std::memory_order_relaxed);
    const std::uint32_t peak = peak_.exchange(in_flight(), std::memory_order_relaxed);
    window_end_.store((now + options_.window).time_since_epoch().count(),
                      std::memory_order_relaxed);
    const auto answered = static_cast<double>(count(samples));
    const bool is_overloaded = refused >= kRefusedShare * (answered + refused);
    const double latency =
        answered > 0 ? power(static_cast<double>(samples & kSumMask) / answered / kUnits) : base_;
    learn(latency, peak, is_overloaded, now);
}

void AdaptiveLimit::learn(double latency, std::uint32_t peak, bool is_overloaded, TimePoint now) {
    if (phase_ == Phase::draining) {
        phase_ = Phase::measuring;  // what ended until now was in flight with more beside it
        return;
    }
    if (phase_ == Phase::measuring) {
        phase_ = Phase::steady;
        // Far from what it was taken for: perhaps there was a queue still.
        const bool is_final = latency > kClose * base_ && base_ > kClose * latency;
        set_base(latency, is_final ? now : now + kSoonest - options_.remeasure);
        short_ = latency;
        return publish(exact_);
    }
    short_ = short_ > 0 ? short_ + (latency - short_) * kSmoothing : latency;
    if (base_ <= 0) set_base(latency, began_ + kFirst - options_.remeasure);
    if (short_ < base_) base_ = short_;
    base_ns_.store(static_cast<Duration::rep>(base_), std::memory_order_relaxed);
    if (peak <= below_knee()) set_base(base_ + (latency - base_) * kSmoothing, now);
    if (2.0 * peak < exact_) return;
    const double gradient = std::clamp(options_.tolerance * base_ / short_, 0.5, 1.0);
    double next = exact_ * gradient + std::sqrt(exact_);
    if (is_overloaded) next = std::min(next, exact_ * 0.9);
    next = exact_ + (next - exact_) / 2;
    exact_ =
        std::clamp(next, static_cast<double>(options_.least), static_cast<double>(options_.most));
    publish(exact_);
    const bool is_old = now - base_at_ >= options_.remeasure;
    const bool fell = exact_ < kFell * limit_at_base_ && now - base_at_ >= kSoonest;
    if (is_old || fell) begin_measuring(now);
}

// Where the gradient holds the limit, limit = tolerance * knee + sqrt(limit).
double AdaptiveLimit::below_knee() const {
    return std::max(1.0, kBelowKnee * (exact_ - std::sqrt(exact_)) / options_.tolerance);
}

void AdaptiveLimit::begin_measuring(TimePoint now) {
    phase_ = Phase::draining;
    base_at_ = now;
    limit_at_base_ = exact_;
    cap_.store(static_cast<std::uint32_t>(below_knee()), std::memory_order_relaxed);
}

void AdaptiveLimit::set_base(double base, TimePoint now) {
    base_ = base;
    base_at_ = now;
    limit_at_base_ = exact_;
    base_ns_.store(static_cast<Duration::rep>(base_), std::memory_order_relaxed);
}

void AdaptiveLimit::publish(double cap) {
    const auto rounded = static_cast<std::uint32_t>(cap);
    limit_.store(rounded, std::memory_order_relaxed);
    cap_.store(rounded, std::memory_order_relaxed);
}

}  // namespace weir::resilience
