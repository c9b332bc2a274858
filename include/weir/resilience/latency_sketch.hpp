#pragma once

#include "weir/core/clock.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace weir::resilience {

// Quantiles of the latencies of the last `window`, in bounded memory (1.3 KiB): counts in buckets
// that grow with the value, as in DDSketch (Masson et al., VLDB 2019), but with eight linear
// buckets an octave, so that a bucket is found by shifts. Any quantile is within kError of the
// exact one between 66 us and 68 s; what is outside counts as that end.
//
// Two generations of half a window each fade what is old: what is read covers between one half and
// the whole of `window`. add() costs some nanoseconds, and a few hundred once a generation.
// Thread: add() by one thread, the rest any. Relaxed atomics: a reader may miss what is being
// counted, or see a generation that is just being reused.
class LatencySketch {
  public:
    static constexpr unsigned kSubBits = 3;
    static constexpr unsigned kLowestOctave = 16;  // 2^16 ns
    static constexpr unsigned kOctaves = 20;       // up to 2^36 ns
    static constexpr std::size_t kBuckets = (std::size_t{kOctaves} << kSubBits) + 1;  // 0: below
    static constexpr double kError = 1.0 / 17;

    explicit LatencySketch(Duration window = std::chrono::seconds{10});
    LatencySketch(const LatencySketch&) = delete;
    LatencySketch& operator=(const LatencySketch&) = delete;

    void add(Duration latency, TimePoint now) {
        const Duration::rep at = now.time_since_epoch().count();
        if (at < begins_.load(std::memory_order_relaxed) || at >= ends_) rotate(at);
        Generation& own = generations_[newest_.load(std::memory_order_relaxed)];
        bump(own.counts[bucket_of(latency)]);
        bump(own.total);
    }

    // What was added so far is of another time. Thread: any; an add() at that very moment may win.
    void forget() { begins_.store(kForgotten, std::memory_order_relaxed); }

    [[nodiscard]] std::uint64_t count(TimePoint now) const;
    // q from 0 to 1; zero without an answer.
    [[nodiscard]] Duration quantile(double q, TimePoint now) const;
    // Of several threads' sketches together. A null is nobody's.
    [[nodiscard]] static std::uint64_t count(std::span<const LatencySketch* const> shards,
                                             TimePoint now);
    [[nodiscard]] static Duration quantile(std::span<const LatencySketch* const> shards,
                                           double q,
                                           TimePoint now);

    // What some sketches held at one moment: for several quantiles at the price of one. A value.
    class View {
      public:
        void add(const LatencySketch& sketch, TimePoint now);
        [[nodiscard]] std::uint64_t count() const { return total_; }
        [[nodiscard]] Duration quantile(double q) const;

      private:
        std::array<std::uint64_t, kBuckets> counts_{};
        std::uint64_t total_ = 0;
    };

    [[nodiscard]] static std::size_t bucket_of(Duration latency);
    // The value that stands for a bucket.
    [[nodiscard]] static Duration value_of(std::size_t bucket);

  private:
    using Counter = std::atomic<std::uint32_t>;
    struct Generation {
        Counter total{0};
        std::array<Counter, kBuckets> counts{};
    };

    static constexpr Duration::rep kForgotten = std::numeric_limits<Duration::rep>::max();

    // One writer: a load and a store, no locked instruction.
    static void bump(Counter& counter) {
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    static void clear(Generation& generation);
    void rotate(Duration::rep at);
    // Which generations are young enough: bit 0 the newest, bit 1 the one before.
    [[nodiscard]] unsigned valid(TimePoint now) const;

    const Duration::rep half_;
    Duration::rep ends_ = 0;                         // of the newest generation; the writer's own
    std::atomic<Duration::rep> begins_{kForgotten};  // of the newest generation
    std::atomic<std::uint32_t> newest_{0};
    std::array<Generation, 2> generations_;
};

}  // namespace weir::resilience
