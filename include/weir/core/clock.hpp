#pragma once

#include <chrono>
#include <cstdint>

namespace weir {

using Duration = std::chrono::nanoseconds;

// The clock of everything that decides: monotonic, and read once a turn of the event loop.
//
// now() is the cached time of this thread: two loads, no system call. A thread that runs no event
// loop calls refresh() before it asks. Tests set the time with tests/support/clock.
// Thread: any (the cache is per thread).
struct Clock {
    using rep = Duration::rep;
    using period = Duration::period;
    using duration = Duration;
    using time_point = std::chrono::time_point<Clock, Duration>;
    static constexpr bool is_steady = true;

    [[nodiscard]] static time_point now() noexcept;

    // Reads the system's clock into this thread's cache and returns it.
    static time_point refresh() noexcept;

    // The wall clock at now(), for logs and headers: derived from the cached time.
    [[nodiscard]] static std::chrono::system_clock::time_point wall() noexcept;

    // Tests only: every thread sees this time until release().
    static void simulate(time_point at) noexcept;
    static void release() noexcept;
};

using TimePoint = Clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

}  // namespace weir
