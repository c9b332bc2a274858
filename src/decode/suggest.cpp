#include "weir/decode/suggest.hpp"

#include "decode/table.hpp"

#include <algorithm>

namespace weir::config {
namespace {

// The words of nginx, Envoy, Traefik, HAProxy and Caddy, without regard to case, _ and -. Several
// rows for a word: the first that fits the object is meant.
constexpr Synonym kSynonyms[] = {
    // the top
    {"upstream", "clusters"},
    {"upstreams", "clusters"},
    {"upstream", "routes[].to"},
    {"backend", "clusters"},
    {"backend", "routes[].to"},
    {"backends", "clusters"},
    {"service", "clusters"},
    {"service", "routes[].to"},
    {"services", "clusters"},
    {"cluster", "clusters"},
    {"cluster", "routes[].to"},
    {"http_services", "clusters"},
    {"servers_transport", "defaults"},
    {"static_resources", "listeners"},
    {"frontend", "listeners"},
    {"frontends", "listeners"},
    {"http", "listeners"},
    {"stream", "listeners"},
    {"entry_point", "listeners"},
    {"entry_points", "listeners"},
    {"listener", "listeners"},
    {"sites", "listeners"},
    {"apps", "listeners"},
    {"workers", "threads"},
    {"worker_processes", "threads"},
    {"nbthread", "threads"},
    {"nbproc", "threads"},
    {"concurrency", "threads"},
    {"shutdown_timeout", "drain"},
    {"grace_period", "drain"},
    {"hard_stop_after", "drain"},
    {"drain_time", "drain"},
    {"parent_shutdown_time", "drain"},
    {"worker_shutdown_timeout", "drain"},
    {"life_cycle", "drain"},
    {"logging", "log"},
    {"error_log", "log"},
    {"metrics", "telemetry"},
    {"prometheus", "telemetry"},
    {"stats", "telemetry"},
    {"stats_config", "telemetry"},
    {"api", "admin"},
    {"dashboard", "admin"},
    {"providers", "include"},
    {"import", "include"},
    {"server", "clusters{}.endpoints"},
    {"server", "listeners"},
    {"servers", "clusters{}.endpoints"},
    {"servers", "listeners"},
    {"port", "listeners[].listen"},
    {"default_server", "listeners"},
    {"global", "defaults"},
    // listeners
    {"bind", "listeners[].listen"},
    {"address", "clusters{}.endpoints[].address"},
    {"address", "listeners[].listen"},
    {"addr", "listeners[].listen"},
    {"host", "listeners[].listen"},
    {"listen_addresses", "listeners[].listen"},
    {"listen_address", "listeners[].listen"},
    {"socket_address", "listeners[].listen"},
    {"port_value", "listeners[].listen"},
    {"route", "listeners[].routes"},
    {"router", "listeners[].routes"},
    {"routers", "listeners[].routes"},
    {"location", "listeners[].routes"},
    {"locations", "listeners[].routes"},
    {"rules", "listeners[].routes"},
    {"handle", "listeners[].routes"},
    {"handle_path", "listeners[].routes"},
    {"route_config", "listeners[].routes"},
    {"filter_chains", "listeners[].routes"},
    {"virtual_hosts", "listeners[].routes"},
    {"use_backend", "listeners[].routes"},
    {"http_filters", "listeners[].routes"},
    {"real_ip_from", "listeners[].trusted_proxies"},
    {"set_real_ip_from", "listeners[].trusted_proxies"},
    {"forwarded_headers", "listeners[].trusted_proxies"},
    {"trusted_ips", "listeners[].trusted_proxies"},
    {"xff_num_trusted_hops", "listeners[].trusted_hops"},
    {"forward_client_cert_details", "listeners[].forward_client_cert"},
    {"set_current_client_cert_details", "listeners[].forward_client_cert"},
    {"pass_tls_client_cert", "listeners[].forward_client_cert"},
    {"underscores_in_headers", "listeners[].underscores"},
    {"headers_with_underscores_action", "listeners[].underscores"},
    {"ssl", "listeners[].tls"},
    {"ssl", "clusters{}.tls"},
    {"tls_context", "listeners[].tls"},
    {"transport_socket", "listeners[].tls"},
    {"transport_socket", "clusters{}.tls"},
    {"ssl_certificate", "listeners[].tls"},
    {"crt", "listeners[].tls"},
    {"max_conn", "clusters{}.limits.max_connections"},
    {"max_conn", "limits.connections"},
    {"worker_connections", "limits.connections"},
    {"large_client_header_buffers", "limits.header_size"},
    {"client_header_buffer_size", "limits.header_size"},
    {"max_request_headers_kb", "limits.header_size"},
    {"max_header_bytes", "limits.header_size"},
    {"max_header_size", "limits.header_size"},
    {"max_headers", "limits.headers"},
    {"max_headers_count", "limits.headers"},
    {"client_max_body_size", "limits.body"},
    {"client_max_body_size", "routes[].max_body"},
    {"max_request_body_bytes", "limits.body"},
    {"max_request_body_bytes", "routes[].max_body"},
    {"max_body_size", "limits.body"},
    {"max_body_size", "routes[].max_body"},
    {"max_size", "routes[].max_body"},
    {"keepalive_requests", "limits.requests_per_connection"},
    {"max_requests_per_connection", "limits.requests_per_connection"},
    // routes
    {"url", "routes[].to"},
    {"target", "routes[].to"},
    {"proxy_pass", "routes[].to"},
    {"reverse_proxy", "routes[].to"},
    {"forward", "routes[].to"},
    {"proxy", "routes[].to"},
    {"default_backend", "routes[].to"},
    {"fastcgi_pass", "routes[].to"},
    {"grpc_pass", "routes[].to"},
    {"weighted_clusters", "routes[].to"},
    {"weighted", "routes[].to"},
    {"split_clients", "routes[].to"},
    {"domain", "routes[].host"},
    {"domains", "routes[].host"},
    {"hostname", "routes[].host"},
    {"hostnames", "routes[].host"},
    {"server_name", "routes[].host"},
    {"server_names", "routes[].host"},
    {"prefix", "routes[].path"},
    {"path_prefix", "routes[].path"},
    {"path_regexp", "routes[].path"},
    {"safe_regex", "routes[].path"},
    {"match", "routes[].path"},
    {"rule", "routes[].path"},
    {"uri", "routes[].path"},
    {"methods", "routes[].method"},
    {"headers", "routes[].header"},
    {"query_parameters", "routes[].query"},
    {"query_params", "routes[].query"},
    {"return", "routes[].respond"},
    {"direct_response", "routes[].respond"},
    {"redir", "routes[].redirect"},
    {"rewrite_target", "routes[].rewrite.path"},
    {"prefix_rewrite", "routes[].rewrite.path"},
    {"regex_rewrite", "routes[].rewrite.path"},
    {"strip_prefix", "routes[].rewrite.path"},
    {"strip_path_prefix", "routes[].rewrite.path"},
    {"replace_path", "routes[].rewrite.path"},
    {"host_rewrite", "routes[].rewrite.host"},
    {"host_rewrite_literal", "routes[].rewrite.host"},
    {"pass_host_header", "routes[].rewrite.host"},
    {"middlewares", "listeners[].routes"},
    {"set_header", "routes[].headers"},
    {"proxy_set_header", "routes[].headers"},
    {"header_up", "routes[].headers"},
    {"header_down", "routes[].response_headers"},
    {"add_header", "routes[].response_headers"},
    {"request_headers_to_add", "routes[].headers"},
    {"response_headers_to_add", "routes[].response_headers"},
    {"request_mirror_policies", "routes[].mirror"},
    {"limit_req", "routes[].rate_limit"},
    {"rate_limits", "routes[].rate_limit"},
    {"auth_basic", "routes[].auth"},
    {"basic_auth", "routes[].auth"},
    {"forward_auth", "routes[].auth"},
    // clusters
    {"hosts", "clusters{}.endpoints"},
    {"upstream_hosts", "clusters{}.endpoints"},
    {"load_assignment", "clusters{}.endpoints"},
    {"lb_endpoints", "clusters{}.endpoints"},
    {"targets", "clusters{}.endpoints"},
    {"addresses", "clusters{}.endpoints"},
    {"load_balancer", "clusters{}.lb"},
    {"load_balancers", "clusters{}.lb"},
    {"lb_policy", "clusters{}.lb.policy"},
    {"lb_config", "clusters{}.lb"},
    {"lb_try_duration", "clusters{}.limits.queue_timeout"},
    {"lb_retries", "retry.attempts"},
    {"balance", "clusters{}.lb.policy"},
    {"strategy", "clusters{}.lb.policy"},
    {"least_conn", "clusters{}.lb.policy"},
    {"ip_hash", "clusters{}.lb.policy"},
    {"hash_policy", "clusters{}.lb.policy"},
    {"load_balancing_policy", "clusters{}.lb.policy"},
    {"algorithm", "clusters{}.lb.policy"},
    {"type", "clusters{}.discovery.type"},
    {"type", "clusters{}.lb.policy"},
    {"resolver", "clusters{}.discovery.servers"},
    {"resolvers", "clusters{}.discovery.servers"},
    {"dns_resolvers", "clusters{}.discovery.servers"},
    {"dns_refresh_rate", "clusters{}.discovery.refresh"},
    {"dynamic_upstreams", "clusters{}.discovery"},
    {"eds_cluster_config", "clusters{}.discovery"},
    {"health_check", "clusters{}.health"},
    {"health_checks", "clusters{}.health"},
    {"httpchk", "clusters{}.health"},
    {"health_uri", "clusters{}.health"},
    {"max_conns", "clusters{}.limits.max_connections"},
    {"max_connections", "clusters{}.limits.max_connections"},
    {"max_requests", "clusters{}.limits.max_requests"},
    {"max_pending_requests", "clusters{}.limits.max_pending"},
    {"max_queue", "clusters{}.limits.max_pending"},
    {"timeout_queue", "clusters{}.limits.queue_timeout"},
    {"queue", "clusters{}.limits.max_pending"},
    {"keepalive", "clusters{}.limits.idle_connections"},
    {"keepalive_idle_conns", "clusters{}.limits.idle_connections"},
    {"max_idle_conns_per_host", "clusters{}.limits.idle_connections"},
    {"pool_max_conn", "clusters{}.limits.idle_connections"},
    // breaker and outlier
    {"circuit_breaker", "breaker"},
    {"circuit_breakers", "breaker"},
    {"outlier_detection", "outlier"},
    {"passive_health_check", "outlier"},
    {"observe", "outlier"},
    {"max_fails", "outlier.consecutive_failures"},
    {"fail_timeout", "outlier.eject_for"},
    {"fail_duration", "outlier.eject_for"},
    {"unhealthy_status", "outlier.consecutive_failures"},
    {"error_limit", "outlier.consecutive_failures"},
    {"on_error", "outlier"},
    {"threshold", "breaker.consecutive_failures"},
    {"threshold", "outlier.consecutive_failures"},
    {"max_failures", "breaker.consecutive_failures"},
    {"max_failures", "outlier.consecutive_failures"},
    {"consecutive_5xx", "outlier.consecutive_failures"},
    {"consecutive_5xx", "breaker.consecutive_failures"},
    {"consecutive_errors", "outlier.consecutive_failures"},
    {"consecutive_gateway_errors", "outlier.consecutive_failures"},
    {"consecutive_gateway_failure", "outlier.consecutive_failures"},
    {"consecutive_local_origin_failure", "outlier.consecutive_local"},
    {"failure_percentage_threshold", "outlier.failure_rate"},
    {"failure_percentage_request_volume", "outlier.min_requests"},
    {"failure_rate_threshold", "breaker.failure_rate"},
    {"minimum_number_of_calls", "breaker.min_requests"},
    {"base_ejection_time", "outlier.eject_for"},
    {"max_ejection_time", "outlier.max_eject_for"},
    {"max_ejection_percent", "outlier.max_ejected"},
    {"slow_start", "outlier.ramp"},
    {"slow_start_config", "outlier.ramp"},
    {"expression", "breaker.failure_rate"},
    {"check_period", "breaker.window"},
    {"fallback_duration", "breaker.open_for"},
    {"recovery_duration", "breaker.open_for"},
    {"reset_timeout", "breaker.open_for"},
    {"wait_duration", "breaker.open_for"},
    {"sleep_window", "breaker.open_for"},
    // retry
    {"retries", "retry"},
    {"retry_policy", "retry"},
    {"proxy_next_upstream", "retry.on"},
    {"redispatch", "retry"},
    {"num_retries", "retry.attempts"},
    {"max_retries", "retry.attempts"},
    {"tries", "retry.attempts"},
    {"proxy_next_upstream_tries", "retry.attempts"},
    {"retry_on", "retry.on"},
    {"retry_back_off", "retry.backoff"},
    {"initial_interval", "retry.backoff"},
    {"base_interval", "retry.backoff"},
    {"max_interval", "retry.max_backoff"},
    {"per_retry_timeout", "retry.per_try_timeout"},
    {"retry_budget", "retry.budget"},
    {"budget_percent", "retry.budget"},
    {"min_retry_concurrency", "retry.budget_min"},
    {"min_retries_per_second", "retry.budget_min"},
    {"max_request_buffer", "retry.buffer"},
    // timeouts
    {"timeouts", "timeout"},
    {"transport", "timeout"},
    {"connect_timeout", "timeout.connect"},
    {"timeout_connect", "timeout.connect"},
    {"dial_timeout", "timeout.connect"},
    {"proxy_connect_timeout", "timeout.connect"},
    {"proxy_read_timeout", "timeout.response_header"},
    {"read_timeout", "timeout.response_header"},
    {"response_header_timeout", "timeout.response_header"},
    {"timeout_server", "timeout.response_header"},
    {"read", "timeout.response_header"},
    {"proxy_send_timeout", "timeout.stream_idle"},
    {"stream_idle_timeout", "timeout.stream_idle"},
    {"write_timeout", "timeout.stream_idle"},
    {"flush_interval", "timeout.stream_idle"},
    {"timeout_tunnel", "timeout.tcp_idle"},
    {"proxy_timeout", "timeout.tcp_idle"},
    {"idle_timeout", "timeout.idle"},
    {"idle_conn_timeout", "timeout.idle"},
    {"keepalive_timeout", "defaults.timeout.client_idle"},
    {"timeout_http_keep_alive", "defaults.timeout.client_idle"},
    {"client_header_timeout", "defaults.timeout.client_header"},
    {"timeout_http_request", "defaults.timeout.client_header"},
    {"request_headers_timeout", "defaults.timeout.client_header"},
    {"read_header", "defaults.timeout.client_header"},
    {"request_timeout", "timeout.request"},
    {"max_stream_duration", "timeout.total"},
    // logs and the rest
    {"file", "access_log.to"},
    {"file", "log.to"},
    {"path", "access_log.to"},
    {"path", "log.to"},
    {"file_path", "access_log.to"},
    {"file_path", "log.to"},
    {"output", "access_log.to"},
    {"output", "log.to"},
    {"destination", "access_log.to"},
    {"log_format", "access_log.format"},
    {"encoder", "access_log.format"},
    {"json_format", "access_log.fields"},
    {"filters", "access_log.only"},
    {"sampling", "access_log.sample"},
    {"buffering_size", "access_log.buffer"},
    {"code", "routes[].respond.status"},
    {"status_code", "routes[].respond.status"},
    {"content", "routes[].respond.body"},
    {"text", "routes[].respond.body"},
    {"access_log_path", "access_log"},
    {"access_logs", "access_log"},
    {"id", "node.name"},
    {"identifier", "node.name"},
    {"password", "admin.token"},
    {"allowed_hosts", "admin.hosts"},
    {"origins", "admin.hosts"},
    {"histogram_buckets", "telemetry.buckets"},
};

// "entryPoints", "entry_points" and "entrypoints" are one word.
bool is_same_word(std::string_view a, std::string_view b) {
    const auto next = [](std::string_view& text) {
        while (!text.empty() && (text.front() == '_' || text.front() == '-'))
            text.remove_prefix(1);
        if (text.empty()) return '\0';
        const char c = text.front();
        text.remove_prefix(1);
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    };
    for (;;) {
        const char of_a = next(a);
        if (of_a != next(b)) return false;
        if (of_a == '\0') return true;
    }
}

// What of a path is written in this object; empty if it does not lead there.
std::string_view inside(std::string_view path,
                        std::string_view block,
                        std::span<const std::string_view> keys) {
    if (const auto at = block.find("routes[]"); at != std::string_view::npos)
        block.remove_prefix(at);
    if (!block.empty() && path.starts_with(block) && path.substr(block.size()).starts_with('.'))
        return path.substr(block.size() + 1);
    // "routes[].to" stands in listeners as well, "breaker.window" in clusters.
    const auto first = path.substr(0, path.find('.'));
    if (first.ends_with(']') || first.ends_with('}')) {
        if (block.empty()) return {};
        path.remove_prefix(std::min(first.size() + 1, path.size()));
    }
    const auto key = path.substr(0, path.find('.'));
    return std::find(keys.begin(), keys.end(), key) != keys.end() ? path : std::string_view{};
}

// From the reference, words only: what is known and refused is said so, never ignored.
struct Later {
    std::string_view path;
    std::span<const std::string_view> words;
};
constexpr std::string_view kLaterRoot[] = {"kafka", "consumers", "tracing"};
constexpr std::string_view kLaterEndpoint[] = {"zone"};
constexpr std::string_view kLaterRoute[] = {"publish"};
constexpr std::string_view kLaterDiscoveryType[] = {"xds"};
constexpr std::string_view kLaterLb[] = {"zone_aware"};
constexpr std::string_view kLaterAdmin[] = {"ui", "tap_bodies"};
constexpr std::string_view kLaterTelemetry[] = {"exemplars"};
constexpr std::string_view kLaterLimits[] = {"body_rate", "memory"};
constexpr Later kLater[] = {{"", kLaterRoot},
                            {"listeners[].routes[]", kLaterRoute},
                            {"clusters{}.endpoints[]", kLaterEndpoint},
                            {"clusters{}.discovery.type", kLaterDiscoveryType},
                            {"clusters{}.lb", kLaterLb},
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

Meant synonym(std::string_view word,
              std::string_view block,
              std::span<const std::string_view> keys) {
    Meant meant;
    for (const auto& entry : kSynonyms) {
        if (!is_same_word(entry.word, word)) continue;
        const auto here = inside(entry.path, block, keys);
        if (!here.empty()) return {.path = here, .is_here = true};
        if (meant.path.empty()) meant.path = entry.path;
    }
    return meant;
}

std::span<const Synonym> synonyms() {
    return kSynonyms;
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
