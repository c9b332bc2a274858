#pragma once

#include "weir/core/reason.hpp"
#include "weir/telemetry/metrics.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

// Series resolved when a snapshot is built, so that a request costs no label lookup. Built anew
// with each snapshot from the same names, they are the same series. Thread: any (immutable, or
// atomics); counting needs the worker's shard.
namespace weir::telemetry {

struct ListenerMetrics {
    ListenerMetrics(Registry& registry, std::string_view listener);

    CellId requests_active;  // gauge
    // A client's connections in clear and, by the same names, under TLS.
    struct Connections {
        CellId active;  // gauge
        CellId total;
    };
    [[nodiscard]] const Connections& of(bool is_tls) const { return is_tls ? tls : clear; }
    Connections clear;
    Connections tls;
};

// How a handshake ended.
enum class Handshake : std::uint8_t {
    ok,
    resumed,
    timeout,
    closed,          // the peer left
    not_tls,         // its first bytes were something else
    version,         // no common version of TLS
    cipher,          // no common cipher
    no_certificate,  // of a client that must have one
    untrusted,       // issued by nobody we trust
    expired,         // or not valid yet
    revoked,
    wrong_name,
    not_allowed,  // by the list of who may
    refused,      // by the peer, with an alert
    error,
};
inline constexpr std::size_t kHandshakes = static_cast<std::size_t>(Handshake::error) + 1;
[[nodiscard]] std::string_view word(Handshake result);

struct TlsMetrics {
    TlsMetrics(Registry& registry, bool is_server);
    [[nodiscard]] CellId of(Handshake result) const {
        return results[static_cast<std::size_t>(result)];
    }
    std::array<CellId, kHandshakes> results;
};

enum class ConnectFailure : std::uint8_t { refused, timeout, tls, dns, reset };
enum class RetryRefused : std::uint8_t { budget, deadline, throttled, depth, buffer };
// Why a request had a second attempt under way beside the first.
enum class Second : std::uint8_t {
    hedge,   // the first was slower than retry.hedge_after
    rescue,  // its endpoint was ejected for a stall
    probe,   // the first is an endpoint's probe, and hangs
};
enum class Limit : std::uint8_t {
    max_requests,
    max_pending,
    max_connections,
    max_connecting,
    queue_timeout,
    adaptive
};

struct ClusterMetrics {
    ClusterMetrics(Registry& registry, std::string_view cluster);

    HistogramId request_duration;  // one attempt
    HistogramId connect_duration;
    CellId requests_active;     // gauge
    CellId requests_pending;    // gauge
    CellId connections_active;  // gauge
    CellId connections;
    std::array<CellId, 5> connect_failures;  // by ConnectFailure
    CellId retries_success;
    CellId retries_failure;
    std::array<CellId, 5> retries_refused;  // by RetryRefused
    std::array<CellId, 3> seconds_won;      // by Second
    std::array<CellId, 3> seconds_lost;     // by Second
    std::array<CellId, 6> limit_rejected;   // by Limit
    CellId breaker_rejected;
    CellId stale_reuse_success;
    CellId stale_reuse_failure;

    [[nodiscard]] CellId of(ConnectFailure failure) const {
        return connect_failures[static_cast<std::size_t>(failure)];
    }
    [[nodiscard]] CellId of(RetryRefused reason) const {
        return retries_refused[static_cast<std::size_t>(reason)];
    }
    [[nodiscard]] CellId of(Second kind, bool has_won) const {
        return (has_won ? seconds_won : seconds_lost)[static_cast<std::size_t>(kind)];
    }
    [[nodiscard]] CellId of(Limit limit) const {
        return limit_rejected[static_cast<std::size_t>(limit)];
    }
};

struct RateLimitMetrics {
    RateLimitMetrics(Registry& registry, std::string_view rule);

    CellId limited;
    CellId shadow;
    CellId store_error;
    // Of one that has a store.
    HistogramId store_seconds;
    CellId leased_keys;    // gauge
    CellId leased_tokens;  // gauge
};

// The classifier's verdict on a whole request, as a label.
enum class Outcome : std::uint8_t { ok, failure, throttled, ignored };
[[nodiscard]] std::string_view word(Outcome outcome);

// How a request ended.
struct RequestEnd {
    std::uint16_t status = 0;
    Outcome outcome = Outcome::ok;
    Reason reason = Reason::none;
    Duration duration{};  // first byte of the request to last byte of the response
    std::uint64_t request_bytes = 0;
    std::uint64_t response_bytes = 0;
};

// The series of one listener, route and cluster (kNone if the route answers itself). A series
// of weir_requests_total is made when its combination of code, outcome and reason is first seen
// (some at 0 before, for the alerts); the upstream's own answers get kMaxCodes of them, then code
// is `_other`. Thread: any; a combination seen before costs a scan of a few words, a new one the
// registry's lock.
class RequestMetrics {
  public:
    static constexpr std::size_t kMaxCodes = 24;

    RequestMetrics(Registry& registry,
                   std::string_view listener,
                   std::string_view route,
                   std::string_view cluster);
    RequestMetrics(const RequestMetrics&) = delete;
    RequestMetrics& operator=(const RequestMetrics&) = delete;

    void record(Shard& shard, const RequestEnd& end) const;
    // Of a connection that carried no HTTP: it has no code, and how long it lasted is no latency.
    void record_opaque(Shard& shard, const RequestEnd& end) const;

  private:
    static constexpr std::size_t kSlots = 64;

    struct Found {
        CellId cell;
        bool is_hit = false;
        std::size_t used = 0;   // slots looked at, if it was no hit
        std::size_t codes = 0;  // of them, the upstream's own answers
    };

    CellId cell(std::uint16_t status, Outcome outcome, Reason reason) const;
    [[nodiscard]] Found find(std::uint32_t key) const;
    [[nodiscard]] static std::uint32_t reduce(std::uint32_t key, const Found& found);
    CellId make(std::uint32_t exact, HistogramId with = {}) const;

    Registry& registry_;
    std::string listener_;
    std::string route_;
    std::string cluster_;
    HistogramId duration_;
    CellId request_bytes_;
    CellId response_bytes_;

    // Combination in the upper half, cell in the lower; written once under the mutex, in order.
    mutable std::array<std::atomic<std::uint64_t>, kSlots> slots_{};
    mutable std::mutex mutex_;
};

}  // namespace weir::telemetry
