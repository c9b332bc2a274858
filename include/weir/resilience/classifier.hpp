#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/error.hpp"
#include "weir/resilience/outcome.hpp"

#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::resilience {

// Everything about the end of an attempt that the verdict depends on.
struct AttemptEnd {
    std::optional<std::uint16_t> status;  // of the final response head, if it was read whole
    bool has_retry_after = false;
    Duration retry_after{0};
    std::string_view weir_error;  // `weir-error` of the answer: a mesh peer's reason
    Error error;                  // reason `none` if the exchange ended as HTTP wants
    bool reused_connection = false;
    bool got_response_bytes = false;
    Duration since_last_write{0};  // from the last byte written to the connection's death
    Duration connect_time{0};      // what connecting to this endpoint took
    bool client_left = false;      // or its own deadline passed
    Duration waited{0};            // for response headers, until they came or the attempt ended
    // A client that waited longer for headers and left has seen a timeout: see patience().
    Duration patience = Duration::max();
};

// From when on a client's leaving counts as a timeout: max(1 s, 10 x the route's p99), and under
// 100 samples half of timeout.request.
[[nodiscard]] Duration patience(std::uint64_t samples, Duration p99, Duration request_timeout);

// Turns the end of an attempt into its verdict: the one place where that is decided, for breaker,
// outlier detector, retries, metrics and log. Thread: any (immutable).
class Classifier {
  public:
    struct Options {
        Options();  // 500, 502, 503 and 504

        std::bitset<600> failure_statuses;
        bool is_connect_failure = true;  // `connect` in failure_on; without, such ends are ignored
        bool is_timeout_failure = true;
        bool is_reset_failure = true;
        Duration slow_call{0};  // slower to the headers is slow; 0 for never
    };

    Classifier() = default;
    explicit Classifier(const Options& options) : options_(options) {}

    [[nodiscard]] Verdict classify(const AttemptEnd& end) const;

  private:
    [[nodiscard]] Verdict judge(const AttemptEnd& end) const;
    [[nodiscard]] Verdict by_error(const AttemptEnd& end) const;
    [[nodiscard]] Verdict by_status(const AttemptEnd& end) const;

    Options options_;
};

// With the default options.
[[nodiscard]] Verdict classify(const AttemptEnd& end);

// A `weir-error` by which a mesh peer says that it did nothing with the request.
[[nodiscard]] bool is_peer_refusal(std::string_view weir_error);

}  // namespace weir::resilience
