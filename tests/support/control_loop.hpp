#pragma once

#include "weir/transport/task.hpp"

#include "support/clock.hpp"
#include <boost/asio/io_context.hpp>

namespace weir::test {

// The main loop of a test: runs until something holds, without sleeping or guessing times.
class ControlLoop {
  public:
    [[nodiscard]] boost::asio::io_context& context() { return context_; }

    // False if it does not hold within ten seconds of real time: the test fails, and does not hang.
    template <typename Predicate>
    [[nodiscard]] bool run_until(Predicate holds) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
        while (!holds()) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            context_.restart();
            context_.run_one_for(std::chrono::milliseconds{20});
        }
        return true;
    }

    // Runs what is ready, and the control timers that are due by a simulated clock. The reactor
    // sleeps on by the time of the last wake-up, so a timer before all others makes it look.
    void run_due() {
        bool has_fired = false;
        transport::ControlTimer due(context_, TimePoint{});
        due.async_wait([&](const boost::system::error_code&) { has_fired = true; });
        context_.restart();
        while (!has_fired)
            context_.poll();
        while (context_.poll() > 0) {
        }
    }

    void advance(SimulatedClock& clock, Duration by) {
        clock.advance(by);
        run_due();
    }

  private:
    boost::asio::io_context context_;
};

}  // namespace weir::test
