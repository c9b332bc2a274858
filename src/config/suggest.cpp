#include "config/suggest.hpp"

#include "config/table.hpp"

#include <algorithm>

namespace weir::config {
namespace {

struct Synonym {
    std::string_view word;
    std::string_view key;
};
// Several keys for a word: the first that the object has is meant.
constexpr Synonym kSynonyms[] = {
    // root
    {"backend", "clusters"},
    {"backends", "clusters"},
    {"upstreams", "clusters"},
    {"upstream", "clusters"},
    {"services", "clusters"},
    {"service", "clusters"},
    {"cluster", "clusters"},
    {"static_resources", "listeners"},
    {"frontend", "listeners"},
    {"frontends", "listeners"},
    {"server", "listeners"},
    {"entryPoints", "listeners"},
    {"entrypoints", "listeners"},
    {"listener", "listeners"},
    {"workers", "threads"},
    {"worker_processes", "threads"},
    {"nbthread", "threads"},
    {"concurrency", "threads"},
    {"shutdown_timeout", "drain"},
    {"logging", "log"},
    {"metrics", "telemetry"},
    {"prometheus", "telemetry"},
    {"accesslog", "access_log"},
    {"accessLog", "access_log"},
    // listeners
    {"port", "listen"},
    {"bind", "listen"},
    {"address", "listen"},
    {"addr", "listen"},
    {"host", "listen"},
    {"route", "routes"},
    {"location", "routes"},
    {"locations", "routes"},
    {"rules", "routes"},
    {"filter_chains", "routes"},
    {"virtual_hosts", "routes"},
    {"real_ip_from", "trusted_proxies"},
    {"set_real_ip_from", "trusted_proxies"},
    {"xff_num_trusted_hops", "trusted_hops"},
    // routes and listeners
    {"url", "to"},
    {"upstream", "to"},
    {"backend", "to"},
    {"service", "to"},
    {"cluster", "to"},
    {"target", "to"},
    {"proxy_pass", "to"},
    {"forward", "to"},
    {"default_backend", "to"},
    {"domain", "host"},
    {"domains", "host"},
    {"hostname", "host"},
    {"server_name", "host"},
    {"prefix", "path"},
    {"match", "path"},
    {"uri", "path"},
    {"methods", "method"},
    {"headers", "header"},
    {"return", "respond"},
    {"direct_response", "respond"},
    {"client_max_body_size", "max_body"},
    {"retries", "retry"},
    {"retry_policy", "retry"},
    {"num_retries", "attempts"},
    {"max_retries", "attempts"},
    {"retry_on", "on"},
    // clusters
    {"servers", "endpoints"},
    {"server", "endpoints"},
    {"hosts", "endpoints"},
    {"load_assignment", "endpoints"},
    {"loadBalancer", "lb"},
    {"load_balancer", "lb"},
    {"lb_policy", "lb.policy"},
    {"balance", "lb.policy"},
    {"circuit_breaker", "breaker"},
    {"circuit_breakers", "breaker"},
    {"circuitBreaker", "breaker"},
    {"outlier_detection", "outlier"},
    {"max_fails", "outlier.consecutive_failures"},
    {"fail_timeout", "outlier.eject_for"},
    {"keepalive", "limits.idle_connections"},
    {"maxconn", "limits.max_connections"},
    {"max_connections", "limits.max_connections"},
    {"max_conns", "limits.max_connections"},
    {"timeouts", "timeout"},
    {"connect_timeout", "timeout.connect"},
    {"proxy_connect_timeout", "timeout.connect"},
    {"proxy_read_timeout", "timeout.response_header"},
    {"read_timeout", "timeout.response_header"},
    {"idle_timeout", "timeout.idle"},
    {"request_timeout", "timeout.request"},
    // blocks
    {"threshold", "consecutive_failures"},
    {"max_failures", "consecutive_failures"},
    {"consecutive_5xx", "consecutive_failures"},
    {"consecutive_gateway_failure", "consecutive_failures"},
    {"consecutive_local_origin_failure", "consecutive_local"},
    {"base_ejection_time", "eject_for"},
    {"max_ejection_time", "max_eject_for"},
    {"max_ejection_percent", "max_ejected"},
    {"reset_timeout", "open_for"},
    {"wait_duration", "open_for"},
    {"sleep_window", "open_for"},
    {"algorithm", "policy"},
    {"type", "policy"},
    {"per_retry_timeout", "per_try_timeout"},
    {"retry_budget", "budget"},
    {"read", "response_header"},
    {"file", "to"},
    {"path", "to"},
    {"output", "to"},
    {"code", "status"},
    {"content", "body"},
    {"text", "body"},
    {"max_body_size", "body"},
    {"max_header_size", "header_size"},
    {"max_headers", "headers"},
};

// From the reference, words only: what is known and refused is said so, never ignored.
struct Later {
    std::string_view path;
    std::span<const std::string_view> words;
};
constexpr std::string_view kLaterRoot[] = {"identity", "auth",      "rate_limits", "redis",
                                           "kafka",    "consumers", "tracing"};
constexpr std::string_view kLaterNode[] = {"zone"};
constexpr std::string_view kLaterListener[] = {"transparent",    "protocol",    "detect_timeout",
                                               "proxy_protocol", "passthrough", "tls",
                                               "rate_limit",     "auth"};
constexpr std::string_view kLaterRoute[] = {"grpc",
                                            "publish",
                                            "headers",
                                            "response_headers",
                                            "mirror",
                                            "mirror_percent",
                                            "fault",
                                            "websocket",
                                            "cors",
                                            "compress",
                                            "require",
                                            "merge_slashes",
                                            "allow_encoded_slash",
                                            "breaker",
                                            "rate_limit",
                                            "auth"};
constexpr std::string_view kLaterCluster[] = {"protocol", "health", "tls"};
constexpr std::string_view kLaterDiscovery[] = {"keep_last_max_age", "options"};
constexpr std::string_view kLaterDiscoveryType[] = {"dns-srv", "kubernetes", "consul", "etcd",
                                                    "xds",     "registry",   "plugin"};
constexpr std::string_view kLaterLb[] = {"key", "zone_aware", "when_none_ready"};
constexpr std::string_view kLaterPolicy[] = {"maglev", "ring_hash"};
constexpr std::string_view kLaterClusterLimits[] = {"adaptive"};
constexpr std::string_view kLaterBreaker[] = {"scope",       "slow_call",  "slow_rate",
                                              "stall_after", "failure_on", "fallback"};
constexpr std::string_view kLaterOutlier[] = {
    "slow_call",      "slow_rate",   "throttle_rate", "compare",   "compare_gap",
    "latency_factor", "stall_after", "interval",      "min_peers", "peer_min_requests"};
constexpr std::string_view kLaterRetry[] = {"rescue", "hedge_after"};
constexpr std::string_view kLaterTimeout[] = {"handshake"};
constexpr std::string_view kLaterAdmin[] = {"ui", "tap_bodies"};
constexpr std::string_view kLaterTelemetry[] = {"exemplars"};
constexpr std::string_view kLaterLimits[] = {"streams",  "resets", "body_rate",
                                             "log_only", "memory", "passthrough_addresses"};
constexpr std::string_view kLaterRetryOn[] = {"refused"};
constexpr Later kLater[] = {{"", kLaterRoot},
                            {"node", kLaterNode},
                            {"listeners[]", kLaterListener},
                            {"listeners[].routes[]", kLaterRoute},
                            {"clusters{}", kLaterCluster},
                            {"clusters{}.endpoints[]", kLaterNode},
                            {"clusters{}.discovery", kLaterDiscovery},
                            {"clusters{}.discovery.type", kLaterDiscoveryType},
                            {"clusters{}.lb", kLaterLb},
                            {"clusters{}.lb.policy", kLaterPolicy},
                            {"clusters{}.limits", kLaterClusterLimits},
                            {"breaker", kLaterBreaker},
                            {"outlier", kLaterOutlier},
                            {"retry", kLaterRetry},
                            {"retry.on", kLaterRetryOn},
                            {"timeout", kLaterTimeout},
                            {"admin", kLaterAdmin},
                            {"telemetry", kLaterTelemetry},
                            {"limits", kLaterLimits}};

}  // namespace

std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::vector<std::size_t> next(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j)
        row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        next[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                next[j] = std::min(next[j], before[j - 2] + 1);
            }
        }
        std::swap(before, row);
        std::swap(row, next);
    }
    return row[b.size()];
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    constexpr std::size_t kLongest = 64;  // nobody slips into more, and the work is quadratic
    std::string_view best;
    std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
    if (word.size() < 2 || word.size() > kLongest) return best;
    for (const auto candidate : candidates) {
        if (candidate.size() > kLongest) continue;
        const auto slips = distance(word, candidate);
        if (slips >= least) continue;
        least = slips;
        best = candidate;
    }
    return best;
}

std::string_view synonym(std::string_view word, std::span<const std::string_view> keys) {
    for (const auto& entry : kSynonyms) {
        const auto first = entry.key.substr(0, entry.key.find('.'));
        if (entry.word == word && std::find(keys.begin(), keys.end(), first) != keys.end())
            return entry.key;
    }
    return {};
}

std::string joined(std::span<const std::string_view> words) {
    std::string out;
    for (const auto word : words) {
        if (!out.empty()) out += ", ";
        out += word;
    }
    return out;
}

std::span<const std::string_view> later_words(std::string_view path) {
    for (const auto& later : kLater) {
        if (later.path == path) return later.words;
    }
    return {};
}

}  // namespace weir::config
