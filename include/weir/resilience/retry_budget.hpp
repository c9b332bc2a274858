#pragma once

#include "weir/core/clock.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

namespace weir::resilience {

// Bounds what retries add to the load of a cluster: in any window of ten seconds at most
// ratio * originals + min_rate * window. The ratio's part may be spent at once; of min_rate's part
// at most one second's worth.
//
// Thread: any. Originals are counted in a shard of the caller's own (one writing thread each);
// retries take a mutex.
class RetryBudget {
  public:
    struct Options {
        double ratio = 0.2;
        double min_rate = 3;  // a second
        std::uint32_t shards = 1;
    };

    // Leave to send one retry. Unless sent() is called, it is refunded when it goes. The budget
    // outlives it. Thread: its owner's.
    class Charge {
      public:
        Charge() = default;
        Charge(Charge&& other) noexcept
            : budget_(other.budget_), second_(other.second_), part_(other.part_) {
            other.budget_ = nullptr;
        }
        Charge& operator=(Charge&& other) noexcept;
        ~Charge() { refund(); }

        void sent() { budget_ = nullptr; }
        void refund();

      private:
        friend class RetryBudget;
        enum class Part : std::uint8_t { ratio, min_rate };
        Charge(RetryBudget* budget, std::int64_t second, Part part)
            : budget_(budget), second_(second), part_(part) {}

        RetryBudget* budget_ = nullptr;
        std::int64_t second_ = 0;
        Part part_ = Part::ratio;
    };

    RetryBudget(const Options& options, TimePoint now);
    RetryBudget(const RetryBudget&) = delete;
    RetryBudget& operator=(const RetryBudget&) = delete;

    // A request has arrived, also one that will be answered locally. Writes the own shard only.
    void count_original(std::uint32_t shard, TimePoint now);

    [[nodiscard]] std::optional<Charge> try_charge(TimePoint now);

    // The replay of a failed probe, or a rescue: counted, never refused.
    void charge_always(TimePoint now);

    // Retries that could be charged now.
    [[nodiscard]] double available(TimePoint now);

  private:
    static constexpr std::uint32_t kSeconds = 10;
    static constexpr std::int64_t kToken = 1000;  // one retry, in thousandths

    struct Originals {
        std::atomic<std::int64_t> second{-1};
        std::atomic<std::uint32_t> count{0};
    };
    struct alignas(64) Shard {
        std::array<Originals, kSeconds> seconds;
    };
    struct Spent {
        std::int64_t second = -1;
        std::int64_t ratio = 0;
        std::int64_t min_rate = 0;
    };

    void refund(std::int64_t second, Charge::Part part);
    [[nodiscard]] std::int64_t originals(std::int64_t second) const;
    [[nodiscard]] std::int64_t ratio_left(std::int64_t second) const;
    [[nodiscard]] std::int64_t min_rate_left(std::int64_t second) const;
    [[nodiscard]] std::int64_t bucket_size() const;
    void fill(TimePoint now);
    Spent& spent_in(std::int64_t second);

    const std::int64_t ratio_;     // thousandths of a retry an original
    const std::int64_t min_rate_;  // thousandths a second
    const std::uint32_t shard_count_;
    const std::unique_ptr<Shard[]> shards_;

    mutable std::mutex mutex_;
    std::array<Spent, kSeconds> spent_{};
    // One second's worth at most, filled at min_rate.
    std::int64_t bucket_;
    TimePoint filled_at_;
};

}  // namespace weir::resilience
