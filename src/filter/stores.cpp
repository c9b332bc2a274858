#include "stores.hpp"

#include "weir/core/random.hpp"

#include <cmath>

namespace weir::filter {
namespace {

using Algorithm = config::RateLimit::Algorithm;

quota::HashKey random_key() {
    Random random = Random::from_system();
    Random other = Random::from_system();
    return {random(), other()};
}

bool counts_as(const config::RateLimit& a, const config::RateLimit& b) {
    return a.algorithm == b.algorithm && a.rate == b.rate && a.period == b.period &&
           a.burst == b.burst && a.max == b.max && a.max_keys == b.max_keys && a.key == b.key;
}

quota::Limiter::Algorithm algorithm_of(const config::RateLimit& rule) {
    if (rule.algorithm == Algorithm::concurrency) return quota::Concurrency(rule.max);
    if (rule.algorithm == Algorithm::gcra) return quota::Gcra(rule.rate, rule.burst);
    const double window = std::chrono::duration<double>(rule.period).count();
    const double limit = std::max(std::round(rule.rate * window), 1.0);
    return quota::SlidingWindow(static_cast<std::uint64_t>(limit), rule.period);
}

}  // namespace

Stores::Stores() : hash_key_(random_key()) {}

std::shared_ptr<quota::Limiter> Stores::limiter(const config::RateLimit& rule) {
    const std::lock_guard guard(mutex_);
    std::erase_if(limiters_, [](const auto& known) { return known.second.limiter.expired(); });
    Known& known = limiters_[rule.name];
    if (auto limiter = known.limiter.lock(); limiter && counts_as(known.rule, rule)) return limiter;
    auto made = std::make_shared<quota::Limiter>(algorithm_of(rule), rule.max_keys);
    known = {rule, made};
    return made;
}

void Stores::collect(telemetry::Collector& out) const {
    const std::lock_guard guard(mutex_);
    for (const auto& [name, known] : limiters_) {
        const auto limiter = known.limiter.lock();
        if (!limiter) continue;
        const quota::KeyTable& keys = limiter->keys();
        out.gauge(telemetry::Family::rate_limit_keys, {name}, keys.size());
        out.counter(telemetry::Family::rate_limit_evicted, {name}, keys.evicted_total());
    }
}

std::shared_ptr<Stores> make_stores() {
    return std::make_shared<Stores>();
}

void collect(const Stores& stores, telemetry::Collector& out) {
    stores.collect(out);
}

}  // namespace weir::filter
