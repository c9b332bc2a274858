#pragma once

#include "weir/resilience/transition.hpp"
#include "weir/simulate/scenario.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace weir::simulate {

// One change of state of the first proxy of the last row; endpoint kBreaker is its breaker.
struct Change {
    static constexpr std::uint32_t kBreaker = static_cast<std::uint32_t>(-1);

    Duration at{};
    std::uint32_t endpoint = kBreaker;
    resilience::State to = resilience::State::closed;
    std::string_view reason;
};

// Latencies in buckets that grow by an eighth of an octave: quantiles within 6 %.
class Histogram {
  public:
    void add(Duration latency);
    [[nodiscard]] Duration quantile(double q) const;
    [[nodiscard]] std::uint64_t count() const { return count_; }

  private:
    std::array<std::uint64_t, 320> buckets_{};
    std::uint64_t count_ = 0;
};

// What one policy made of a scenario. Times count from its begin.
struct Outcome {
    std::string name;
    // Of clients.
    std::uint64_t requests = 0;
    std::uint64_t failed = 0;
    std::uint64_t failed_probes = 0;  // of these, by a probe though another endpoint was ready
    Histogram latency;                // of good answers
    // Of the last row of proxies.
    std::uint64_t attempts = 0;
    std::uint64_t wasted = 0;  // attempts on an endpoint that had a fault
    // Of all proxies.
    std::uint64_t retries = 0;
    std::uint64_t hedges = 0;
    std::uint64_t ejections = 0;
    std::uint64_t openings = 0;
    std::uint64_t saved = 0;  // requests answered without an attempt
    Duration unwell{};        // from the last fault's end to the last second with failures

    struct Slice {
        std::uint64_t requests = 0;
        std::uint64_t failed = 0;
        std::uint64_t attempts = 0;
    };
    Duration slice_length{};
    std::vector<Slice> slices;
    // Attempts by endpoint and slice, of at most kShown endpoints; and of all endpoints in total.
    static constexpr std::size_t kShown = 16;
    std::vector<std::vector<std::uint32_t>> load;
    std::vector<std::uint64_t> attempts_on;
    std::vector<Change> changes;

    [[nodiscard]] double success_rate() const {
        return requests == 0 ? 1.0
                             : 1.0 - static_cast<double>(failed) / static_cast<double>(requests);
    }
    [[nodiscard]] double amplification() const {
        return requests == 0 ? 0.0 : static_cast<double>(attempts) / static_cast<double>(requests);
    }
};

// Plays the scenario under one policy on simulated time: the same scenario, policy and seed give
// the same outcome. Runs breaker, detectors, classifier, budget, retries and choice as a worker of
// Weir does. Thread: any.
[[nodiscard]] Outcome run(const Scenario& scenario, const Policy& policy);

}  // namespace weir::simulate
