#pragma once

#include "weir/resilience/circuit_breaker.hpp"

#include <string>
#include <vector>

// A machine's state in words for people: why it is there, and what would change it.
namespace weir::resilience {

// One rule that would take the machine out of its state, and how near that is.
struct RuleView {
    TripReason rule = TripReason::none;
    // Of the rule's own unit: failures in a row, a share (0 to 1), seconds, a factor.
    double value = 0;
    double threshold = 0;
    bool is_met = false;  // value and threshold say yes; what it waits for still says the text
    std::string text;     // "2 of 5 failures in a row, for 40ms of 100ms"
};

struct Explanation {
    std::string why;              // a sentence
    std::vector<RuleView> rules;  // what would trip it next; none while it is open
    // By what it is tried next; empty where nothing is to be tried.
    std::string probe;
    std::optional<TimePoint> probe_at;  // none: not before something else has happened
};

enum class Subject : std::uint8_t { breaker, endpoint };

// Of the machine alone: rules that are judged elsewhere (peers, stall) are added by who judges
// them. Thread: any (pure).
[[nodiscard]] Explanation explain(Subject subject,
                                  const CircuitBreaker::Snapshot& snapshot,
                                  const CircuitBreaker::Options& options,
                                  TimePoint now);

// "5 failures in a row within 120ms", from what the machine saw then.
[[nodiscard]] std::string evidence(const Transition& transition);

// "12%", "0.4%"; "250ms", "1.5s", "2m30s": as short as it can be said.
[[nodiscard]] std::string share_text(double share);
[[nodiscard]] std::string span_text(Duration duration);

}  // namespace weir::resilience
