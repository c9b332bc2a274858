#include "weir/resilience/retry_budget.hpp"

#include "weir/core/error.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weir::resilience {
namespace {

std::int64_t second_of(TimePoint at) {
    return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
}

bool is_within(std::int64_t second, std::int64_t now, std::int64_t window) {
    // One ahead: another thread's clock is read at other moments than ours.
    return second <= now + 1 && second > now - window;
}

}  // namespace

RetryBudget::Charge& RetryBudget::Charge::operator=(Charge&& other) noexcept {
    if (this == &other) return *this;
    refund();
    budget_ = std::exchange(other.budget_, nullptr);
    second_ = other.second_;
    part_ = other.part_;
    return *this;
}

void RetryBudget::Charge::refund() {
    RetryBudget* const budget = std::exchange(budget_, nullptr);
    if (budget != nullptr) budget->refund(second_, part_);
}

RetryBudget::RetryBudget(const Options& options, TimePoint now)
    : ratio_(std::llround(options.ratio * kToken)),
      min_rate_(std::llround(options.min_rate * kToken)),
      shard_count_(std::max(options.shards, 1U)),
      shards_(std::make_unique<Shard[]>(shard_count_)),
      bucket_(bucket_size()),
      filled_at_(now) {}

void RetryBudget::count_original(std::uint32_t shard, TimePoint now) {
    WEIR_ASSERT(shard < shard_count_);
    const std::int64_t second = second_of(now);
    Originals& originals = shards_[shard].seconds[static_cast<std::uint64_t>(second) % kSeconds];
    if (originals.second.load(std::memory_order_relaxed) != second) {
        originals.count.store(0, std::memory_order_relaxed);
        originals.second.store(second, std::memory_order_release);
    }
    const std::uint32_t count = originals.count.load(std::memory_order_relaxed);
    originals.count.store(count + 1, std::memory_order_relaxed);
}

std::int64_t RetryBudget::originals(std::int64_t second) const {
    std::int64_t sum = 0;
    for (std::uint32_t shard = 0; shard < shard_count_; ++shard) {
        for (const Originals& each : shards_[shard].seconds) {
            if (!is_within(each.second.load(std::memory_order_acquire), second, kSeconds)) continue;
            sum += each.count.load(std::memory_order_relaxed);
        }
    }
    return sum;
}

std::int64_t RetryBudget::ratio_left(std::int64_t second) const {
    std::int64_t left = ratio_ * originals(second);
    for (const Spent& spent : spent_) {
        if (is_within(spent.second, second, kSeconds)) left -= spent.ratio;
    }
    return left;
}

std::int64_t RetryBudget::min_rate_left(std::int64_t second) const {
    std::int64_t left = min_rate_ * kSeconds;
    for (const Spent& spent : spent_) {
        if (is_within(spent.second, second, kSeconds)) left -= spent.min_rate;
    }
    return std::min(left, bucket_);
}

// Where min_rate is below one a second, one retry must fit in all the same.
std::int64_t RetryBudget::bucket_size() const {
    return min_rate_ > 0 ? std::max(min_rate_, kToken) : 0;
}

void RetryBudget::fill(TimePoint now) {
    if (now <= filled_at_ || min_rate_ <= 0) return;
    const Duration passed = std::min<Duration>(now - filled_at_, std::chrono::hours{1});
    const Duration token = std::max(Duration{std::chrono::seconds{1}} / min_rate_, Duration{1});
    bucket_ = std::min(bucket_ + passed / token, bucket_size());
    // What is not worth a token yet stays to be counted.
    const Duration unused = passed % token;
    filled_at_ = now - unused;
}

RetryBudget::Spent& RetryBudget::spent_in(std::int64_t second) {
    Spent& spent = spent_[static_cast<std::uint64_t>(second) % kSeconds];
    if (spent.second != second) spent = Spent{second, 0, 0};
    return spent;
}

std::optional<RetryBudget::Charge> RetryBudget::try_charge(TimePoint now) {
    const std::lock_guard lock(mutex_);
    const std::int64_t second = second_of(now);
    fill(now);
    if (ratio_left(second) >= kToken) {
        spent_in(second).ratio += kToken;
        return Charge(this, second, Charge::Part::ratio);
    }
    if (min_rate_left(second) >= kToken) {
        spent_in(second).min_rate += kToken;
        bucket_ -= kToken;
        return Charge(this, second, Charge::Part::min_rate);
    }
    return std::nullopt;
}

void RetryBudget::charge_always(TimePoint now) {
    const std::lock_guard lock(mutex_);
    spent_in(second_of(now)).ratio += kToken;
}

void RetryBudget::refund(std::int64_t second, Charge::Part part) {
    const std::lock_guard lock(mutex_);
    if (part == Charge::Part::min_rate) bucket_ = std::min(bucket_ + kToken, bucket_size());
    Spent& spent = spent_[static_cast<std::uint64_t>(second) % kSeconds];
    if (spent.second != second) return;  // the window has passed over it
    (part == Charge::Part::ratio ? spent.ratio : spent.min_rate) -= kToken;
}

double RetryBudget::available(TimePoint now) {
    const std::lock_guard lock(mutex_);
    const std::int64_t second = second_of(now);
    fill(now);
    const std::int64_t left = std::max<std::int64_t>(ratio_left(second), 0) +
                              std::max<std::int64_t>(min_rate_left(second), 0);
    return static_cast<double>(left) / static_cast<double>(kToken);
}

}  // namespace weir::resilience
