#pragma once

#include "weir/core/clock.hpp"
#include "weir/resilience/success_window.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::resilience {

enum class State : std::uint8_t { closed, open, half_open };
enum class Mode : std::uint8_t { enforce, shadow, off };

// Why the machine changed its state.
enum class TripReason : std::uint8_t {
    none,
    consecutive,        // failures in a row
    consecutive_local,  // local failures in a row
    failure_rate,       // too many failed in the window
    slow_rate,          // too many were slow in the window
    throttle_rate,      // too many were throttled, though its peers' were not
    success_rate,       // its success rate is an outlier among its peers'
    latency,            // its latency is an outlier among its peers'
    stall,              // requests wait for it and it answers nothing
    probe_failed,
    probe_timeout,  // the probe's lease ran out
    probe_ok,       // enough probes in a row were good
    health,         // an active health check
    elapsed,        // open for long enough
    forced,         // by an operator, or back from that
    floor,          // too few endpoints were left
};
inline constexpr std::size_t kTripReasons = static_cast<std::size_t>(TripReason::floor) + 1;

[[nodiscard]] std::string_view word(State state);
[[nodiscard]] std::string_view word(Mode mode);
[[nodiscard]] std::string_view word(TripReason reason);

// One change of state, as the history, the log and the event stream tell it.
struct Transition {
    std::uint64_t epoch = 0;  // of the new state: orders the transitions of one machine
    TimePoint at{};
    State from = State::closed;
    State to = State::closed;
    TripReason reason = TripReason::none;
    Duration open_for{0};          // to == open: until the next probe
    std::uint32_t run = 0;         // from closed: failures in a row just before
    Duration run_for{0};           // from closed: since the first of them
    SuccessWindow::Counts seen{};  // from closed: the window just before
};

// Told of each transition after it happened, by the thread that caused it and outside the machine's
// lock. Calls from two threads may swap: Transition::epoch orders them. Must not block.
class TransitionSink {
  public:
    virtual void on_transition(const Transition& transition) = 0;
    // The endpoint should have gone, but the guard kept it: it serves with a tenth of its weight.
    virtual void on_penalty(bool is_penalized, TimePoint at) { (void)is_penalized, (void)at; }

  protected:
    ~TransitionSink() = default;
};

// Asked when a rule of the closed state says trip, and told where the machine is. All are called
// under the machine's lock: quick, and never back into a machine.
class TripGate {
  public:
    enum class Answer : std::uint8_t { trip, hold, penalize };

    [[nodiscard]] virtual Answer may_trip(TripReason reason, TimePoint now) = 0;
    // Is the median share of throttled answers of its peers below `share`? Without peers it is not.
    [[nodiscard]] virtual bool do_peers_throttle_less(double share, TimePoint now) {
        (void)share, (void)now;
        return false;
    }
    virtual void entered(State state, TripReason reason, TimePoint now) {
        (void)state, (void)reason, (void)now;
    }

  protected:
    ~TripGate() = default;
};

}  // namespace weir::resilience
