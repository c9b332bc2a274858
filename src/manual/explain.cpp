#include "weir/manual/explain.hpp"

#include "weir/core/reason.hpp"
#include "weir/http/headers.hpp"

#include <array>

namespace weir::manual {
namespace {

// clang-format off
constexpr std::array kExplanations{
    // Reasons: why Weir itself answered.
    Explanation{"none", "The answer is the upstream's own; Weir had no part in it but to pass it on."},
    Explanation{"bad_request", "What the client sent is no HTTP, or breaks a rule that keeps two parsers from reading one request differently (framing, header names, the path). Look at the client; there is no lenient switch."},
    Explanation{"headers_too_large", "The request's head is above limits.header_size or has more fields than limits.headers. Cookies are the usual cause."},
    Explanation{"uri_too_long", "The request's target is longer than limits.url."},
    Explanation{"body_too_large", "The request's body is longer than limits.body or the route's max_body."},
    Explanation{"request_timeout", "The client did not send its request in time: timeout.client_header for the head, stream_idle for a body that stands still."},
    Explanation{"misdirected", "The Host of the request is not one that is served here. On the admin port only localhost, loopback addresses and its own address are."},
    Explanation{"no_route", "No route of this listener takes the request: compare host, path, method, header and query with GET /api/v1/routes. They are tried in the order of the file."},
    Explanation{"no_healthy_endpoint", "The cluster has no endpoint to try: discovery has found none, or none may be tried. See GET /api/v1/clusters/NAME/endpoints and /api/v1/discovery."},
    Explanation{"breaker_open", "The cluster's circuit breaker is open: the upstream failed, and is left alone until a probe succeeds. Retry-After says when it is asked again. GET /api/v1/breakers shows what it saw."},
    Explanation{"limit_exceeded", "limits.max_requests of the cluster are in flight."},
    Explanation{"queue_full", "Every connection the limits allow is busy, and limits.max_pending requests wait already."},
    Explanation{"queue_timeout", "The request waited limits.queue_timeout for a connection and none became free."},
    Explanation{"overloaded", "Load was shed to protect the process: it is out of descriptors or above a limit of its own."},
    Explanation{"draining", "This Weir is shutting down; the client should connect again and reach another."},
    Explanation{"upstream_connect_refused", "The endpoint refused the connection: nothing listens there, or a firewall says no. It is safe to send the request again, and with retries on it was."},
    Explanation{"upstream_connect_timeout", "The endpoint did not accept a connection within timeout.connect."},
    Explanation{"upstream_dns", "The endpoint's name does not resolve. See GET /api/v1/discovery for the resolver's answer."},
    Explanation{"upstream_reset", "The upstream's connection broke before its answer was whole: it crashed, was stopped, or something between closed an idle connection."},
    Explanation{"upstream_protocol", "The upstream's answer is no HTTP, or framed in a way that could be read in two ways."},
    Explanation{"upstream_timeout", "The upstream did not answer in time: timeout.request over all tries, response_header and per_try_timeout for one, stream_idle for a body that stands still."},
    Explanation{"client_closed", "The client left before the answer was whole. It is in the log as 499; nobody received it."},
    // Reasons of transitions: why a breaker or an outlier detector changed its state.
    Explanation{"consecutive", "consecutive_failures in a row, over at least consecutive_for: the circuit opened, or the endpoint was ejected."},
    Explanation{"consecutive_local", "consecutive_local connections in a row did not come about: the endpoint was ejected."},
    Explanation{"failure_rate", "Of at least min_requests in the window, the share of failures reached failure_rate."},
    Explanation{"slow_rate", "Of at least min_requests in the window, too many were slower than slow_call."},
    Explanation{"probe_failed", "A half-open circuit let a request through as a probe, and it failed: open again, for longer."},
    Explanation{"probe_timeout", "A probe brought no answer within its lease: open again, for longer."},
    Explanation{"probe_ok", "Enough probes in a row were good: closed, and the endpoint's weight ramps up."},
    Explanation{"elapsed", "The time to stay open is over: half open, the next request is a probe."},
    Explanation{"forced", "An operator forced the state, or ended that."},
    Explanation{"floor", "Too few endpoints were left: an ejection was refused (the endpoint is penalized instead, at a tenth of its weight), or an ejected endpoint was let back early. See max_ejected and min_ready."},
    // Codes of configuration problems.
    Explanation{"W100", "The file is no YAML: a tab, an unclosed quote or bracket. Nothing else could be checked."},
    Explanation{"W101", "There is no such key here. The message lists those there are, and names the nearest."},
    Explanation{"W102", "A key is given twice in one map."},
    Explanation{"W103", "A number stands where a unit is needed: 250ms, 5s, 1m30s; 64KiB, 1MB; 50%; 100/s."},
    Explanation{"W104", "The value is not of the type of its key."},
    Explanation{"W105", "The key takes one of a few words, and this is none of them."},
    Explanation{"W106", "This is no percentage between 0% and 100%."},
    Explanation{"W107", "${NAME} names an environment variable that is not set and has no default: ${NAME:-default}."},
    Explanation{"W108", "A list stands where a map or a value is wanted, or the other way round."},
    Explanation{"W109", "The key belongs to a feature that this version does not have. It is refused, for ignoring it would be worse."},
    Explanation{"W110", "The name is no cluster of this file, and no host:port."},
    Explanation{"W111", "This is no port: 1 to 65535."},
    Explanation{"W112", "An IPv6 address must be quoted, \"[::1]:8080\": to YAML the brackets are a list."},
    Explanation{"W113", "This is no address: 127.0.0.1:8080, \"[::1]:8080\", :8080 or unix:/path."},
    Explanation{"W114", "A key that must be given is missing."},
    Explanation{"W115", "Two keys exclude each other."},
    Explanation{"W116", "A feature of YAML that is not taken: a second document, a merge key (use defaults:), nesting or expansion beyond the limits."},
    Explanation{"W117", "The value is outside the range of its key."},
    Explanation{"W118", "This is no name: letters, digits, '-', '_' and '.'."},
    Explanation{"W119", "The pattern of a path, host, header or query cannot be used."},
    Explanation{"W130", "Two listeners listen on one address."},
    Explanation{"W131", "A name is given to two things."},
    Explanation{"W140", "Two timeouts contradict each other: the shorter one always wins."},
    Explanation{"W141", "Two numbers contradict each other."},
    Explanation{"W150", "The admin port can change this proxy: beyond loopback and Unix sockets it needs a token."},
    Explanation{"W201", "A warning: this route can never match, because one above it takes all its requests."},
};
// clang-format on

std::string status_of(std::string_view word) {
    const auto reason = reason_from(word);
    if (!reason || info(*reason).status == 0) return {};
    return " (status " + std::to_string(info(*reason).status) + ")";
}

}  // namespace

std::span<const Explanation> explanations() {
    return kExplanations;
}

std::optional<std::string> explain_word(std::string_view word) {
    for (const Explanation& explanation : kExplanations) {
        if (!http::equals_ignoring_case(explanation.word, word)) continue;
        std::string text(explanation.word);
        text += status_of(explanation.word) + "\n  ";
        return text.append(explanation.text).append("\n");
    }
    return std::nullopt;
}

}  // namespace weir::manual
