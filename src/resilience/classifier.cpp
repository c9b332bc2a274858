#include "weir/resilience/classifier.hpp"

#include <algorithm>
#include <array>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

struct ErrorRow {
    Reason reason;
    Outcome outcome;
    FailureKind kind;
};

// What an attempt says that ended in an error. Reasons not named are refusals of ours or faults of
// the client: ignored. upstream_reset depends on the connection, see died().
constexpr std::array<ErrorRow, 6> kErrors = {{
    {Reason::upstream_connect_refused, Outcome::local_failure, FailureKind::connect_refused},
    {Reason::upstream_connect_timeout, Outcome::local_failure, FailureKind::connect_timeout},
    {Reason::upstream_dns, Outcome::local_failure, FailureKind::dns},
    {Reason::upstream_tls, Outcome::local_failure, FailureKind::tls},
    {Reason::upstream_protocol, Outcome::failure, FailureKind::protocol},
    {Reason::upstream_timeout, Outcome::failure, FailureKind::timeout},
}};

// The `weir-error` words of a peer that did nothing with the request.
constexpr std::array<Reason, 4> kPeerRefusals = {Reason::breaker_open, Reason::draining,
                                                 Reason::queue_full, Reason::no_healthy_endpoint};

constexpr Duration kLeastStale = 10ms;

constexpr std::uint32_t kResourceExhausted = 8;  // codes of gRPC
constexpr std::uint32_t kUnavailable = 14;

constexpr std::array<std::string_view, 6> kOutcomes = {"ok",        "failure", "local_failure",
                                                       "throttled", "stale",   "ignored"};
constexpr std::array<std::string_view, 20> kKinds = {"none",
                                                     "500",
                                                     "502",
                                                     "503",
                                                     "504",
                                                     "status",
                                                     "peer_refused",
                                                     "connect_refused",
                                                     "connect_timeout",
                                                     "dns",
                                                     "tls",
                                                     "reset",
                                                     "timeout",
                                                     "protocol",
                                                     "grpc_unknown",
                                                     "grpc_internal",
                                                     "grpc_unavailable",
                                                     "grpc_data_loss",
                                                     "grpc_deadline_exceeded",
                                                     "grpc_other"};

// A reused connection that dies at once was closed by the upstream while it was idle. One that dies
// later took the request along: a killed endpoint loses those on reused connections too.
Outcome died(const AttemptEnd& end) {
    // It did nothing with the request: of a connection that it closes in good order that is no
    // fault, of one that has just been made it is.
    if (end.error.retry == Error::Retry::safe)
        return end.reused_connection ? Outcome::stale : Outcome::local_failure;
    if (end.got_response_bytes || end.status) {
        return end.reused_connection || end.status ? Outcome::failure : Outcome::local_failure;
    }
    if (!end.reused_connection) return Outcome::local_failure;
    const Duration grace = std::max(kLeastStale, 2 * end.connect_time);
    return end.since_last_write <= grace ? Outcome::stale : Outcome::failure;
}

FailureKind kind_of(std::uint16_t status) {
    switch (status) {
        case 500:
            return FailureKind::status_500;
        case 502:
            return FailureKind::status_502;
        case 503:
            return FailureKind::status_503;
        case 504:
            return FailureKind::status_504;
        default:
            return FailureKind::status_other;
    }
}

FailureKind kind_of_grpc(std::uint32_t code) {
    switch (code) {
        case 2:
            return FailureKind::grpc_unknown;
        case 4:
            return FailureKind::grpc_deadline_exceeded;
        case 13:
            return FailureKind::grpc_internal;
        case 14:
            return FailureKind::grpc_unavailable;
        case 15:
            return FailureKind::grpc_data_loss;
        default:
            return FailureKind::grpc_other;
    }
}

bool is_late(FailureKind kind) {
    return kind == FailureKind::timeout || kind == FailureKind::status_504 ||
           kind == FailureKind::grpc_deadline_exceeded;
}

// An answer that tells of a deadline long before the caller's tells of somebody else's.
bool is_impatient(const AttemptEnd& end) {
    return end.caller_deadline < end.patience &&
           std::max(end.waited, end.took) >= end.caller_deadline / 2;
}

bool is_connect(FailureKind kind) {
    return kind == FailureKind::connect_refused || kind == FailureKind::connect_timeout ||
           kind == FailureKind::dns || kind == FailureKind::tls;
}

}  // namespace

std::string_view word(Outcome outcome) {
    return kOutcomes[static_cast<std::size_t>(outcome)];
}
std::string_view word(FailureKind kind) {
    return kKinds[static_cast<std::size_t>(kind)];
}

bool is_peer_refusal(std::string_view weir_error) {
    return std::any_of(kPeerRefusals.begin(), kPeerRefusals.end(),
                       [&](Reason reason) { return word(reason) == weir_error; });
}

