#include "weir/proxy/snapshot.hpp"

#include <algorithm>

namespace weir::proxy {
namespace {

std::uint32_t method_bits(const std::vector<std::string>& methods) {
    std::uint32_t bits = 0;
    for (const std::string& method : methods)
        bits |= 1U << static_cast<unsigned>(http::method_from(method));
    return bits;
}

http::H1Limits head_limits(const config::Listener& listener) {
    http::H1Limits limits;
    limits.header_size = listener.limits.header_size;
    limits.headers = listener.limits.headers;
    limits.target = listener.limits.url;
    using Policy = http::H1Limits::Underscores;
    switch (listener.underscores) {
        case config::Underscores::allow:
            limits.underscores = Policy::allow;
            break;
        case config::Underscores::drop:
            limits.underscores = Policy::drop;
            break;
        case config::Underscores::reject:
            limits.underscores = Policy::reject;
            break;
    }
    return limits;
}

}  // namespace

resilience::RetryOptions retry_options(const config::Retry& retry) {
    using resilience::RetryOn;
    RetryOn on = RetryOn::none;
    const auto add = [&on](bool is_set, RetryOn bit) {
        if (is_set) on = on | bit;
    };
    add(retry.on.connect, RetryOn::connect);
    add(retry.on.reused, RetryOn::reused);
    add(retry.on.reset, RetryOn::reset);
    add(retry.on.timeout, RetryOn::timeout);
    add(retry.on.status_502, RetryOn::status_502);
    add(retry.on.status_503, RetryOn::status_503);
    add(retry.on.status_504, RetryOn::status_504);
    add(retry.on.status_5xx, RetryOn::status_5xx);
    return {.attempts = retry.attempts,
            .on = on,
            .backoff = {.base = retry.backoff, .cap = retry.max_backoff},
            .max_depth = retry.max_depth};
}

ListenerState::ListenerState(const config::Listener& listener, telemetry::Registry& registry)
    : config(listener),
      table(listener.routes),
      metrics(registry, listener.name),
      unmatched(registry, listener.name, telemetry::kNone, telemetry::kNone),
      unmatched_access(listener.access_log, listener.name, {}, {}),
      limits(head_limits(listener)) {
    for (const Reason reason :
         {Reason::bad_request, Reason::headers_too_large, Reason::uri_too_long,
          Reason::body_too_large, Reason::request_timeout, Reason::overloaded}) {
        protocol_refused[static_cast<std::size_t>(reason)] =
            registry.counter(telemetry::Family::protocol_refused,
                             {listener.name, word(reason), "enforce"}, telemetry::Show::once_used);
    }
}

Snapshot::Snapshot(std::shared_ptr<const config::Config> config,
                   std::vector<std::shared_ptr<upstream::Cluster>> clusters,
                   telemetry::Registry& registry)
    : config_(std::move(config)), clusters_(std::move(clusters)) {
    const auto index_of = [this](std::string_view name) {
        const auto found =
            std::find_if(clusters_.begin(), clusters_.end(),
                         [&](const auto& cluster) { return cluster->name() == name; });
        WEIR_ASSERT(found != clusters_.end());
        return static_cast<std::uint32_t>(found - clusters_.begin());
    };
    for (const config::Listener& listener : config_->listeners) {
        auto state = std::make_unique<ListenerState>(listener, registry);
        for (const config::Route& route : listener.routes) {
            RouteState& made = state->routes.emplace_back();
            made.config = &route;
            made.metrics = std::make_unique<telemetry::RequestMetrics>(
                registry, listener.name, route.name, telemetry::kNone);
            made.access = std::make_unique<telemetry::AccessPolicy>(route.access_log, listener.name,
                                                                    route.name, std::string_view());
            const auto* const forward = std::get_if<config::Forward>(&route.action);
            if (forward == nullptr) continue;
            for (const config::Target& target : forward->targets) {
                const std::uint32_t cluster = index_of(target.cluster);
                made.total_weight += target.weight;
                made.targets.push_back(
                    {.config = &target,
                     .cluster = cluster,
                     .route = clusters_[cluster]->routes().take(
                         {listener.name, route.name, clusters_[cluster]->config().breaker}),
                     .replayable_methods = method_bits(target.retry.methods),
                     .retry = retry_options(target.retry),
                     .metrics = std::make_unique<telemetry::RequestMetrics>(
                         registry, listener.name, route.name, target.cluster),
                     .access = std::make_unique<telemetry::AccessPolicy>(
                         route.access_log, listener.name, route.name, target.cluster)});
            }
        }
        listeners_.push_back(std::move(state));
    }
}

const ListenerState* Snapshot::find_listener(std::string_view name) const {
    for (const auto& listener : listeners_) {
        if (listener->config.name == name) return listener.get();
    }
    return nullptr;
}

std::shared_ptr<upstream::Cluster> Snapshot::find_cluster(std::string_view name) const {
    for (const auto& cluster : clusters_) {
        if (cluster->name() == name) return cluster;
    }
    return nullptr;
}

}  // namespace weir::proxy
