#include "redis_names.hpp"

#include <utility>

namespace weir::runtime {

RedisNames::RedisNames(boost::asio::io_context& main,
                       telemetry::Registry& registry,
                       std::shared_ptr<filter::Stores> stores)
    : main_(main), registry_(registry), stores_(std::move(stores)) {}

RedisNames::~RedisNames() = default;

void RedisNames::follow(const config::Config& next) {
    std::erase_if(known_, [&](const auto& known) {
        const auto section = next.redis.find(known.first);
        return section == next.redis.end() || !(section->second.endpoint == known.second.endpoint);
    });
    for (const auto& [name, section] : next.redis) {
        if (section.endpoint.address || known_.contains(name)) continue;
        config::Cluster source;
        source.name = name;
        source.endpoints = {section.endpoint};
        source.discovery.type = config::Discovery::Type::dns;
        auto& known = known_[name];
        known = {section.endpoint,
                 discovery::make_provider(source, {.main = main_, .registry = registry_})};
        known.provider->start([this, name = name](const discovery::Update& update) {
            std::vector<Address> addresses;
            for (const auto& found : update.endpoints)
                addresses.push_back(found.address);
            filter::set_redis_addresses(*stores_, name, addresses);
        });
    }
}

}  // namespace weir::runtime
