#pragma once

#include "weir/config/config.hpp"
#include "weir/discovery/provider.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>

// The kinds of provider, one file each; make_provider() chooses.
namespace weir::discovery {

// The endpoints of the configuration: addresses stay, names are resolved (types static and dns).
[[nodiscard]] std::unique_ptr<Provider> make_list_provider(const config::Cluster& cluster,
                                                           boost::asio::any_io_executor executor);

// The endpoints of a file that is watched.
[[nodiscard]] std::unique_ptr<Provider> make_file_provider(const config::Cluster& cluster,
                                                           boost::asio::any_io_executor executor);

// The EndpointSlices of a service of Kubernetes, watched.
[[nodiscard]] std::unique_ptr<Provider> make_kubernetes_provider(
    const config::Cluster& cluster,
    boost::asio::any_io_executor executor,
    const Surroundings& surroundings);

}  // namespace weir::discovery
