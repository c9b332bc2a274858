#include "weir/proxy/snapshot.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace weir::proxy {
namespace {

std::uint32_t method_bits(const std::vector<std::string>& methods) {
    std::uint32_t bits = 0;
    for (const std::string& method : methods)
        bits |= 1U << static_cast<unsigned>(http::method_from(method));
    return bits;
}

using Section = upstream::RouteTarget::Section;

Section::Has breaker_of(const config::Target& target,
                        const config::Breaker& clusters,
                        bool is_only_route) {
    const config::Breaker& rules = target.breaker ? *target.breaker : clusters;
    if (rules.mode == config::Enforcement::off) return Section::Has::none;
    if (target.breaker || clusters.scope == config::Breaker::Scope::route)
        return Section::Has::always;
    // Beside no other route it would say what the cluster's says.
    const bool is_auto = clusters.scope == config::Breaker::Scope::automatic;
    return is_auto && !is_only_route ? Section::Has::when_needed : Section::Has::none;
}

resilience::Hearing hearing_of(const config::Target& target,
                               const config::Breaker& clusters,
                               bool is_only_route) {
    switch (clusters.scope) {
        case config::Breaker::Scope::cluster:
            return resilience::Hearing::all;
        case config::Breaker::Scope::route:
            return resilience::Hearing::unreached;
        case config::Breaker::Scope::automatic:
            break;
    }
    const bool is_alone = is_only_route && !target.breaker;
    return is_alone ? resilience::Hearing::all : resilience::Hearing::gone;
}

Section section_of(const config::Listener& listener,
                   const config::Route& route,
                   const config::Target& target,
                   const config::Cluster& cluster,
                   bool is_only_route) {
    return {.listener = listener.name,
            .route = route.name,
            .judge = target.breaker.value_or(cluster.breaker),
            .endpoint_slow_call = cluster.outlier.slow_call,
            .has = breaker_of(target, cluster.breaker, is_only_route),
            .cluster_hears = hearing_of(target, cluster.breaker, is_only_route)};
}

// What answers in place of a refusal of the breakers before that cluster, if anything.
const std::optional<config::Fallback>& fallback_of(const config::Target& target,
                                                   const config::Cluster& cluster) {
    return target.breaker ? target.breaker->fallback : cluster.breaker.fallback;
}

// The names of the routes into each cluster, those included that come as a fallback.
using RoutesInto = std::map<std::string_view, std::set<std::string_view>>;
RoutesInto routes_into(const config::Config& config) {
    RoutesInto found;
    for (const config::Listener& listener : config.listeners) {
        for (const config::Route& route : listener.routes) {
            const auto* const forward = std::get_if<config::Forward>(&route.action);
            if (forward == nullptr) continue;
            for (const config::Target& target : forward->targets) {
                const config::Cluster* into = &config.clusters.at(target.cluster);
                const auto* fallback = &fallback_of(target, *into);
                while (found[into->name].insert(route.name).second && *fallback &&
                       !(*fallback)->to.empty()) {
                    into = &config.clusters.at((*fallback)->to);
                    fallback = &into->breaker.fallback;
                }
            }
        }
    }
    return found;
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
    for (const config::Route& route : listener.routes) {
        limits.keeps_unmerged = limits.keeps_unmerged || !route.actions.merge_slashes;
        limits.takes_escaped_slashes =
            limits.takes_escaped_slashes || route.actions.allow_encoded_slash;
    }
    return limits;
}

telemetry::CellId mirrored(telemetry::Registry& registry,
                           std::string_view cluster,
                           std::string_view result) {
    return registry.counter(telemetry::Family::mirrored, {cluster, result},
                            telemetry::Show::once_used);
}

telemetry::CellId injected(telemetry::Registry& registry,
                           std::string_view cluster,
                           std::string_view kind) {
    return registry.counter(telemetry::Family::faults, {cluster, kind}, telemetry::Show::once_used);
}

http::H2Limits h2_limits(const config::Listener& listener) {
    http::H2Limits limits;
    limits.head = head_limits(listener);
    limits.streams = listener.limits.streams;
    limits.resets = listener.limits.resets;
    limits.only_counts_resets = listener.limits.log_only.resets;
    limits.only_counts_glitches = listener.limits.log_only.glitches;
    limits.only_counts_headers = listener.limits.log_only.headers;
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
    add(retry.on.refused, RetryOn::refused);
    add(retry.on.reused, RetryOn::reused);
    add(retry.on.reset, RetryOn::reset);
    add(retry.on.timeout, RetryOn::timeout);
    add(retry.on.status_502, RetryOn::status_502);
    add(retry.on.status_503, RetryOn::status_503);
    add(retry.on.status_504, RetryOn::status_504);
    add(retry.on.status_5xx, RetryOn::status_5xx);
    return {.attempts = retry.attempts,
            .on = on,
            .on_grpc = retry.on.grpc,
            .backoff = {.base = retry.backoff, .cap = retry.max_backoff},
            .max_depth = retry.max_depth};
}

MirrorState::MirrorState(const config::Mirror& mirror,
                         upstream::Cluster& to,
                         std::uint32_t index,
                         const std::string& name,
                         telemetry::Registry& registry)
    : percent(mirror.percent),
      cluster(index),
      route(std::make_unique<const upstream::CallRoute>(to, "mirror:" + name)),
      success(mirrored(registry, to.name(), "success")),
      failure(mirrored(registry, to.name(), "failure")),
      dropped(mirrored(registry, to.name(), "dropped")),
      too_large(mirrored(registry, to.name(), "too_large")) {}

const TargetState& RouteState::choose(Random& random) const {
    if (targets.size() == 1) return targets.front();
    std::uint32_t ticket = random.below(total_weight);
    for (const TargetState& target : targets) {
        if (ticket < target.config->weight) return target;
        ticket -= target.config->weight;
    }
    return targets.front();
}

ListenerState::ListenerState(const config::Listener& listener,
                             telemetry::Registry& registry,
                             std::shared_ptr<const transport::TlsTickets> tickets)
    : config(listener),
      table(listener.routes),
      metrics(registry, listener.name),
      unmatched(registry, listener.name, telemetry::kNone, telemetry::kNone),
      unmatched_access(listener.access_log, listener.name, {}, {}),
      limits(head_limits(listener)),
      h2_limits(proxy::h2_limits(listener)) {
    if (listener.tls) {
        tls = transport::TlsContext::make_server(*listener.tls, listener.name, registry,
                                                 std::move(tickets));
    }
    const bool may_be_opaque =
        listener.protocol == config::Protocol::automatic && listener.mode != config::Mode::gateway;
    http::RequestHead nothing;
    nothing.path = "/";
    const auto match = table.match(nothing);
    const bool has_route = match && listener.routes[*match].auth.is_none() &&
                           std::holds_alternative<config::Forward>(listener.routes[*match].action);
    const bool goes_where_meant =
        listener.transparent && listener.mode != config::Mode::gateway && !match;
    takes_opaque = may_be_opaque && (has_route || goes_where_meant);
    has_guards = std::any_of(listener.routes.begin(), listener.routes.end(),
                             [](const config::Route& route) { return !route.auth.is_none(); });
    const auto has_host = [](const config::Route& route) { return !route.hosts.empty(); };
    wants_name = listener.protocol == config::Protocol::tcp &&
                 std::any_of(listener.routes.begin(), listener.routes.end(), has_host);
    for (std::size_t i = 0; i < http::kH2Faults; ++i) {
        const std::string_view fault = http::word(static_cast<http::H2Fault>(i));
        for (const bool is_enforced : {true, false}) {
            h2_faults[i][is_enforced ? 0 : 1] =
                registry.counter(telemetry::Family::protocol_refused,
                                 {listener.name, fault, is_enforced ? "enforce" : "log_only"},
                                 telemetry::Show::once_used);
        }
    }
    for (const Reason reason :
         {Reason::bad_request, Reason::headers_too_large, Reason::uri_too_long,
          Reason::body_too_large, Reason::request_timeout, Reason::overloaded, Reason::no_route,
          Reason::misdirected}) {
        protocol_refused[static_cast<std::size_t>(reason)] =
            registry.counter(telemetry::Family::protocol_refused,
                             {listener.name, word(reason), "enforce"}, telemetry::Show::once_used);
    }
}

namespace {

bool is_plain(const config::RouteActions& actions) {
    return !actions.mirror && !actions.fault && actions.compress.empty();
}

}  // namespace

struct Snapshot::Making {
    telemetry::Registry& registry;
    const RoutesInto& routes;
    const config::Listener& listener;
    const config::Route& route;
};

Snapshot::Snapshot(std::shared_ptr<const config::Config> config,
                   std::vector<std::shared_ptr<upstream::Cluster>> clusters,
                   telemetry::Registry& registry,
                   const std::shared_ptr<const transport::TlsTickets>& tickets,
                   std::shared_ptr<filter::Stores> stores)
    : config_(std::move(config)), clusters_(std::move(clusters)) {
    const RoutesInto routes = routes_into(*config_);
    for (const config::Listener& listener : config_->listeners) {
        auto state = std::make_unique<ListenerState>(listener, registry, tickets);
        const auto filters_of = [&](const config::Route* route) {
            return filter::make_filters({*config_, listener, route, clusters_, registry, stores});
        };
        state->filters = filters_of(nullptr);
        for (const config::Route& route : listener.routes) {
            RouteState& made = state->routes.emplace_back();
            made.config = &route;
            made.metrics = std::make_unique<telemetry::RequestMetrics>(
                registry, listener.name, route.name, telemetry::kNone);
            made.access = std::make_unique<telemetry::AccessPolicy>(route.access_log, listener.name,
                                                                    route.name, std::string_view());
            made.filters = filters_of(&route);
            const auto* const forward = std::get_if<config::Forward>(&route.action);
            if (forward == nullptr) continue;
            made.is_plain = is_plain(route.actions);
            if (const auto& mirror = route.actions.mirror) {
                const std::uint32_t index = index_of(mirror->cluster);
                made.mirror = std::make_unique<const MirrorState>(*mirror, *clusters_[index], index,
                                                                  route.name, registry);
            }
            const Making making{registry, routes, listener, route};
            for (const config::Target& target : forward->targets) {
                made.total_weight += target.weight;
                made.targets.push_back(make_target(making, target));
                if (made.targets.back().hash_key != nullptr) made.is_plain = false;
            }
        }
        listeners_.push_back(std::move(state));
    }
}

std::uint32_t Snapshot::index_of(std::string_view cluster) const {
    const auto found = std::find_if(clusters_.begin(), clusters_.end(),
                                    [&](const auto& each) { return each->name() == cluster; });
    WEIR_ASSERT(found != clusters_.end());
    return static_cast<std::uint32_t>(found - clusters_.begin());
}

TargetState Snapshot::make_target(const Making& making, const config::Target& target) const {
    const auto& [registry, routes, listener, route] = making;
    const std::uint32_t index = index_of(target.cluster);
    upstream::Cluster& cluster = *clusters_[index];
    const bool is_only_route = routes.at(target.cluster).size() == 1;
    TargetState made{
        .config = &target,
        .cluster = index,
        .route = cluster.routes().take(
            section_of(listener, route, target, cluster.config(), is_only_route), Clock::now()),
        .replayable_methods = method_bits(target.retry.methods),
        .retry = retry_options(target.retry),
        .hash_key = cluster.config().hash_key ? &*cluster.config().hash_key : nullptr,
        .metrics = std::make_unique<telemetry::RequestMetrics>(registry, listener.name, route.name,
                                                               target.cluster),
        .access = std::make_unique<telemetry::AccessPolicy>(route.access_log, listener.name,
                                                            route.name, target.cluster)};
    made.delayed = injected(registry, target.cluster, "delay");
    made.aborted = injected(registry, target.cluster, "abort");
    const auto& fallback = fallback_of(target, cluster.config());
    if (!fallback) return made;
    const std::string_view to = fallback->to.empty() ? telemetry::kNone : fallback->to;
    made.fallback_used = registry.counter(telemetry::Family::breaker_fallback, {target.cluster, to},
                                          telemetry::Show::once_used);
    if (fallback->to.empty()) return made;
    // With the timeouts and retries of the route: its caller waits no longer because of it.
    config::Target instead = target;
    instead.cluster = fallback->to;
    instead.breaker.reset();
    auto config = std::make_unique<const config::Target>(std::move(instead));
    made.fallback = std::make_unique<TargetState>(make_target(making, *config));
    made.fallback->made = std::move(config);
    return made;
}

RouteState make_passage(const config::Listener& listener,
                        const config::Route& route,
                        const config::Target& target,
                        upstream::Cluster& cluster,
                        telemetry::Registry& registry) {
    const config::Cluster& config = cluster.config();
    RouteState made;
    made.config = &route;
    made.total_weight = 1;
    made.metrics = std::make_unique<telemetry::RequestMetrics>(registry, listener.name, route.name,
                                                               telemetry::kNone);
    made.access = std::make_unique<telemetry::AccessPolicy>(route.access_log, listener.name,
                                                            route.name, std::string_view());
    made.targets.push_back(TargetState{
        .config = &target,
        .cluster = 0,
        .route =
            cluster.routes().take(section_of(listener, route, target, config, true), Clock::now()),
        .replayable_methods = method_bits(target.retry.methods),
        .retry = retry_options(target.retry),
        .metrics = std::make_unique<telemetry::RequestMetrics>(registry, listener.name, route.name,
                                                               config.name),
        .access = std::make_unique<telemetry::AccessPolicy>(route.access_log, listener.name,
                                                            route.name, config.name),
        .fallback = nullptr,
        .delayed = injected(registry, config.name, "delay"),
        .aborted = injected(registry, config.name, "abort"),
        .made = nullptr});
    return made;
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
