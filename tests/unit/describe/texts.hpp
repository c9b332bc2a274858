#pragma once

#include <array>
#include <string_view>

// Configurations that use every way to write a thing. Each is valid.
namespace weir::describe::test {

inline constexpr std::string_view kShorthands = R"(version: 1
listeners:
  - listen: [":8080", "127.0.0.1:8081"]
    name: public
    to: orders
  - listen: ":8082"
    to: [10.0.0.1:80, "10.0.0.2:80"]
clusters:
  orders:
    endpoints: [orders:80, {address: "orders-b:80", weight: 50}]
    timeout: 5s
    retry: 2
    breaker: off
    outlier: off
    discovery: dns
    lb: least_request
)";

inline constexpr std::string_view kLayers = R"(version: 1
node: {name: edge}
threads: 2
drain: 1500ms
limits: {header_size: 16KiB, body: 1MiB}
access_log: off
log: {level: warn, format: json}
defaults:
  timeout: {connect: 250ms, request: 3s, client_header: 5s}
  retry: {attempts: 1, backoff: 1s, on: [503, connect]}
  breaker: {open_for: 10s}
  outlier: {eject_for: 2s}
  lb: round_robin
listeners:
  - name: in
    mode: inbound
    listen: 127.0.0.1:15006
    limits: {headers: 64}
    routes:
      - {name: orders, path: /orders/*, to: orders, timeout: 10s, retry: {backoff: 2s}}
      - path: /split/*
        to: {orders: 90%, "127.0.0.1:9000": 10%}
        retry: off
        max_body: 2MiB
      - {path: "/u/{id}", redirect: "/users/{id}"}
      - {path: /hello, respond: {body: "hello, \"you\"\n"}}
      - {path: /gone, respond: {status: 410}}
  - listen: 127.0.0.1:15001
    mode: outbound
    underscores: reject
    trusted_hops: 1
    trusted_proxies: [10.0.0.0/8]
    routes:
      - {host: [Orders, "*.Shop.example"], method: GET, header: {X-A: "~ ^b", x-c: present},
         query: {q: "1"}, to: orders, rewrite: {path: /x/*, host: other.example}}
clusters:
  orders:
    endpoints: ["10.0.0.5:9000"]
    timeout: {request: never}
    limits: {max_connections: unlimited, max_pending: 10}
    metrics_per_endpoint: true
  slow.v2:
    discovery: {type: dns, name: slow.internal, port: 8080, servers: [127.0.0.1], refresh: 5s}
    breaker: {mode: shadow, max_open_for: 1m}
    outlier: {max_ejected: 12.5%}
    retry: {budget: 33.3%, budget_min: 90/m, methods: [GET], buffer: 0}
  listed:
    discovery: {type: file, path: endpoints.yaml, empty_hold: 0}
)";

inline constexpr std::string_view kAnswersOnly = R"(version: 1
admin: {listen: off}
telemetry: {listen: "unix:/tmp/weir-telemetry.sock"}
listeners:
  - listen: "[::1]:8080"
    routes: [{respond: {status: 204}}]
)";

inline constexpr std::string_view kAnchors = R"(version: 1
listeners:
  - {listen: ":8080", to: a}
clusters:
  a: &a
    endpoints: [10.0.0.1:80]
    timeout: &t {request: 3s, connect: 100ms}
  b: {endpoints: [10.0.0.2:80], timeout: *t}
)";

// Built-in values that would be errors if they were written beside these.
inline constexpr std::string_view kNarrow = R"(version: 1
access_log: {only: [errors]}
listeners:
  - {listen: ":8080", to: a}
clusters:
  a:
    endpoints: [10.0.0.1:80]
    timeout: 500ms
    limits: {max_connections: 10}
    retry: {backoff: 1s}
    breaker: {open_for: 10s}
    outlier: {eject_for: 10s}
)";

inline constexpr std::string_view kResilience = R"(version: 1
listeners:
  - listen: ":8080"
    routes:
      - {name: own, path: /own/, to: a, breaker: {window: 5s, fallback: {status: 200, body: hi}}}
      - {name: plain, path: /plain/, to: [a, b], breaker: {}}
      - {name: off, path: /off/, to: b, breaker: off}
      - {to: {b: 50%, c: 50%}}
clusters:
  a:
    endpoints: ["10.0.0.1:80"]
    lb: {when_none_ready: all}
    health: {path: "/status?deep=1", expect: "301, 200-204", port: 81}
    breaker: {fallback: {to: b}, scope: route, failure_on: [reset, 5xx], slow_call: 2s}
    outlier: {stall_after: off, throttle_rate: off, latency_factor: 2.50x, compare: stdev}
    limits: {adaptive: true, mode: shadow}
  b: {endpoints: ["10.0.0.2:80"], health: {type: tcp}, retry: {rescue: false, hedge_after: 20ms}}
  c: {endpoints: ["10.0.0.3:80"], health: {}, breaker: {fallback: {}, stall_after: 3s}}
  d: {endpoints: ["10.0.0.4:80"], health: /x, breaker: {fallback: none}}
defaults:
  lb: {when_none_ready: fail}
  breaker: {fallback: {to: d}, slow_rate: 70%}
  retry: {on: [connect, "grpc:*"]}
)";

inline constexpr std::string_view kLimited = R"(version: 1
listeners:
  - listen: ":8080"
    rate_limit: [a, {rate: 60/m, key: [client_ip, method]}]
    routes:
      - {name: one, path: /one, rate_limit: b, to: x}
      - {name: two, path: /two, rate_limit: {algorithm: concurrency, max: 7}, to: x}
      - {name: all, to: x}
clusters:
  x: {endpoints: ["10.0.0.1:80"], protocol: h2c}
rate_limits:
  a: {rate: 600/m, algorithm: sliding_window, headers: legacy}
  b: {rate: 5/s, burst: 9, store: {redis: cache}, lease: false, on_store_failure: deny}
  c: {rate: 5/s, store: {rls: x}, mode: shadow}
redis:
  cache: {address: "cache:6379", user: weir, tls: {server_name: cache.test}}
)";

inline constexpr std::array kTexts{kResilience, kShorthands, kLayers, kAnswersOnly,
                                   kAnchors,    kNarrow,     kLimited};

}  // namespace weir::describe::test
