#include "weir/upstream/options.hpp"

#include "weir/config/values.hpp"
#include "weir/upstream/order.hpp"

#include <array>
#include <charconv>

namespace weir::upstream {
namespace {

resilience::Mode to_mode(config::Enforcement enforcement) {
    switch (enforcement) {
        case config::Enforcement::shadow:
            return resilience::Mode::shadow;
        case config::Enforcement::off:
            return resilience::Mode::off;
        case config::Enforcement::enforce:
            break;
    }
    return resilience::Mode::enforce;
}

std::string in_seconds(Duration duration) {
    std::array<char, 32> text{};
    const double seconds = std::chrono::duration<double>(duration).count();
    const auto end =
        std::to_chars(text.begin(), text.end(), seconds, std::chars_format::fixed, 2).ptr;
    return std::string(text.begin(), end) + "s";
}

std::string of(std::uint64_t part, std::uint64_t all) {
    return std::to_string(part) + " of " + std::to_string(all);
}

}  // namespace

resilience::CircuitBreaker::Options breaker_options(const config::Breaker& breaker,
                                                    unsigned workers) {
    auto options = resilience::CircuitBreaker::Options::breaker();
    options.mode = to_mode(breaker.mode);
    options.shards = workers;
    options.consecutive_failures = breaker.consecutive_failures;
    options.consecutive_for = breaker.consecutive_for;
    options.failure_rate = breaker.failure_rate;
    options.window = breaker.window;
    options.min_requests = breaker.min_requests;
    options.open_for = breaker.open_for;
    options.max_open_for = breaker.max_open_for;
    options.half_open_requests = breaker.half_open_requests;
    options.successes_to_close = breaker.successes_to_close;
    options.slow_rate = breaker.slow_call ? breaker.slow_rate : 0;
    if (breaker.probe_timeout) options.probe_timeout = *breaker.probe_timeout;
    return options;
}

resilience::OutlierDetector::Options detector_options(const config::Outlier& outlier,
                                                      unsigned workers) {
    resilience::OutlierDetector::Options options;
    options.ramp = outlier.ramp;
    auto& machine = options.machine;
    machine.mode = to_mode(outlier.mode);
    machine.shards = workers;
    machine.consecutive_failures = outlier.consecutive_failures;
    machine.consecutive_local = outlier.consecutive_local;
    machine.consecutive_for = outlier.consecutive_for;
    machine.failure_rate = outlier.failure_rate;
    machine.window = outlier.window;
    machine.min_requests = outlier.min_requests;
    machine.open_for = outlier.eject_for;
    machine.max_open_for = outlier.max_eject_for;
    machine.half_open_requests = outlier.half_open_requests;
    machine.successes_to_close = outlier.successes_to_return;
    machine.slow_rate = outlier.slow_call ? outlier.slow_rate : 0;
    machine.throttle_rate = outlier.throttle_rate.value_or(0);
    options.has_latencies = outlier.latency_factor.has_value();
    return options;
}

resilience::PeerComparison::Options peer_options(const config::Outlier& outlier) {
    using Compare = resilience::PeerComparison::Compare;
    resilience::PeerComparison::Options options;
    if (outlier.compare == config::Outlier::Compare::stdev) options.compare = Compare::stdev;
    if (outlier.compare == config::Outlier::Compare::off) options.compare = Compare::off;
    options.compare_gap = outlier.compare_gap;
    options.latency_factor = outlier.latency_factor.value_or(0);
    options.interval = outlier.interval;
    options.min_peers = outlier.min_peers;
    options.peer_min_requests = outlier.peer_min_requests;
    return options;
}

resilience::StallOptions stall_options(const config::StallAfter& stall, config::Enforcement mode) {
    using Kind = resilience::StallOptions::Kind;
    if (mode == config::Enforcement::off || stall.kind == config::StallAfter::Kind::off) {
        return {Kind::off, {}};
    }
    if (stall.kind == config::StallAfter::Kind::after) return {Kind::after, stall.after};
    return {};
}

resilience::Classifier::Options classifier_options(const config::Breaker& breaker,
                                                   std::optional<Duration> endpoint_slow_call) {
    resilience::Classifier::Options options;
    options.failure_statuses = breaker.failure_on.statuses;
    options.failure_grpc = breaker.failure_on.grpc;
    options.is_connect_failure = breaker.failure_on.connect;
    options.is_timeout_failure = breaker.failure_on.timeout;
    options.is_reset_failure = breaker.failure_on.reset;
    options.slow_call = breaker.slow_call.value_or(Duration::zero());
    options.slow_call_at_endpoint = endpoint_slow_call.value_or(Duration::zero());
    return options;
}

std::string describe(const resilience::Transition& transition) {
    std::string text;
    switch (transition.reason) {
        case resilience::TripReason::consecutive:
        case resilience::TripReason::consecutive_local:
            text = std::to_string(transition.run) + " failures in a row";
            break;
        case resilience::TripReason::failure_rate:
            text = of(transition.seen.failed(), transition.seen.total()) + " requests failed";
            break;
        case resilience::TripReason::slow_rate:
            text = of(transition.seen.slow, transition.seen.total()) + " requests were slow";
            break;
        case resilience::TripReason::throttle_rate:
            text = of(transition.seen.throttled, transition.seen.total()) +
                   " requests were throttled, those of its peers were not";
            break;
        case resilience::TripReason::success_rate:
            text = of(transition.seen.failed(), transition.seen.total()) +
                   " requests failed, more than of its peers";
            break;
        case resilience::TripReason::latency:
            text = "much slower than its peers";
            break;
        case resilience::TripReason::stall:
            text = "requests wait and nothing is answered";
            break;
        default:
            text = resilience::word(transition.reason);
    }
    if (transition.to == resilience::State::open)
        text += "; next try in " + in_seconds(transition.open_for);
    return text;
}

std::string describe(const Order& order) {
    std::string text = "by " + order.by;
    if (order.until) text += " for " + config::to_text(*order.until - order.since);
    if (!order.reason.empty()) text += ": " + order.reason;
    return text;
}

}  // namespace weir::upstream
