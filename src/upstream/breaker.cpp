#include "weir/upstream/breaker.hpp"

#include "weir/core/log.hpp"
#include "weir/upstream/options.hpp"

#include <functional>

namespace weir::upstream {

void PeersGate::set(std::shared_ptr<resilience::DetectorGroup> detectors) {
    const std::lock_guard lock(mutex_);
    detectors_ = std::move(detectors);
}

resilience::TripGate::Answer PeersGate::may_trip(resilience::TripReason reason, TimePoint now) {
    std::shared_ptr<resilience::DetectorGroup> detectors;
    {
        const std::lock_guard lock(mutex_);
        detectors = detectors_;
    }
    return detectors->may_trip(reason, now);
}

Breaker::Breaker(std::string cluster,
                 std::string route,
                 const config::Breaker& config,
                 const Surroundings& surroundings,
                 TimePoint now,
                 std::shared_ptr<PeersGate> gate)
    : cluster_(std::move(cluster)),
      route_(std::move(route)),
      id_(route_.empty() ? cluster_ : cluster_ + "@" + route_),
      config_(config),
      surroundings_(surroundings),
      gate_(std::move(gate)),
      machine_(breaker_options(config, surroundings.workers),
               surroundings.seed ^ std::hash<std::string>{}(route_),
               now,
               gate_.get(),
               this) {
    // At 0 from the start: to an alert the step from nothing to one is no increase.
    for (const auto reason :
         {resilience::TripReason::consecutive, resilience::TripReason::failure_rate}) {
        surroundings.registry.count(
            telemetry::Family::breaker_transitions,
            {cluster_, resilience::word(resilience::State::open), resilience::word(reason)}, 0);
    }
}

void Breaker::force(resilience::State state, Order order, TimePoint now) {
    order.since = now;
    const TimePoint until = order.until.value_or(TimePoint::max());
    const bool was_so = machine_.state() == state;
    const std::string detail = describe(order);
    {
        const std::lock_guard lock(mutex_);
        order_ = std::move(order);
    }
    machine_.force(state, until, now);
    // No transition tells of it then.
    if (was_so) tell(state, state, resilience::word(resilience::TripReason::forced), detail);
}

void Breaker::unforce(TimePoint now) {
    const bool was_closed = machine_.state() == resilience::State::closed;
    const bool was_forced = machine_.is_forced();
    machine_.unforce(now);
    if (was_forced && was_closed) {
        tell(resilience::State::closed, resilience::State::closed, "forced", "decides for itself");
    }
}

std::optional<Order> Breaker::order() const {
    if (!machine_.is_forced()) return std::nullopt;
    const std::lock_guard lock(mutex_);
    return order_;
}

void Breaker::on_transition(const resilience::Transition& transition) {
    const std::string_view to = resilience::word(transition.to);
    const std::string_view reason = resilience::word(transition.reason);
    const bool is_forced = transition.reason == resilience::TripReason::forced;
    const bool is_shadow = machine_.options().mode == resilience::Mode::shadow && !is_forced;
    if (is_shadow && transition.to == resilience::State::open) {
        surroundings_.registry.count(telemetry::Family::shadow, {cluster_, "would_open"});
    }
    surroundings_.registry.count(telemetry::Family::breaker_transitions, {cluster_, to, reason});
    std::string detail = describe(transition);
    if (const auto given = order(); given && is_forced) detail = describe(*given);
    log::info(is_shadow ? "breaker would change state" : "breaker changed state",
              {{"cluster", cluster_},
               {"route", route_.empty() ? telemetry::kAll : std::string_view(route_)},
               {"from", resilience::word(transition.from)},
               {"to", to},
               {"reason", reason},
               {"detail", detail}});
    tell(transition.from, transition.to, reason, detail);
}

void Breaker::tell(resilience::State from,
                   resilience::State to,
                   std::string_view reason,
                   const std::string& detail) {
    surroundings_.events.add({.kind = telemetry::Event::Kind::breaker,
                              .at = Clock::wall(),
                              .cluster = cluster_,
                              .route = route_,
                              .from = std::string(resilience::word(from)),
                              .to = std::string(resilience::word(to)),
                              .reason = std::string(reason),
                              .detail = detail});
}

}  // namespace weir::upstream
