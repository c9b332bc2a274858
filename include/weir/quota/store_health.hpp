#pragma once

#include "weir/core/clock.hpp"
#include "weir/resilience/circuit_breaker.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace weir::quota {

// Whether a store that others count with, too, is worth asking, and how it went last. Its breaker
// opens at the first failure, for a tenth of a second at first: meanwhile whoever would ask goes on
// without it at once. Thread: any; an answer costs a store, a failure a lock.
class StoreHealth {
  public:
    StoreHealth(std::uint64_t seed, TimePoint now);

    [[nodiscard]] resilience::CircuitBreaker& breaker() { return breaker_; }
    [[nodiscard]] bool is_up() const { return breaker_.state() == resilience::State::closed; }

    void note_answer(TimePoint now) {
        answered_at_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    }
    // `why` is a sentence without its end.
    void note_failure(std::string_view why, TimePoint now);

    struct View {
        resilience::State state = resilience::State::closed;
        TimePoint since{};                     // in that state
        std::optional<TimePoint> answered_at;  // last
        std::string error;                     // of the last failure; empty: there was none
        TimePoint failed_at{};
    };
    [[nodiscard]] View view(TimePoint now) const;

  private:
    resilience::CircuitBreaker breaker_;
    std::atomic<Duration::rep> answered_at_{0};  // 0: never
    mutable std::mutex mutex_;
    std::string error_;      // guarded by mutex_
    TimePoint failed_at_{};  // likewise
};

}  // namespace weir::quota
