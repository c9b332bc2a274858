#include "stores.hpp"

#include "weir/core/random.hpp"
#include "weir/filter/redis_addresses.hpp"

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

resilience::CircuitBreaker::Options breaker_options() {
    auto options = resilience::CircuitBreaker::Options::breaker();
    options.consecutive_failures = 1;
    options.consecutive_for = Duration{0};
    options.failure_rate = 0;
    options.open_for = std::chrono::milliseconds{100};
    options.max_open_for = std::chrono::seconds{2};
    options.do_probes_double = false;
    options.successes_to_close = 1;
    return options;
}

}  // namespace

RlsService::RlsService(std::uint32_t max_keys, std::uint64_t seed, TimePoint now)
    : breaker(breaker_options(), seed, now), blocked(max_keys) {}

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

std::shared_ptr<redis::Server> Stores::redis(const config::Redis& section,
                                             telemetry::Registry& registry) {
    const std::lock_guard guard(mutex_);
    std::weak_ptr<redis::Server>& known = redis_[section.name];
    if (auto server = known.lock(); server && server->section() == section) return server;
    auto made = std::make_shared<redis::Server>(section, registry, Random::from_system()(),
                                                Clock::refresh());
    const auto addresses = addresses_.find(section.name);
    const bool is_name = !section.endpoint.address;
    if (is_name && addresses != addresses_.end()) made->set_addresses(addresses->second);
    known = made;
    return made;
}

void Stores::set_redis_addresses(const std::string& name, const std::vector<Address>& addresses) {
    const std::lock_guard guard(mutex_);
    addresses_[name] = addresses;
    const auto known = redis_.find(name);
    if (known == redis_.end()) return;
    if (const auto server = known->second.lock()) server->set_addresses(addresses);
}

std::shared_ptr<redis::SharedRule> Stores::shared_rule(const config::RateLimit& rule) {
    const std::lock_guard guard(mutex_);
    std::weak_ptr<redis::SharedRule>& known = shared_rules_[rule.name];
    if (auto same = known.lock(); same && same->rule == rule) return same;
    auto made = std::make_shared<redis::SharedRule>(redis::SharedRule{.rule = rule});
    known = made;
    return made;
}

std::shared_ptr<RlsService> Stores::rls(const config::RateLimit& rule) {
    const std::lock_guard guard(mutex_);
    KnownService& known = services_[rule.name];
    if (auto same = known.service.lock(); same && known.rule == rule) return same;
    auto made =
        std::make_shared<RlsService>(rule.max_keys, Random::from_system()(), Clock::refresh());
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

void set_redis_addresses(Stores& stores,
                         const std::string& name,
                         const std::vector<Address>& addresses) {
    stores.set_redis_addresses(name, addresses);
}

void collect(const Stores& stores, telemetry::Collector& out) {
    stores.collect(out);
}

}  // namespace weir::filter
