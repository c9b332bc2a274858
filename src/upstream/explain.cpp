#include "weir/upstream/explain.hpp"

#include "weir/resilience/peer_comparison.hpp"
#include "weir/resilience/stall_rule.hpp"
#include "weir/upstream/options.hpp"

#include <algorithm>

namespace weir::upstream {
namespace {

// A failure in a cluster of ten thousand looks at no more than these.
constexpr std::size_t kMostLookedAt = 64;

// Workers count what waits at least so often, while anything does.
constexpr Duration kStallCounted = std::chrono::milliseconds{300};

bool is_full(const Endpoint& endpoint) {
    const auto max = endpoint.connections().max();
    return max && endpoint.connections().in_use() >= *max;
}

std::string_view excluded_because(const Endpoint& endpoint) {
    if (!endpoint.is_selectable()) return endpoint.state_word();
    return is_full(endpoint) ? "no_connection_slot" : std::string_view{};
}

// " among 5 peers, each 10s"; or from when on they are compared.
std::string peers_text(const config::Outlier& outlier, std::size_t compared) {
    const std::string each = ", each " + resilience::span_text(outlier.interval);
    if (compared >= outlier.min_peers)
        return " among " + std::to_string(compared) + " peers trips" + each;
    return "compared with " + std::to_string(outlier.min_peers) + " endpoints or more that have " +
           std::to_string(outlier.peer_min_requests) + " answers each (" +
           std::to_string(compared) + " now)" + each;
}

resilience::RuleView success_rule(const config::Outlier& outlier,
                                  const resilience::SuccessWindow::Counts& seen,
                                  const Peers& peers) {
    const double rate = 1 - seen.failure_rate();
    const bool is_compared = peers.rates >= outlier.min_peers;
    const bool is_enough = seen.total() >= outlier.peer_min_requests;
    std::string text = "success rate " + resilience::share_text(rate) + ", ";
    if (is_compared) text += "below " + resilience::share_text(std::max(peers.lowest, 0.0));
    return {.rule = resilience::TripReason::success_rate,
            .value = rate,
            .threshold = is_compared ? peers.lowest : 0,
            .is_met = is_compared && is_enough && rate < peers.lowest,
            .text = text + peers_text(outlier, peers.rates)};
}

resilience::RuleView latency_rule(const config::Outlier& outlier,
                                  const resilience::LatencySketch::View& seen,
                                  const Peers& peers) {
    const Duration p95 = seen.quantile(0.95);
    const bool is_compared = peers.latencies >= outlier.min_peers;
    const bool is_enough = seen.count() >= outlier.peer_min_requests;
    std::string text = "p95 " + resilience::span_text(p95) + ", ";
    if (is_compared) text += "above " + resilience::span_text(peers.highest);
    const auto seconds = [](Duration span) { return std::chrono::duration<double>(span).count(); };
    return {.rule = resilience::TripReason::latency,
            .value = seconds(p95),
            .threshold = is_compared ? seconds(peers.highest) : 0,
            .is_met = is_compared && is_enough && p95 > peers.highest,
            .text = text + peers_text(outlier, peers.latencies)};
}

void add_stall_rule(std::vector<resilience::RuleView>& rules,
                    const resilience::StallOptions& stall,
                    std::uint32_t waiting,
                    std::uint32_t threshold,
                    std::string_view what) {
    using Kind = resilience::StallOptions::Kind;
    if (stall.kind == Kind::off) return;
    const std::string after = stall.kind == Kind::after
                                  ? resilience::span_text(stall.after)
                                  : "much longer than their route usually takes, 1s at least";
    rules.push_back({.rule = resilience::TripReason::stall,
                     .value = static_cast<double>(waiting),
                     .threshold = static_cast<double>(threshold),
                     .is_met = waiting >= threshold,
                     .text = std::to_string(waiting) + " of " + std::to_string(threshold) + " " +
                             std::string(what) + " for " + after});
}

// Those which the machine does not judge by itself.
void add_outside_rules(std::vector<resilience::RuleView>& rules,
                       const config::Outlier& outlier,
                       const Endpoint& endpoint,
                       const Peers& peers,
                       TimePoint now) {
    const auto seen = endpoint.detector().machine().counts(now);
    if (outlier.compare != config::Outlier::Compare::off)
        rules.push_back(success_rule(outlier, seen, peers));
    if (outlier.latency_factor)
        rules.push_back(latency_rule(outlier, endpoint.detector().latencies(now), peers));
    add_stall_rule(rules, stall_options(outlier.stall_after, outlier.mode),
                   endpoint.stalled(now - kStallCounted), resilience::kStalledAtEndpoint,
                   "requests wait and it answers nothing, though a peer does,");
}

// Of n endpoints that are ready, the guard keeps some.
std::string guard_of(const resilience::DetectorGroup::Size& size) {
    if (size.endpoints == 0 || size.ready > size.floor) return {};
    return std::to_string(size.ready) + " of " + std::to_string(size.endpoints) +
           " endpoints are ready and " + std::to_string(size.floor) +
           " must stay: it would be penalized, not ejected";
}

}  // namespace

Peers look_at_peers(const Cluster& cluster, TimePoint now) {
    const resilience::PeerComparison::Options options = peer_options(cluster.config().outlier);
    const bool compares = options.compare != resilience::PeerComparison::Compare::off;
    std::vector<double> rates;
    std::vector<Duration> p95;
    const auto set = cluster.endpoints();
    for (const auto& endpoint : set->endpoints) {
        const resilience::OutlierDetector& detector = endpoint->detector();
        if (detector.machine().state() != resilience::State::closed) continue;
        const auto seen = detector.machine().counts(now);
        const bool is_enough = seen.total() >= std::max(options.peer_min_requests, 1U);
        if (compares && is_enough) rates.push_back(1 - seen.failure_rate());
        if (options.latency_factor <= 0) continue;
        const auto latencies = detector.latencies(now);
        if (latencies.count() >= std::max(options.peer_min_requests, 1U))
            p95.push_back(latencies.quantile(0.95));
    }
    Peers peers{.rates = rates.size(), .latencies = p95.size()};
    if (!rates.empty()) peers.lowest = resilience::PeerComparison::lowest(rates, options);
    if (!p95.empty())
        peers.highest = resilience::PeerComparison::highest(p95, options.latency_factor);
    return peers;
}

Story explain(const Cluster& cluster,
              const Endpoint& endpoint,
              const resilience::CircuitBreaker::Snapshot& snapshot,
              const Peers& peers,
              TimePoint now) {
    Story story;
    story.machine = resilience::explain(resilience::Subject::endpoint, snapshot,
                                        endpoint.detector().machine().options(), now);
    const bool is_judged = snapshot.state == resilience::State::closed && !snapshot.forced_until &&
                           snapshot.mode != resilience::Mode::off;
    if (is_judged)
        add_outside_rules(story.machine.rules, cluster.config().outlier, endpoint, peers, now);
    if (endpoint.is_unhealthy()) {
        const auto health = endpoint.health();
        story.machine.why = "its health checks fail";
        if (health.last && !health.last->detail.empty())
            story.machine.why += ": " + health.last->detail;
        story.machine.probe = "its next health check";
    }
    if (const auto held = endpoint.held()) {
        story.machine.why = std::string(held->state) + " " + describe(held->order);
        if (held->state == "draining") story.machine.rules.clear();
    }
    const bool may_trip =
        snapshot.state == resilience::State::closed && !story.machine.rules.empty();
    if (may_trip) story.guard = guard_of(cluster.detectors()->size());
    return story;
}

Story explain_breaker(const Cluster& cluster,
                      const Breaker& breaker,
                      const resilience::CircuitBreaker::Snapshot& snapshot,
                      TimePoint now) {
    Story story;
    story.machine = resilience::explain(resilience::Subject::breaker, snapshot,
                                        breaker.machine().options(), now);
    const bool may_trip =
        !story.machine.rules.empty() && snapshot.state == resilience::State::closed;
    if (may_trip && breaker.route().empty()) {
        const config::Breaker& rules = breaker.config();
        add_stall_rule(story.machine.rules, stall_options(rules.stall_after, rules.mode),
                       cluster.waiting(now - kStallCounted), resilience::kWaitingInCluster,
                       "requests wait and no endpoint answers anything");
    }
    if (const auto order = breaker.order()) {
        story.machine.why = std::string(resilience::word(snapshot.state)) + " " + describe(*order);
    }
    if (!may_trip) return story;
    if (cluster.detectors()->may_trip(resilience::TripReason::consecutive, now) ==
        resilience::TripGate::Answer::hold)
        story.guard = "enough of its endpoints are well: those that fail are ejected first";
    return story;
}

void tell_candidates(const Cluster& cluster, TimePoint /*now*/, telemetry::Failure& failure) {
    const auto set = cluster.endpoints();
    const auto& all = set->endpoints;
    failure.candidates_total = static_cast<std::uint32_t>(all.size());
    const std::size_t size = std::min(all.size(), kMostLookedAt);
    const bool fits = all.size() <= telemetry::Failure::kMostCandidates;
    for (const bool wants_excluded : {true, false}) {
        for (std::size_t i = 0; i < size; ++i) {
            const Endpoint& endpoint = *all[i];
            const std::string_view excluded = excluded_because(endpoint);
            if (!fits && excluded.empty() == wants_excluded) continue;
            telemetry::CandidateRecord* const record = failure.add_candidate();
            if (record == nullptr) return;
            const auto reason = endpoint.detector().machine().reason();
            record->endpoint.assign(endpoint.name());
            record->state = endpoint.state_word();
            record->excluded = excluded;
            record->reason = reason == resilience::TripReason::none ? std::string_view{}
                                                                    : resilience::word(reason);
        }
        if (fits) return;
    }
}

}  // namespace weir::upstream
