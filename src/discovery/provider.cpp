#include "weir/discovery/provider.hpp"

#include "discovery/kinds.hpp"
#include <boost/asio/io_context.hpp>

namespace weir::discovery {

std::unique_ptr<Provider> make_provider(const config::Cluster& cluster,
                                        const Surroundings& surroundings) {
    using enum config::Discovery::Type;
    const auto executor = surroundings.main.get_executor();
    switch (cluster.discovery.type) {
        case file:
            return make_file_provider(cluster, executor);
        case kubernetes:
            return make_kubernetes_provider(cluster, executor, surroundings);
        default:
            return make_list_provider(cluster, executor);
    }
}

}  // namespace weir::discovery
