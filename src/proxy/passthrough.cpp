#include "passthrough.hpp"

#include "weir/core/random.hpp"

#include <boost/smart_ptr/make_local_shared.hpp>

#include <functional>
#include <string_view>

namespace weir::proxy {

Passthrough::Passthrough(const upstream::Surroundings& surroundings)
    : surroundings_(surroundings) {}

std::shared_ptr<upstream::Cluster> Passthrough::find(const Address& address,
                                                     const config::Config& config,
                                                     TimePoint now) {
    const std::string text = address.to_string();
    const std::lock_guard lock(mutex_);
    const auto known = entries_.find(text);
    if (known != entries_.end() && known->second.cluster->config() == config.passthrough) {
        recent_.splice(recent_.begin(), recent_, known->second.place);
        return known->second.cluster;
    }
    upstream::Surroundings surroundings = surroundings_;
    surroundings.seed = Random::from_system()();
    auto cluster = std::make_shared<upstream::Cluster>(config.passthrough, surroundings, now);
    cluster->set_endpoints({{{.address = address, .name = text}}}, now);
    if (known != entries_.end()) {
        recent_.splice(recent_.begin(), recent_, known->second.place);
        known->second.cluster = cluster;
        return cluster;
    }
    while (entries_.size() >= config.limits.passthrough_addresses) {
        entries_.erase(recent_.back());
        recent_.pop_back();
        surroundings_.registry.count(telemetry::Family::passthrough_evicted, {});
    }
    recent_.push_front(text);
    entries_.emplace(text, Entry{cluster, recent_.begin()});
    surroundings_.registry.set(telemetry::Family::passthrough_addresses, {},
                               static_cast<double>(entries_.size()));
    return cluster;
}

bool LocalPassthrough::Key::operator<(const Key& other) const {
    if (listener != other.listener) return std::less<>{}(listener, other.listener);
    sockaddr_storage mine{};
    sockaddr_storage others{};
    const std::string_view one(reinterpret_cast<const char*>(&mine), address.to_socket(mine));
    const std::string_view two(reinterpret_cast<const char*>(&others),
                               other.address.to_socket(others));
    return one < two;
}

Through LocalPassthrough::find(const ListenerState& listener,
                               const LocalSnapshotPtr& base,
                               const Address& address) {
    if (of_ != base->shared) {
        of_ = base->shared;
        entries_.clear();
        recent_.clear();
    }
    const Key key{&listener, address};
    auto at = entries_.find(key);
    if (at == entries_.end()) {
        while (entries_.size() >= base->shared->config().limits.passthrough_addresses) {
            entries_.erase(recent_.back());
            recent_.pop_back();
        }
        recent_.push_front(key);
        at = entries_.emplace(key, Entry{make(listener, base, address), recent_.begin()}).first;
    } else {
        recent_.splice(recent_.begin(), recent_, at->second.place);
    }
    return {&at->second.passage->route, at->second.passage};
}

boost::local_shared_ptr<const LocalPassthrough::Passage> LocalPassthrough::make(
    const ListenerState& listener, const LocalSnapshotPtr& base, const Address& address) {
    const config::Config& config = base->shared->config();
    const auto cluster = shared_.find(address, config, Clock::now());
    auto passage = boost::make_local_shared<Passage>();
    passage->shared = base->shared;
    auto local = boost::make_local_shared<upstream::LocalCluster>(context_, cluster);
    local->set_endpoints(cluster->endpoints());
    passage->clusters.push_back(std::move(local));
    passage->config.name = std::string(kPassthroughRoute);
    passage->config.access_log = listener.config.access_log;
    passage->config.max_body = listener.config.limits.body;
    passage->route = make_passage(listener.config, passage->config, config.passthrough_target,
                                  *cluster, shared_.surroundings().registry);
    return passage;
}

}  // namespace weir::proxy
