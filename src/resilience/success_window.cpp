#include "weir/resilience/success_window.hpp"

#include "weir/core/error.hpp"

#include <algorithm>

namespace weir::resilience {
namespace {

// One writer: a load and a store, no locked instruction.
template <typename T>
void bump(std::atomic<T>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// Epochs count from 1, so a tag in use is never 0.
std::uint64_t tag_of(std::uint64_t epoch, std::uint32_t tenth) {
    return epoch << 32 | tenth;
}

}  // namespace

SuccessWindow::SuccessWindow(Duration window, std::uint32_t shards)
    : tenth_(std::max(window / kBuckets, Duration{1})),
      shard_count_(std::max(shards, 1U)),
      shards_(std::make_unique<Shard[]>(shard_count_)) {}

std::uint32_t SuccessWindow::tenth(TimePoint at) const {
    return static_cast<std::uint32_t>(at.time_since_epoch() / tenth_);
}

// The 0 keeps readers away meanwhile. One that has read the old tag already may add the new
// bucket's counts to its sum, as if it had come a moment later.
void SuccessWindow::reuse(Bucket& bucket, std::uint64_t tag) {
    bucket.tag.store(0, std::memory_order_relaxed);
    for (Counter* counter :
         {&bucket.ok, &bucket.fail, &bucket.slow, &bucket.throttled, &bucket.local}) {
        counter->store(0, std::memory_order_release);
    }
    bucket.tag.store(tag, std::memory_order_release);
}

// A division of 64 bits costs more than all the rest: one a tenth, not one an answer.
std::uint32_t SuccessWindow::tenth_of_writer(Shard& own, TimePoint now) const {
    if (now < own.begins || now >= own.ends) {
        const Duration into = now.time_since_epoch() % tenth_;
        own.begins = now - into;
        own.ends = own.begins + tenth_;
        own.tenth = tenth(now);
    }
    return own.tenth;
}

void SuccessWindow::add(
    std::uint32_t shard, std::uint64_t epoch, Outcome outcome, bool is_slow, TimePoint now) {
    WEIR_ASSERT(shard < shard_count_);
    Shard& own = shards_[shard];
    const std::uint32_t at = tenth_of_writer(own, now);
    Bucket& bucket = own.buckets[at % kBuckets];
    const std::uint64_t tag = tag_of(epoch, at);
    if (bucket.tag.load(std::memory_order_relaxed) != tag) reuse(bucket, tag);

    if (is_slow) bump(bucket.slow);
    switch (outcome) {
        case Outcome::ok:
            bump(bucket.ok);
            bump(own.ok_total);
            return;
        case Outcome::failure:
            bump(bucket.fail);
            return;
        case Outcome::local_failure:
            bump(bucket.local);
            return;
        case Outcome::throttled:
            bump(bucket.throttled);
            return;
        case Outcome::stale:
        case Outcome::ignored:
            return;
    }
}

SuccessWindow::Counts SuccessWindow::sum(std::uint64_t epoch, TimePoint now) const {
    Counts sum;
    const std::uint32_t current = tenth(now);
    for (std::uint32_t shard = 0; shard < shard_count_; ++shard) {
        for (const Bucket& bucket : shards_[shard].buckets) {
            const std::uint64_t tag = bucket.tag.load(std::memory_order_acquire);
            if (tag >> 32 != (epoch & 0xffffffffU)) continue;
            // -1: another thread's clock is read at other moments than ours.
            const auto age = static_cast<std::int32_t>(current - static_cast<std::uint32_t>(tag));
            if (age < -1 || age >= static_cast<std::int32_t>(kBuckets)) continue;
            sum.ok += bucket.ok.load(std::memory_order_relaxed);
            sum.fail += bucket.fail.load(std::memory_order_relaxed);
            sum.slow += bucket.slow.load(std::memory_order_relaxed);
            sum.throttled += bucket.throttled.load(std::memory_order_relaxed);
            sum.local += bucket.local.load(std::memory_order_relaxed);
        }
    }
    return sum;
}

std::uint64_t SuccessWindow::ok_total() const {
    std::uint64_t total = 0;
    for (std::uint32_t shard = 0; shard < shard_count_; ++shard) {
        total += shards_[shard].ok_total.load(std::memory_order_relaxed);
    }
    return total;
}

}  // namespace weir::resilience
