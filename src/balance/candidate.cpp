#include "weir/balance/candidate.hpp"

#include <algorithm>

namespace weir::balance {
namespace {

// Nanoseconds in which an old latency, or the memory of a failure, loses half its weight.
constexpr double kFade = 1e9;
constexpr double kPenalty = 100e6;
constexpr double kFailureFactor = 10.0;

}  // namespace

void Candidate::observe(Duration latency, TimePoint now) {
    if (latency >= ewma_ || ewma_ == Duration::zero()) {
        ewma_ = latency;
    } else {
        const double elapsed = static_cast<double>((now - observed_).count());
        const double share = std::clamp(elapsed / kFade, 1.0 / 64, 1.0);
        ewma_ += Duration{
            static_cast<Duration::rep>(static_cast<double>((latency - ewma_).count()) * share)};
    }
    observed_ = now;
}

void Candidate::observe_failure(TimePoint now) {
    failed_ = now;
    if (ewma_ == Duration::zero()) observed_ = now;
}

bool Candidate::is_stale(TimePoint now) const {
    return active_ == 0 && ewma_ != Duration::zero() &&
           static_cast<double>((now - observed_).count()) >= kFade;
}

// What was seen long ago counts for little, so that a slow endpoint is looked at again. A failure
// counts as a latency ten times as long, or as the cluster's slowest answers, for some tenths of a
// second: long enough not to attract load by failing fast, short enough that its detector gets to
// see whether it goes on.
double Candidate::cost(TimePoint now, const Peers& peers, double share) const {
    const Duration latency = ewma_ != Duration::zero() ? ewma_ : peers.median;
    double cost = static_cast<double>(latency.count());
    if (observed_ != TimePoint{}) {
        const double elapsed = static_cast<double>((now - observed_).count());
        cost *= kFade / (kFade + elapsed);
    }
    cost += 1.0;
    if (failed_ != TimePoint{}) {
        const double since = static_cast<double>((now - failed_).count()) / kPenalty;
        const double bad = std::max(kFailureFactor * cost, static_cast<double>(peers.p95.count()));
        cost += (bad - cost) / (1.0 + since * since);
    }
    return cost * (active_ + 1.0) / std::max(share, 1e-3);
}

}  // namespace weir::balance
