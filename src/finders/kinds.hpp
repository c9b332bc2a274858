#pragma once

#include "weir/config/config.hpp"
#include "weir/finders/registry.hpp"

#include "finders/words.hpp"

#include <memory>

// The kinds of provider, one file each; make_provider() chooses.
namespace weir::finders {

[[nodiscard]] std::unique_ptr<Provider> make_srv_provider(const config::Cluster& cluster,
                                                          const Surroundings& surroundings);
[[nodiscard]] std::unique_ptr<Provider> make_plugin_provider(const config::Cluster& cluster,
                                                             const Surroundings& surroundings);
[[nodiscard]] std::unique_ptr<Provider> make_registered_provider(const config::Cluster& cluster,
                                                                 const Surroundings& surroundings,
                                                                 Registry& registry);
[[nodiscard]] std::unique_ptr<Provider> make_etcd_provider(const config::Cluster& cluster,
                                                           const Surroundings& surroundings);
[[nodiscard]] std::unique_ptr<Provider> make_consul_provider(const config::Cluster& cluster,
                                                             const Surroundings& surroundings);

}  // namespace weir::finders
