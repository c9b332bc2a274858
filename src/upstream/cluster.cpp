#include "weir/upstream/cluster.hpp"

#include "weir/core/log.hpp"

#include "options.hpp"

#include <algorithm>

namespace weir::upstream {
namespace {

// Addresses that left and may come back with their state (a discovery flap).
constexpr std::size_t kRemembered = 64;

std::atomic<std::uint64_t> last_endpoint_id{0};

std::shared_ptr<Endpoint> take(std::vector<std::shared_ptr<Endpoint>>& from,
                               const Address& address) {
    const auto found = std::find_if(from.begin(), from.end(), [&](const auto& endpoint) {
        return endpoint->address() == address;
    });
    if (found == from.end()) return nullptr;
    auto endpoint = std::move(*found);
    from.erase(found);
    return endpoint;
}

}  // namespace

Cluster::Cluster(const config::Cluster& config, const Surroundings& surroundings, TimePoint now)
    : config_(config),
      surroundings_(surroundings),
      metrics_(surroundings.registry, config.name),
      detectors_(std::make_shared<resilience::DetectorGroup>(
          resilience::DetectorGroup::Options{.max_ejected = config.outlier.max_ejected,
                                             .min_ready = config.outlier.min_ready,
                                             .failure_rate = config.breaker.failure_rate})),
      breaker_(breaker_options(config.breaker, surroundings.workers),
               surroundings.seed,
               now,
               detectors_.get(),
               this),
      budget_({.ratio = config.retry.budget,
               .min_rate = config.retry.budget_min,
               .shards = surroundings.workers},
              now),
      requests_(config.limits.max_requests),
      pending_(config.limits.max_pending),
      endpoints_(std::make_shared<EndpointSet>()),
      subscribers_(surroundings.workers) {
    // At 0 from the start: to an alert the step from nothing to one is no increase.
    for (const auto reason :
         {resilience::TripReason::consecutive, resilience::TripReason::failure_rate}) {
        surroundings.registry.count(
            telemetry::Family::breaker_transitions,
            {config.name, resilience::word(resilience::State::open), resilience::word(reason)}, 0);
    }
}

void Cluster::set_endpoints(const discovery::Update& update, TimePoint now) {
    auto next = std::make_shared<EndpointSet>();
    auto before = endpoints()->endpoints;
    std::vector<Subscriber> subscribers;
    {
        const std::lock_guard lock(mutex_);
        for (const discovery::Found& found : update.endpoints) {
            auto endpoint = take(before, found.address);
            if (!endpoint && (endpoint = take(gone_, found.address))) endpoint->detector().rejoin();
            if (endpoint) {
                endpoint->set_weight(found.weight);
            } else {
                const std::uint64_t id =
                    last_endpoint_id.fetch_add(1, std::memory_order_relaxed) + 1;
                endpoint = std::make_shared<Endpoint>(*this, found, id, now);
            }
            next->endpoints.push_back(std::move(endpoint));
        }
        for (auto& endpoint : before) {
            endpoint->detector().leave();
            gone_.push_back(std::move(endpoint));
        }
        if (gone_.size() > kRemembered) {
            gone_.erase(gone_.begin(), gone_.end() - static_cast<std::ptrdiff_t>(kRemembered));
        }
        endpoints_ = next;
        subscribers = subscribers_;
    }
    for (const Subscriber& subscriber : subscribers) {
        if (subscriber) subscriber(next);
    }
}

std::shared_ptr<const EndpointSet> Cluster::endpoints() const {
    const std::lock_guard lock(mutex_);
    return endpoints_;
}

void Cluster::subscribe(unsigned worker, Subscriber subscriber) {
    const std::lock_guard lock(mutex_);
    subscribers_[worker] = std::move(subscriber);
}

void Cluster::unsubscribe(unsigned worker) {
    const std::lock_guard lock(mutex_);
    subscribers_[worker] = nullptr;
}

void Cluster::connection_freed() {
    if (waiting_.load(std::memory_order_relaxed) == 0) return;
    std::vector<Subscriber> subscribers;
    {
        const std::lock_guard lock(mutex_);
        subscribers = subscribers_;
    }
    for (const Subscriber& subscriber : subscribers) {
        if (subscriber) subscriber(nullptr);
    }
}

void Cluster::on_transition(const resilience::Transition& transition) {
    const std::string_view to = resilience::word(transition.to);
    const std::string_view reason = resilience::word(transition.reason);
    const bool is_shadow = breaker_.options().mode == resilience::Mode::shadow;
    if (is_shadow && transition.to == resilience::State::open) {
        surroundings_.registry.count(telemetry::Family::shadow, {name(), "would_open"});
    }
    surroundings_.registry.count(telemetry::Family::breaker_transitions, {name(), to, reason});
    const std::string detail = describe(transition);
    log::info(is_shadow ? "breaker would change state" : "breaker changed state",
              {{"cluster", name()},
               {"from", resilience::word(transition.from)},
               {"to", to},
               {"reason", reason},
               {"detail", detail}});
    surroundings_.events.add({.kind = telemetry::Event::Kind::breaker,
                              .at = Clock::wall(),
                              .cluster = name(),
                              .from = std::string(resilience::word(transition.from)),
                              .to = std::string(to),
                              .reason = std::string(reason),
                              .detail = detail});
}

}  // namespace weir::upstream
