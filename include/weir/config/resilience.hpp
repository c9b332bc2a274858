#pragma once

#include "weir/config/place.hpp"
#include "weir/core/clock.hpp"

#include <bitset>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// When an upstream counts as failing, what is tried again, and how long is waited. Values of the
// checked configuration, as config.hpp says.
namespace weir::config {

enum class Enforcement : std::uint8_t { enforce, shadow, off };

// How long requests may wait with no answer at all. automatic: from what their route's answers
// take.
struct StallAfter {
    enum class Kind : std::uint8_t { automatic, off, after };
    Kind kind = Kind::automatic;
    Duration after{0};

    bool operator==(const StallAfter&) const = default;
};

// Codes of gRPC by their bit: 1 << 14 is UNAVAILABLE.
using GrpcCodes = std::uint32_t;
// Of its name in lower case, "data_loss"; none if there is no such code.
[[nodiscard]] std::optional<unsigned> grpc_code(std::string_view name);

// What counts as a failure; all else that was answered is ok.
struct FailureOn {
    FailureOn();  // connect, timeout, reset, 500, 502, 503, 504 and five codes of gRPC

    bool connect = true;
    bool timeout = true;
    bool reset = true;
    std::bitset<600> statuses;  // of 400 and above
    GrpcCodes grpc = 0;

    bool operator==(const FailureOn&) const = default;
};

// The answer in place of a refusal: a fixed one, or that of another cluster.
struct Fallback {
    std::uint16_t status = 503;
    std::string body;
    std::string to;  // a key of Config::clusters, never in a circle; empty: status and body
    Span to_at;

    bool operator==(const Fallback&) const = default;
};

struct Breaker {
    // automatic: 500 counts for the route's, what says that the service is gone for the cluster's.
    enum class Scope : std::uint8_t { automatic, cluster, route };

    Enforcement mode = Enforcement::enforce;
    Scope scope = Scope::automatic;
    std::uint32_t consecutive_failures = 5;  // 0: rule off
    Duration consecutive_for = std::chrono::milliseconds{100};
    double failure_rate = 0.5;
    Duration window = std::chrono::seconds{10};
    std::uint32_t min_requests = 20;
    std::optional<Duration> slow_call;  // none: nothing is slow
    double slow_rate = 0.8;
    StallAfter stall_after;
    Duration open_for = std::chrono::milliseconds{500};
    Duration max_open_for = std::chrono::milliseconds{750};  // never below open_for
    std::uint32_t half_open_requests = 1;
    std::uint32_t successes_to_close = 2;
    std::optional<Duration> probe_timeout;  // none: auto
    FailureOn failure_on;                   // for the outlier detector, retries and the log, too
    std::optional<Fallback> fallback;

    bool operator==(const Breaker&) const = default;
};

struct Outlier {
    // With its peers. mad: median and median absolute deviation; stdev: mean and deviation.
    enum class Compare : std::uint8_t { mad, stdev, off };

    Enforcement mode = Enforcement::enforce;
    std::uint32_t consecutive_failures = 5;  // 0: rule off
    std::uint32_t consecutive_local = 3;     // 0: rule off
    Duration consecutive_for = std::chrono::milliseconds{100};
    double failure_rate = 0.5;
    Duration window = std::chrono::seconds{10};
    std::uint32_t min_requests = 20;
    std::optional<Duration> slow_call;  // none: nothing is slow
    double slow_rate = 0.8;
    std::optional<double> throttle_rate = 0.5;  // none: off
    Compare compare = Compare::mad;
    double compare_gap = 0.05;
    std::optional<double> latency_factor;  // above 1; none: off
    StallAfter stall_after;
    Duration interval = std::chrono::seconds{10};  // of the comparison
    std::uint32_t min_peers = 3;
    std::uint32_t peer_min_requests = 100;
    Duration eject_for = std::chrono::seconds{1};
    Duration max_eject_for = std::chrono::milliseconds{1500};  // never below eject_for
    double max_ejected = 0.5;
    std::uint32_t min_ready = 1;
    std::uint32_t half_open_requests = 1;
    std::uint32_t successes_to_return = 2;
    Duration ramp = std::chrono::seconds{10};

    bool operator==(const Outlier&) const = default;
};

// What may be tried again.
struct RetryOn {
    bool connect = true;  // no connection came about
    bool refused = true;  // HTTP/2: REFUSED_STREAM, or GOAWAY before it
    bool reused = true;   // a pooled connection died before a response byte
    bool status_503 = true;
    bool reset = false;    // the connection broke before response headers
    bool timeout = false;  // per_try_timeout or response_header passed
    bool status_502 = false;
    bool status_504 = false;
    bool status_5xx = false;               // any 5xx, the three above included
    GrpcCodes grpc = GrpcCodes{1} << 14U;  // act only where Retry::methods has POST

    bool operator==(const RetryOn&) const = default;
};

struct Retry {
    Enforcement mode = Enforcement::enforce;  // never off
    std::uint32_t attempts = 2;               // extra tries; `retry: off` is 0
    RetryOn on;
    std::optional<Duration> per_try_timeout;
    Duration backoff = std::chrono::milliseconds{25};
    Duration max_backoff = std::chrono::milliseconds{250};
    double budget = 0.2;
    double budget_min = 3.0;  // a second
    std::uint32_t max_depth = 1;
    std::vector<std::string> methods = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    std::uint64_t buffer = 64 * 1024;
    bool rescue = true;                   // of what waits on an endpoint ejected for a stall
    std::optional<Duration> hedge_after;  // none: off

    bool operator==(const Retry&) const = default;
};

struct Timeouts {
    Duration connect = std::chrono::seconds{1};
    std::optional<Duration> request = std::chrono::seconds{60};  // none: never
    std::optional<Duration> total;
    std::optional<Duration> response_header;
    Duration idle = std::chrono::seconds{60};
    Duration stream_idle = std::chrono::minutes{5};
    Duration tcp_idle = std::chrono::hours{1};

    bool operator==(const Timeouts&) const = default;
};

}  // namespace weir::config
