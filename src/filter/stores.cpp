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

template <typename T>
std::shared_ptr<T> found(const std::map<std::string, std::weak_ptr<T>, std::less<>>& in,
                         const std::string& name) {
    const auto at = in.find(name);
    return at == in.end() ? nullptr : at->second.lock();
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

std::shared_ptr<redis::SharedRule> Stores::shared_rule(const config::RateLimit& rule,
                                                       telemetry::Registry& registry) {
    const std::lock_guard guard(mutex_);
    std::weak_ptr<redis::SharedRule>& known = shared_rules_[rule.name];
    if (auto same = known.lock(); same && same->rule == rule) return same;
    auto made = std::make_shared<redis::SharedRule>(rule, registry);
    known = made;
    return made;
}

std::shared_ptr<RlsRule> Stores::rls(const config::RateLimit& rule) {
    const std::lock_guard guard(mutex_);
    KnownRls& known = rls_[rule.name];
    if (auto same = known.made.lock(); same && known.rule == rule) return same;
    std::weak_ptr<quota::StoreHealth>& service = services_[rule.store.name];
    auto health = service.lock();
    if (!health)
        health = std::make_shared<quota::StoreHealth>(Random::from_system()(), Clock::refresh());
    service = health;
    auto made = std::make_shared<RlsRule>(std::move(health), rule.max_keys);
    known = {rule, made};
    return made;
}

Stores::Keys Stores::keys_of(const std::string& rule) const {
    Keys keys;
    if (const auto known = limiters_.find(rule); known != limiters_.end()) {
        if (const auto limiter = known->second.limiter.lock())
            keys = {limiter->keys().size(), limiter->keys().evicted_total()};
    }
    if (const auto known = rls_.find(rule); known != rls_.end()) {
        if (const auto made = known->second.made.lock()) {
            keys.known += made->blocked.size();
            keys.evicted += made->blocked.evicted_total();
        }
    }
    if (const auto shared = found(shared_rules_, rule))
        keys.evicted += shared->evicted.load(std::memory_order_relaxed);
    return keys;
}

LimitState Stores::state(const config::RateLimit& rule, TimePoint now) const {
    using Store = config::RateLimit::Store::Kind;
    const std::lock_guard guard(mutex_);
    const Keys keys = keys_of(rule.name);
    LimitState state{.keys = keys.known, .evicted = keys.evicted};
    if (const auto known = limiters_.find(rule.name); known != limiters_.end()) {
        if (const auto limiter = known->second.limiter.lock()) state.promise = limiter->promise();
    }
    if (rule.store.kind == Store::redis) {
        if (const auto server = found(redis_, rule.store.name))
            state.store = server->health().view(now);
    } else if (rule.store.kind == Store::rls) {
        if (const auto health = found(services_, rule.store.name)) state.store = health->view(now);
    }
    return state;
}

void Stores::collect(telemetry::Collector& out) const {
    const std::lock_guard guard(mutex_);
    const auto tell = [&](const std::string& rule) {
        const Keys keys = keys_of(rule);
        out.gauge(telemetry::Family::rate_limit_keys, {rule}, static_cast<double>(keys.known));
        out.counter(telemetry::Family::rate_limit_evicted, {rule}, keys.evicted);
    };
    for (const auto& [rule, known] : limiters_) {
        if (!known.limiter.expired()) tell(rule);
    }
    for (const auto& [rule, known] : rls_) {
        const auto counted = limiters_.find(rule);
        const bool is_told = counted != limiters_.end() && !counted->second.limiter.expired();
        if (!is_told && !known.made.expired()) tell(rule);
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

LimitState limit_state(const Stores& stores, const config::RateLimit& rule, TimePoint now) {
    return stores.state(rule, now);
}

}  // namespace weir::filter
