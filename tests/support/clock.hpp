#pragma once

#include "weir/core/clock.hpp"

namespace weir::test {

// While it lives every thread sees the time it sets. One at a time.
class SimulatedClock {
  public:
    SimulatedClock() : SimulatedClock(TimePoint{std::chrono::hours{1}}) {}
    explicit SimulatedClock(TimePoint start) : now_(start) { Clock::simulate(now_); }
    SimulatedClock(const SimulatedClock&) = delete;
    SimulatedClock& operator=(const SimulatedClock&) = delete;
    ~SimulatedClock() { Clock::release(); }

    // Returns the new time. A loop that sleeps on a timer does not notice by itself: see
    // weir::test::poll_timers() for Asio's.
    TimePoint advance(Duration by) {
        now_ += by;
        Clock::simulate(now_);
        return now_;
    }

    [[nodiscard]] TimePoint now() const { return now_; }

  private:
    TimePoint now_;
};

}  // namespace weir::test
