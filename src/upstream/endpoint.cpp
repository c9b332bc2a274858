#include "weir/upstream/endpoint.hpp"

#include "weir/core/log.hpp"
#include "weir/upstream/options.hpp"

#include <algorithm>

namespace weir::upstream {
namespace {

std::atomic<std::uint64_t> last_id{0};

std::string authority_of(const std::string& name) {
    return name.empty() || name.starts_with("unix:") ? "localhost" : name;
}

}  // namespace

EndpointGroup::EndpointGroup(const config::Cluster& config, const Surroundings& around)
    : cluster(config.name),
      outlier(config.outlier),
      failure_rate(config.breaker.failure_rate),
      surroundings(around),
      detectors(std::make_shared<resilience::DetectorGroup>(
          resilience::DetectorGroup::Options{.max_ejected = config.outlier.max_ejected,
                                             .min_ready = config.outlier.min_ready,
                                             .failure_rate = config.breaker.failure_rate})),
      roster(std::make_shared<balance::Roster>(detectors)),
      peers(peer_options(config.outlier)) {}

bool EndpointGroup::fits(const config::Cluster& config) const {
    return config.outlier == outlier && config.breaker.failure_rate == failure_rate;
}

void EndpointGroup::listen(const void* owner, std::function<void()> listener) {
    const std::lock_guard lock(mutex_);
    owner_ = owner;
    listener_ = std::move(listener);
}

void EndpointGroup::unlisten(const void* owner) {
    const std::lock_guard lock(mutex_);
    if (owner_ == owner) listener_ = nullptr;
}

void EndpointGroup::announce() const {
    const std::lock_guard lock(mutex_);
    if (listener_) listener_();
}

Endpoint::Endpoint(std::shared_ptr<EndpointGroup> group,
                   const config::ClusterLimits& limits,
                   const discovery::Found& found,
                   TimePoint now)
    : group_(std::move(group)),
      address_(found.address),
      name_(found.address.to_string()),
      authority_(authority_of(found.name)),
      id_(last_id.fetch_add(1, std::memory_order_relaxed) + 1),
      zone_(found.zone),
      uid_(found.uid),
      speaks_(found.speaks),
      weight_(found.weight),
      connections_(limits.max_connections),
      connecting_(limits.max_connecting),
      workers_(group_->surroundings.workers),
      stats_(new EndpointStats[workers_]),
      detector_(detector_options(group_->outlier, workers_),
                group_->surroundings.seed ^ id_,
                now,
                group_->detectors,
                this),
      standing_(group_->roster, detector_, now) {}

void Endpoint::leave() {
    detector_.leave();
    standing_.leave();
}

void Endpoint::rejoin(TimePoint now) {
    detector_.rejoin();
    standing_.rejoin(now);
}

void Endpoint::set_limits(const config::ClusterLimits& limits) {
    connections_.set_max(limits.max_connections);
    connecting_.set_max(limits.max_connecting);
}

Endpoint::Totals Endpoint::totals() const {
    Totals totals;
    std::int64_t known = 0;
    Duration::rep newest = 0;
    for (unsigned worker = 0; worker < workers_; ++worker) {
        const EndpointStats& stats = stats_[worker];
        totals.requests += stats.requests.load(std::memory_order_relaxed);
        totals.errors += stats.errors.load(std::memory_order_relaxed);
        totals.active += stats.active.load(std::memory_order_relaxed);
        totals.connections += stats.connections.load(std::memory_order_relaxed);
        const auto failed_at = stats.failed_at.load(std::memory_order_relaxed);
        if (failed_at > newest) {
            newest = failed_at;
            totals.last_failure = stats.last_failure.load(std::memory_order_relaxed);
        }
        const std::int64_t ewma = stats.ewma_ns.load(std::memory_order_relaxed);
        if (ewma == 0) continue;
        totals.ewma += Duration{ewma};
        ++known;
    }
    if (known > 0) totals.ewma /= known;
    return totals;
}

// The workers' answers come one between the other: their rates add up.
resilience::Answering Endpoint::answering() const {
    Duration::rep last = 0;
    double rate = 0;
    for (unsigned worker = 0; worker < workers_; ++worker) {
        const EndpointStats& stats = stats_[worker];
        last = std::max(last, stats.answered_at.load(std::memory_order_relaxed));
        const Duration::rep gap = stats.mean_gap.load(std::memory_order_relaxed);
        if (gap > 0) rate += 1.0 / static_cast<double>(gap);
    }
    const double gap = rate > 0 ? 1.0 / rate : 0;
    return {TimePoint{Duration{last}}, Duration{static_cast<Duration::rep>(gap)}};
}

std::uint32_t Endpoint::stalled(TimePoint since) const {
    std::uint32_t sum = 0;
    for (unsigned worker = 0; worker < workers_; ++worker) {
        const EndpointStats& stats = stats_[worker];
        const auto at = stats.stalled_at.load(std::memory_order_acquire);
        if (at >= since.time_since_epoch().count()) {
            sum += stats.stalled.load(std::memory_order_relaxed);
        }
    }
    return sum;
}

std::optional<unsigned> Endpoint::most_idle_worker(unsigned but) const {
    std::optional<unsigned> found;
    std::int64_t most = 0;
    for (unsigned worker = 0; worker < workers_; ++worker) {
        // Read one after the other while both move: it is a good guess.
        const EndpointStats& stats = stats_[worker];
        const std::int64_t idle = std::int64_t{stats.connections.load(std::memory_order_relaxed)} -
                                  stats.active.load(std::memory_order_relaxed);
        if (worker == but || idle <= most) continue;
        found = worker;
        most = idle;
    }
    return found;
}

std::string_view Endpoint::state_word() const {
    if (is_drained()) return "draining";
    if (is_unhealthy()) return "unhealthy";
    if (role() == Role::standby) return "standby";
    if (role() == Role::terminating) return "terminating";
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

bool Endpoint::hold(balance::Hold why, bool is_on, TimePoint now) {
    const auto bit = static_cast<std::uint8_t>(why);
    const auto before =
        is_on ? out_.fetch_or(bit, std::memory_order_relaxed)
              : out_.fetch_and(static_cast<std::uint8_t>(~bit), std::memory_order_relaxed);
    if (((before & bit) != 0) == is_on) return false;
    detector_.set_available(is_available());
    standing_.hold(why, is_on, now);
    return true;
}

void Endpoint::note_check(Check check) {
    const std::lock_guard lock(mutex_);
    health_.last = std::move(check);
}

void Endpoint::set_health(bool is_failing, bool is_ignored, TimePoint now) {
    std::string detail;
    const std::string_view from = state_word();
    {
        const std::lock_guard lock(mutex_);
        health_.is_failing = is_failing;
        health_.is_ignored = is_failing && is_ignored;
        if (health_.last) detail = health_.last->detail;
    }
    const bool is_news = hold(balance::Hold::unhealthy, is_failing && !is_ignored, now);
    if (!is_news || is_drained()) return;
    if (is_failing && is_ignored) detail = "its checks are ignored: " + detail;
    tell({telemetry::Event::Kind::health, from, state_word(), "health", detail});
}

void Endpoint::take_health(const Endpoint& other, TimePoint now) {
    Health health = other.health();
    const bool is_failing = health.is_failing && !health.is_ignored;
    {
        const std::lock_guard lock(mutex_);
        health_ = std::move(health);
    }
    if (is_failing) hold(balance::Hold::unhealthy, true, now);
}

Endpoint::Health Endpoint::health() const {
    const std::lock_guard lock(mutex_);
    return health_;
}

void Endpoint::drain(Order order, TimePoint now) {
    order.since = now;
    const std::string detail = upstream::describe(order);
    {
        const std::lock_guard lock(mutex_);
        drained_ = std::move(order);
    }
    if (!hold(balance::Hold::drained, true, now)) return;
    group_->announce();
    tell({telemetry::Event::Kind::drain, "healthy", "draining", "forced", detail});
}

void Endpoint::undrain(TimePoint now) {
    end_drain("by an operator", now);
}

void Endpoint::end_drain(std::string_view why, TimePoint now) {
    {
        const std::lock_guard lock(mutex_);
        drained_.reset();
    }
    if (!hold(balance::Hold::drained, false, now)) return;
    group_->announce();
    tell({telemetry::Event::Kind::drain, "draining", state_word(), "forced", std::string(why)});
}

void Endpoint::eject(Order order, TimePoint now) {
    order.since = now;
    const TimePoint until = order.until.value_or(TimePoint::max());
    {
        const std::lock_guard lock(mutex_);
        ejected_ = std::move(order);
    }
    detector_.machine().force(resilience::State::open, until, now);
}

// Forced closed for no time at all: the detector judges on from here.
void Endpoint::uneject(TimePoint now) {
    {
        const std::lock_guard lock(mutex_);
        ejected_.reset();
    }
    auto& machine = detector_.machine();
    if (machine.state() == resilience::State::closed && !machine.is_forced()) return;
    machine.force(resilience::State::closed, now, now);
    machine.unforce(now);
}

void Endpoint::tick(TimePoint now) {
    detector_.tick(now);
    if (!is_drained()) return;
    bool is_over = false;
    {
        const std::lock_guard lock(mutex_);
        is_over = drained_ && drained_->until && now >= *drained_->until;
    }
    if (is_over) end_drain("its time is over", now);
}

void Endpoint::take_order(const Endpoint& other, TimePoint now) {
    std::optional<Order> drained;
    std::optional<Order> ejected;
    {
        const std::lock_guard lock(other.mutex_);
        drained = other.drained_;
        if (other.detector_.machine().is_forced()) ejected = other.ejected_;
    }
    if (drained) drain(std::move(*drained), now);
    if (ejected) eject(std::move(*ejected), now);
}

std::optional<Endpoint::Held> Endpoint::held() const {
    const std::lock_guard lock(mutex_);
    if (drained_) return Held{"draining", *drained_};
    if (ejected_ && detector_.machine().is_forced()) return Held{"ejected", *ejected_};
    return std::nullopt;
}

void Endpoint::tell(const Told& told) {
    log::info(told.is_shadow ? "endpoint would change state" : "endpoint changed state",
              {{"cluster", group_->cluster},
               {"endpoint", name_},
               {"from", told.from},
               {"to", told.to},
               {"reason", told.reason},
               {"detail", told.detail}});
    group_->surroundings.events.add({.kind = told.kind,
                                     .at = Clock::wall(),
                                     .cluster = group_->cluster,
                                     .endpoint = name_,
                                     .from = std::string(told.from),
                                     .to = std::string(told.to),
                                     .reason = std::string(told.reason),
                                     .detail = told.detail});
}

void Endpoint::on_transition(const resilience::Transition& transition) {
    using resilience::State;
    standing_.refresh(transition.at);
    note_stall(transition);
    const Surroundings& surroundings = group_->surroundings;
    const std::string_view reason = resilience::word(transition.reason);
    const bool is_shadow = detector_.machine().options().mode == resilience::Mode::shadow &&
                           transition.reason != resilience::TripReason::forced;
    if (transition.to == State::open && is_shadow) {
        surroundings.registry.count(telemetry::Family::shadow, {group_->cluster, "would_eject"});
    } else if (transition.to == State::open) {
        surroundings.registry.count(telemetry::Family::outlier_ejections,
                                    {group_->cluster, reason});
    }
    const auto to_word = [](State state) {
        return state == State::open        ? "ejected"
               : state == State::half_open ? "half_open"
                                           : "healthy";
    };
    std::string detail = upstream::describe(transition);
    if (transition.reason == resilience::TripReason::forced && transition.to == State::open) {
        const std::lock_guard lock(mutex_);
        if (ejected_) detail = upstream::describe(*ejected_);
    }
    tell({telemetry::Event::Kind::ejection, to_word(transition.from), to_word(transition.to),
          reason, detail, is_shadow});
}

// For those who wait there; in shadow nobody is helped.
void Endpoint::note_stall(const resilience::Transition& transition) {
    using resilience::State;
    if (detector_.machine().options().mode != resilience::Mode::enforce) return;
    if (transition.to == State::closed) {
        stalled_at_.store(TimePoint::min().time_since_epoch().count(), std::memory_order_relaxed);
    } else if (transition.from == State::closed &&
               transition.reason == resilience::TripReason::stall) {
        stalled_at_.store(transition.at.time_since_epoch().count(), std::memory_order_release);
        group_->stalls.fetch_add(1, std::memory_order_release);
    }
}

void Endpoint::on_penalty(bool is_penalized, TimePoint at) {
    standing_.refresh(at);
    // One that ends by an ejection is told by that.
    if (!is_penalized && detector_.machine().state() != resilience::State::closed) return;
    const resilience::TripReason penalty = detector_.machine().penalty();
    const std::string_view reason =
        resilience::word(is_penalized ? penalty : resilience::TripReason::probe_ok);
    const std::string_view from = is_penalized ? "healthy" : "penalized";
    tell({telemetry::Event::Kind::ejection, from, is_penalized ? "penalized" : "healthy", reason,
          ""});
}

std::string_view Endpoint::host() const {
    std::string_view host = authority_;
    if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
    return host.substr(0, host.rfind(':'));
}

}  // namespace weir::upstream
