#pragma once

#include "weir/core/clock.hpp"

#include <atomic>
#include <cstdint>
#include <optional>

namespace weir::resilience {

// How many of something may exist at once, exactly, for the whole process: never more slots are
// held than max. One fetch_add, rolled back when refused; under contention at the edge a refusal
// may be one that a moment later would not have been. Without a maximum nothing is counted. Thread:
// any. acquire/release on the one counter.
class Limit {
  public:
    // One unit, held. The limit outlives it.
    class Slot {
      public:
        Slot() = default;
        Slot(Slot&& other) noexcept : limit_(other.limit_) { other.limit_ = nullptr; }
        Slot& operator=(Slot&& other) noexcept;
        ~Slot() { reset(); }
        void reset();

      private:
        friend class Limit;
        explicit Slot(Limit* limit) : limit_(limit) {}
        Limit* limit_ = nullptr;  // null: unlimited, or given back
    };

    // No value: unlimited.
    explicit Limit(std::optional<std::uint32_t> max) { set_max(max); }
    Limit(const Limit&) = delete;
    Limit& operator=(const Limit&) = delete;

    [[nodiscard]] std::optional<Slot> try_acquire(TimePoint now);
    // Above the maximum too, for those who only look what it would refuse.
    [[nodiscard]] Slot acquire_always();

    // A reload's. Who holds a slot keeps it, even above the new maximum; what was taken while there
    // was no maximum is not counted.
    void set_max(std::optional<std::uint32_t> max);
    [[nodiscard]] std::optional<std::uint32_t> max() const;
    // 0 if unlimited.
    [[nodiscard]] std::uint32_t in_use() const;
    [[nodiscard]] std::uint64_t rejected_total() const {
        return rejected_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::optional<TimePoint> last_rejection() const;

  private:
    static constexpr std::uint64_t kUnlimited = UINT64_MAX;

    std::atomic<std::uint64_t> max_{kUnlimited};
    alignas(64) std::atomic<std::uint32_t> used_{0};
    std::atomic<std::uint64_t> rejected_{0};
    std::atomic<Duration::rep> rejected_at_{0};
};

}  // namespace weir::resilience
