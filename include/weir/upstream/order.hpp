#pragma once

#include "weir/core/clock.hpp"

#include <optional>
#include <string>

namespace weir::upstream {

// What an operator has said about a breaker or an endpoint, and who it was. A value.
struct Order {
    std::optional<TimePoint> until;  // none: until it is taken back
    std::string by;                  // "127.0.0.1", "uid 0 pid 4711"
    std::string reason;
    TimePoint since{};
};

// "by 127.0.0.1 for 10m: a deploy", for events.
[[nodiscard]] std::string describe(const Order& order);

}  // namespace weir::upstream
