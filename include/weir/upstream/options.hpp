#pragma once

#include "weir/config/config.hpp"
#include "weir/resilience/circuit_breaker.hpp"
#include "weir/resilience/classifier.hpp"
#include "weir/resilience/outlier_detector.hpp"
#include "weir/resilience/peer_comparison.hpp"
#include "weir/resilience/stall_rule.hpp"

#include <optional>
#include <string>

// From the configuration's words to the deciders' options.
namespace weir::upstream {

[[nodiscard]] resilience::CircuitBreaker::Options breaker_options(const config::Breaker& breaker,
                                                                  unsigned workers);
[[nodiscard]] resilience::OutlierDetector::Options detector_options(const config::Outlier& outlier,
                                                                    unsigned workers);

[[nodiscard]] resilience::PeerComparison::Options peer_options(const config::Outlier& outlier);
// Off where the whole machine is.
[[nodiscard]] resilience::StallOptions stall_options(const config::StallAfter& stall,
                                                     config::Enforcement mode);
// failure_on and slow_call of a breaker; and when an endpoint's detector calls an answer slow.
[[nodiscard]] resilience::Classifier::Options classifier_options(
    const config::Breaker& breaker, std::optional<Duration> endpoint_slow_call);

// For people: "5 failures in a row; next try in 0.5s".
[[nodiscard]] std::string describe(const resilience::Transition& transition);

}  // namespace weir::upstream
