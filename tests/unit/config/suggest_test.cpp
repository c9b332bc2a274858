#include "weir/decode/suggest.hpp"

#include "weir/decode/keys.hpp"

#include "decode/table.hpp"
#include "support.hpp"

#include <array>
#include <set>

namespace weir::config {
namespace {

TEST(Suggestions, CountSlipsWithTranspositions) {
    EXPECT_EQ(distance("connect", "connect"), 0U);
    EXPECT_EQ(distance("conect", "connect"), 1U);
    EXPECT_EQ(distance("ocnnect", "connect"), 1U);
    EXPECT_EQ(distance("", "abc"), 3U);
    EXPECT_EQ(distance("kitten", "sitting"), 3U);
}

TEST(Suggestions, AreWithinAThirdOfTheWord) {
    const std::array<std::string_view, 3> words{"round_robin", "random", "to"};
    EXPECT_EQ(nearest("round_robbin", words), "round_robin");
    EXPECT_EQ(nearest("randm", words), "random");
    EXPECT_EQ(nearest("ot", words), "to");
    EXPECT_EQ(nearest("xyz", words), "");
    EXPECT_EQ(nearest("rrrrrr", words), "");
    EXPECT_EQ(nearest(std::string(100'000, 'r'), words), "");
}

// What a message says of a key at this place: "" is the top, else an object of with_cluster().
std::string note_of(const std::string& where, const std::string& word) {
    const std::string value = word + ": 1";
    auto text = test::kListener + "clusters: {a: {endpoints: [\"10.0.0.1:80\"]}}\n";
    if (where.empty()) text += value + "\n";
    if (where == "listener")
        text = "version: 1\nlisteners: [{listen: \":8080\", to: \"h:1\", " + value + "}]\n";
    if (where == "route") text = test::with_route("{to: a, " + value + "}");
    if (where == "cluster") text = test::with_cluster("    " + value + "\n");
    if (where == "breaker" || where == "outlier" || where == "retry" || where == "timeout" ||
        where == "limits" || where == "lb")
        text = test::with_cluster("    " + where + ": {" + value + "}\n");
    if (where == "defaults" || where == "access_log" || where == "telemetry" || where == "admin")
        text += where + ": {" + value + "}\n";
    const auto result = test::load(text);
    const auto problems = result.report.sorted();
    return problems.empty() ? "no problem" : problems.front().note;
}

TEST(Suggestions, AnswerInTheWordsOfOtherProxies) {
    const struct {
        const char* where;
        const char* word;
        const char* meant;
    } cases[] = {
        // nginx
        {"", "upstream", "clusters"},
        {"", "server", "listeners"},
        {"", "worker_processes", "threads"},
        {"", "worker_shutdown_timeout", "drain"},
        {"", "error_log", "log"},
        {"listener", "location", "routes"},
        {"listener", "proxy_pass", "to"},
        {"listener", "set_real_ip_from", "trusted_proxies"},
        {"listener", "underscores_in_headers", "underscores"},
        {"listener", "client_max_body_size", "limits.body"},
        {"listener", "large_client_header_buffers", "limits.header_size"},
        {"listener", "keepalive_requests", "limits.requests_per_connection"},
        {"route", "proxy_pass", "to"},
        {"route", "server_name", "host"},
        {"route", "client_max_body_size", "max_body"},
        {"route", "return", "respond"},
        {"route", "proxy_next_upstream", "retry.on"},
        {"route", "proxy_next_upstream_tries", "retry.attempts"},
        {"cluster", "server", "endpoints"},
        {"cluster", "max_fails", "outlier.consecutive_failures"},
        {"cluster", "fail_timeout", "outlier.eject_for"},
        {"cluster", "max_conns", "limits.max_connections"},
        {"cluster", "keepalive", "limits.idle_connections"},
        {"cluster", "least_conn", "lb.policy"},
        {"cluster", "proxy_connect_timeout", "timeout.connect"},
        {"cluster", "proxy_read_timeout", "timeout.response_header"},
        {"cluster", "slow_start", "outlier.ramp"},
        {"access_log", "log_format", "format"},
        // Envoy
        {"", "static_resources", "listeners"},
        {"", "concurrency", "threads"},
        {"listener", "socket_address", "listen"},
        {"listener", "filter_chains", "routes"},
        {"listener", "virtual_hosts", "routes"},
        {"listener", "xff_num_trusted_hops", "trusted_hops"},
        {"route", "prefix", "path"},
        {"route", "weighted_clusters", "to"},
        {"route", "direct_response", "respond"},
        {"route", "prefix_rewrite", "rewrite.path"},
        {"route", "host_rewrite_literal", "rewrite.host"},
        {"route", "retry_policy", "retry"},
        {"cluster", "load_assignment", "endpoints"},
        {"cluster", "lb_policy", "lb.policy"},
        {"cluster", "connect_timeout", "timeout.connect"},
        {"cluster", "circuit_breakers", "breaker"},
        {"cluster", "outlier_detection", "outlier"},
        {"cluster", "max_pending_requests", "limits.max_pending"},
        {"cluster", "dns_resolvers", "discovery.servers"},
        {"outlier", "consecutive_5xx", "consecutive_failures"},
        {"outlier", "consecutive_gateway_failure", "consecutive_failures"},
        {"outlier", "consecutive_local_origin_failure", "consecutive_local"},
        {"outlier", "base_ejection_time", "eject_for"},
        {"outlier", "max_ejection_time", "max_eject_for"},
        {"outlier", "max_ejection_percent", "max_ejected"},
        {"outlier", "failure_percentage_threshold", "failure_rate"},
        {"retry", "num_retries", "attempts"},
        {"retry", "retry_on", "on"},
        {"retry", "retry_back_off", "backoff"},
        {"retry", "budget_percent", "budget"},
        {"timeout", "stream_idle_timeout", "stream_idle"},
        {"telemetry", "histogram_buckets", "buckets"},
        // Traefik
        {"", "entryPoints", "listeners"},
        {"", "services", "clusters"},
        {"", "accessLog", "access_log"},
        {"", "providers", "include"},
        {"listener", "routers", "routes"},
        {"listener", "forwardedHeaders", "trusted_proxies"},
        {"route", "rule", "path"},
        {"route", "service", "to"},
        {"route", "stripPrefix", "rewrite.path"},
        {"cluster", "loadBalancer", "lb"},
        {"cluster", "servers", "endpoints"},
        {"cluster", "circuitBreaker", "breaker"},
        {"breaker", "fallbackDuration", "open_for"},
        {"breaker", "checkPeriod", "window"},
        {"retry", "initialInterval", "backoff"},
        {"timeout", "dialTimeout", "connect"},
        {"timeout", "responseHeaderTimeout", "response_header"},
        {"timeout", "idleConnTimeout", "idle"},
        // HAProxy
        {"", "frontend", "listeners"},
        {"", "backend", "clusters"},
        {"", "nbthread", "threads"},
        {"", "hard-stop-after", "drain"},
        {"listener", "bind", "listen"},
        {"listener", "default_backend", "to"},
        {"listener", "use_backend", "routes"},
        {"cluster", "balance", "lb.policy"},
        {"cluster", "maxconn", "limits.max_connections"},
        {"cluster", "retries", "retry"},
        {"cluster", "error-limit", "outlier.consecutive_failures"},
        {"timeout", "timeout_server", "response_header"},
        {"timeout", "timeout_tunnel", "tcp_idle"},
        // Caddy
        {"", "metrics", "telemetry"},
        {"", "grace_period", "drain"},
        {"listener", "reverse_proxy", "to"},
        {"listener", "handle", "routes"},
        {"route", "reverse_proxy", "to"},
        {"route", "redir", "redirect"},
        {"cluster", "fail_duration", "outlier.eject_for"},
        {"cluster", "lb_retries", "retry.attempts"},
        {"cluster", "dynamic_upstreams", "discovery"},
        {"lb", "strategy", "policy"},
        {"retry", "tries", "attempts"},
        {"admin", "origins", "hosts"},
        {"defaults", "retries", "retry"},
    };
    std::set<std::string_view> words;
    for (const auto& [where, word, meant] : cases) {
        words.insert(word);
        EXPECT_EQ(note_of(where, word), "did you mean '" + std::string(meant) + "'?")
            << where << ": " << word;
    }
    EXPECT_GE(words.size(), 60U);
}

TEST(Suggestions, SayWhereAWordOfAnotherProxyBelongs) {
    EXPECT_EQ(note_of("", "proxy_pass"), "in Weir this is routes[].to");
    EXPECT_EQ(note_of("", "lb_policy"), "in Weir this is clusters{}.lb.policy");
    EXPECT_EQ(note_of("listener", "max_fails"), "in Weir this is outlier.consecutive_failures");
    EXPECT_EQ(note_of("cluster", "keepalive_timeout"),
              "in Weir this is defaults.timeout.client_idle");
    EXPECT_EQ(note_of("cluster", "health_check"), "did you mean 'health'?");
    EXPECT_EQ(note_of("listener", "endpoints"), "this key belongs in clusters{}");
    EXPECT_EQ(note_of("cluster", "nonsense"), "");
}

TEST(Suggestions, LeadToKeysOfTheReference) {
    std::set<std::string, std::less<>> paths;
    for (const auto& key : keys())
        paths.insert(key.path);
    ASSERT_GE(synonyms().size(), 200U);
    for (const auto& [word, path] : synonyms()) {
        auto known = std::string(path);
        if (known.starts_with("defaults.")) known.erase(0, 9);
        const auto dot = known.rfind('.');
        auto block = known.substr(0, dot);
        if (block == "routes[]") block = "listeners[].routes[]";
        const auto later = later_words(block);
        const bool is_later =
            dot != std::string::npos &&
            std::find(later.begin(), later.end(), known.substr(dot + 1)) != later.end();
        // A block is known by its keys.
        const auto below = paths.lower_bound(known + ".");
        const bool is_block = below != paths.end() && below->starts_with(known + ".");
        EXPECT_TRUE(paths.contains(known) || is_block || is_later) << word << ": " << path;
    }
}

}  // namespace
}  // namespace weir::config
