#pragma once

#include "weir/core/clock.hpp"
#include "weir/telemetry/metrics.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace weir::telemetry {

// What a cluster's requests were like in the last 10 s, whatever listener and route they came by.
struct Rate {
    double rps = 0;
    double error_rate = 0;  // the share with outcome `failure`; 0 without requests
    // Of whole requests, interpolated within the histogram's buckets: none without requests, and
    // never above the last bound.
    std::optional<Duration> p50;
    std::optional<Duration> p99;
};

// Rates of the present, from the workers' shards, for status pages. A second of a cluster costs
// about 140 bytes, kept for 10 s. Thread: main; reads the shards as a scrape does.
class Rates {
  public:
    static constexpr Duration kSpan = std::chrono::seconds{10};
    static constexpr std::size_t kSamples = 11;  // both ends of ten seconds

    // The registry outlives this.
    explicit Rates(const Registry& registry);
    ~Rates();
    Rates(const Rates&) = delete;
    Rates& operator=(const Rates&) = delete;

    // Once a second. Costs some additions a series of requests.
    void sample(TimePoint now);

    // As of the last sample; all 0 of a cluster without requests, or an unknown one.
    [[nodiscard]] Rate of(std::string_view cluster) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::telemetry