bool is_of_route(FailureKind kind) {
    switch (kind) {
        case FailureKind::status_500:
        case FailureKind::status_other:
        case FailureKind::grpc_unknown:
        case FailureKind::grpc_internal:
        case FailureKind::grpc_data_loss:
        case FailureKind::grpc_other:
            return true;
        default:
            return false;
    }
}

Verdict heard(const Verdict& verdict, Hearing hearing, bool is_probe) {
    const bool is_local = verdict.outcome == Outcome::local_failure;
    const bool is_failure = verdict.outcome == Outcome::failure || is_local;
    if (!is_failure || hearing == Hearing::all) return verdict;
    const bool is_own = is_of_route(verdict.kind);
    if (hearing == Hearing::own) return is_own || is_probe ? verdict : Verdict{Outcome::ignored};
    if (is_local) return verdict;
    if (is_own) return is_probe ? Verdict{Outcome::ok} : Verdict{Outcome::ignored};
    const bool is_heard = hearing == Hearing::gone || is_probe;
    return is_heard ? verdict : Verdict{Outcome::ignored};
}

Duration patience(std::uint64_t samples, Duration p99, Duration request_timeout) {
    if (samples < 100) return request_timeout / 2;
    return std::max<Duration>(1s, 10 * p99);
}

Classifier::Options::Options() {
    for (const std::size_t status : {500U, 502U, 503U, 504U})
        failure_statuses.set(status);
}

Verdict Classifier::by_error(const AttemptEnd& end) const {
    if (end.error.reason == Reason::upstream_reset) {
        const Outcome outcome = died(end);
        if (outcome == Outcome::stale) return {outcome, FailureKind::none};
        if (!options_.is_reset_failure) return {Outcome::ignored, FailureKind::none};
        if (end.error.retry == Error::Retry::safe) return {outcome, FailureKind::peer_refused};
        return {outcome, FailureKind::reset};
    }
    const auto* const row = std::find_if(kErrors.begin(), kErrors.end(), [&](const ErrorRow& each) {
        return each.reason == end.error.reason;
    });
    const bool is_unlisted = row == kErrors.end() ||
                             (row->kind == FailureKind::timeout && !options_.is_timeout_failure) ||
                             (is_connect(row->kind) && !options_.is_connect_failure);
    if (is_unlisted) return {Outcome::ignored, FailureKind::none};
    return {row->outcome, row->kind};
}

Verdict Classifier::by_status(const AttemptEnd& end) const {
    const std::uint16_t status = end.status.value_or(0);
    const bool is_call = status == 200 && end.grpc_status.has_value();
    const bool is_unavailable = status == 503 || (is_call && *end.grpc_status == kUnavailable);
    if (is_unavailable && is_peer_refusal(end.weir_error)) {
        return {Outcome::local_failure, FailureKind::peer_refused};
    }
    if (is_call) return by_grpc(*end.grpc_status);
    if (status == 429 || (status == 503 && end.has_retry_after)) return {Outcome::throttled};
    if (status < options_.failure_statuses.size() && options_.failure_statuses.test(status)) {
        return {Outcome::failure, kind_of(status)};
    }
    return {Outcome::ok};
}

Verdict Classifier::by_grpc(std::uint32_t code) const {
    if (code == kResourceExhausted) return {Outcome::throttled};
    const bool is_failure = code < 32 && (options_.failure_grpc >> code & 1U) != 0;
    return is_failure ? Verdict{Outcome::failure, kind_of_grpc(code)} : Verdict{Outcome::ok};
}

Verdict Classifier::judge(const AttemptEnd& end) const {
    const bool client_left = end.client_left || end.error.reason == Reason::client_closed;
    if (!client_left) return end.error.reason == Reason::none ? by_status(end) : by_error(end);
    if (end.status) {
        // A bad answer is evidence, whoever left while it came.
        const Verdict verdict = by_status(end);
        return verdict.outcome == Outcome::ok ? Verdict{Outcome::ignored} : verdict;
    }
    if (end.waited <= end.patience || !options_.is_timeout_failure) return {Outcome::ignored};
    return {Outcome::failure, FailureKind::timeout};
}

Verdict Classifier::classify(const AttemptEnd& end) const {
    Verdict verdict = judge(end);
    if (is_late(verdict.kind) && is_impatient(end)) verdict = {Outcome::ignored};
    const bool answered = verdict.outcome == Outcome::ok || verdict.outcome == Outcome::failure;
    const auto is_slow = [&](Duration slow_call) {
        return answered && slow_call > 0ns && end.waited >= slow_call;
    };
    verdict.is_slow = is_slow(options_.slow_call);
    verdict.is_slow_at_endpoint = is_slow(options_.slow_call_at_endpoint);
    if (end.has_retry_after) verdict.hint = end.retry_after;
    return verdict;
}

Verdict classify(const AttemptEnd& end) {
    static const Classifier classifier;
    return classifier.classify(end);
}

}  // namespace weir::resilience
