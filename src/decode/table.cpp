#include "decode/table.hpp"

#include <algorithm>
#include <array>

namespace weir::config {
namespace {

void set_underscores(ListenerBlock& into, std::size_t index) {
    into.underscores = static_cast<Underscores>(index);
}

void set_passthrough(ListenerBlock& into, std::size_t index) {
    into.may_pass_through = index == 0;
}

void set_detail(ErrorsBlock& into, std::size_t index) {
    into.detail = static_cast<ErrorDetail>(index);
}

constexpr double kDay = 24 * 3600;
constexpr double kMillisecond = 0.001;

constexpr Key<RootBlock> kRoot[] = {
    {"version", "int", "required", "always 1", &RootBlock::version},
    {"include", "list", "[]", "globs, relative to this file", &RootBlock::include},
    {"node", "object", "", "", &RootBlock::node},
    {"threads", "int|auto", "auto", "worker event loops; auto = cpus in the cgroup quota",
     &RootBlock::threads, 1, 1024},
    {"drain", "duration", "30s", "max time to finish requests on SIGTERM", &RootBlock::drain, 0,
     kDay},
    {"listeners", "list", "required", "", &RootBlock::listeners},
    {"clusters", "map", "{}", "", &RootBlock::clusters},
    {"defaults", "object", "", "", &RootBlock::defaults},
    {"limits", "object", "", "", &RootBlock::limits},
    {"access_log", "object|off", "", "", &RootBlock::access_log},
    {"log", "object", "", "", &RootBlock::log},
    {"admin", "object", "", "", &RootBlock::admin},
    {"telemetry", "object", "", "", &RootBlock::telemetry},
    {"errors", "object", "", "", &RootBlock::errors},
    {"identity", "object", "", "", &RootBlock::identity},
    {"auth", "map", "{}", "ways to say who one is, by name", &RootBlock::auth},
    {"rate_limits", "map", "{}", "", &RootBlock::rate_limits},
    {"redis", "map", "{}", "", &RootBlock::redis},
};
constexpr Key<NodeBlock> kNode[] = {
    {"name", "string", "hostname", "shows in logs and metrics", &NodeBlock::name},
    {"zone", "string", "\"\"", "endpoints of the same zone come first where discovery hints so",
     &NodeBlock::zone},
};
constexpr Key<AdminBlock> kAdmin[] = {
    {"listen", "address|off", "127.0.0.1:9347", "or unix:/run/weir/admin.sock",
     static_cast<const Node * AdminBlock::*>(&AddressBlock::listen)},
    {"token", "secret", "none", "required (checked) if not loopback/unix", &AdminBlock::token},
    {"hosts", "list", "[localhost, 127.0.0.1, \"[::1]\"]", "Host allow-list", &AdminBlock::hosts},
};
constexpr Key<TelemetryBlock> kTelemetry[] = {
    {"listen", "address|off", "127.0.0.1:9348",
     "only /metrics /healthz /readyz /startupz /probe/...",
     static_cast<const Node * TelemetryBlock::*>(&AddressBlock::listen)},
    {"buckets", "list",
     "[1ms, 2500us, 5ms, 10ms, 25ms, 50ms, 75ms, 100ms, 250ms, 500ms, 1s, 2500ms, 5s, 10s]",
     "ascending durations, at most 30", &read_buckets},
    {"max_series", "int", "10000", "more go to the label _other",
     static_cast<std::uint32_t TelemetryBlock::*>(&Telemetry::max_series), 100, 1e6},
    {"probes", "map", "{}", "CONTAINER/KIND: what GET /probe/CONTAINER/KIND asks the application",
     &read_probes},
};
constexpr Key<ErrorsBlock> kErrors[] = {
    {"detail", "enum:public,internal", "by mode",
     "internal for inbound/outbound, public for gateway", &set_detail},
};
constexpr Key<DefaultsBlock> kDefaults[] = {
    {"timeout", "duration|object", "", "see timeout.*", &DefaultsBlock::timeout},
    {"retry", "int|object|off", "", "see retry.*", &DefaultsBlock::retry},
    {"breaker", "object|off", "", "see breaker.*", &DefaultsBlock::breaker},
    {"outlier", "object|off", "", "see outlier.*", &DefaultsBlock::outlier},
    {"lb", "string|object", "", "see clusters{}.lb.*", &DefaultsBlock::lb},
    {"access_log", "object|off", "", "see access_log.*", &DefaultsBlock::access_log},
};
constexpr Key<ListenerBlock> kListener[] = {
    {"name", "string", "listen address", "label \"listener\"", &ListenerBlock::name},
    {"mode", "enum:gateway,inbound,outbound", "gateway",
     "inbound = in front of the app; outbound = the app's calls",
     word<&ListenerBlock::mode, ListenerBlock>()},
    {"listen", "address|list", "required", "one or several", &ListenerBlock::listen},
    {"protocol", "enum:auto,http1,h2c,tcp", "auto",
     "auto = by the first bytes of the connection; tcp = any protocol, relayed as it is",
     word<&ListenerBlock::protocol, ListenerBlock>()},
    {"transparent", "bool", "false",
     "connections were redirected here (REDIRECT, TPROXY): use where they meant to go",
     &ListenerBlock::transparent},
    {"passthrough", "enum:allow,deny", "allow",
     "transparent inbound and outbound, to an address no cluster names", &set_passthrough},
    {"opaque_ports", "list", "[]",
     "transparent, protocol auto: connections to these (\"3306\", \"5000-5010\") are relayed as "
     "they "
     "are",
     &read_opaque_ports},
    {"detect_timeout", "duration", "1s",
     "a client that sends nothing for so long names no host: its server speaks first",
     &ListenerBlock::detect_timeout, kMillisecond, 60},
    {"proxy_protocol", "bool", "false", "accept PROXY v1/v2, from trusted_proxies only",
     &ListenerBlock::proxy_protocol},
    {"trusted_hops", "int", "0", "proxies in front whose X-Forwarded-For is believed",
     &ListenerBlock::trusted_hops, 0, 100},
    {"forward_client_cert", "enum:off,set,append", "off",
     "X-Forwarded-Client-Cert: who the client is by its certificate; append = behind what trusted "
     "proxies say",
     word<&ListenerBlock::forward_client_cert, ListenerBlock>()},
    {"underscores", "enum:allow,drop,reject", "by mode",
     "header names with _; drop at a gateway, else allow", &set_underscores},
    {"trusted_proxies", "list", "[]", "CIDRs whose X-Forwarded-* is believed",
     &ListenerBlock::trusted_proxies},
    {"tls", "object|mesh|off", "off", "see tls.*", &ListenerBlock::tls},
    {"to", "target", "-", "shorthand for a single catch-all route", &ListenerBlock::to},
    {"access_log", "object|off", "inherits", "see access_log.*", &ListenerBlock::access_log},
    {"limits", "object", "inherits", "see limits.*", &ListenerBlock::limits},
    {"auth", "name|list|none", "none", "any of these lets a request in", &ListenerBlock::auth},
    {"rate_limit", "name|object|list", "none", "of rate_limits{}, or its keys; all must admit",
     &ListenerBlock::rate_limit},
    {"routes", "list", "-", "first match wins", &ListenerBlock::routes},
};
constexpr Key<RouteBlock> kRoute[] = {
    {"name", "string", "generated", "label \"route\"", &RouteBlock::name},
    {"host", "string|list", "any", "exact, *.example.com", &RouteBlock::host},
    {"path", "string", "/",
     "\"/a\" exact, \"/a/\" or \"/a/*\" prefix, \"/u/{id}\" template, \"~ ^/re$\" regex (RE2)",
     &RouteBlock::path},
    {"method", "string|list", "any", "", &RouteBlock::method},
    {"header", "map", "{}", "name: value, name: \"~ regex\", name: present", &RouteBlock::header},
    {"query", "map", "{}", "as header", &RouteBlock::query},
    {"grpc", "string", "any", "package.Service or package.Service/Method", &RouteBlock::grpc},
    {"to", "target", "-", "cluster | host:port | list | {cluster: percent}", &RouteBlock::to},
    {"respond", "object", "-", "fixed answer", &RouteBlock::respond},
    {"redirect", "string", "-", "URL template, 308", &RouteBlock::redirect},
    {"rewrite", "object", "", "", &RouteBlock::rewrite},
    {"headers", "object", "", "of requests to the upstream", &RouteBlock::headers},
    {"response_headers", "object", "", "", &RouteBlock::response_headers},
    {"mirror", "target", "none", "gets a copy, fire and forget", &RouteBlock::mirror},
    {"mirror_percent", "percent", "100%", "of the requests", &RouteBlock::mirror_percent, 0, 1},
    {"fault", "object|off", "off", "for tests of those who call", &RouteBlock::fault},
    {"websocket", "bool", "true", "false = a request to upgrade is served as if it were none",
     &RouteBlock::websocket},
    {"cors", "object|off", "off", "scripts of other sites may call", &RouteBlock::cors},
    {"compress", "list|off", "off", "[zstd, br, gzip], the preferred first", &RouteBlock::compress},
    {"merge_slashes", "bool", "true", "false = empty segments of the path count",
     &RouteBlock::merge_slashes},
    {"allow_encoded_slash", "bool", "false", "else %2F and %5C are 400",
     &RouteBlock::allow_encoded_slash},
    {"max_body", "size|unlimited", "inherits", "413 above", &RouteBlock::max_body},
    {"timeout", "duration|object", "inherits", "see timeout.*", &RouteBlock::timeout},
    {"retry", "int|object|off", "inherits", "see retry.*", &RouteBlock::retry},
    {"breaker", "object|off", "inherits", "stands beside the cluster's; see breaker.*",
     &RouteBlock::breaker},
    {"access_log", "object|off", "inherits", "see access_log.*", &RouteBlock::access_log},
    {"auth", "name|list|none", "inherits", "any of these lets a request in", &RouteBlock::auth},
    {"require", "string", "none", "rule over identity and claims, else 403", &RouteBlock::require},
    {"rate_limit", "name|object|list", "none", "besides the listener's", &RouteBlock::rate_limit},
};
constexpr Key<Respond> kRespond[] = {
    {"status", "int", "200", "", &Respond::status, 200, 599},
    {"body", "string", "\"\"", "", &Respond::body},
};
constexpr Key<RewriteBlock> kRewrite[] = {
    {"path", "string", "-", "{name} is a segment of the path, a trailing * the rest",
     &RewriteBlock::path},
    {"host", "string", "keep", "", &RewriteBlock::host},
};
constexpr Key<ClusterBlock> kCluster[] = {
    {"endpoints", "list", "-", "host:port, or {address, weight}", &ClusterBlock::endpoints},
    {"discovery", "string|object", "from endpoints", "a type name, or the object below",
     &ClusterBlock::discovery},
    {"protocol", "enum:auto,http1,h2,h2c", "auto",
     "auto = by ALPN under TLS, else http1; h2 = over TLS, h2c = in clear",
     word<&ClusterBlock::protocol, ClusterBlock>()},
    {"lb", "string|object", "p2c_ewma", "a policy, or the object below", &ClusterBlock::lb},
    {"breaker", "object|off", "on", "see breaker.*", &ClusterBlock::breaker},
    {"outlier", "object|off", "on", "see outlier.*", &ClusterBlock::outlier},
    {"retry", "int|object|off", "on", "see retry.*", &ClusterBlock::retry},
    {"timeout", "duration|object", "on", "see timeout.*", &ClusterBlock::timeout},
    {"health", "string|object|off", "off", "a path = http check", &ClusterBlock::health},
    {"tls", "object|mesh|off", "off", "see tls.*", &ClusterBlock::tls},
    {"proxy_protocol", "enum:off,v1,v2", "off",
     "say by the PROXY protocol who the client is; for connections of tcp listeners",
     word<&ClusterBlock::proxy_protocol, ClusterBlock>()},
    {"limits", "object", "", "", &ClusterBlock::limits},
    {"metrics_per_endpoint", "bool", "false", "", &ClusterBlock::metrics_per_endpoint},
};
constexpr Key<EndpointBlock> kEndpoint[] = {
    {"address", "address", "required", "host:port, or unix:/path", &EndpointBlock::address},
    {"weight", "int", "100", "", &EndpointBlock::weight, 1, 65535},
};
constexpr Key<DiscoveryBlock> kDiscovery[] = {
    {"type", "enum:static,file,dns,kubernetes,dns-srv,plugin,registry,etcd,consul", "required", "",
     word<&DiscoveryBlock::type, DiscoveryBlock>(), 0, kNoMost, "kind of discovery"},
    {"name", "string", "cluster name",
     "what to look up: a DNS name, NAMESPACE/SERVICE, a service of Consul or the registry, a "
     "prefix of etcd",
     &DiscoveryBlock::name},
    {"port", "int|string", "-", "of the addresses found by name; kubernetes: or its name",
     &read_discovery_port},
    {"servers", "list", "system",
     "resolvers; of kubernetes the API server, of consul and etcd theirs",
     &DiscoveryBlock::servers},
    {"path", "path", "-", "file, or the plugin's shared object", &DiscoveryBlock::path},
    {"refresh", "duration|ttl", "ttl", "min 1s", &DiscoveryBlock::refresh, 1, kDay},
    {"keep_last", "bool", "true", "keep the last good set while the source fails",
     &DiscoveryBlock::keep_last},
    {"empty_hold", "duration", "10s", "an authoritative empty set is honoured after this",
     &DiscoveryBlock::empty_hold, 0, kDay},
    {"keep_last_max_age", "duration", "15m", "a snapshot on disk is used at start only if younger",
     &DiscoveryBlock::keep_last_max_age, 1, 30 * kDay},
    {"options", "map", "{}", "the module's own: option: value", &DiscoveryBlock::options},
};
constexpr Key<LbBlock> kLb[] = {
    {"policy", "enum:p2c_ewma,round_robin,least_request,random,maglev,ring_hash", "p2c_ewma", "",
     word<&LbBlock::policy, LbBlock>(), 0, kNoMost, "load-balancing policy"},
    {"key", "string", "-",
     "what maglev and ring_hash go by: header:x-user, cookie:sid, client_ip, path", &read_hash_key},
    {"when_none_ready", "enum:least_bad,all,fail", "least_bad",
     "what to do when no endpoint is ready; always visible in a header, a flag and a gauge",
     word<&LbBlock::when_none_ready, LbBlock>()},
};
constexpr Key<Health> kHealth[] = {
    {"type", "enum:http,tcp,grpc", "http", "grpc = grpc.health.v1.Health/Check",
     word<&Health::type, Health>(), 0, kNoMost, "kind of health check"},
    {"path", "string", "/", "of grpc: /SERVICE, / for the server as a whole", &read_health_path},
    {"port", "int", "endpoint's", "", &Health::port, 1, 65535},
    {"interval", "duration", "5s", "jitter 10 %", &Health::interval, 0.1, kDay},
    {"timeout", "duration", "1s", "", &Health::timeout, kMillisecond, kDay},
    {"healthy_after", "int", "2", "passing checks in a row", &Health::healthy_after, 1},
    {"unhealthy_after", "int", "3", "failing checks in a row", &Health::unhealthy_after, 1},
    {"expect", "string", "200-299", "status codes and ranges: 200-299,301", &read_expect},
};
constexpr Key<ClusterLimits> kClusterLimits[] = {
    {"mode", "enum:enforce,shadow", "enforce", "shadow reports what it would have refused",
     word<&ClusterLimits::mode, ClusterLimits>()},
    {"max_connections", "int|unlimited", "1024",
     "per endpoint; every limit is exact for the whole process", &ClusterLimits::max_connections,
     1},
    {"max_connecting", "int|unlimited", "64", "per endpoint, handshakes included",
     &ClusterLimits::max_connecting, 1},
    {"max_requests", "int|unlimited", "unlimited", "in flight to the cluster",
     &ClusterLimits::max_requests, 1},
    {"max_pending", "int", "1024", "queued for a connection", &ClusterLimits::max_pending},
    {"queue_timeout", "duration", "1s", "", &ClusterLimits::queue_timeout},
    {"adaptive", "bool", "false", "gradient concurrency limit", &ClusterLimits::adaptive},
    {"idle_connections", "int", "64", "kept per endpoint and thread",
     &ClusterLimits::idle_connections},
};
constexpr Key<Breaker> kBreaker[] = {
    {"mode", "enum:enforce,shadow,off", "enforce",
     "shadow decides and reports, but refuses nothing", word<&Breaker::mode, Breaker>()},
    {"scope", "enum:auto,cluster,route", "auto",
     "auto = 500 counts for the route, connect, timeout, reset, 502-504 for the cluster",
     word<&Breaker::scope, Breaker>()},
    {"consecutive_failures", "int", "5", "0 = off", &Breaker::consecutive_failures},
    {"consecutive_for", "duration", "100ms", "the run must also last this long",
     &Breaker::consecutive_for},
    {"failure_rate", "percent", "50%", "over window", &Breaker::failure_rate, 0.0001, 1},
    {"window", "duration", "10s", "10 slots of window/10", &Breaker::window, 0.1, kDay},
    {"min_requests", "int", "20", "", &Breaker::min_requests, 1},
    {"slow_call", "duration|none", "none", "slower counts as slow", &Breaker::slow_call,
     kMillisecond, kDay},
    {"slow_rate", "percent", "80%", "of slow answers over window", &Breaker::slow_rate, 0.0001, 1},
    {"stall_after", "duration|auto|off", "auto", "20 in flight and no answer for this long open it",
     &Breaker::stall_after, kMillisecond, kDay},
    {"open_for", "duration", "500ms", "then half-open", &Breaker::open_for, kMillisecond, kDay},
    {"max_open_for", "duration", "750ms", "or open_for if longer; doubling, jitter up to +30 %",
     &Breaker::max_open_for, kMillisecond, kDay},
    {"half_open_requests", "int", "1", "probes at once", &Breaker::half_open_requests, 1},
    {"successes_to_close", "int", "2", "", &Breaker::successes_to_close, 1},
    {"probe_timeout", "duration|auto", "auto", "", &Breaker::probe_timeout, kMillisecond},
    {"failure_on", "list",
     "[connect, timeout, reset, 500, 502, 503, 504, grpc:unknown, grpc:internal, "
     "grpc:unavailable, grpc:data_loss, grpc:deadline_exceeded]",
     "connect, timeout, reset, a status of 400-599, 4xx, 5xx, grpc:CODE", &read_failure_on},
    {"fallback", "object|none", "none", "{status, body} or {to: cluster}", &read_fallback},
};
constexpr Key<Fallback> kFallback[] = {
    {"status", "int", "503", "", &Fallback::status, 200, 599},
    {"body", "string", "\"\"", "", &Fallback::body},
    {"to", "target", "none", "a cluster, or host:port", &read_fallback_to},
};
constexpr Key<Outlier> kOutlier[] = {
    {"mode", "enum:enforce,shadow,off", "enforce", "", word<&Outlier::mode, Outlier>()},
    {"consecutive_failures", "int", "5", "0 = off", &Outlier::consecutive_failures},
    {"consecutive_local", "int", "3",
     "connect refused, connect timeout, reset before headers; 0 = off",
     &Outlier::consecutive_local},
    {"consecutive_for", "duration", "100ms", "", &Outlier::consecutive_for},
    {"failure_rate", "percent", "50%", "", &Outlier::failure_rate, 0.0001, 1},
    {"window", "duration", "10s", "", &Outlier::window, 0.1, kDay},
    {"min_requests", "int", "20", "", &Outlier::min_requests, 1},
    {"slow_call", "duration|none", "none", "slower counts as slow", &Outlier::slow_call,
     kMillisecond, kDay},
    {"slow_rate", "percent", "80%", "of slow answers over window", &Outlier::slow_rate, 0.0001, 1},
    {"throttle_rate", "percent|off", "50%", "share of 429; weight penalty first",
     &Outlier::throttle_rate, 0.0001, 1},
    {"compare", "enum:mad,stdev,off", "mad", "comparison with the peers, each interval",
     word<&Outlier::compare, Outlier>()},
    {"compare_gap", "percent", "5%", "and at least this far below the median",
     &Outlier::compare_gap, 0, 1},
    {"latency_factor", "string|off", "off", "3x = p95 above 3 times the peers' median p95",
     &read_latency_factor},
    {"stall_after", "duration|auto|off", "auto",
     "requests waiting this long with no answer at all from the endpoint eject it",
     &Outlier::stall_after, kMillisecond, kDay},
    {"interval", "duration", "10s", "of the comparison", &Outlier::interval, 0.1, kDay},
    {"min_peers", "int", "3", "endpoints with peer_min_requests, else no comparison",
     &Outlier::min_peers, 2},
    {"peer_min_requests", "int", "100", "in window, to be compared", &Outlier::peer_min_requests,
     1},
    {"eject_for", "duration", "1s", "doubling per repeat, jitter up to +30 %", &Outlier::eject_for,
     kMillisecond, kDay},
    {"max_eject_for", "duration", "1500ms", "or eject_for if longer", &Outlier::max_eject_for,
     kMillisecond, kDay},
    {"max_ejected", "percent", "50%", "of the endpoints of a priority; one of two may always go",
     &Outlier::max_ejected, 0, 1},
    {"min_ready", "int", "1", "endpoints never ejected below this", &Outlier::min_ready},
    {"half_open_requests", "int", "1", "", &Outlier::half_open_requests, 1},
    {"successes_to_return", "int", "2", "", &Outlier::successes_to_return, 1},
    {"ramp", "duration", "10s", "longest; weight doubles from 10 % each 0.5 s", &Outlier::ramp},
};
constexpr Key<Retry> kRetry[] = {
    {"mode", "enum:enforce,shadow", "enforce", "shadow reports what it would have sent again",
     word<&Retry::mode, Retry>()},
    {"attempts", "int", "2", "extra tries", &Retry::attempts, 0, 100},
    {"on", "list", "[connect, refused, reused, 503, grpc:unavailable]",
     "+ reset, timeout, 502, 504, 5xx, grpc:CODE; reused = a pooled connection died before a "
     "response byte; refused = HTTP/2 REFUSED_STREAM or GOAWAY; grpc:CODE acts only where "
     "methods lists POST",
     &read_retry_on},
    {"per_try_timeout", "duration|none", "none", "must be < timeout.request (checked)",
     &Retry::per_try_timeout, kMillisecond},
    {"backoff", "duration", "25ms", "full jitter, doubling; Retry-After is a lower bound",
     &Retry::backoff},
    {"max_backoff", "duration", "250ms", "or backoff if longer", &Retry::max_backoff},
    {"budget", "percent", "20%", "of the requests of the last 10 s", &Retry::budget, 0, 10},
    {"budget_min", "rate", "3/s", "", &Retry::budget_min, 0, 1e6},
    {"max_depth", "int", "1", "a request that is already a retry is retried no deeper than this",
     &Retry::max_depth},
    {"methods", "list", "[GET, HEAD, OPTIONS, TRACE, PUT, DELETE]",
     "others only when nothing was processed (connect, refused, reused)", &read_retry_methods},
    {"buffer", "size", "64KiB", "body kept for a replay; a larger body is streamed and not retried",
     &Retry::buffer, 0, 64.0 * 1024 * 1024},
    {"rescue", "bool", "true",
     "a second attempt for replay-safe requests stuck on an endpoint ejected for a stall",
     &Retry::rescue},
    {"hedge_after", "duration|off", "off", "a second attempt when the first is slower",
     &Retry::hedge_after, kMillisecond, kDay},
};
constexpr auto kClientHeader = static_cast<Duration TimeoutBlock::*>(&ClientTimeouts::header);
constexpr auto kClientIdle = static_cast<Duration TimeoutBlock::*>(&ClientTimeouts::idle);
constexpr auto kHandshake = static_cast<Duration TimeoutBlock::*>(&ClientTimeouts::handshake);
template <typename M>
constexpr M TimeoutBlock::*upstream(M Timeouts::*member) {
    return member;
}
constexpr Key<TimeoutBlock> kTimeout[] = {
    {"connect", "duration", "1s", "", upstream(&Timeouts::connect), kMillisecond},
    {"request", "duration|never", "60s",
     "from the end of the request to the response headers, all tries and backoffs included",
     upstream(&Timeouts::request), kMillisecond},
    {"total", "duration|none", "none", "whole exchange", upstream(&Timeouts::total), kMillisecond},
    {"response_header", "duration|none", "none", "of one try", upstream(&Timeouts::response_header),
     kMillisecond},
    {"idle", "duration", "60s", "pooled upstream connection", upstream(&Timeouts::idle),
     kMillisecond},
    {"stream_idle", "duration", "5m", "", upstream(&Timeouts::stream_idle), kMillisecond},
    {"tcp_idle", "duration", "1h", "upgraded tunnels", upstream(&Timeouts::tcp_idle), kMillisecond},
    {"client_header", "duration", "10s", "slowloris guard; client_* only in defaults",
     kClientHeader, kMillisecond},
    {"handshake", "duration", "10s", "TLS, downstream; only in defaults", kHandshake, kMillisecond},
    {"client_idle", "duration", "75s", "", kClientIdle, kMillisecond},
};
constexpr Key<Limits> kLimits[] = {
    {"connections", "int|auto", "auto", "accepted at once; auto = 0.8 of RLIMIT_NOFILE",
     &Limits::connections, 1},
    {"header_size", "size", "32KiB", "", &Limits::header_size, 256, 1024 * 1024},
    {"headers", "int", "128", "", &Limits::headers, 1, 10000},
    {"url", "size", "8KiB", "", &Limits::url, 16, 1024 * 1024},
    {"body", "size|unlimited", "unlimited", "", &Limits::body},
    {"streams", "int", "100", "per HTTP/2 connection", &Limits::streams, 1, 1000},
    {"resets", "rate", "33/s",
     "of HTTP/2 streams, in both directions, six times as many at once; above: GOAWAY",
     &Limits::resets, 1, 1e6},
    {"log_only", "list", "[]", "resets, glitches, headers: only counted", &read_log_only},
    {"requests_per_connection", "int|none", "none", "", &Limits::requests_per_connection, 1},
    {"passthrough_addresses", "int", "4096",
     "addresses no cluster names that have a breaker of their own; the oldest go first",
     &Limits::passthrough_addresses, 1, 1e6},
};
constexpr Key<AccessLog> kAccessLog[] = {
    {"to", "string", "stdout", "stdout, stderr, path, off", &AccessLog::to},
    {"format", "enum:auto,text,json", "auto", "auto = text on a terminal, json else",
     word<&AccessLog::format, AccessLog>()},
    {"only", "list", "[]", "errors, slow>500ms, sampled", &read_only},
    {"sample", "percent", "100%", "errors always kept", &AccessLog::sample, 0, 1},
    {"fields", "map", "{}",
     "name: header:NAME, response_header:NAME, query:NAME, cookie:NAME, else the text itself",
     &read_fields},
    {"redact", "list", "[authorization, cookie, set-cookie]",
     "headers, parameters and cookies whose values are not written", &read_redact},
    {"buffer", "size", "256KiB", "full = drop + count, never block", &AccessLog::buffer, 4096,
     1024.0 * 1024 * 1024},
};
constexpr Key<Log> kLog[] = {
    {"level", "enum:trace,debug,info,warn,error", "info", "", word<&Log::level, Log>(), 0, kNoMost,
     "log level"},
    {"format", "enum:auto,text,json", "auto", "", word<&Log::format, Log>()},
    {"to", "string", "stderr", "", &Log::to},
};

void retry_off(Retry& into) {
    into.attempts = 0;
}
void breaker_off(Breaker& into) {
    into.mode = Enforcement::off;
}
void outlier_off(Outlier& into) {
    into.mode = Enforcement::off;
}
void access_log_off(AccessLog& into) {
    into.to = "off";
}

constexpr Block<RootBlock> kRootBlock{"", "", nullptr, kRoot};
constexpr Block<NodeBlock> kNodeBlock{"node", "", nullptr, kNode};
constexpr Block<AdminBlock> kAdminBlock{"admin", "", nullptr, kAdmin};
constexpr Block<TelemetryBlock> kTelemetryBlock{"telemetry", "", nullptr, kTelemetry};
constexpr Block<ErrorsBlock> kErrorsBlock{"errors", "", nullptr, kErrors};
constexpr Block<DefaultsBlock> kDefaultsBlock{"defaults", "", nullptr, kDefaults};
constexpr Block<ListenerBlock> kListenerBlock{"listeners[]", "", nullptr, kListener};
constexpr Block<RouteBlock> kRouteBlock{"listeners[].routes[]", "", nullptr, kRoute};
constexpr Block<Respond> kRespondBlock{"listeners[].routes[].respond", "", nullptr, kRespond};
constexpr Block<RewriteBlock> kRewriteBlock{"listeners[].routes[].rewrite", "", nullptr, kRewrite};
constexpr Block<ClusterBlock> kClusterBlock{"clusters{}", "", nullptr, kCluster};
constexpr Block<EndpointBlock> kEndpointBlock{"clusters{}.endpoints[]", "address", nullptr,
                                              kEndpoint};
constexpr Block<DiscoveryBlock> kDiscoveryBlock{"clusters{}.discovery", "type", nullptr,
                                                kDiscovery};
constexpr Block<LbBlock> kLbBlock{"clusters{}.lb", "policy", nullptr, kLb};
constexpr Block<Health> kHealthBlock{"clusters{}.health", "path", nullptr, kHealth};
constexpr Block<Fallback> kFallbackBlock{"breaker.fallback", "", nullptr, kFallback};
constexpr Block<ClusterLimits> kClusterLimitsBlock{"clusters{}.limits", "", nullptr,
                                                   kClusterLimits};
constexpr Block<Breaker> kBreakerBlock{"breaker", "", breaker_off, kBreaker};
constexpr Block<Outlier> kOutlierBlock{"outlier", "", outlier_off, kOutlier};
constexpr Block<Retry> kRetryBlock{"retry", "attempts", retry_off, kRetry};
constexpr Block<TimeoutBlock> kTimeoutBlock{"timeout", "request", nullptr, kTimeout};
constexpr Block<Limits> kLimitsBlock{"limits", "", nullptr, kLimits};
constexpr Block<AccessLog> kAccessLogBlock{"access_log", "", access_log_off, kAccessLog};
constexpr Block<Log> kLogBlock{"log", "", nullptr, kLog};

}  // namespace

template <>
const Block<RootBlock>& block() {
    return kRootBlock;
}
template <>
const Block<NodeBlock>& block() {
    return kNodeBlock;
}
template <>
const Block<ErrorsBlock>& block() {
    return kErrorsBlock;
}
template <>
const Block<DefaultsBlock>& block() {
    return kDefaultsBlock;
}
template <>
const Block<ListenerBlock>& block() {
    return kListenerBlock;
}
template <>
const Block<RouteBlock>& block() {
    return kRouteBlock;
}
template <>
const Block<Respond>& block() {
    return kRespondBlock;
}
template <>
const Block<RewriteBlock>& block() {
    return kRewriteBlock;
}
template <>
const Block<ClusterBlock>& block() {
    return kClusterBlock;
}
template <>
const Block<EndpointBlock>& block() {
    return kEndpointBlock;
}
template <>
const Block<DiscoveryBlock>& block() {
    return kDiscoveryBlock;
}
template <>
const Block<LbBlock>& block() {
    return kLbBlock;
}
template <>
const Block<Health>& block() {
    return kHealthBlock;
}
template <>
const Block<Fallback>& block() {
    return kFallbackBlock;
}
template <>
const Block<ClusterLimits>& block() {
    return kClusterLimitsBlock;
}
template <>
const Block<Breaker>& block() {
    return kBreakerBlock;
}
template <>
const Block<Outlier>& block() {
    return kOutlierBlock;
}
template <>
const Block<Retry>& block() {
    return kRetryBlock;
}
template <>
const Block<TimeoutBlock>& block() {
    return kTimeoutBlock;
}
template <>
const Block<AdminBlock>& block() {
    return kAdminBlock;
}
template <>
const Block<TelemetryBlock>& block() {
    return kTelemetryBlock;
}
template <>
const Block<AccessLog>& block() {
    return kAccessLogBlock;
}
template <>
const Block<Log>& block() {
    return kLogBlock;
}
template <>
const Block<Limits>& block() {
    return kLimitsBlock;
}

}  // namespace weir::config
