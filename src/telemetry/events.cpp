#include "weir/telemetry/events.hpp"

#include <algorithm>

namespace weir::telemetry {

std::string_view word(Event::Kind kind) {
    switch (kind) {
        case Event::Kind::breaker:
            return "breaker";
        case Event::Kind::ejection:
            return "ejection";
        case Event::Kind::discovery:
            return "discovery";
        case Event::Kind::config:
            return "config";
        case Event::Kind::drain:
            return "drain";
        case Event::Kind::health:
            return "health";
    }
    return "event";
}

EventLog::EventLog(std::size_t capacity) : capacity_(std::max<std::size_t>(capacity, 1)) {}

void EventLog::set_listener(Listener listener) {
    listener_ = std::move(listener);
}

void EventLog::add(Event event) {
    {
        const std::lock_guard lock(mutex_);
        event.sequence = ++last_;
        if (events_.size() == capacity_) events_.pop_front();
        events_.push_back(event);
    }
    if (listener_) listener_(event);
}

std::vector<Event> EventLog::recent(std::size_t n, std::string_view cluster) const {
    std::vector<Event> found;
    const std::lock_guard lock(mutex_);
    for (auto event = events_.rbegin(); event != events_.rend() && found.size() < n; ++event) {
        if (cluster.empty() || event->cluster == cluster) found.push_back(*event);
    }
    std::reverse(found.begin(), found.end());
    return found;
}

std::vector<Event> EventLog::since(std::uint64_t sequence) const {
    std::vector<Event> found;
    const std::lock_guard lock(mutex_);
    for (const Event& event : events_) {
        if (event.sequence > sequence) found.push_back(event);
    }
    return found;
}

}  // namespace weir::telemetry
