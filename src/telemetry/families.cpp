#include "weir/telemetry/families.hpp"

#include <array>

namespace weir::telemetry {
namespace {

using Text = std::string_view;

constexpr std::int64_t kMicrosecond = 1'000;
constexpr std::int64_t kMillisecond = 1'000'000;

constexpr std::array<std::int64_t, 14> kRequestBounds{
    1 * kMillisecond,    2'500 * kMicrosecond, 5 * kMillisecond,    10 * kMillisecond,
    25 * kMillisecond,   50 * kMillisecond,    75 * kMillisecond,   100 * kMillisecond,
    250 * kMillisecond,  500 * kMillisecond,   1000 * kMillisecond, 2500 * kMillisecond,
    5000 * kMillisecond, 10'000 * kMillisecond};
constexpr Buckets kRequestBuckets{kRequestBounds};

// Connecting on a node takes tens of microseconds, across a zone a millisecond, and is given up
// after timeout.connect, a second.
constexpr std::array<std::int64_t, 8> kConnectBounds{
    100 * kMicrosecond, 500 * kMicrosecond, 1 * kMillisecond,   5 * kMillisecond,
    25 * kMillisecond,  100 * kMillisecond, 500 * kMillisecond, 1000 * kMillisecond};
constexpr Buckets kConnectBuckets{kConnectBounds};

constexpr std::array<std::int64_t, 8> kLagBounds{
    100 * kMicrosecond, 500 * kMicrosecond, 1 * kMillisecond,   5 * kMillisecond,
    10 * kMillisecond,  50 * kMillisecond,  250 * kMillisecond, 1000 * kMillisecond};
constexpr Buckets kLagBuckets{kLagBounds};

// A Redis at hand answers in a tenth of a millisecond, and is given up after redis{}.timeout, 20
// ms.
constexpr std::array<std::int64_t, 8> kStoreBounds{
    100 * kMicrosecond, 250 * kMicrosecond, 500 * kMicrosecond, 1 * kMillisecond,
    5 * kMillisecond,   20 * kMillisecond,  100 * kMillisecond, 1000 * kMillisecond};
constexpr Buckets kStoreBuckets{kStoreBounds};

template <std::size_t N>
using Names = std::array<Text, N>;

constexpr Names<6> kRequestLabels{"listener", "route", "cluster", "code", "outcome", "reason"};
constexpr Names<3> kTripleLabels{"listener", "route", "cluster"};
constexpr Names<3> kBreakerLabels{"cluster", "route", "state"};
constexpr Names<3> kTransitionLabels{"cluster", "to", "reason"};
constexpr Names<2> kAuthLabels{"provider", "reason"};
constexpr Names<3> kProtocolLabels{"listener", "reason", "mode"};
constexpr Names<3> kDiscoveryLabels{"cluster", "type", "result"};
constexpr Names<2> kDiscoverySourceLabels{"cluster", "type"};
constexpr Names<2> kHandshakeLabels{"side", "result"};
constexpr Names<1> kSubjectLabel{"subject_name"};
constexpr Names<2> kListenerTlsLabels{"listener", "tls"};
constexpr Names<2> kClusterReasonLabels{"cluster", "reason"};
constexpr Names<1> kRuleLabel{"rule"};
constexpr Names<2> kRuleResultLabels{"rule", "result"};
constexpr Names<2> kClusterResultLabels{"cluster", "result"};
constexpr Names<3> kSecondLabels{"cluster", "kind", "result"};
constexpr Names<2> kClusterKindLabels{"cluster", "kind"};
constexpr Names<2> kClusterStateLabels{"cluster", "state"};
constexpr Names<2> kClusterLimitLabels{"cluster", "limit"};
constexpr Names<2> kClusterDecisionLabels{"cluster", "decision"};
constexpr Names<2> kClusterToLabels{"cluster", "to"};
constexpr Names<2> kEndpointLabels{"cluster", "endpoint"};
constexpr Names<2> kBuildLabels{"version", "commit"};
constexpr Names<1> kListenerLabel{"listener"};
constexpr Names<1> kRouteLabel{"route"};
constexpr Names<1> kClusterLabel{"cluster"};
constexpr Names<1> kReasonLabel{"reason"};
constexpr Names<1> kResultLabel{"result"};
constexpr Names<2> kOperationLabels{"operation", "result"};
constexpr Names<1> kHashLabel{"hash"};
constexpr Names<1> kThreadLabel{"thread"};
constexpr Names<1> kNodeLabel{"node"};
constexpr Names<0> kNoLabels{};

using F = Family;
constexpr auto kCounter = Type::counter;
constexpr auto kGauge = Type::gauge;
constexpr auto kHistogram = Type::histogram;

// clang-format off
constexpr std::array<FamilyInfo, kFamilyCount> kFamilies{{
    {F::requests, "weir_requests_total", kCounter, false,
     "Requests completed, by route, upstream and outcome.", kRequestLabels, nullptr},
    {F::request_duration, "weir_request_duration_seconds", kHistogram, false,
     "Time from the first request byte to the last response byte.", kTripleLabels, &kRequestBuckets},
    {F::upstream_request_duration, "weir_upstream_request_duration_seconds", kHistogram, false,
     "Time of one attempt at an upstream, from sending it to the end of its answer.", kClusterLabel, &kRequestBuckets},
    {F::requests_active, "weir_requests_active", kGauge, false,
     "Requests in progress.", kListenerLabel, nullptr},
    {F::upstream_requests_active, "weir_upstream_requests_active", kGauge, false,
     "Attempts in progress at an upstream.", kClusterLabel, nullptr},
    {F::upstream_requests_pending, "weir_upstream_requests_pending", kGauge, false,
     "Requests that wait for a connection to an upstream.", kClusterLabel, nullptr},
    {F::request_bytes, "weir_request_bytes_total", kCounter, false,
     "Bytes of request bodies received from clients.", kRouteLabel, nullptr},
    {F::response_bytes, "weir_response_bytes_total", kCounter, false,
     "Bytes of response bodies sent to clients.", kRouteLabel, nullptr},
    {F::connections_active, "weir_connections_active", kGauge, false,
     "Client connections open.", kListenerTlsLabels, nullptr},
    {F::connections, "weir_connections_total", kCounter, false,
     "Client connections accepted.", kListenerTlsLabels, nullptr},
    {F::upstream_connections_active, "weir_upstream_connections_active", kGauge, false,
     "Upstream connections open, idle ones included.", kClusterLabel, nullptr},
    {F::upstream_connections, "weir_upstream_connections_total", kCounter, false,
     "Upstream connections opened.", kClusterLabel, nullptr},
    {F::upstream_connect_failures, "weir_upstream_connect_failures_total", kCounter, false,
     "Upstream connections that did not come about.", kClusterReasonLabels, nullptr},
    {F::upstream_connect_duration, "weir_upstream_connect_duration_seconds", kHistogram, false,
     "Time to open an upstream connection.", kClusterLabel, &kConnectBuckets},
    {F::retries, "weir_retries_total", kCounter, false,
     "Attempts after the first, by how they ended.", kClusterResultLabels, nullptr},
    {F::retries_refused, "weir_retries_refused_total", kCounter, false,
     "Retries that were wanted and not made.", kClusterReasonLabels, nullptr},
    {F::second_attempts, "weir_second_attempts_total", kCounter, false,
     "Attempts made beside one that was slow, stuck or a hanging probe, by which of the two went on.", kSecondLabels, nullptr},
    {F::breaker_state, "weir_breaker_state", kGauge, false,
     "1 for the state the breaker is in, 0 for the others.", kBreakerLabels, nullptr},
    {F::breaker_transitions, "weir_breaker_transitions_total", kCounter, true,
     "Changes of a breaker's state.", kTransitionLabels, nullptr},
    {F::breaker_rejected, "weir_breaker_rejected_total", kCounter, false,
     "Requests refused because a breaker was open.", kClusterLabel, nullptr},
    {F::breaker_fallback, "weir_breaker_fallback_total", kCounter, false,
     "Requests refused by an open breaker that a fallback answered: that cluster, or a fixed answer.", kClusterToLabels, nullptr},
    {F::endpoints, "weir_endpoints", kGauge, false,
     "Endpoints of a cluster by state.", kClusterStateLabels, nullptr},
    {F::outlier_ejections, "weir_outlier_ejections_total", kCounter, true,
     "Endpoints ejected for misbehaving.", kClusterReasonLabels, nullptr},
    {F::endpoint_requests, "weir_endpoint_requests_total", kCounter, false,
     "Attempts at an endpoint.", kEndpointLabels, nullptr},
    {F::endpoint_errors, "weir_endpoint_errors_total", kCounter, false,
     "Attempts at an endpoint that failed.", kEndpointLabels, nullptr},
    {F::endpoint_ewma, "weir_endpoint_ewma_seconds", kGauge, false,
     "Moving average of an endpoint's latency.", kEndpointLabels, nullptr},
    {F::endpoint_active, "weir_endpoint_active", kGauge, false,
     "Attempts in progress at an endpoint.", kEndpointLabels, nullptr},
    {F::upstream_stale_reuse, "weir_upstream_stale_reuse_total", kCounter, false,
     "Pooled connections found dead when used, by how the request went on.", kClusterResultLabels, nullptr},
    {F::limit_rejected, "weir_limit_rejected_total", kCounter, false,
     "Requests refused by a limit of the cluster.", kClusterLimitLabels, nullptr},
    {F::adaptive_limit, "weir_adaptive_limit", kGauge, false,
     "Requests to a cluster at once that limits.adaptive admits now.", kClusterLabel, nullptr},
    {F::cluster_none_ready, "weir_cluster_none_ready", kGauge, false,
     "1 while no endpoint of the cluster is ready.", kClusterLabel, nullptr},
    {F::health_checks, "weir_health_checks_total", kCounter, true,
     "Active health checks, by their result.", kClusterResultLabels, nullptr},
    {F::cluster_health_ignored, "weir_cluster_health_ignored", kGauge, false,
     "Endpoints used though their health checks fail, as too few would be left.", kClusterLabel, nullptr},
    {F::shadow, "weir_shadow_total", kCounter, true,
     "What a breaker or detector in shadow mode would have done.", kClusterDecisionLabels, nullptr},
    {F::protocol_refused, "weir_protocol_refused_total", kCounter, false,
     "Requests refused by a rule of HTTP.", kProtocolLabels, nullptr},
    {F::mirrored, "weir_mirrored_requests_total", kCounter, false,
     "Copies of requests for a mirror, by what became of them.", kClusterResultLabels, nullptr},
    {F::faults, "weir_faults_injected_total", kCounter, false,
     "Requests that were delayed or answered on purpose, by the cluster they were meant for.", kClusterKindLabels, nullptr},
    {F::auth_failures, "weir_auth_failures_total", kCounter, false,
     "Requests whose credentials a way of authentication did not take, or that a rule refused.", kAuthLabels, nullptr},
    {F::passthrough_addresses, "weir_passthrough_addresses", kGauge, true,
     "Addresses passed through to that have a breaker, because no cluster names them.", kNoLabels, nullptr},
    {F::passthrough_evicted, "weir_passthrough_evicted_total", kCounter, true,
     "Addresses dropped for others: limits.passthrough_addresses.", kNoLabels, nullptr},
    {F::tls_handshakes, "weir_tls_handshakes_total", kCounter, false,
     "TLS handshakes, by how they ended.", kHandshakeLabels, nullptr},
    {F::tls_certificate_not_after, "weir_tls_certificate_not_after_timestamp_seconds", kGauge, true,
     "When a certificate in use expires, by where the configuration names it.", kSubjectLabel, nullptr},
    {F::rate_limited, "weir_rate_limited_total", kCounter, false,
     "Requests that a rate limit refused (limited), would have refused (shadow), or decided without its store (store_error).", kRuleResultLabels, nullptr},
    {F::rate_limit_keys, "weir_rate_limit_keys", kGauge, false,
     "Keys that a rate limit knows in this process.", kRuleLabel, nullptr},
    {F::rate_limit_evicted, "weir_rate_limit_evicted_total", kCounter, false,
     "Keys that a rate limit forgot before their time, for others: rate_limits{}.max_keys.", kRuleLabel, nullptr},
    {F::rate_limit_store_seconds, "weir_rate_limit_store_seconds", kHistogram, false,
     "Time a question to a rate limit's store took, also if it failed.", kRuleLabel, &kStoreBuckets},
    {F::rate_limit_leased_keys, "weir_rate_limit_leased_keys", kGauge, false,
     "Keys for which this process keeps what their store said last: tokens, or a no.", kRuleLabel, nullptr},
    {F::rate_limit_leased_tokens, "weir_rate_limit_leased_tokens", kGauge, false,
     "Tokens taken from a rate limit's store ahead, and not spent yet.", kRuleLabel, nullptr},
    {F::discovery_updates, "weir_discovery_updates_total", kCounter, true,
     "Answers of a cluster's discovery.", kDiscoveryLabels, nullptr},
    {F::discovery_last_success, "weir_discovery_last_success_timestamp_seconds", kGauge, true,
     "When a cluster's discovery last succeeded.", kDiscoverySourceLabels, nullptr},
    {F::config_last_reload_success, "weir_config_last_reload_success", kGauge, true,
     "1 if the last reload was accepted.", kNoLabels, nullptr},
    {F::config_last_reload_success_timestamp, "weir_config_last_reload_success_timestamp_seconds", kGauge, true,
     "When the running configuration was loaded.", kNoLabels, nullptr},
    {F::config_reloads, "weir_config_reloads_total", kCounter, true,
     "Reloads of the configuration.", kResultLabel, nullptr},
    {F::config_info, "weir_config_info", kGauge, true,
     "The running configuration.", kHashLabel, nullptr},
    {F::admin_mutations, "weir_admin_mutations_total", kCounter, true,
     "What was changed, or was to be, over the admin port.", kOperationLabels, nullptr},
    {F::injector_reviews, "weir_injector_reviews_total", kCounter, true,
     "Pods that weir injector was asked about, by what became of them.", kResultLabel, nullptr},
    {F::access_log_dropped, "weir_access_log_dropped_total", kCounter, false,
     "Access log records lost.", kReasonLabel, nullptr},
    {F::metrics_series_dropped, "weir_metrics_series_dropped_total", kCounter, false,
     "Series not exported because telemetry.max_series was reached.", kReasonLabel, nullptr},
    {F::event_loop_lag, "weir_event_loop_lag_seconds", kHistogram, false,
     "Time a worker's turn took before it could poll again.", kThreadLabel, &kLagBuckets},
    {F::build_info, "weir_build_info", kGauge, true,
     "This program.", kBuildLabels, nullptr},
    {F::target_info, "target_info", kGauge, true,
     "The node this program runs on, as configured.", kNodeLabel, nullptr},
    {F::process_cpu_seconds, "process_cpu_seconds_total", kCounter, true,
     "Total user and system CPU time spent in seconds.", kNoLabels, nullptr},
    {F::process_open_fds, "process_open_fds", kGauge, true,
     "Number of open file descriptors.", kNoLabels, nullptr},
    {F::process_max_fds, "process_max_fds", kGauge, true,
     "Maximum number of open file descriptors.", kNoLabels, nullptr},
    {F::process_virtual_memory, "process_virtual_memory_bytes", kGauge, true,
     "Virtual memory size in bytes.", kNoLabels, nullptr},
    {F::process_virtual_memory_max, "process_virtual_memory_max_bytes", kGauge, true,
     "Maximum amount of virtual memory available in bytes.", kNoLabels, nullptr},
    {F::process_resident_memory, "process_resident_memory_bytes", kGauge, true,
     "Resident memory size in bytes.", kNoLabels, nullptr},
    {F::process_start_time, "process_start_time_seconds", kGauge, true,
     "Start time of the process since unix epoch in seconds.", kNoLabels, nullptr},
}};
// clang-format on

constexpr bool is_in_order() {
    for (std::size_t i = 0; i < kFamilies.size(); ++i) {
        if (static_cast<std::size_t>(kFamilies[i].family) != i) return false;
        if (kFamilies[i].labels.size() > kMaxLabels) return false;
        if ((kFamilies[i].buckets != nullptr) != (kFamilies[i].type == Type::histogram))
            return false;
    }
    return true;
}
static_assert(is_in_order(), "a row is missing or out of place");

}  // namespace

const FamilyInfo& info(Family family) {
    return kFamilies[static_cast<std::size_t>(family)];
}

std::span<const FamilyInfo> families() {
    return kFamilies;
}

bool takes_configured_buckets(Family family) {
    return info(family).buckets == &kRequestBuckets;
}

}  // namespace weir::telemetry
