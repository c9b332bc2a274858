#include "weir/admin/collect.hpp"
#include "weir/describe/effective.hpp"
#include "weir/telemetry/rates.hpp"

#include "admin/describe.hpp"
#include "admin/handlers.hpp"
#include "admin/shapes.hpp"

namespace weir::admin {

WallClock refreshed(const proxy::Snapshot& snapshot) {
    const WallClock wall = refresh_clocks();
    tick(snapshot, wall.now());
    return wall;
}

Response no_such_cluster(const std::string& name) {
    return error_response(404, "no_such_cluster", "no cluster is named " + name);
}

namespace {

std::string_view breaker_word(const upstream::Cluster& cluster) {
    return resilience::word(cluster.breaker().state());
}

void write_counts(JsonWriter& json, const EndpointCounts& counts) {
    json.key("endpoints").begin_object();
    for (std::size_t i = 0; i < kEndpointStates.size(); ++i)
        json.field(kEndpointStates[i], counts.by_state[i]);
    json.end_object();
}

void write_breaker_policy(JsonWriter& json, const config::Breaker& breaker) {
    json.key("breaker").begin_object();
    json.field("mode", word(breaker.mode));
    json.field("consecutive_failures", breaker.consecutive_failures);
    write_duration(json, "consecutive_for", breaker.consecutive_for);
    json.field("failure_rate", percent_of(breaker.failure_rate));
    write_duration(json, "window", breaker.window);
    json.field("min_requests", breaker.min_requests);
    write_duration(json, "open_for", breaker.open_for);
    write_duration(json, "max_open_for", breaker.max_open_for);
    json.field("half_open_requests", breaker.half_open_requests);
    json.field("successes_to_close", breaker.successes_to_close);
    json.end_object();
}

void write_outlier_policy(JsonWriter& json, const config::Outlier& outlier) {
    json.key("outlier").begin_object();
    json.field("mode", word(outlier.mode));
    json.field("consecutive_failures", outlier.consecutive_failures);
    json.field("consecutive_local", outlier.consecutive_local);
    write_duration(json, "consecutive_for", outlier.consecutive_for);
    json.field("failure_rate", percent_of(outlier.failure_rate));
    write_duration(json, "window", outlier.window);
    json.field("min_requests", outlier.min_requests);
    write_duration(json, "eject_for", outlier.eject_for);
    write_duration(json, "max_eject_for", outlier.max_eject_for);
    json.field("max_ejected", percent_of(outlier.max_ejected));
    json.field("min_ready", outlier.min_ready);
    json.field("half_open_requests", outlier.half_open_requests);
    json.field("successes_to_return", outlier.successes_to_return);
    write_duration(json, "ramp", outlier.ramp);
    json.end_object();
}

void write_retry_policy(JsonWriter& json, const config::Retry& retry) {
    json.key("retry").begin_object();
    json.field("attempts", retry.attempts);
    write_duration(json, "per_try_timeout", retry.per_try_timeout);
    write_duration(json, "backoff", retry.backoff);
    write_duration(json, "max_backoff", retry.max_backoff);
    json.field("budget", percent_of(retry.budget));
    json.field("budget_min", retry.budget_min);
    json.field("max_depth", retry.max_depth);
    json.end_object();
}

void write_timeouts(JsonWriter& json, const config::Timeouts& timeouts) {
    json.key("timeout").begin_object();
    write_duration(json, "connect", timeouts.connect);
    write_duration(json, "request", timeouts.request);
    write_duration(json, "response_header", timeouts.response_header);
    write_duration(json, "idle", timeouts.idle);
    write_duration(json, "stream_idle", timeouts.stream_idle);
    write_duration(json, "tcp_idle", timeouts.tcp_idle);
    json.end_object();
}

void write_adaptive(JsonWriter& json, const resilience::AdaptiveLimit* adaptive) {
    json.key("adaptive");
    if (adaptive == nullptr) {
        json.null();
        return;
    }
    json.begin_object();
    json.field("limit", adaptive->limit()).field("active", adaptive->in_flight());
    json.field("rejected", adaptive->rejected_total());
    write_milliseconds(json, "base_ms", adaptive->base());
    json.end_object();
}

void write_limits(JsonWriter& json, const upstream::Cluster& cluster) {
    const config::ClusterLimits& limits = cluster.config().limits;
    json.key("limits").begin_object();
    json.field("mode", limits.mode == config::Enforcement::shadow ? "shadow" : "enforce");
    write_limit(json, "max_connections", limits.max_connections);
    write_limit(json, "max_connecting", limits.max_connecting);
    write_limit(json, "max_requests", limits.max_requests);
    json.field("max_pending", limits.max_pending);
    write_duration(json, "queue_timeout", limits.queue_timeout);
    json.field("idle_connections", limits.idle_connections);
    write_adaptive(json, cluster.adaptive());
    json.end_object();
}

void write_policy(JsonWriter& json, const upstream::Cluster& cluster) {
    const config::Cluster& config = cluster.config();
    json.field("inline", config.is_inline).field("lb", word(config.policy));
    json.field("discovery", word(config.discovery.type));
    json.field("metrics_per_endpoint", config.metrics_per_endpoint);
    write_breaker_policy(json.key("policy").begin_object(), config.breaker);
    write_outlier_policy(json, config.outlier);
    write_retry_policy(json, config.retry);
    write_timeouts(json, config.timeout);
    write_limits(json, cluster);
    json.end_object();
}

void write_order(JsonWriter& json,
                 std::string_view state,
                 const upstream::Order& order,
                 const WallClock& wall) {
    json.key("forced").begin_object().field("state", state);
    write_time(json, "since", wall(order.since));
    write_time(json, "until", order.until ? std::optional(wall(*order.until)) : std::nullopt);
    json.field("by", order.by).field("reason", order.reason).end_object();
}

void write_rates(JsonWriter& json, const upstream::Cluster& cluster, const Context& context) {
    const telemetry::Rate rate =
        context.rates != nullptr ? context.rates->of(cluster.name()) : telemetry::Rate{};
    const auto milliseconds = [&](std::string_view key, const std::optional<Duration>& duration) {
        if (duration) return write_milliseconds(json, key, *duration);
        json.key(key).null();
    };
    json.field("rps", rate.rps).field("error_rate", rate.error_rate);
    milliseconds("p50_ms", rate.p50);
    milliseconds("p99_ms", rate.p99);
}

// Every key of the cluster's section that is in force.
void write_settings(JsonWriter& json, const std::string& cluster, const Context& context) {
    json.key("settings").begin_array();
    const auto document = context.document ? context.document() : nullptr;
    const std::string prefix = "clusters." + cluster + ".";
    if (document) {
        for (const auto& setting : describe::settings(*document, true)) {
            if (setting.path.starts_with(prefix)) write_setting(json, *document, setting);
        }
    }
    json.end_array();
}

void write_health(JsonWriter& json,
                  const upstream::Endpoint::Health& health,
                  const WallClock& wall) {
    json.key("health");
    if (!health.last) {
        json.null();
        return;
    }
    json.begin_object().field("passing", !health.is_failing).field("ignored", health.is_ignored);
    write_time(json, "at", wall(health.last->at));
    json.field("result", health.last->result).field("detail", health.last->detail);
    write_milliseconds(json, "took_ms", health.last->took);
    json.end_object();
}

}  // namespace

namespace {

void write_transition(JsonWriter& json,
                      const resilience::Transition& transition,
                      const WallClock& wall) {
    json.begin_object();
    write_time(json, "at", wall(transition.at));
    json.field("from", resilience::word(transition.from));
    json.field("to", resilience::word(transition.to));
    json.field("reason", resilience::word(transition.reason));
    if (transition.to == resilience::State::open) {
        write_milliseconds(json, "open_for_ms", transition.open_for);
    }
    if (transition.from == resilience::State::closed) {
        json.field("run", transition.run);
        write_milliseconds(json, "run_for_ms", transition.run_for);
        json.field("requests", transition.seen.total());
        json.field("failures", transition.seen.failed());
    }
    json.end_object();
}

void write_window(JsonWriter& json, const resilience::SuccessWindow::Counts& seen) {
    json.key("window").begin_object();
    json.field("requests", seen.total()).field("failures", seen.failed());
    json.field("slow", seen.slow).field("throttled", seen.throttled).end_object();
}

void write_history(JsonWriter& json,
                   const std::vector<resilience::Transition>& history,
                   const WallClock& wall) {
    json.key("history").begin_array();
    for (const auto& transition : history)
        write_transition(json, transition, wall);
    json.end_array();
}

}  // namespace

void write_endpoint(JsonWriter& json,
                    const upstream::Cluster& cluster,
                    const upstream::Endpoint& endpoint,
                    const WallClock& wall,
                    EndpointDetail detail) {
    const auto machine = endpoint.detector().machine().snapshot(wall.now());
    const auto totals = endpoint.totals();
    const bool is_out = machine.state == resilience::State::open;
    json.begin_object();
    json.field("address", endpoint.name()).key("zone");
    endpoint.zone().empty() ? json.null() : json.value(endpoint.zone());
    json.field("weight", endpoint.weight());
    json.field("effective_weight", endpoint.weight() * endpoint.detector().weight(wall.now()));
    json.field("state", endpoint.state_word());
    json.field("reason", endpoint.is_unhealthy() ? std::string_view("health")
                         : machine.reason == resilience::TripReason::none
                             ? std::string_view{}
                             : resilience::word(machine.reason));
    write_time(json, "since", wall(machine.since));
    write_time(json, "ejected_until",
               is_out && machine.next_probe_at ? std::optional(wall(*machine.next_probe_at))
                                               : std::nullopt);
    if (const auto held = endpoint.held()) {
        write_order(json, held->state, held->order, wall);
    } else {
        json.key("forced").null();
    }
    json.field("ejections", machine.opens_total).field("penalties", machine.penalties_total);
    json.field("ramping", endpoint.detector().is_ramping(wall.now()));
    json.field("consecutive_failures", machine.fail_run);
    json.field("consecutive_local", machine.local_run);
    json.field("active", totals.active).field("connections", totals.connections);
    json.key("ewma_ms");
    if (totals.ewma == Duration{}) {
        json.null();
    } else {
        json.value(std::chrono::duration<double, std::milli>(totals.ewma).count());
    }
    write_health(json, endpoint.health(), wall);
    json.field("requests", totals.requests).field("errors", totals.errors);
    json.key("last_error");
    if (totals.last_failure == resilience::FailureKind::none) {
        json.null();
    } else {
        json.value(resilience::word(totals.last_failure));
    }
    write_window(json, machine.window);
    const upstream::Peers peers =
        detail.peers != nullptr ? *detail.peers : upstream::look_at_peers(cluster, wall.now());
    write_story(json, upstream::explain(cluster, endpoint, machine, peers, wall.now()), wall);
    if (detail.has_history) write_history(json, machine.history, wall);
    json.end_object();
}

void write_breaker(JsonWriter& json,
                   const upstream::Cluster& cluster,
                   const upstream::Breaker& breaker,
                   const WallClock& wall) {
    const auto machine = breaker.machine().snapshot(wall.now());
    const auto at = [&](const std::optional<TimePoint>& time) {
        return time ? std::optional(wall(*time)) : std::nullopt;
    };
    json.begin_object();
    json.field("id", breaker.id()).field("cluster", breaker.cluster());
    json.field("scope", breaker.scope());
    if (!breaker.route().empty()) json.field("route", breaker.route());
    json.field("mode", resilience::word(machine.mode));
    json.field("state", resilience::word(machine.state));
    write_time(json, "since", wall(machine.since));
    json.field("reason", machine.reason == resilience::TripReason::none
                             ? std::string_view{}
                             : resilience::word(machine.reason));
    if (const auto order = breaker.order()) {
        write_order(json, resilience::word(machine.state), *order, wall);
    } else {
        json.key("forced").null();
    }
    write_time(json, "forced_until", at(machine.forced_until));
    json.field("opens_total", machine.opens_total).field("trips", machine.trips);
    json.field("probes", machine.probes).field("consecutive_failures", machine.fail_run);
    write_window(json, machine.window);
    write_story(json, upstream::explain_breaker(cluster, breaker, machine, wall.now()), wall);
    write_history(json, machine.history, wall);
    json.end_object();
}

namespace {

void write_source(JsonWriter& json,
                  std::string_view cluster,
                  const discovery::Status& status,
                  const WallClock& wall) {
    json.begin_object();
    json.field("cluster", cluster).field("type", status.type);
    json.field("answered", status.has_answered).field("snapshot", status.is_snapshot);
    write_time(json, "last_contact",
               status.last_contact ? std::optional(wall(*status.last_contact)) : std::nullopt);
    json.key("age_s");
    if (status.last_contact) {
        json.value(std::chrono::duration<double>(wall.now() - *status.last_contact).count());
    } else {
        json.null();
    }
    json.key("error");
    if (status.last_error.empty()) {
        json.null();
    } else {
        json.value(status.last_error);
    }
    json.field("size", std::uint64_t{status.size});
    json.field("updates", status.updates).field("failures", status.failures);
    json.end_object();
}

template <typename Write>
Response list_of_clusters(const Context& context, Write&& write) {
    const auto snapshot = context.snapshot();
    const WallClock wall = refreshed(*snapshot);
    Response response;
    JsonWriter json(response.body);
    json.begin_array();
    for (const auto& cluster : snapshot->clusters())
        write(json, *cluster, wall);
    json.end_array();
    response.body += '\n';
    return response;
}

}  // namespace

void write_cluster_summary(JsonWriter& json,
                           const upstream::Cluster& cluster,
                           const Context& context) {
    const EndpointCounts counts = count_endpoints(cluster);
    json.begin_object();
    json.field("name", cluster.name()).field("state", cluster_state(cluster, counts));
    write_counts(json, counts);
    json.field("breaker", breaker_word(cluster));
    write_rates(json, cluster, context);
    json.end_object();
}

Response clusters(const Request& /*request*/, const Context& context) {
    return list_of_clusters(context, [&](JsonWriter& json, const auto& cluster, const WallClock&) {
        write_cluster_summary(json, cluster, context);
    });
}

Response cluster(const Request& request, const Context& context) {
    const auto snapshot = context.snapshot();
    const auto found = snapshot->find_cluster(request.parameters.front());
    if (!found) return no_such_cluster(request.parameters.front());
    refreshed(*snapshot);
    const EndpointCounts counts = count_endpoints(*found);
    Response response;
    JsonWriter json(response.body);
    json.begin_object();
    json.field("name", found->name()).field("state", cluster_state(*found, counts));
    write_counts(json, counts);
    json.field("breaker", breaker_word(*found));
    write_rates(json, *found, context);
    write_policy(json, *found);
    write_settings(json, found->name(), context);
    json.end_object();
    response.body += '\n';
    return response;
}

Response endpoints(const Request& request, const Context& context) {
    const auto snapshot = context.snapshot();
    const auto found = snapshot->find_cluster(request.parameters.front());
    if (!found) return no_such_cluster(request.parameters.front());
    const WallClock wall = refreshed(*snapshot);
    Response response;
    JsonWriter json(response.body);
    json.begin_array();
    const upstream::Peers peers = upstream::look_at_peers(*found, wall.now());
    const EndpointDetail detail{.has_history = request.has_flag("history"), .peers = &peers};
    const auto set = found->endpoints();
    for (const auto* const list : {&set->endpoints, &set->others}) {
        for (const auto& endpoint : *list)
            write_endpoint(json, *found, *endpoint, wall, detail);
    }
    json.end_array();
    response.body += '\n';
    return response;
}

Response breakers(const Request& /*request*/, const Context& context) {
    return list_of_clusters(context, [](JsonWriter& json, const auto& cluster, const auto& wall) {
        for (const auto& breaker : cluster.breakers())
            write_breaker(json, cluster, *breaker, wall);
    });
}

Response discovery_sources(const Request& /*request*/, const Context& context) {
    return list_of_clusters(context,
                            [&](JsonWriter& json, const auto& cluster, const WallClock& wall) {
                                const auto status = context.discovery(cluster.name());
                                if (status) write_source(json, cluster.name(), *status, wall);
                            });
}

}  // namespace weir::admin
