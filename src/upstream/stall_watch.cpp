#include "weir/upstream/stall_watch.hpp"

#include "weir/upstream/attempt.hpp"
#include "weir/upstream/cluster.hpp"
#include "weir/upstream/options.hpp"
#include "weir/upstream/route_target.hpp"

#include "local_endpoint.hpp"

#include <algorithm>

namespace weir::upstream {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLook = 100ms;

// Peers asked whether they have answered, where there are more.
constexpr std::size_t kPeers = 128;

}  // namespace

void StallWatch::follow(const std::shared_ptr<Cluster>& cluster) {
    cluster_ = cluster;
    const config::Cluster& config = cluster->config();
    endpoint_rule_ = stall_options(config.outlier.stall_after, config.outlier.mode);
    cluster_rule_ = stall_options(config.breaker.stall_after, config.breaker.mode);
    using Kind = resilience::StallOptions::Kind;
    is_on_ = endpoint_rule_.kind != Kind::off || cluster_rule_.kind != Kind::off;
}

void StallWatch::append(Entry& entry, TimePoint now) {
    entry.watch = this;
    entry.since = now;
    entry.is_told = false;
    entry.before = last_;
    entry.after = nullptr;
    (last_ != nullptr ? last_->after : first_) = &entry;
    last_ = &entry;
    if (!timer_.is_armed()) context_.loop.timers().arm(timer_, now + kLook);
}

void StallWatch::unlink(Entry& entry) {
    if (next_ == &entry) next_ = entry.after;
    (entry.before != nullptr ? entry.before->after : first_) = entry.after;
    (entry.after != nullptr ? entry.after->before : last_) = entry.before;
    entry.watch = nullptr;
}

void StallWatch::answered(TimePoint now) {
    if (is_on_) cluster_->pulse(context_.worker).answered(now);
}

void StallWatch::on_timer() {
    if (first_ == nullptr) return;  // the next one arms it
    const TimePoint now = Clock::now();
    ++look_;
    look_at_endpoints(now);
    look_at_cluster(now);
    if (stalls_ != cluster_->stalls()) tell_stuck();
    if (first_ != nullptr) context_.loop.timers().arm(timer_, now + kLook);
}

resilience::RoutePace StallWatch::pace(const Entry& entry, TimePoint now) const {
    const RouteLatency& seen = entry.route->latency(context_.worker, now);
    return {seen.samples, seen.p95, seen.p99, entry.timeout};
}

// ---- endpoints

void StallWatch::look_at_endpoints(TimePoint now) {
    using Kind = resilience::StallOptions::Kind;
    if (endpoint_rule_.kind == Kind::off) return;
    const Duration shortest =
        endpoint_rule_.kind == Kind::after ? endpoint_rule_.after : resilience::kLeastStall;
    suspects_.clear();
    for (Entry* entry = first_; entry != nullptr; entry = entry->after) {
        if (now - entry->since < shortest) break;  // the others came later
        const auto allowed = resilience::stall_after(endpoint_rule_, pace(*entry, now));
        if (!allowed) continue;
        const auto answering = entry->endpoint->shared().answering();
        if (!resilience::is_stalled(entry->since, *allowed, answering, now)) continue;
        auto known = std::find_if(suspects_.begin(), suspects_.end(), [&](const Suspect& each) {
            return each.endpoint == entry->endpoint;
        });
        if (known == suspects_.end()) {
            known = suspects_.insert(known, {entry->endpoint, 0, Duration{0}});
        }
        ++known->waiting;
        known->longest = std::max(known->longest, *allowed);
    }
    for (const Suspect& suspect : suspects_) {
        suspect.endpoint->publish_stalled(suspect.waiting, now);
        judge(*suspect.endpoint, suspect.longest, now);
    }
}

void StallWatch::judge(LocalEndpoint& endpoint, Duration waited, TimePoint now) {
    Endpoint& shared = endpoint.shared();
    if (shared.detector().machine().state() != resilience::State::closed) return;
    if (shared.stalled(now - 3 * kLook) < resilience::kStalledAtEndpoint) return;
    if (!has_peer_answered(endpoint, now - waited)) return;
    shared.detector().trip(resilience::TripReason::stall, now);
}

bool StallWatch::has_peer_answered(const LocalEndpoint& endpoint, TimePoint since) {
    const auto set = cluster_->endpoints();
    const std::size_t n = set->endpoints.size();
    if (n == 0) return false;
    const std::size_t begin = context_.random.below(static_cast<std::uint32_t>(n));
    for (std::size_t i = 0; i < std::min(n, kPeers); ++i) {
        const Endpoint& peer = *set->endpoints[(begin + i) % n];
        if (&peer != &endpoint.shared() && peer.answering().last > since) return true;
    }
    return false;
}

// One that is told may end, or begin others: next_ is what is left of the list.
void StallWatch::tell_stuck() {
    stalls_ = cluster_->stalls();
    for (next_ = first_; next_ != nullptr;) {
        Entry& entry = *next_;
        next_ = entry.after;
        if (entry.is_told || entry.since > entry.endpoint->shared().stalled_at()) continue;
        entry.is_told = true;
        entry.attempt.on_stuck();
    }
}

// ---- the whole cluster

void StallWatch::look_at_cluster(TimePoint now) {
    using Kind = resilience::StallOptions::Kind;
    if (cluster_rule_.kind == Kind::off) return;
    const Duration shortest =
        cluster_rule_.kind == Kind::after ? cluster_rule_.after : resilience::kLeastStall;
    const TimePoint last = cluster_->last_answer();
    if (now - std::max(first_->since, last) < shortest) return;
    std::uint32_t waiting = 0;
    const Entry* oldest = nullptr;
    Duration allowed{0};
    for (const Entry* entry = first_; entry != nullptr && waiting < resilience::kWaitingInCluster;
         entry = entry->after) {
        const auto after = resilience::cluster_stall_after(cluster_rule_, pace(*entry, now));
        if (!after) continue;
        ++waiting;
        allowed = std::max(allowed, *after);
        if (oldest == nullptr) oldest = entry;
    }
    if (oldest == nullptr) return;
    cluster_->pulse(context_.worker).publish_waiting(waiting, now);
    const std::uint32_t all = cluster_->waiting(now - 3 * kLook);
    if (!resilience::is_cluster_stalled(all, oldest->since, allowed, last, now)) return;
    cluster_->breaker().trip(resilience::TripReason::stall, now);
}

}  // namespace weir::upstream
