#include "weir/resilience/retry_policy.hpp"

#include "weir/resilience/classifier.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace weir::resilience {
namespace {

constexpr std::array<std::string_view, 10> kRefusals = {
    "none",   "not_wanted", "exhausted", "forwarded", "unsafe",
    "budget", "deadline",   "throttled", "depth",     "buffer"};

bool is_connect(FailureKind kind) {
    return kind == FailureKind::connect_refused || kind == FailureKind::connect_timeout ||
           kind == FailureKind::dns || kind == FailureKind::tls;
}

bool died_before_a_byte(const RetryInput& input) {
    const bool died =
        input.verdict.outcome == Outcome::stale || input.error.reason == Reason::upstream_reset;
    return died && !input.got_response_bytes && !input.status;
}

RetryOn by_status(std::uint16_t status) {
    const RetryOn any = status >= 500 && status <= 599 ? RetryOn::status_5xx : RetryOn::none;
    switch (status) {
        case 502:
            return any | RetryOn::status_502;
        case 503:
            return any | RetryOn::status_503;
        case 504:
            return any | RetryOn::status_504;
        default:
            return any;
    }
}

// The words of retry.on under which this end falls.
RetryOn words_of(const RetryInput& input) {
    if (is_connect(input.verdict.kind)) return RetryOn::connect;
    if (input.error.reason == Reason::upstream_reset && input.error.retry == Error::Retry::safe)
        return RetryOn::refused | RetryOn::reset;
    if (input.verdict.kind == FailureKind::peer_refused) {
        return RetryOn::connect | RetryOn::status_503 | RetryOn::status_5xx;
    }
    if (died_before_a_byte(input)) {
        return input.is_connection_reused ? RetryOn::reused | RetryOn::reset : RetryOn::reset;
    }
    if (input.error.reason == Reason::upstream_reset) return RetryOn::reset;
    if (input.error.reason == Reason::upstream_protocol) return RetryOn::reset;
    if (input.error.reason == Reason::upstream_timeout) return RetryOn::timeout;
    if (input.error.reason != Reason::none) return RetryOn::none;
    if (input.verdict.outcome == Outcome::throttled && input.status == 503)
        return RetryOn::status_5xx;
    return by_status(input.status.value_or(0));
}

bool is_listed_call(const RetryOptions& options, const RetryInput& input) {
    return input.status == 200 && input.grpc_status && *input.grpc_status < 32 &&
           (options.on_grpc >> *input.grpc_status & 1U) != 0;
}

bool is_nothing_processed(const RetryInput& input) {
    if (is_connect(input.verdict.kind) || input.verdict.kind == FailureKind::peer_refused)
        return true;
    if (input.error.reason != Reason::none && input.error.retry == Error::Retry::safe) return true;
    return died_before_a_byte(input) && input.is_connection_reused && input.is_provably_unread;
}

RetryRefusal refusal(const RetryOptions& options, const RetryInput& input) {
    if (options.attempts == 0) return RetryRefusal::not_wanted;
    const bool is_wanted = has(options.on, words_of(input)) || is_listed_call(options, input);
    if (input.is_response_forwarded) return RetryRefusal::forwarded;
    if (input.verdict.outcome == Outcome::throttled &&
        (!is_wanted || input.verdict.hint <= Duration{0})) {
        return RetryRefusal::throttled;
    }
    if (!is_wanted) return RetryRefusal::not_wanted;
    if (!input.is_method_listed && !is_nothing_processed(input)) return RetryRefusal::unsafe;
    if (!input.is_body_replayable) return RetryRefusal::buffer;
    if (input.retries >= options.attempts) return RetryRefusal::exhausted;
    if (input.depth >= options.max_depth || input.was_retried_below) return RetryRefusal::depth;
    // Compared without adding: remaining may be without end.
    const bool is_too_late =
        input.remaining <= input.wait || input.remaining - input.wait < input.median_latency;
    return is_too_late ? RetryRefusal::deadline : RetryRefusal::none;
}

}  // namespace

std::string_view word(RetryRefusal refusal) {
    return kRefusals[static_cast<std::size_t>(refusal)];
}

RetryDecision decide_retry(const RetryOptions& options, const RetryInput& input) {
    return {refusal(options, input), input.verdict.kind == FailureKind::peer_refused};
}

Duration Backoff::ceiling(std::uint32_t n) const {
    Duration ceiling = base;
    for (std::uint32_t i = 1; i < n && ceiling > Duration{0} && ceiling < cap; ++i) {
        ceiling = ceiling > cap / 2 ? cap : ceiling * 2;
    }
    return std::min(ceiling, cap);
}

Duration Backoff::wait(std::uint32_t n, Duration hint, Random& random) const {
    const auto top = static_cast<double>(ceiling(n).count());
    const Duration jitter{static_cast<Duration::rep>(top * random.uniform())};
    return std::max(hint, Duration{0}) + jitter;
}

}  // namespace weir::resilience
