#include "weir/upstream/endpoint.hpp"

#include "weir/core/log.hpp"
#include "weir/upstream/cluster.hpp"

#include "options.hpp"

namespace weir::upstream {

Endpoint::Endpoint(Cluster& cluster, const discovery::Found& found, std::uint64_t id, TimePoint now)
    : cluster_(cluster),
      address_(found.address),
      name_(found.address.to_string()),
      id_(id),
      weight_(found.weight),
      connections_(cluster.config().limits.max_connections),
      connecting_(cluster.config().limits.max_connecting),
      workers_(cluster.surroundings().workers),
      stats_(new EndpointStats[workers_]),
      detector_(detector_options(cluster.config().outlier, workers_),
                cluster.surroundings().seed ^ id,
                now,
                cluster.detectors(),
                this) {}

Endpoint::Totals Endpoint::totals() const {
    Totals totals;
    std::int64_t known = 0;
    for (unsigned worker = 0; worker < workers_; ++worker) {
        const EndpointStats& stats = stats_[worker];
        totals.requests += stats.requests.load(std::memory_order_relaxed);
        totals.errors += stats.errors.load(std::memory_order_relaxed);
        totals.active += stats.active.load(std::memory_order_relaxed);
        totals.connections += stats.connections.load(std::memory_order_relaxed);
        const std::int64_t ewma = stats.ewma_ns.load(std::memory_order_relaxed);
        if (ewma == 0) continue;
        totals.ewma += Duration{ewma};
        ++known;
    }
    if (known > 0) totals.ewma /= known;
    return totals;
}

std::string_view Endpoint::state_word() const {
    switch (detector_.machine().state()) {
        case resilience::State::open:
            return "ejected";
        case resilience::State::half_open:
            return "half_open";
        case resilience::State::closed:
            break;
    }
    return detector_.machine().is_penalized() ? "penalized" : "healthy";
}

void Endpoint::on_transition(const resilience::Transition& transition) {
    using resilience::State;
    if (transition.from == State::closed) cluster_.add_unready(1);
    if (transition.to == State::closed) cluster_.add_unready(-1);
    const auto& surroundings = cluster_.surroundings();
    const std::string_view reason = resilience::word(transition.reason);
    const bool is_shadow = detector_.machine().options().mode == resilience::Mode::shadow;
    if (transition.to == State::open && is_shadow) {
        surroundings.registry.count(telemetry::Family::shadow, {cluster_.name(), "would_eject"});
    } else if (transition.to == State::open) {
        surroundings.registry.count(telemetry::Family::outlier_ejections,
                                    {cluster_.name(), reason});
    }
    const auto to_word = [](State state) {
        return state == State::open        ? "ejected"
               : state == State::half_open ? "half_open"
                                           : "healthy";
    };
    log::info(is_shadow ? "endpoint would change state" : "endpoint changed state",
              {{"cluster", cluster_.name()},
               {"endpoint", name_},
               {"from", to_word(transition.from)},
               {"to", to_word(transition.to)},
               {"reason", reason}});
    surroundings.events.add({.kind = telemetry::Event::Kind::ejection,
                             .at = Clock::wall(),
                             .cluster = cluster_.name(),
                             .endpoint = name_,
                             .from = to_word(transition.from),
                             .to = to_word(transition.to),
                             .reason = std::string(reason),
                             .detail = describe(transition)});
}

void Endpoint::on_penalty(bool is_penalized, TimePoint /*at*/) {
    const std::string_view to = is_penalized ? "penalized" : "healthy";
    log::info("endpoint changed state",
              {{"cluster", cluster_.name()}, {"endpoint", name_}, {"to", to}, {"reason", "floor"}});
    cluster_.surroundings().events.add({.kind = telemetry::Event::Kind::ejection,
                                        .at = Clock::wall(),
                                        .cluster = cluster_.name(),
                                        .endpoint = name_,
                                        .from = is_penalized ? "healthy" : "penalized",
                                        .to = std::string(to),
                                        .reason = "floor"});
}

}  // namespace weir::upstream
