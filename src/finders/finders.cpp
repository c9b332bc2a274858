#include "weir/finders/finders.hpp"

#include "finders/kinds.hpp"

namespace weir::finders {

std::unique_ptr<discovery::Provider> make_provider(const config::Cluster& cluster,
                                                   const discovery::Surroundings& surroundings,
                                                   Registry& registry) {
    using Type = config::Discovery::Type;
    switch (cluster.discovery.type) {
        case Type::dns_srv:
            return make_srv_provider(cluster, surroundings);
        case Type::plugin:
            return make_plugin_provider(cluster, surroundings);
        case Type::registry:
            return make_registered_provider(cluster, surroundings, registry);
        case Type::etcd:
            return make_etcd_provider(cluster, surroundings);
        case Type::consul:
            return make_consul_provider(cluster, surroundings);
        default:
            return discovery::make_provider(cluster, surroundings);
    }
}

}  // namespace weir::finders
