#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

// Why Weir itself answered, or gave up on, a request. One word everywhere: the `weir-error` header,
// the metric label `reason`, the access log, the admin API and `weir explain`.
enum class Reason : std::uint8_t {
    none,                      // the answer is the upstream's
    bad_request,               // what the client sent is no HTTP, or refused by a rule of it
    headers_too_large,         // above limits.header_size or limits.headers
    uri_too_long,              // above limits.url
    body_too_large,            // above limits.body
    request_timeout,           // the client was too slow with its request
    misdirected,               // no host of this listener
    no_route,                  // no route takes this request
    unauthorized,              // auth: it does not say who it is, or not credibly
    forbidden,                 // auth: who it is may not do this
    auth_unavailable,          // auth: nobody can say who it is now
    rate_limited,              // rate_limits
    fault_injected,            // routes[].fault, or an operator's
    no_healthy_endpoint,       // the cluster has no endpoint to try
    breaker_open,              // the cluster's circuit is open
    limit_exceeded,            // limits.max_requests
    queue_full,                // limits.max_pending
    queue_timeout,             // limits.queue_timeout
    overloaded,                // shed to protect the process
    draining,                  // Weir is going away
    upstream_connect_refused,  // no connection: refused
    upstream_connect_timeout,  // no connection: timeout.connect
    upstream_dns,              // no connection: the name does not resolve
    upstream_tls,              // no connection: TLS did not come about
    upstream_reset,            // the connection broke before the answer was whole
    upstream_protocol,         // the upstream's answer is no HTTP
    upstream_timeout,          // timeout.request, per_try_timeout, response_header, stream_idle
    client_closed,             // the client left (status 499, log only)
};
inline constexpr std::size_t kReasonCount = static_cast<std::size_t>(Reason::client_closed) + 1;

struct ReasonInfo {
    std::string_view word;
    std::uint16_t status;       // the status a client sees; 0 for none
    std::string_view sentence;  // for people: what happened
    std::string_view named;     // the same, with % for the cluster's name; empty: it has no part
};

// Thread: any. Costs one array access.
[[nodiscard]] const ReasonInfo& info(Reason reason);
[[nodiscard]] inline std::string_view word(Reason reason) {
    return info(reason).word;
}

// The sentence for people, which names the cluster if there is one and it has a part in it.
[[nodiscard]] std::string sentence(Reason reason, std::string_view cluster);

// The reason spelled so, if there is one.
[[nodiscard]] std::optional<Reason> reason_from(std::string_view word);

}  // namespace weir
