#include "weir/core/reason.hpp"

#include <array>

namespace weir {
namespace {

constexpr std::array<ReasonInfo, kReasonCount> kReasons{{
    {"none", 0, "the answer is the upstream's", {}},
    {"bad_request", 400, "the request is not valid HTTP", {}},
    {"headers_too_large", 431, "the request's headers are too large", {}},
    {"uri_too_long", 414, "the request's target is too long", {}},
    {"body_too_large", 413, "the request's body is too large", {}},
    {"request_timeout", 408, "the client was too slow with its request", {}},
    {"misdirected", 421, "this host is not served here", {}},
    {"no_route", 404, "no route takes this request", {}},
    {"unauthorized", 401, "credentials are missing or not valid", {}},
    {"forbidden", 403, "who asks may not do this", {}},
    {"auth_unavailable", 503, "credentials cannot be checked now", {}},
    {"rate_limited", 429, "too many requests", {}},
    {"fault_injected", 503, "a fault was asked for", {}},
    {"no_healthy_endpoint", 503, "the cluster has no endpoint to try", "% has no endpoint to try"},
    {"breaker_open", 503, "the circuit breaker is open", "the circuit breaker of % is open"},
    {"limit_exceeded", 503, "a limit of requests in flight is reached",
     "% has as many requests in flight as its limit allows"},
    {"queue_full", 503, "the queue for a connection is full",
     "the queue for a connection to % is full"},
    {"queue_timeout", 503, "no connection became free in time",
     "no connection to % became free in time"},
    {"overloaded", 503, "load was shed to protect the process", {}},
    {"draining", 503, "this proxy is shutting down", {}},
    {"upstream_connect_refused", 503, "the upstream refused the connection",
     "% refused the connection"},
    {"upstream_connect_timeout", 503, "the upstream did not accept a connection in time",
     "% did not accept a connection in time"},
    {"upstream_dns", 503, "the upstream's name does not resolve", "the name of % does not resolve"},
    {"upstream_tls", 503, "no TLS connection to the upstream came about",
     "no TLS connection to % came about"},
    {"upstream_reset", 502, "the upstream's connection broke before its answer was whole",
     "the connection to % broke before its answer was whole"},
    {"upstream_protocol", 502, "the upstream's answer is not valid HTTP",
     "the answer of % is not valid HTTP"},
    {"upstream_timeout", 504, "the upstream did not answer in time", "% did not answer in time"},
    {"client_closed", 499, "the client left before the answer was whole", {}},
}};

}  // namespace

const ReasonInfo& info(Reason reason) {
    return kReasons[static_cast<std::size_t>(reason)];
}

std::string sentence(Reason reason, std::string_view cluster) {
    const ReasonInfo& known = info(reason);
    if (cluster.empty() || known.named.empty()) return std::string(known.sentence);
    std::string text;
    for (const char c : known.named) {
        if (c == '%') {
            text.append("'").append(cluster).append("'");
        } else {
            text += c;
        }
    }
    return text;
}

std::optional<Reason> reason_from(std::string_view word) {
    for (std::size_t i = 0; i < kReasons.size(); ++i) {
        if (kReasons[i].word == word) return static_cast<Reason>(i);
    }
    return std::nullopt;
}

}  // namespace weir
