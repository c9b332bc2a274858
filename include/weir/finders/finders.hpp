#pragma once

#include "weir/config/config.hpp"
#include "weir/discovery/provider.hpp"
#include "weir/finders/registry.hpp"

#include <memory>

namespace weir::finders {

// The provider for cluster.discovery, whichever its type: those of this module, or those of
// discovery::make_provider(). What holds there holds here; `registry` must outlive it, too. Throws
// std::runtime_error with a sentence if it needs a plugin that cannot be used.
[[nodiscard]] std::unique_ptr<discovery::Provider> make_provider(
    const config::Cluster& cluster,
    const discovery::Surroundings& surroundings,
    Registry& registry);

}  // namespace weir::finders
