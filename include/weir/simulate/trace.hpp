#pragma once

#include "weir/config/config.hpp"
#include "weir/core/clock.hpp"
#include "weir/resilience/outcome.hpp"
#include "weir/resilience/transition.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::simulate {

// One recorded attempt.
struct TraceEntry {
    Duration at{};  // when it began
    Duration latency{};
    std::optional<Duration> headers;
    std::string cluster;
    std::string endpoint;
    resilience::Verdict verdict;
    bool is_replay_safe = true;
    bool is_probe = false;
};

struct Trace {
    std::vector<TraceEntry> entries;  // by time
    std::size_t skipped = 0;          // lines that are no attempt
    std::string error;                // it is no trace at all
};

// NDJSON: an export of the admin API, or a JSON access log (one attempt a request).
[[nodiscard]] Trace read_trace(std::string_view text);

// What a cluster's deciders made of a trace.
struct Replayed {
    std::string cluster;
    std::string endpoint;  // empty: the breaker
    Duration at{};
    resilience::State from = resilience::State::closed;
    resilience::State to = resilience::State::closed;
    std::string_view reason;
};

// Plays the attempts of one cluster against its breaker and detectors: every attempt as it was
// recorded, at its time. Back-off has a jitter of its own: a recorded probe that comes too early
// for it is moved to when it may go.
[[nodiscard]] std::vector<Replayed> replay(const Trace& trace,
                                           const config::Cluster& cluster,
                                           std::string_view name,
                                           std::uint64_t seed);

}  // namespace weir::simulate
