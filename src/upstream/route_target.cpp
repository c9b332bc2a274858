#include "weir/upstream/route_target.hpp"

#include <algorithm>

namespace weir::upstream {
namespace {

using namespace std::chrono_literals;

constexpr Duration kWindow = 60s;
constexpr Duration kFresh = 100ms;
constexpr Duration kRemembered = 10min;

constexpr Duration kLeastLease = 5s;

}  // namespace

RouteTarget::Times::~Times() {
    for (unsigned worker = 0; worker < workers; ++worker)
        delete shards[worker].sketch.load(std::memory_order_acquire);
}

RouteTarget::RouteTarget(Section section, unsigned workers, const RouteTarget* before)
    : section_(std::move(section)),
      times_(before != nullptr ? before->times_ : std::make_shared<Times>(workers)) {}

RouteTarget::~RouteTarget() = default;

// Most routes of a large configuration are idle: they cost no sketch.
resilience::LatencySketch& RouteTarget::add_sketch(unsigned worker) {
    auto made = std::make_unique<resilience::LatencySketch>(kWindow);
    times_->shards[worker].sketch.store(made.get(), std::memory_order_release);
    return *made.release();
}

RouteLatency RouteTarget::measure(TimePoint now) const {
    resilience::LatencySketch::View view;
    for (unsigned worker = 0; worker < times_->workers; ++worker) {
        const auto* const sketch = times_->shards[worker].sketch.load(std::memory_order_acquire);
        if (sketch != nullptr) view.add(*sketch, now);
    }
    return {.samples = view.count(),
            .median = view.quantile(0.5),
            .p95 = view.quantile(0.95),
            .p99 = view.quantile(0.99)};
}

const RouteLatency& RouteTarget::latency(unsigned worker, TimePoint now) {
    Shard& own = times_->shards[worker];
    if (now < own.fresh_until) return own.latency;
    own.fresh_until = now + kFresh;
    const RouteLatency seen = measure(now);
    if (seen.is_known()) own.known_until = now + kRemembered;
    if (seen.is_known() || now >= own.known_until) own.latency = seen;
    return own.latency;
}

Duration RouteTarget::patience(unsigned worker,
                               TimePoint now,
                               std::optional<Duration> request_timeout) {
    const RouteLatency& seen = latency(worker, now);
    return resilience::patience(seen.samples, seen.p99, request_timeout.value_or(Duration::max()));
}

Duration RouteTarget::probe_lease(unsigned worker,
                                  TimePoint now,
                                  std::optional<Duration> request_timeout) {
    const RouteLatency& seen = latency(worker, now);
    const Duration usual = seen.is_known() ? 3 * seen.p99 : Duration::zero();
    return std::min(std::max(kLeastLease, usual), request_timeout.value_or(Duration::max()));
}

std::shared_ptr<RouteTarget> RouteTargets::take(const RouteTarget::Section& section) {
    const std::lock_guard lock(mutex_);
    auto& known = known_[{section.listener, section.route}];
    std::erase_if(known, [](const auto& each) { return each.expired(); });
    std::shared_ptr<RouteTarget> before;
    for (const auto& each : known) {
        const auto alive = each.lock();
        if (alive && alive->section() == section) return alive;
        if (alive && !before) before = alive;
    }
    auto made = std::make_shared<RouteTarget>(section, workers_, before.get());
    known.push_back(made);
    return made;
}

}  // namespace weir::upstream
