#pragma once

#include "weir/config/config.hpp"
#include "weir/filter/filter.hpp"
#include "weir/telemetry/metrics.hpp"
#include "weir/upstream/cluster.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace weir::filter {

// What filters keep in the process from one configuration to the next: tables of rate limits, key
// sets, caches. Thread: any.
class Stores;
[[nodiscard]] std::shared_ptr<Stores> make_stores();
// Their gauges, at the scrape.
void collect(const Stores& stores, telemetry::Collector& out);

// What the filters of a route are made of.
struct Making {
    const config::Config& config;      // outlives the filters
    const config::Listener& listener;  // likewise
    const config::Route* route;        // likewise; none: of the requests that no route takes
    // Of the snapshot, in the order of the configuration: Pass::cluster() has the same indices.
    std::span<const std::shared_ptr<upstream::Cluster>> clusters;
    telemetry::Registry& registry;
    std::shared_ptr<Stores> stores;
};

// In their order; most routes have none. Of a configuration that check() found nothing wrong with.
[[nodiscard]] std::vector<FilterPtr> make_filters(const Making& making);

}  // namespace weir::filter
