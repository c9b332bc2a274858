#include "weir/resilience/peer_comparison.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

constexpr double kDeviations = 3;
constexpr double kMadToSigma = 1.4826;  // of a normal distribution
constexpr double kEnvoyDeviations = 1.9;
constexpr Duration kNeverSlow = 50ms;
// Rates that differ by less are the same: 0.9 and 0.90000000000000002.
constexpr double kSame = 1e-9;

double median(std::vector<double> values) {
    const std::size_t half = values.size() / 2;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(half);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double lowest_by_mad(std::span<const double> rates, double gap) {
    const std::vector<double> all(rates.begin(), rates.end());
    const double center = median(all);
    std::vector<double> deviations;
    for (const double rate : all)
        deviations.push_back(std::abs(rate - center));
    const double spread = kDeviations * kMadToSigma * median(std::move(deviations));
    // Both conditions; that of the gap includes its end.
    return std::min(center - spread, center - gap + 2 * kSame);
}

double lowest_by_stdev(std::span<const double> rates) {
    const auto n = static_cast<double>(rates.size());
    const double mean = std::accumulate(rates.begin(), rates.end(), 0.0) / n;
    double squares = 0;
    for (const double rate : rates)
        squares += (rate - mean) * (rate - mean);
    return mean - kEnvoyDeviations * std::sqrt(squares / n);
}

}  // namespace

double PeerComparison::lowest(std::span<const double> success_rates, const Options& options) {
    return options.compare == Compare::mad ? lowest_by_mad(success_rates, options.compare_gap)
                                           : lowest_by_stdev(success_rates);
}

Duration PeerComparison::highest(std::span<const Duration> p95, double factor) {
    std::vector<double> all;
    for (const Duration each : p95)
        all.push_back(static_cast<double>(each.count()));
    const Duration usual{static_cast<Duration::rep>(factor * median(std::move(all)))};
    return std::max(usual, kNeverSlow);
}

std::vector<std::size_t> PeerComparison::low(std::span<const double> success_rates,
                                             const Options& options) {
    std::vector<std::size_t> found;
    if (success_rates.empty() || options.compare == Compare::off) return found;
    const double least = lowest(success_rates, options);
    for (std::size_t i = 0; i < success_rates.size(); ++i) {
        if (success_rates[i] < least - kSame) found.push_back(i);
    }
    std::sort(found.begin(), found.end(),
              [&](std::size_t a, std::size_t b) { return success_rates[a] < success_rates[b]; });
    return found;
}

std::vector<std::size_t> PeerComparison::slow(std::span<const Duration> p95, double factor) {
    std::vector<std::size_t> found;
    if (p95.empty() || factor <= 0) return found;
    const Duration most = highest(p95, factor);
    for (std::size_t i = 0; i < p95.size(); ++i) {
        if (p95[i] > most) found.push_back(i);
    }
    std::sort(found.begin(), found.end(),
              [&](std::size_t a, std::size_t b) { return p95[a] > p95[b]; });
    return found;
}

// A clock that was set back begins a new interval.
bool PeerComparison::is_due(TimePoint now) const {
    if (options_.compare == Compare::off && options_.latency_factor <= 0) return false;
    return now - last_ >= options_.interval || now < last_;
}

void PeerComparison::run(std::span<OutlierDetector* const> peers, TimePoint now) {
    if (!is_due(now)) return;
    last_ = now;
    if (options_.compare != Compare::off) compare_success(peers, now);
    if (options_.latency_factor > 0) compare_latency(peers, now);
}

void PeerComparison::compare_success(std::span<OutlierDetector* const> peers, TimePoint now) const {
    std::vector<OutlierDetector*> compared;
    std::vector<double> rates;
    for (OutlierDetector* const peer : peers) {
        if (peer->machine().state() != State::closed) continue;
        const SuccessWindow::Counts seen = peer->machine().counts(now);
        if (seen.total() < std::max(options_.peer_min_requests, 1U)) continue;
        compared.push_back(peer);
        rates.push_back(1.0 - seen.failure_rate());
    }
    if (compared.size() < options_.min_peers) return;
    for (const std::size_t index : low(rates, options_))
        compared[index]->trip(TripReason::success_rate, now);
}

void PeerComparison::compare_latency(std::span<OutlierDetector* const> peers, TimePoint now) const {
    std::vector<OutlierDetector*> compared;
    std::vector<Duration> p95;
    for (OutlierDetector* const peer : peers) {
        if (peer->machine().state() != State::closed) continue;
        const LatencySketch::View seen = peer->latencies(now);
        if (seen.count() < std::max(options_.peer_min_requests, 1U)) continue;
        compared.push_back(peer);
        p95.push_back(seen.quantile(0.95));
    }
    if (compared.size() < options_.min_peers) return;
    for (const std::size_t index : slow(p95, options_.latency_factor))
        compared[index]->trip(TripReason::latency, now);
}

}  // namespace weir::resilience
