#pragma once

#include "weir/core/clock.hpp"
#include "weir/resilience/outlier_detector.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weir::resilience {

// The rules of outlier detectors that need the peers: each `interval` it compares the success rates
// of the endpoints of a cluster, and their latencies, and trips the detectors of those that stand
// out, the worst first, through the guard.
//
//   mad      success rate < median - 3 * 1.4826 * MAD, and compare_gap below the median
//   stdev    success rate < mean - 1.9 * standard deviation, as Envoy: blind when 21.7 % or more of
//            the hosts fail alike, and it ejects a 99 % host among 100 % hosts
//   latency  p95 > latency_factor * median of the p95, and above 50 ms
//
// Compared are closed endpoints with peer_min_requests in the window, if there are min_peers.
// Thread: one.
class PeerComparison {
  public:
    enum class Compare : std::uint8_t { mad, stdev, off };
    struct Options {
        Compare compare = Compare::mad;
        double compare_gap = 0.05;
        double latency_factor = 0;  // 0 = off
        Duration interval = std::chrono::seconds{10};
        std::uint32_t min_peers = 3;
        std::uint32_t peer_min_requests = 100;
    };

    explicit PeerComparison(const Options& options) : options_(options) {}

    [[nodiscard]] bool is_due(TimePoint now) const;
    // Compares, if the interval has passed since it last did.
    void run(std::span<OutlierDetector* const> peers, TimePoint now);

    // Below which success rate, and above which p95, one of them stands out. Not of none.
    [[nodiscard]] static double lowest(std::span<const double> success_rates,
                                       const Options& options);
    [[nodiscard]] static Duration highest(std::span<const Duration> p95, double factor);
    // Which of them stand out, the worst first.
    [[nodiscard]] static std::vector<std::size_t> low(std::span<const double> success_rates,
                                                      const Options& options);
    [[nodiscard]] static std::vector<std::size_t> slow(std::span<const Duration> p95,
                                                       double factor);

  private:
    void compare_success(std::span<OutlierDetector* const> peers, TimePoint now) const;
    void compare_latency(std::span<OutlierDetector* const> peers, TimePoint now) const;

    const Options options_;
    TimePoint last_{};
};

}  // namespace weir::resilience
