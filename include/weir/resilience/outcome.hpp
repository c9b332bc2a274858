#pragma once

#include "weir/core/clock.hpp"

#include <cstdint>
#include <string_view>

namespace weir::resilience {

// What an attempt says about its endpoint.
enum class Outcome : std::uint8_t {
    ok,             // it answered
    failure,        // it answered badly, too late, or broke off
    local_failure,  // it could not be reached, or refused before doing anything
    throttled,      // it is well and asks for less
    stale,          // a reused connection had been closed by it: says nothing about its health
    ignored,        // says nothing about it: the client left, or we refused
};

enum class FailureKind : std::uint8_t {
    none,
    status_500,
    status_502,
    status_503,
    status_504,
    status_other,  // listed by the user in failure_on
    peer_refused,  // it did nothing with the request: a mesh peer's `weir-error`, or HTTP/2
    connect_refused,
    connect_timeout,
    dns,
    tls,
    reset,
    timeout,
    protocol,
    grpc_unknown,  // in the trailers of an answer of gRPC
    grpc_internal,
    grpc_unavailable,
    grpc_data_loss,
    grpc_deadline_exceeded,
    grpc_other,  // listed by the user in failure_on
};

struct Verdict {
    Outcome outcome = Outcome::ok;
    FailureKind kind = FailureKind::none;
    bool is_slow = false;              // by breaker.slow_call
    bool is_slow_at_endpoint = false;  // by outlier.slow_call
    Duration hint{0};                  // Retry-After; 0 for none
};

// One word everywhere: metric labels, access log, admin API. Thread: any.
[[nodiscard]] std::string_view word(Outcome outcome);
[[nodiscard]] std::string_view word(FailureKind kind);

}  // namespace weir::resilience
