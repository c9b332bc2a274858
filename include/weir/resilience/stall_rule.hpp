#pragma once

#include "weir/core/clock.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace weir::resilience {

// The rule for what hangs: requests wait for response headers and nothing is answered. Others find
// a hung endpoint only when its timeouts fire.
//
// Pure: says how long a wait is too long, and whether what was counted is a stall. Who counts is
// upstream/stall_watch.
struct StallOptions {
    enum class Kind : std::uint8_t { automatic, off, after };
    Kind kind = Kind::automatic;
    Duration after{0};
};

// What is known of the route that a request waits on.
struct RoutePace {
    std::uint64_t answers = 0;  // counted in its sketch
    Duration p95{0};
    Duration p99{0};
    // From sending to the response's head; none: such a request may wait for ever, and does not
    // count.
    std::optional<Duration> request_timeout;
};

// Answers of a route before `automatic` judges by it.
inline constexpr std::uint64_t kStallAnswers = 100;
// `automatic` is never shorter.
inline constexpr Duration kLeastStall = std::chrono::seconds{1};
// Requests that must wait: at an endpoint for too long, in a cluster at all.
inline constexpr std::uint32_t kStalledAtEndpoint = 3;
inline constexpr std::uint32_t kWaitingInCluster = 20;

// How long a request of that route may wait at an endpoint: by default max(1 s, 8 x p95). None: its
// wait says nothing. It does not where the route is too little known, or is slow by nature: 2 x p95
// above half of its timeout (long polls).
[[nodiscard]] inline std::optional<Duration> stall_after(const StallOptions& options,
                                                         const RoutePace& route,
                                                         Duration usual) {
    if (options.kind == StallOptions::Kind::off || !route.request_timeout) return std::nullopt;
    if (options.kind == StallOptions::Kind::after) return options.after;
    if (route.answers < kStallAnswers) return std::nullopt;
    if (2 * route.p95 > *route.request_timeout / 2) return std::nullopt;
    return std::max(kLeastStall, usual);
}
[[nodiscard]] inline std::optional<Duration> stall_after(const StallOptions& options,
                                                         const RoutePace& route) {
    return stall_after(options, route, 8 * route.p95);
}
// The same for the silence of a whole cluster: by default max(1 s, 10 x p99).
[[nodiscard]] inline std::optional<Duration> cluster_stall_after(const StallOptions& options,
                                                                 const RoutePace& route) {
    return stall_after(options, route, 10 * route.p99);
}

// How an endpoint, or a whole cluster, answered.
struct Answering {
    TimePoint last{};      // answer; the epoch: never
    Duration mean_gap{0};  // between answers; 0: not known
};

// One more answer came; what is long ago counts little, and no gap as more than kLongestGap: else a
// quiet night took away the rule for the morning.
inline constexpr Duration kLongestGap = std::chrono::seconds{10};
[[nodiscard]] inline Duration next_gap(Duration mean_gap, Duration gap) {
    const Duration seen = std::clamp(gap, Duration{0}, kLongestGap);
    if (mean_gap <= Duration{0}) return seen;
    return mean_gap + (seen - mean_gap) / 8;
}

// Does a request count that has waited at an endpoint since then? If it has waited for too long
// while the endpoint answered nothing in that time, nor in 10 x its mean gap.
[[nodiscard]] inline bool is_stalled(TimePoint since,
                                     Duration stall_after,
                                     const Answering& endpoint,
                                     TimePoint now) {
    if (now - since < stall_after) return false;
    if (endpoint.last == TimePoint{}) return true;
    const Duration silent = now - endpoint.last;
    return silent >= stall_after && silent >= 10 * endpoint.mean_gap;
}

// Is a whole cluster stalled, whose oldest request waits since then? Silence before it came is
// none: nobody had asked.
[[nodiscard]] inline bool is_cluster_stalled(std::uint32_t waiting,
                                             TimePoint since,
                                             Duration stall_after,
                                             TimePoint last_answer,
                                             TimePoint now) {
    if (waiting < kWaitingInCluster) return false;
    return now - std::max(since, last_answer) >= stall_after;
}

}  // namespace weir::resilience
