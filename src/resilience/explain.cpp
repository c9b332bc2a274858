#include "weir/resilience/explain.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace weir::resilience {
namespace {

std::string formatted(const char* format, double number) {
    std::array<char, 48> text{};
    std::snprintf(text.data(), text.size(), format, number);
    return text.data();
}

std::string count_text(std::uint64_t count, std::string_view one) {
    std::string text = std::to_string(count) + " " + std::string(one);
    return count == 1 ? text : text + "s";
}

// "12 of 20 requests failed (60%)"
std::string window_text(std::uint64_t count, std::uint64_t all, std::string_view what) {
    if (all == 0) return "no requests in the window";
    const double share = static_cast<double>(count) / static_cast<double>(all);
    return std::to_string(count) + " of " + count_text(all, "request") + " " + std::string(what) +
           " (" + share_text(share) + ")";
}

RuleView run_rule(TripReason rule,
                  std::uint32_t run,
                  Duration lasted,
                  std::uint32_t threshold,
                  const CircuitBreaker::Options& options) {
    RuleView view{.rule = rule,
                  .value = static_cast<double>(run),
                  .threshold = static_cast<double>(threshold),
                  .is_met = run >= threshold,
                  .text = {}};
    const bool is_local = rule == TripReason::consecutive_local;
    view.text = std::to_string(run) + " of " + std::to_string(threshold) +
                (is_local ? " failures to connect in a row" : " failures in a row");
    if (options.consecutive_for <= Duration{0}) return view;
    if (run > 0) {
        view.text += ", for " + span_text(lasted) + " of " + span_text(options.consecutive_for);
    } else {
        view.text += " lasting " + span_text(options.consecutive_for);
    }
    view.text += ", or " + std::to_string(CircuitBreaker::kCertainRun) + " at once";
    return view;
}

RuleView rate_rule(TripReason rule,
                   std::uint64_t count,
                   double threshold,
                   std::string_view what,
                   const SuccessWindow::Counts& window,
                   const CircuitBreaker::Options& options) {
    const std::uint64_t n = window.total();
    RuleView view{.rule = rule,
                  .value = n == 0 ? 0.0 : static_cast<double>(count) / static_cast<double>(n),
                  .threshold = threshold,
                  .is_met = false,
                  .text = {}};
    const bool is_counted = n >= std::max(options.min_requests, 1U);
    view.is_met = is_counted && view.value >= threshold;
    view.text = window_text(count, n, what) + ", " + share_text(threshold) + " trips";
    if (!is_counted)
        view.text += " from " + count_text(std::max(options.min_requests, 1U), "request") + " on";
    view.text += "; window " + span_text(options.window);
    return view;
}

std::vector<RuleView> closed_rules(const CircuitBreaker::Snapshot& snapshot,
                                   const CircuitBreaker::Options& options) {
    std::vector<RuleView> rules;
    const SuccessWindow::Counts& window = snapshot.window;
    if (options.consecutive_failures > 0) {
        rules.push_back(run_rule(TripReason::consecutive, snapshot.fail_run, snapshot.fail_run_for,
                                 options.consecutive_failures, options));
    }
    if (options.are_locals_apart && options.consecutive_local > 0) {
        rules.push_back(run_rule(TripReason::consecutive_local, snapshot.local_run,
                                 snapshot.local_run_for, options.consecutive_local, options));
    }
    if (options.failure_rate > 0) {
        rules.push_back(rate_rule(TripReason::failure_rate, window.failed(), options.failure_rate,
                                  "failed", window, options));
    }
    if (options.slow_rate > 0) {
        rules.push_back(rate_rule(TripReason::slow_rate, window.slow, options.slow_rate,
                                  "were slow", window, options));
    }
    if (options.throttle_rate > 0 && options.is_of_endpoint) {
        RuleView view = rate_rule(TripReason::throttle_rate, window.throttled,
                                  options.throttle_rate, "were throttled", window, options);
        view.text += "; not while its peers are throttled, too";
        rules.push_back(std::move(view));
    }
    return rules;
}

std::vector<RuleView> trial_rules(const CircuitBreaker::Snapshot& snapshot,
                                  const CircuitBreaker::Options& options) {
    std::vector<RuleView> rules;
    rules.push_back({.rule = TripReason::probe_failed,
                     .value = 0,
                     .threshold = 1,
                     .is_met = false,
                     .text = "one probe that fails"});
    RuleView late{.rule = TripReason::probe_timeout,
                  .value = 0,
                  .threshold = std::chrono::duration<double>(options.probe_timeout).count(),
                  .is_met = false,
                  .text = "a probe that takes longer than " + span_text(options.probe_timeout)};
    if (snapshot.probes > 0) late.text += "; one is under way";
    rules.push_back(std::move(late));
    return rules;
}

// What tripped it in the first place, before the probes that failed since.
const Transition* first_cause(const std::vector<Transition>& history) {
    for (auto at = history.rbegin(); at != history.rend(); ++at) {
        if (at->from == State::closed) return &*at;
        if (at->to == State::closed) return nullptr;
    }
    return nullptr;
}

std::uint64_t failed_probes(const std::vector<Transition>& history) {
    std::uint64_t failed = 0;
    for (auto at = history.rbegin(); at != history.rend() && at->from != State::closed; ++at)
        failed += at->reason == TripReason::probe_failed || at->reason == TripReason::probe_timeout;
    return failed;
}

// "5 failures in a row within 120ms, 3.2s ago; 2 probes have failed since"
std::string cause_text(const CircuitBreaker::Snapshot& snapshot, TimePoint now) {
    const Transition* const cause = first_cause(snapshot.history);
    if (cause == nullptr) return {};
    std::string text = evidence(*cause) + ", " + span_text(now - cause->at) + " ago";
    const std::uint64_t failed = failed_probes(snapshot.history);
    if (failed > 0) {
        text +=
            "; " + count_text(failed, "probe") + (failed == 1 ? " has" : " have") + " failed since";
    }
    return text;
}

std::string why_closed(Subject subject, const CircuitBreaker::Snapshot& snapshot) {
    if (snapshot.forced_until) return "closed by an operator, whatever happens";
    if (snapshot.is_penalized && snapshot.penalty_reason == TripReason::throttle_rate) {
        return "it asks for less, its peers do not: it gets a tenth of its share";
    }
    if (snapshot.is_penalized) {
        std::string text = "it should be ejected (" + std::string(word(snapshot.penalty_reason)) +
                           "), but too few endpoints would be left: it gets a tenth of its share";
        return text + "; good answers in a row since: " + std::to_string(snapshot.ok_run);
    }
    const bool is_fresh = snapshot.history.empty();
    switch (is_fresh ? TripReason::none : snapshot.reason) {
        case TripReason::none:
            return subject == Subject::endpoint ? "it has never been ejected"
                                                : "it has never been open";
        case TripReason::probe_ok:
            return "its probes were good";
        case TripReason::forced:
            return "an operator closed it";
        default:
            return "back by " + std::string(word(snapshot.reason));
    }
}

std::string why_half_open(const CircuitBreaker::Snapshot& snapshot,
                          const CircuitBreaker::Options& options,
                          TimePoint now) {
    std::string text = "on trial: " + std::to_string(snapshot.ok_run) + " of " +
                       count_text(options.successes_to_close, "good probe") + " in a row";
    if (snapshot.reason == TripReason::floor) text += "; ahead of its time, as too few were left";
    if (snapshot.reason == TripReason::health) text += "; a health check passed";
    if (snapshot.reason == TripReason::forced) text += "; an operator's order has ended";
    const std::string cause = cause_text(snapshot, now);
    return cause.empty() ? text : text + "; it tripped by " + cause;
}

std::string probe_text(Subject subject,
                       const CircuitBreaker::Snapshot& snapshot,
                       const CircuitBreaker::Options& options) {
    if (snapshot.forced_until && snapshot.state == State::open)
        return "nothing before the operator's order ends";
    if (snapshot.state == State::half_open && snapshot.probes > 0)
        return "a request that is under way";
    if (subject == Subject::breaker || !options.are_probes_replayed) return "the next request";
    return "the next request that may be sent again, or after 1s without one any request";
}

}  // namespace

