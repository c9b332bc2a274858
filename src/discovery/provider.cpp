#include "weir/discovery/provider.hpp"

#include "discovery/kinds.hpp"
#include <boost/asio/io_context.hpp>

namespace weir::discovery {

std::unique_ptr<Provider> make_provider(const config::Cluster& cluster,
                                        boost::asio::io_context& main) {
    const bool is_file = cluster.discovery.type == config::Discovery::Type::file;
    return is_file ? make_file_provider(cluster, main.get_executor())
                   : make_list_provider(cluster, main.get_executor());
}

}  // namespace weir::discovery
