#include "weir/resilience/latency_sketch.hpp"

#include <algorithm>
#include <bit>

namespace weir::resilience {
namespace {

constexpr std::uint64_t kLowest = std::uint64_t{1} << LatencySketch::kLowestOctave;
constexpr std::uint64_t kHighest =
    (std::uint64_t{1} << (LatencySketch::kLowestOctave + LatencySketch::kOctaves)) - 1;

}  // namespace

LatencySketch::LatencySketch(Duration window)
    : half_(std::max(window.count() / 2, Duration::rep{1})) {}

std::size_t LatencySketch::bucket_of(Duration latency) {
    const auto raw = static_cast<std::uint64_t>(std::max(latency.count(), Duration::rep{0}));
    if (raw < kLowest) return 0;
    const std::uint64_t value = std::min(raw, kHighest);
    const auto octave = static_cast<unsigned>(std::bit_width(value)) - 1;
    const std::uint64_t sub = (value >> (octave - kSubBits)) & ((1U << kSubBits) - 1);
    return (std::size_t{octave - kLowestOctave} << kSubBits) + static_cast<std::size_t>(sub) + 1;
}

// Between the ends such that both are off by the same ratio.
Duration LatencySketch::value_of(std::size_t bucket) {
    if (bucket == 0) return Duration{static_cast<Duration::rep>(kLowest)};
    const std::size_t index = bucket - 1;
    const auto octave = static_cast<unsigned>(index >> kSubBits) + kLowestOctave;
    const std::uint64_t sub = index & ((1U << kSubBits) - 1);
    const std::uint64_t width = std::uint64_t{1} << (octave - kSubBits);
    const auto low = static_cast<double>((std::uint64_t{1} << octave) + sub * width);
    const double high = low + static_cast<double>(width);
    return Duration{static_cast<Duration::rep>(2 * low * high / (low + high))};
}

void LatencySketch::clear(Generation& generation) {
    generation.total.store(0, std::memory_order_relaxed);
    for (Counter& counter : generation.counts)
        counter.store(0, std::memory_order_relaxed);
}

// After a gap, or when the clock was set back, nothing of before is of the last window.
void LatencySketch::rotate(Duration::rep at) {
    const std::uint32_t next = 1 - newest_.load(std::memory_order_relaxed);
    const bool is_known = begins_.load(std::memory_order_relaxed) != kForgotten;
    const bool is_next = is_known && at >= ends_ && at - half_ < ends_;
    clear(generations_[next]);
    if (!is_next) clear(generations_[1 - next]);
    const Duration::rep begins = is_next ? ends_ : at;
    ends_ = begins + half_;
    newest_.store(next, std::memory_order_relaxed);
    begins_.store(begins, std::memory_order_relaxed);
}

// Another thread's clock is read at other moments than the writer's: a begin that lies a little
// ahead is not old.
unsigned LatencySketch::valid(TimePoint now) const {
    const Duration::rep begins = begins_.load(std::memory_order_relaxed);
    if (begins == kForgotten) return 0;
    const Duration::rep age = now.time_since_epoch().count() - begins;
    if (age >= 2 * half_) return 0;
    return age >= half_ ? 1U : 3U;
}

void LatencySketch::View::add(const LatencySketch& sketch, TimePoint now) {
    const unsigned valid = sketch.valid(now);
    const std::uint32_t newest = sketch.newest_.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < 2; ++i) {
        const Generation& generation = sketch.generations_[i];
        if ((valid & (i == newest ? 1U : 2U)) == 0) continue;
        if (generation.total.load(std::memory_order_relaxed) == 0) continue;
        for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
            const std::uint32_t seen = generation.counts[bucket].load(std::memory_order_relaxed);
            counts_[bucket] += seen;
            total_ += seen;
        }
    }
}

Duration LatencySketch::View::quantile(double q) const {
    if (total_ == 0) return Duration{0};
    const double last = static_cast<double>(total_ - 1);
    const auto rank = static_cast<std::uint64_t>(std::clamp(q, 0.0, 1.0) * last);
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
        seen += counts_[bucket];
        if (seen > rank) return value_of(bucket);
    }
    return value_of(kBuckets - 1);
}

std::uint64_t LatencySketch::count(TimePoint now) const {
    const unsigned valid = this->valid(now);
    const std::uint32_t newest = newest_.load(std::memory_order_relaxed);
    std::uint64_t total = 0;
    for (std::uint32_t i = 0; i < 2; ++i) {
        if ((valid & (i == newest ? 1U : 2U)) == 0) continue;
        total += generations_[i].total.load(std::memory_order_relaxed);
    }
    return total;
}

Duration LatencySketch::quantile(double q, TimePoint now) const {
    View view;
    view.add(*this, now);
    return view.quantile(q);
}

std::uint64_t LatencySketch::count(std::span<const LatencySketch* const> shards, TimePoint now) {
    std::uint64_t total = 0;
    for (const LatencySketch* shard : shards)
        total += shard != nullptr ? shard->count(now) : 0;
    return total;
}

Duration LatencySketch::quantile(std::span<const LatencySketch* const> shards,
                                 double q,
                                 TimePoint now) {
    View view;
    for (const LatencySketch* shard : shards) {
        if (shard != nullptr) view.add(*shard, now);
    }
    return view.quantile(q);
}

}  // namespace weir::resilience
