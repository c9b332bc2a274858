#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

// The one table of metric families: name, type, help and labels. Names and labels are interface
// (dashboards and alerts use them); the table's order is the order of the exposition.
namespace weir::telemetry {

enum class Family : std::uint8_t {
    requests,
    request_duration,
    upstream_request_duration,
    requests_active,
    upstream_requests_active,
    upstream_requests_pending,
    request_bytes,
    response_bytes,
    connections_active,
    connections,
    upstream_connections_active,
    upstream_connections,
    upstream_connect_failures,
    upstream_connect_duration,
    retries,
    retries_refused,
    second_attempts,
    breaker_state,
    breaker_transitions,
    breaker_rejected,
    breaker_fallback,
    endpoints,
    outlier_ejections,
    endpoint_requests,
    endpoint_errors,
    endpoint_ewma,
    endpoint_active,
    upstream_stale_reuse,
    limit_rejected,
    adaptive_limit,
    cluster_none_ready,
    health_checks,
    cluster_health_ignored,
    shadow,
    protocol_refused,
    mirrored,
    faults,
    auth_failures,
    passthrough_addresses,
    passthrough_evicted,
    tls_handshakes,
    tls_certificate_not_after,
    rate_limited,
    rate_limit_keys,
    rate_limit_evicted,
    rate_limit_store_seconds,
    rate_limit_leased_keys,
    rate_limit_leased_tokens,
    discovery_updates,
    discovery_last_success,
    config_last_reload_success,
    config_last_reload_success_timestamp,
    config_reloads,
    config_info,
    admin_mutations,
    injector_reviews,
    access_log_dropped,
    metrics_series_dropped,
    event_loop_lag,
    build_info,
    target_info,
    process_cpu_seconds,
    process_open_fds,
    process_max_fds,
    process_virtual_memory,
    process_virtual_memory_max,
    process_resident_memory,
    process_start_time,
};
inline constexpr std::size_t kFamilyCount =
    static_cast<std::size_t>(Family::process_start_time) + 1;

enum class Type : std::uint8_t { counter, gauge, histogram };

// Upper bounds of a histogram's buckets, ascending, without +Inf.
struct Buckets {
    std::span<const std::int64_t> nanoseconds;
};

struct FamilyInfo {
    Family family;
    std::string_view name;
    Type type;
    // Low-rate families are looked up by their labels at each use and live in prometheus-cpp's
    // registry; the others are cells of the workers' shards.
    bool is_low_rate;
    std::string_view help;
    std::span<const std::string_view> labels;
    const Buckets* buckets;  // histograms only: the default ones
};

// Thread: any. Costs one array access.
[[nodiscard]] const FamilyInfo& info(Family family);
[[nodiscard]] std::span<const FamilyInfo> families();

// Whether telemetry.buckets replaces its bounds: those of requests, not of connecting or of turns.
[[nodiscard]] bool takes_configured_buckets(Family family);

inline constexpr std::size_t kMaxLabels = 6;

// Values for labels that name nothing.
inline constexpr std::string_view kOther = "_other";  // not a configured or known value
inline constexpr std::string_view kNone = "_none";    // cluster of a request that reached none
inline constexpr std::string_view kAll = "_all";      // route of a breaker that serves all of them

}  // namespace weir::telemetry
