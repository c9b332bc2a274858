#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/error.hpp"
#include "weir/resilience/backoff.hpp"
#include "weir/resilience/outcome.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::resilience {

// What may be tried again: the words of retry.on, as bits.
enum class RetryOn : std::uint16_t {
    none = 0,
    connect = 1 << 0,  // no connection was made, or a mesh peer refused
    reused = 1 << 1,   // a pooled connection died before a byte of the response
    reset = 1 << 2,    // the connection died before the response was forwarded
    timeout = 1 << 3,
    status_502 = 1 << 4,
    status_503 = 1 << 5,  // without Retry-After
    status_504 = 1 << 6,
    refused = 1 << 8,     // HTTP/2: the upstream has not looked at the request
    status_5xx = 1 << 7,  // any, also 503 with Retry-After: then not before that
};
[[nodiscard]] constexpr RetryOn operator|(RetryOn a, RetryOn b) {
    return static_cast<RetryOn>(static_cast<std::uint16_t>(a) | static_cast<std::uint16_t>(b));
}
[[nodiscard]] constexpr bool has(RetryOn set, RetryOn bit) {
    return (static_cast<std::uint16_t>(set) & static_cast<std::uint16_t>(bit)) != 0;
}

struct RetryOptions {
    std::uint32_t attempts = 2;  // extra tries
    RetryOn on = RetryOn::connect | RetryOn::refused | RetryOn::reused | RetryOn::status_503;
    std::uint32_t on_grpc = 1U << 14U;  // a bit a code: UNAVAILABLE
    Backoff backoff;
    std::uint32_t max_depth = 1;
};

// Why there is no further try. The ones after `unsafe` are the labels of a metric.
enum class RetryRefusal : std::uint8_t {
    none,        // there is one
    not_wanted,  // retry.on does not name this end
    exhausted,   // retry.attempts are used up
    forwarded,   // bytes of the response have gone to the client
    unsafe,  // the method is not in retry.methods, and the upstream may have acted on the request
    budget,
    deadline,   // too little time is left for it to succeed
    throttled,  // the upstream asked for less
    depth,      // the request is itself a retry of a Weir before us, or one behind us has retried
    buffer,     // the body is gone: it was larger than retry.buffer
};
[[nodiscard]] std::string_view word(RetryRefusal refusal);

struct RetryInput {
    Verdict verdict;
    std::optional<std::uint16_t> status;       // of the answer, if there was a head
    std::optional<std::uint32_t> grpc_status;  // if its head was all there is of it
    Error error;
    std::string_view weir_error;     // of the answer
    bool is_method_listed = false;   // in retry.methods
    bool is_body_replayable = true;  // none, not yet touched, or wholly buffered
    bool is_connection_reused = false;
    bool got_response_bytes = false;
    // On a reused connection: EOF, not a reset, and bytes_acked has not moved since before the
    // write.
    bool is_provably_unread = false;
    bool is_response_forwarded = false;
    std::uint32_t retries = 0;             // tries beyond the first so far
    std::uint32_t depth = 0;               // x-weir-retry-depth of the request
    bool was_retried_below = false;        // the answer says so: x-weir-retried
    Duration remaining = Duration::max();  // of timeout.request
    Duration median_latency{0};            // of the cluster
    Duration wait{0};                      // Backoff::wait() drawn for this retry
};

struct RetryDecision {
    RetryRefusal refusal = RetryRefusal::none;
    // The refusal was that endpoint's own: the same one again would refuse again.
    bool needs_other_endpoint = false;

    [[nodiscard]] bool may_retry() const { return refusal == RetryRefusal::none; }
};

// May the attempt that ended so be tried again? All but the budget, which the caller charges last
// (its refusal is RetryRefusal::budget). Thread: any (pure).
[[nodiscard]] RetryDecision decide_retry(const RetryOptions& options, const RetryInput& input);

}  // namespace weir::resilience
