#include "weir/upstream/breaker.hpp"

#include "weir/core/log.hpp"
#include "weir/upstream/options.hpp"

#include <algorithm>
#include <bit>
#include <functional>

namespace weir::upstream {
namespace {

// As DetectorGroup has it for the cluster.
constexpr double kWellShare = 0.2;

// A good answer counts for so long, or twice: its endpoint may be gone.
constexpr Duration kGoodFor = std::chrono::seconds{1};

}  // namespace

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

std::uint32_t PeersGate::size() const {
    const std::lock_guard lock(mutex_);
    return detectors_->size().endpoints;
}

void RouteGate::note(std::uint64_t endpoint, const resilience::Verdict& verdict) {
    using resilience::Outcome;
    const bool is_good = verdict.outcome == Outcome::ok;
    const bool is_bad =
        verdict.outcome == Outcome::failure || verdict.outcome == Outcome::local_failure;
    if (!is_good && !is_bad) return;
    const std::uint64_t place = std::uint64_t{1} << (endpoint % kPlaces);
    auto& on = is_good ? well_ : failing_;
    auto& off = is_good ? failing_ : well_;
    constexpr auto relaxed = std::memory_order_relaxed;
    if ((on.load(relaxed) & place) == 0) on.fetch_or(place, relaxed);
    if ((off.load(relaxed) & place) != 0) off.fetch_and(~place, relaxed);
}

resilience::TripGate::Answer RouteGate::may_trip(resilience::TripReason reason, TimePoint now) {
    const Answer of_cluster = peers_->may_trip(reason, now);
    if (of_cluster != Answer::hold) return of_cluster;
    const std::uint64_t failing = failing_.load(std::memory_order_relaxed);
    const std::uint64_t well = (well_.load(std::memory_order_relaxed) | well_before_) & ~failing;
    if (now - since_ >= kGoodFor) {
        well_before_ = well_.exchange(0, std::memory_order_relaxed);
        since_ = now;
    }
    const double places = std::min(peers_->size(), kPlaces);
    const bool is_enough = std::popcount(well) >= std::max(1.0, kWellShare * places);
    return failing == 0 || is_enough ? Answer::hold : Answer::trip;
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
      route_gate_(gate_),
      machine_(breaker_options(config, surroundings.workers),
               surroundings.seed ^ std::hash<std::string>{}(route_),
               now,
               route_.empty() ? static_cast<resilience::TripGate*>(gate_.get()) : &route_gate_,
               this) {
    // At 0 from the start: to an alert the step from nothing to one is no increase.
    for (const auto reason :
         {resilience::TripReason::consecutive, resilience::TripReason::failure_rate}) {
        surroundings.registry.count(
            telemetry::Family::breaker_transitions,
            {cluster_, resilience::word(resilience::State::open), resilience::word(reason)}, 0);
    }
}

void Breaker::complete(const resilience::Permit& permit,
                       const resilience::Verdict& verdict,
                       TimePoint now,
                       unsigned worker,
                       resilience::FailureKey key,
                       std::uint64_t endpoint) {
    if (!route_.empty()) route_gate_.note(endpoint, verdict);
    machine_.complete(permit, verdict, now, worker, key);
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
