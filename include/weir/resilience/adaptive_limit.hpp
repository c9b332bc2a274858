#pragma once

#include "weir/core/clock.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace weir::resilience {

// A limit of concurrency that finds itself: as many requests as the upstream takes before they
// begin to queue there. A gradient limit as in Netflix's concurrency-limits (Gradient2):
//
//   limit := limit * clamp(tolerance * base / latency, 1/2, 1) + sqrt(limit)
//
// once a window, `latency` being the geometric mean of its samples (a quantile jumps where answers
// are of two kinds, a mean follows the slowest), `base` what it is without a queue. The base falls
// with what is seen. What it rises to is measured where fewer are in flight than would queue: when
// the clients leave it so, or every `remeasure`, by admitting for two windows a little less than
// the knee; never by a stop, as a pin to the minimum would be. The limit only grows when it is
// used, and only changes when enough was seen.
//
// Thread: any. A request costs two additions to counters; a window's end a lock that nobody waits
// for.
class AdaptiveLimit {
  public:
    struct Options {
        std::uint32_t initial = 20;
        std::uint32_t least = 3;
        std::uint32_t most = 100'000;
        double tolerance = 1.25;
        Duration window = std::chrono::milliseconds{100};  // at least, and kSamples
        Duration remeasure = std::chrono::seconds{30};
    };

    // One request, held. The limit outlives it.
    class Slot {
      public:
        Slot() = default;
        Slot(Slot&& other) noexcept : limit_(std::exchange(other.limit_, nullptr)) {}
        Slot& operator=(Slot&& other) noexcept;
        ~Slot() { reset(); }
        // Over, and it says nothing about the upstream.
        void reset();
        // Over: it was answered after so long, or given up then.
        void finish(Duration latency, TimePoint now);
        // Over: the upstream itself said that it is too much.
        void refused(TimePoint now);
        [[nodiscard]] bool is_held() const { return limit_ != nullptr; }

      private:
        friend class AdaptiveLimit;
        explicit Slot(AdaptiveLimit* limit) : limit_(limit) {}
        AdaptiveLimit* limit_ = nullptr;
    };

    AdaptiveLimit(const Options& options, TimePoint now);
    AdaptiveLimit(const AdaptiveLimit&) = delete;
    AdaptiveLimit& operator=(const AdaptiveLimit&) = delete;

    // Exact as Limit is: never more are held than the limit was at that moment.
    [[nodiscard]] std::optional<Slot> try_acquire();
    // Whatever the limit: for shadow mode.
    [[nodiscard]] Slot acquire_always();

    [[nodiscard]] std::uint32_t limit() const { return limit_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint32_t in_flight() const {
        return in_flight_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t rejected_total() const {
        return rejected_.load(std::memory_order_relaxed);
    }
    // The latency it takes for that without a queue; zero if not measured yet.
    [[nodiscard]] Duration base() const {
        return Duration{base_ns_.load(std::memory_order_relaxed)};
    }

    // Windows with fewer go on.
    static constexpr std::uint32_t kSamples = 100;

  private:
    enum class Phase : std::uint8_t { steady, draining, measuring };

    void leave() { in_flight_.fetch_sub(1, std::memory_order_release); }
    void note_peak(std::uint32_t in_flight);
    void end_window(TimePoint now);
    void learn(double latency, std::uint32_t peak, bool is_overloaded, TimePoint now);
    void begin_measuring(TimePoint now);
    void set_base(double base, TimePoint now);
    void publish(double cap);
    [[nodiscard]] double below_knee() const;

    const Options options_;
    std::atomic<std::uint32_t> cap_;    // what is admitted: the limit, or less while measuring
    std::atomic<std::uint32_t> limit_;  // for show
    std::atomic<Duration::rep> base_ns_{0};
    std::atomic<std::uint64_t> rejected_{0};
    std::atomic<Duration::rep> window_end_;
    alignas(64) std::atomic<std::uint32_t> in_flight_{0};
    std::atomic<std::uint32_t> peak_{0};     // of this window
    std::atomic<std::uint32_t> refused_{0};  // of this window
    std::atomic<std::uint64_t> samples_{0};  // of this window: their count, and sum of logarithms

    std::mutex mutex_;  // guards the rest
    double exact_;      // the limit
    double base_ = 0;   // nanoseconds, as are the next
    double short_ = 0;  // smoothed over some windows
    double limit_at_base_ = 0;
    TimePoint base_at_{};
    TimePoint began_;
    Phase phase_ = Phase::steady;
};

}  // namespace weir::resilience
