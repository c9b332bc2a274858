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
    // What an answer of gRPC says at its end (or in its head, if there is nothing else).
    std::optional<std::uint32_t> grpc_status;
    Error error;  // reason `none` if the exchange ended as HTTP wants
    bool reused_connection = false;
    bool got_response_bytes = false;
    Duration since_last_write{0};  // from the last byte written to the connection's death
    Duration connect_time{0};      // what connecting to this endpoint took
    bool client_left = false;      // or its own deadline passed
    Duration waited{0};            // for response headers, until they came or the attempt ended
    Duration took{0};              // to a status of gRPC that came in trailers
    // A client that waited longer for headers and left has seen a timeout: see patience().
    Duration patience = Duration::max();
    // What the caller said it would wait for. If that is less than patience, its end is ignored,
    // also where the answer tells of it: callers must not trip a breaker by impatience.
    Duration caller_deadline = Duration::max();
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
        // A bit a code: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and DATA_LOSS.
        std::uint32_t failure_grpc = 1U << 2U | 1U << 4U | 1U << 13U | 1U << 14U | 1U << 15U;
        bool is_connect_failure = true;  // `connect` in failure_on; without, such ends are ignored
        bool is_timeout_failure = true;
        bool is_reset_failure = true;
        Duration slow_call{0};              // slower to the headers is slow; 0 for never
        Duration slow_call_at_endpoint{0};  // for its detector
    };

    Classifier() = default;
    explicit Classifier(const Options& options) : options_(options) {}

    [[nodiscard]] Verdict classify(const AttemptEnd& end) const;

  private:
    [[nodiscard]] Verdict judge(const AttemptEnd& end) const;
    [[nodiscard]] Verdict by_error(const AttemptEnd& end) const;
    [[nodiscard]] Verdict by_status(const AttemptEnd& end) const;
    [[nodiscard]] Verdict by_grpc(std::uint32_t code) const;

    Options options_;
};

// With the default options.
[[nodiscard]] Verdict classify(const AttemptEnd& end);

// Whether that kind of failure is the route's own (the code behind it is broken), rather than the
// service's (it is gone).
[[nodiscard]] bool is_of_route(FailureKind kind);

// Which failures a breaker hears of, where a route may have one beside its cluster's. Good answers
// are heard by both.
enum class Hearing : std::uint8_t {
    all,
    gone,       // not what is the route's own: that says the service is there
    unreached,  // local failures only: no route is to blame for them
    own,        // only what is the route's own
};
// The verdict as that breaker hears it. What is none of its business is `ignored`; but a probe
// comes to an end: well, if the service is there, and badly if it is not.
[[nodiscard]] Verdict heard(const Verdict& verdict, Hearing hearing, bool is_probe);

// A `weir-error` by which a mesh peer says that it did nothing with the request.
[[nodiscard]] bool is_peer_refusal(std::string_view weir_error);

}  // namespace weir::resilience
