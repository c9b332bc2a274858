#include "weir/upstream/route_target.hpp"

#include "weir/upstream/options.hpp"

#include <algorithm>

namespace weir::upstream {
namespace {

using namespace std::chrono_literals;

constexpr Duration kWindow = 60s;
constexpr Duration kFresh = 100ms;
constexpr Duration kRemembered = 10min;

constexpr Duration kLeastLease = 5s;

// The objects of one name that are still in use; those that are not leave the list.
template <typename Object>
std::vector<std::shared_ptr<Object>> alive(std::vector<std::weak_ptr<Object>>& known) {
    std::erase_if(known, [](const auto& each) { return each.expired(); });
    std::vector<std::shared_ptr<Object>> found;
    for (const auto& each : known) {
        if (auto object = each.lock()) found.push_back(std::move(object));
    }
    return found;
}

}  // namespace

RouteTarget::Times::~Times() {
    for (unsigned worker = 0; worker < workers; ++worker)
        delete shards[worker].sketch.load(std::memory_order_acquire);
}

Breaker& LazyBreaker::make(TimePoint now) {
    const std::lock_guard lock(mutex_);
    Breaker* known = made_.load(std::memory_order_relaxed);
    if (known == nullptr) {
        known = make_(now).release();
        made_.store(known, std::memory_order_release);
    }
    return *known;
}

RouteTarget::RouteTarget(Section section,
                         unsigned workers,
                         std::shared_ptr<LazyBreaker> breaker,
                         const RouteTarget* before)
    : section_(std::move(section)),
      classifier_(classifier_options(section_.judge, section_.endpoint_slow_call)),
      route_hears_(section_.has == Section::Has::always ? resilience::Hearing::all
                                                        : resilience::Hearing::own),
      times_(before != nullptr ? before->times_ : std::make_shared<Times>(workers)),
      breaker_(std::move(breaker)) {}

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

void RouteTarget::failed_without(const resilience::Verdict& verdict,
                                 TimePoint now,
                                 unsigned worker,
                                 resilience::FailureKey key) {
    if (!breaker_) return;
    const resilience::Verdict heard = for_route(verdict, false);
    if (heard.outcome == resilience::Outcome::ignored) return;
    resilience::CircuitBreaker& machine = breaker_->make(now).machine();
    const auto admission = machine.acquire(now);
    if (admission) machine.complete(admission.permit, heard, now, worker, key);
}

std::shared_ptr<RouteTarget> RouteTargets::take(const RouteTarget::Section& section,
                                                TimePoint now) {
    const std::lock_guard lock(mutex_);
    auto& known = known_[{section.listener, section.route}];
    const auto before = alive(known);
    for (const auto& each : before) {
        if (each->section() == section) return each;
    }
    auto made =
        std::make_shared<RouteTarget>(section, surroundings_.workers, take_breaker(section, now),
                                      before.empty() ? nullptr : before.front().get());
    known.push_back(made);
    return made;
}

// mutex_ is held.
std::shared_ptr<LazyBreaker> RouteTargets::take_breaker(const RouteTarget::Section& section,
                                                        TimePoint now) {
    using Has = RouteTarget::Section::Has;
    if (section.has == Has::none) return nullptr;
    auto& known = breakers_[section.route];
    const auto before = alive(known);
    std::shared_ptr<LazyBreaker> made;
    for (const auto& each : before) {
        if (each->config() == section.judge) made = each;
    }
    if (!made) {
        made = std::make_shared<LazyBreaker>(
            section.judge, [cluster = cluster_, route = section.route, config = section.judge,
                            around = surroundings_, gate = gate_](TimePoint at) {
                return std::make_unique<Breaker>(cluster, route, config, around, at, gate);
            });
        known.push_back(made);
        // An operator's order stands, whatever the rules are now.
        for (const auto& each : before) {
            const Breaker* const old = each->get();
            auto order = old != nullptr ? old->order() : std::nullopt;
            if (order) made->make(now).force(old->machine().state(), std::move(*order), now);
        }
    }
    if (section.has == Has::always) made->make(now);
    return made;
}

std::vector<std::shared_ptr<Breaker>> RouteTargets::breakers() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<Breaker>> all;
    for (const auto& [route, known] : breakers_) {
        std::shared_ptr<LazyBreaker> newest;
        for (const auto& each : known) {
            auto owner = each.lock();
            if (owner && owner->get() != nullptr) newest = std::move(owner);
        }
        if (newest) all.emplace_back(newest, newest->get());
    }
    return all;
}

}  // namespace weir::upstream