std::string share_text(double share) {
    const double percent = share * 100;
    const bool is_whole = percent == static_cast<double>(static_cast<std::int64_t>(percent));
    return formatted(is_whole || percent >= 10 ? "%.0f%%" : "%.1f%%", percent);
}

std::string span_text(Duration duration) {
    const double seconds = std::chrono::duration<double>(std::max(duration, Duration{0})).count();
    if (seconds == 0) return "0s";
    if (seconds < 0.01) return formatted("%.2gms", seconds * 1000);
    if (seconds < 0.9995) return formatted("%.0fms", seconds * 1000);
    if (seconds < 60) return formatted("%.3gs", seconds);
    const auto whole = static_cast<std::uint64_t>(seconds);
    if (whole < 3600) {
        const std::string rest = whole % 60 == 0 ? "" : std::to_string(whole % 60) + "s";
        return std::to_string(whole / 60) + "m" + rest;
    }
    const std::uint64_t minutes = whole / 60 % 60;
    return std::to_string(whole / 3600) + "h" + (minutes == 0 ? "" : std::to_string(minutes) + "m");
}

std::string evidence(const Transition& transition) {
    const SuccessWindow::Counts& seen = transition.seen;
    const std::string within =
        transition.run_for > Duration{0} ? " within " + span_text(transition.run_for) : "";
    switch (transition.reason) {
        case TripReason::consecutive:
            return count_text(transition.run, "failure") + " in a row" + within;
        case TripReason::consecutive_local:
            return count_text(transition.run, "failure") + " to connect in a row" + within;
        case TripReason::failure_rate:
            return window_text(seen.failed(), seen.total(), "failed");
        case TripReason::slow_rate:
            return window_text(seen.slow, seen.total(), "were slow");
        case TripReason::probe_failed:
            return "a failed probe";
        case TripReason::probe_timeout:
            return "a probe that took too long";
        case TripReason::forced:
            return "an operator";
        default:
            return std::string(word(transition.reason));
    }
}

Explanation explain(Subject subject,
                    const CircuitBreaker::Snapshot& snapshot,
                    const CircuitBreaker::Options& options,
                    TimePoint now) {
    Explanation explanation;
    if (snapshot.mode == Mode::off && !snapshot.forced_until) {
        explanation.why = "it is off: nothing trips it";
        return explanation;
    }
    switch (snapshot.state) {
        case State::closed:
            explanation.why = why_closed(subject, snapshot);
            if (!snapshot.forced_until) explanation.rules = closed_rules(snapshot, options);
            return explanation;
        case State::open:
            explanation.why =
                snapshot.forced_until ? "an operator opened it" : cause_text(snapshot, now);
            if (explanation.why.empty()) explanation.why = word(snapshot.reason);
            explanation.probe_at = snapshot.next_probe_at;
            break;
        case State::half_open:
            explanation.why = why_half_open(snapshot, options, now);
            explanation.rules = trial_rules(snapshot, options);
            if (snapshot.probes == 0) explanation.probe_at = now;
            break;
    }
    explanation.probe = probe_text(subject, snapshot, options);
    return explanation;
}

}  // namespace weir::resilience
