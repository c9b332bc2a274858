#include "weir/finders/registry.hpp"

#include <algorithm>
#include <utility>

namespace weir::finders {

std::optional<Registry::Put> Registry::make_room(std::string_view service) {
    const auto at = services_.find(service);
    if (at == services_.end() && services_.size() >= kMostServices) return Put::too_many_services;
    const bool is_full = at != services_.end() && at->second.size() >= kMostAddresses;
    if (is_full || size_ >= kMost) return Put::too_many_addresses;
    if (at == services_.end()) services_.emplace(service, Service{});
    ++size_;
    return std::nullopt;
}

Registry::Put Registry::put(std::string_view service,
                            const Address& address,
                            Lease lease,
                            TimePoint now) {
    const std::string text = address.to_string();
    const auto at = services_.find(service);
    const bool is_known = at != services_.end() && at->second.contains(text);
    if (!is_known) {
        if (const auto refusal = make_room(service)) return *refusal;
    }
    Entry& entry = services_.find(service)->second[text];
    const bool is_heartbeat = is_known && !entry.is_remote && entry.lease.weight == lease.weight &&
                              entry.lease.zone == lease.zone;
    if (!is_known) {
        entry.address = address;
        entry.since = now;
    }
    entry.is_remote = false;
    entry.renewed = now;
    entry.expires = now + lease.ttl;
    entry.lease = std::move(lease);
    next_expiry_ = std::min(next_expiry_, entry.expires);
    tell(service, is_heartbeat ? Change::heartbeat : Change::put, text);
    return is_known ? Put::renewed : Put::created;
}

void Registry::set_remote(const std::string& service,
                          const std::vector<std::pair<Address, Lease>>& entries,
                          TimePoint now) {
    std::map<std::string, const std::pair<Address, Lease>*> wanted;
    for (const auto& each : entries)
        wanted.emplace(each.first.to_string(), &each);
    bool is_changed = false;
    const auto known = services_.find(service);
    if (known != services_.end()) {
        const std::size_t gone = std::erase_if(known->second, [&](const auto& each) {
            return each.second.is_remote && !wanted.contains(each.first);
        });
        size_ -= gone;
        is_changed = gone > 0;
        if (known->second.empty()) services_.erase(known);
    }
    for (const auto& [text, each] : wanted) {
        const auto at = services_.find(service);
        const bool is_there = at != services_.end() && at->second.contains(text);
        if (!is_there && make_room(service)) break;
        Entry& entry = services_.find(service)->second[text];
        if (is_there && (!entry.is_remote || entry.lease == each->second)) continue;
        is_changed = true;
        if (!is_there) entry.since = entry.renewed = now;
        entry.address = each->first;
        entry.lease = each->second;
        entry.expires = TimePoint::max();
        entry.is_remote = true;
    }
    if (is_changed) tell(service, Change::remote);
}

bool Registry::remove(std::string_view service, const Address& address) {
    const auto at = services_.find(service);
    const std::string text = address.to_string();
    if (at == services_.end() || at->second.erase(text) == 0) return false;
    --size_;
    if (at->second.empty()) services_.erase(at);
    tell(service, Change::withdrawn, text);
    return true;
}

void Registry::expire(TimePoint now) {
    if (now < next_expiry_) return;
    next_expiry_ = TimePoint::max();
    std::vector<std::string> changed;
    for (auto at = services_.begin(); at != services_.end();) {
        const std::size_t gone = std::erase_if(
            at->second, [now](const auto& each) { return each.second.expires <= now; });
        for (const auto& [text, entry] : at->second)
            next_expiry_ = std::min(next_expiry_, entry.expires);
        expired_ += gone;
        size_ -= gone;
        if (gone > 0) changed.push_back(at->first);
        at = at->second.empty() ? services_.erase(at) : std::next(at);
    }
    for (const std::string& service : changed)
        tell(service, Change::expired);
}

std::vector<discovery::Found> Registry::endpoints(std::string_view service) const {
    std::vector<discovery::Found> endpoints;
    const auto at = services_.find(service);
    if (at == services_.end()) return endpoints;
    endpoints.reserve(at->second.size());
    for (const auto& [text, entry] : at->second) {
        discovery::Found& found = endpoints.emplace_back();
        found.address = entry.address;
        found.name = text;
        found.weight = entry.lease.weight;
        found.zone = entry.lease.zone;
    }
    return endpoints;
}

Registry::Token Registry::subscribe(std::string service, Listener listener) {
    std::erase_if(listeners_, [](const auto& each) { return each.second.expired(); });
    auto token = std::make_shared<const Listener>(std::move(listener));
    listeners_.emplace(std::move(service), token);
    return token;
}

void Registry::tell(std::string_view service, Change change, const std::string& address) {
    const auto [begin, end] = listeners_.equal_range(service);
    for (auto at = begin; at != end; ++at) {
        if (const auto listener = at->second.lock()) (*listener)(change, address);
    }
}

}  // namespace weir::finders
