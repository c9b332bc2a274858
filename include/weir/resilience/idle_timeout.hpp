#pragma once

#include "weir/core/clock.hpp"

#include <atomic>
#include <mutex>
#include <optional>

namespace weir::resilience {

// After how long an origin closes idle connections, learned from what it does: a request written
// just then is lost (the keep-alive race), and one that must not be executed twice fails with it.
// One per endpoint. Thread: any; reading costs a load or two.
//
// An age is believed when three closes agree on it that are not of one moment: a restart closes
// connections of all ages at once and teaches nothing. It falls with what is seen, and rises where
// connections are seen open beyond it.
class IdleTimeout {
  public:
    // A connection that is asked for a request so soon after its last one is never suspected.
    static constexpr Duration kFresh = std::chrono::milliseconds{10};

    // The upstream closed a connection that had been idle for so long; or one was found dead then.
    void closed(Duration age, TimePoint now);
    // One is open still.
    void open_after(Duration age);

    // When it closes them, as far as that is known.
    [[nodiscard]] std::optional<Duration> learned() const;

    // For how long an idle connection may carry a request. `promised`: by Keep-Alive of its last
    // answer, or zero. `round_trip`: what connecting took. One that may be sent again: until
    // shortly before the close. One that must not: half of that, and while nothing is known, half
    // of what connections have survived.
    [[nodiscard]] Duration good_for(Duration promised, Duration round_trip) const;
    [[nodiscard]] Duration good_without_repeat(Duration promised) const;

  private:
    std::atomic<Duration::rep> learned_{0};   // zero: nothing yet
    std::atomic<Duration::rep> survived_{0};  // the greatest age seen open, since the last close
    std::mutex mutex_;
    Duration candidate_{};    // guarded by mutex_
    int agreeing_ = 0;        // guarded by mutex_; closes at the candidate's age
    TimePoint last_close_{};  // guarded by mutex_; the last one that counted
};

}  // namespace weir::resilience
