#pragma once

#include "weir/core/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace weir::telemetry {

// Something an operator wants to know of, seldom enough to keep: the admin API's events and the
// terminal's lines.
struct Event {
    enum class Kind : std::uint8_t { breaker, ejection, discovery, config, drain, health };

    Kind kind = Kind::config;
    WallTime at{};
    std::string cluster;
    std::string endpoint;
    std::string route;
    std::string from;  // states, for transitions
    std::string to;
    std::string reason;          // a stable word
    std::string detail;          // for people: "5 failures in a row; next try in 0.5s"
    std::uint64_t sequence = 0;  // set by EventLog, from 1
};

[[nodiscard]] std::string_view word(Event::Kind kind);

// The last events of the process. Thread: any, by a lock held for a copy.
class EventLog {
  public:
    using Listener = std::function<void(const Event&)>;

    explicit EventLog(std::size_t capacity = 256);

    // Called with each event, on the thread that adds it and outside the lock: it must be quick.
    // Set before threads start.
    void set_listener(Listener listener);

    void add(Event event);

    // The newest n, oldest first; of one cluster if it is named.
    [[nodiscard]] std::vector<Event> recent(std::size_t n, std::string_view cluster = {}) const;
    // Those after that sequence number, oldest first; what was overwritten is missing.
    [[nodiscard]] std::vector<Event> since(std::uint64_t sequence) const;

  private:
    const std::size_t capacity_;
    Listener listener_;
    mutable std::mutex mutex_;
    std::uint64_t last_ = 0;
    std::deque<Event> events_;
};

}  // namespace weir::telemetry
