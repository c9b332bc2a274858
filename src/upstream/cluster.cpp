#include "weir/upstream/cluster.hpp"

#include <algorithm>

namespace weir::upstream {
namespace {

// Addresses that left and may come back with their state (a discovery flap).
constexpr std::size_t kRemembered = 64;

// How long requests may find a new cluster without an answer of its source worth waiting for.
constexpr Duration kAwaited = std::chrono::seconds{5};

// The level of those on their way out, behind all priorities.
constexpr unsigned kLast = 256;

std::shared_ptr<Endpoint> take(std::vector<std::shared_ptr<Endpoint>>& from,
                               const discovery::Found& sought) {
    const auto found = std::find_if(from.begin(), from.end(),
                                    [&](const auto& endpoint) { return endpoint->is_of(sought); });
    if (found == from.end()) return nullptr;
    auto endpoint = std::move(*found);
    from.erase(found);
    return endpoint;
}

unsigned level_of(const discovery::Found& found) {
    return found.state == discovery::Found::State::terminating ? kLast : found.priority;
}

// Those of the set before, found by address. Sets are sorted, so that the next one is nearly always
// at the cursor.
template <typename Member>
class Before {
  public:
    explicit Before(std::vector<Member>& members) : members_(members) {}

    [[nodiscard]] Member take(const discovery::Found& found) {
        if (!is_at_cursor(found)) {
            const auto known = index().find(found.address.to_string());
            if (known == index().end()) return {};
            cursor_ = known->second;
            if (!is_at_cursor(found)) return {};  // another one at that address
        }
        return std::exchange(members_[cursor_++], {});
    }

  private:
    [[nodiscard]] bool is_at_cursor(const discovery::Found& found) const {
        return cursor_ < members_.size() && members_[cursor_].endpoint &&
               members_[cursor_].endpoint->is_of(found);
    }
    [[nodiscard]] const std::unordered_map<std::string_view, std::size_t>& index() {
        if (!index_.empty()) return index_;
        for (std::size_t i = 0; i < members_.size(); ++i) {
            if (members_[i].endpoint) index_.emplace(members_[i].endpoint->name(), i);
        }
        return index_;
    }

    std::vector<Member>& members_;
    std::size_t cursor_ = 0;
    std::unordered_map<std::string_view, std::size_t> index_;
};

}  // namespace

namespace {

// The same one where nothing changed: sessions of it can be resumed.
std::shared_ptr<const transport::TlsContext> tls_of(const config::Cluster& config,
                                                    const Cluster* before,
                                                    telemetry::Registry& registry) {
    if (!config.tls) return nullptr;
    if (before != nullptr && before->config().tls == config.tls) return before->tls();
    return transport::TlsContext::make_client(*config.tls, registry);
}

}  // namespace

Cluster::Cluster(const config::Cluster& config,
                 const Surroundings& surroundings,
                 TimePoint now,
                 const Cluster* before)
    : config_(config),
      surroundings_(surroundings),
      metrics_(surroundings.registry, config.name),
      group_(before != nullptr && before->group_->fits(config)
                 ? before->group_
                 : std::make_shared<EndpointGroup>(config, surroundings)),
      routes_(before != nullptr
                  ? before->routes_
                  : std::make_shared<RouteTargets>(
                        config.name, surroundings, std::make_shared<PeersGate>(group_->detectors))),
      breaker_(before != nullptr && before->config_.breaker == config.breaker
                   ? before->breaker_
                   : std::make_shared<Breaker>(config.name,
                                               std::string(),
                                               config.breaker,
                                               surroundings,
                                               now,
                                               routes_->gate())),
      machine_(breaker_->machine()),
      budget_(before != nullptr && before->config_.retry.budget == config.retry.budget &&
                      before->config_.retry.budget_min == config.retry.budget_min
                  ? before->budget_
                  : std::make_shared<resilience::RetryBudget>(
                        resilience::RetryBudget::Options{.ratio = config.retry.budget,
                                                         .min_rate = config.retry.budget_min,
                                                         .shards = surroundings.workers},
                        now)),
      load_(before != nullptr ? before->load_
                              : std::make_shared<Load>(config.limits, surroundings.workers)),
      adaptive_(!config.limits.adaptive ? nullptr
                : before != nullptr && before->adaptive_
                    ? before->adaptive_
                    : std::make_shared<resilience::AdaptiveLimit>(
                          resilience::AdaptiveLimit::Options{}, now)),
      tls_(tls_of(config, before, surroundings.registry)),
      awaited_until_(now + kAwaited),
      is_known_(before != nullptr && before->is_known_.load(std::memory_order_relaxed)),
      endpoints_(std::make_shared<EndpointSet>()),
      subscribers_(surroundings.workers) {
    if (before != nullptr) inherit_endpoints(*before, now);
    if (before == nullptr || before->group_ != group_) {
        group_->listen(this, [this] { announce(); });
    }
}

Cluster::~Cluster() {
    group_->unlisten(this);
}

// It serves those it had until its source has spoken.
void Cluster::inherit_endpoints(const Cluster& before, TimePoint now) {
    const std::lock_guard lock(before.mutex_);
    if (before.group_ == group_) {
        auto set = std::make_shared<EndpointSet>(*before.endpoints_);
        place(*set, *before.endpoints_);
        endpoints_ = std::move(set);
        members_ = before.members_;
        has_levels_ = before.has_levels_;
        level_ = before.level_;
        gone_ = before.gone_;
        return;
    }
    for (const Member& member : before.members_) {
        const Endpoint* const known = member.endpoint.get();
        const discovery::Found found{.address = known->address(),
                                     .name = known->authority(),
                                     .weight = known->weight(),
                                     .speaks = known->speaks_h2c()
                                                   ? discovery::Found::Speaks::h2c
                                                   : discovery::Found::Speaks::unknown,
                                     .zone = known->zone(),
                                     .uid = known->uid()};
        members_.push_back(
            {std::make_shared<Endpoint>(group_, config_.limits, found, now), member.level});
    }
    has_levels_ = before.has_levels_;
    level_ = before.level_;
    const auto set = use_members(now);
    place(*set, *before.endpoints_);
    endpoints_ = set;
}

void Cluster::place(EndpointSet& set, const EndpointSet& before) const {
    if (!config_.hash_key) {
        set.placement = nullptr;
        return;
    }
    std::vector<balance::Placement::Member> members;
    for (const auto& endpoint : set.endpoints)
        members.push_back({endpoint->name(), endpoint->weight()});
    set.placement = balance::Placement::make(config_.policy, std::move(members), before.placement);
}

void Cluster::take_over(const Cluster& before, TimePoint now) {
    group_->listen(this, [this] { announce(); });
    routes_->gate()->set(group_->detectors);
    load_->requests.set_max(config_.limits.max_requests);
    load_->pending.set_max(config_.limits.max_pending);
    if (breaker_ != before.breaker_) {
        if (auto order = before.breaker_order())
            breaker_->force(before.machine_.state(), std::move(*order), now);
    }
    std::vector<std::shared_ptr<Endpoint>> all;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        all.push_back(members_[i].endpoint);
        if (group_ == before.group_ || i >= before.members_.size()) continue;
        all[i]->take_order(*before.members_[i].endpoint, now);
        all[i]->take_health(*before.members_[i].endpoint, now);
    }
    {
        const std::lock_guard lock(mutex_);
        all.insert(all.end(), gone_.begin(), gone_.end());
    }
    for (const auto& endpoint : all)
        endpoint->set_limits(config_.limits);
}

void Cluster::set_endpoints(const discovery::Update& update, TimePoint now) {
    std::vector<Member> next;
    next.reserve(update.endpoints.size());
    Before before(members_);
    std::shared_ptr<EndpointSet> set;
    {
        const std::lock_guard lock(mutex_);
        for (const discovery::Found& found : update.endpoints) {
            Member member = before.take(found);
            if (!member.endpoint && (member.endpoint = take(gone_, found))) member.is_used = false;
            if (member.endpoint) {
                member.endpoint->set_weight(found.weight);
            } else {
                member.endpoint = std::make_shared<Endpoint>(group_, config_.limits, found, now);
            }
            member.level = level_of(found);
            next.push_back(std::move(member));
        }
        adopt(std::move(next));
        set = use_members(now);
        place(*set, *endpoints_);
        endpoints_ = set;
        is_known_.store(true, std::memory_order_relaxed);
    }
    tell(set);
}

// Who is left of the members before is gone.
void Cluster::adopt(std::vector<Member> next) {
    for (Member& member : members_) {
        if (!member.endpoint) continue;
        if (member.is_used) member.endpoint->leave();
        gone_.push_back(std::move(member.endpoint));
    }
    if (gone_.size() > kRemembered) {
        gone_.erase(gone_.begin(), gone_.end() - static_cast<std::ptrdiff_t>(kRemembered));
    }
    members_ = std::move(next);
}

unsigned Cluster::choose_level() const {
    unsigned first = kLast;
    unsigned last = 0;
    bool has_serving = false;
    for (const Member& member : members_) {
        if (member.level == kLast) continue;
        has_serving = true;
        last = std::max(last, member.level);
        // One that only the guard keeps is not well.
        const Endpoint& endpoint = *member.endpoint;
        const bool is_well =
            endpoint.is_selectable() && !endpoint.detector().machine().is_penalized();
        if (member.level < first && is_well) first = member.level;
    }
    return has_serving ? std::min(first, last) : kLast;
}

std::shared_ptr<EndpointSet> Cluster::use_members(TimePoint now) {
    auto set = std::make_shared<EndpointSet>();
    has_levels_ = std::any_of(members_.begin(), members_.end(), [&](const Member& member) {
        return member.level != members_.front().level;
    });
    level_ = choose_level();
    for (Member& member : members_) {
        Endpoint& endpoint = *member.endpoint;
        const bool is_used = member.level <= level_;
        const auto role = member.level == kLast ? Endpoint::Role::terminating
                          : is_used             ? Endpoint::Role::serving
                                                : Endpoint::Role::standby;
        if (endpoint.role() != role) endpoint.set_role(role);
        if (is_used && !member.is_used) endpoint.rejoin(now);
        if (!is_used && member.is_used) endpoint.leave();
        member.is_used = is_used;
        if (is_used) {
            endpoint.standing().set_place(set->endpoints.size());
            set->weights.push_back(endpoint.weight());
        }
        (is_used ? set->endpoints : set->others).push_back(member.endpoint);
    }
    return set;
}

void Cluster::tell(const std::shared_ptr<const EndpointSet>& set) {
    std::vector<Subscriber> subscribers;
    {
        const std::lock_guard lock(mutex_);
        subscribers = subscribers_;
    }
    for (const Subscriber& subscriber : subscribers) {
        if (subscriber) subscriber({.set = set, .wanted = nullptr});
    }
}

TimePoint Cluster::last_answer() const {
    Duration::rep last = 0;
    for (unsigned worker = 0; worker < surroundings_.workers; ++worker) {
        const Pulse& pulse = load_->pulses[worker];
        last = std::max(last, pulse.answered_at_.load(std::memory_order_relaxed));
    }
    return TimePoint{Duration{last}};
}

std::uint32_t Cluster::waiting(TimePoint since) const {
    std::uint32_t sum = 0;
    for (unsigned worker = 0; worker < surroundings_.workers; ++worker) {
        const Pulse& pulse = load_->pulses[worker];
        const auto at = pulse.waiting_at_.load(std::memory_order_acquire);
        if (at < since.time_since_epoch().count()) continue;
        sum += pulse.waiting_.load(std::memory_order_relaxed);
    }
    return sum;
}

void Cluster::tick(TimePoint now) {
    for (const auto& breaker : breakers())
        breaker->machine().tick(now);
    auto set = endpoints();
    for (const auto& endpoint : set->endpoints)
        endpoint->tick(now);
    if (has_levels_ && choose_level() != level_) set = change_level(now);
    if (!group_->peers.is_due(now)) return;
    std::vector<resilience::OutlierDetector*> peers;
    for (const auto& endpoint : set->endpoints) {
        if (!endpoint->is_drained()) peers.push_back(&endpoint->detector());
    }
    group_->peers.run(peers, now);
}

// Those of one priority have failed, or are well again.
std::shared_ptr<const EndpointSet> Cluster::change_level(TimePoint now) {
    std::shared_ptr<EndpointSet> set;
    {
        const std::lock_guard lock(mutex_);
        set = use_members(now);
        place(*set, *endpoints_);
        endpoints_ = set;
    }
    tell(set);
    return set;
}

void Cluster::announce() {
    tell(endpoints());
}

bool Cluster::is_shadow_over_limit() {
    if (config_.limits.mode != config::Enforcement::shadow) return false;
    load_->would_limit.fetch_add(1, std::memory_order_relaxed);
    return true;
}

std::optional<resilience::AdaptiveLimit::Slot> Cluster::acquire_adaptive() {
    auto slot = adaptive_->try_acquire();
    if (!slot && is_shadow_over_limit()) return adaptive_->acquire_always();
    return slot;
}

std::vector<std::shared_ptr<Breaker>> Cluster::breakers() const {
    auto all = routes_->breakers();
    all.insert(all.begin(), breaker_);
    return all;
}

void Cluster::force_breaker(resilience::State state, Order order, TimePoint now) {
    breaker_->force(state, std::move(order), now);
}

void Cluster::free_breaker(TimePoint now) {
    breaker_->unforce(now);
}

std::optional<Order> Cluster::breaker_order() const {
    return breaker_->order();
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
    // Who begins to wait looks again after it has said so, and who frees looks after freeing.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!has_waiting()) return;
    std::vector<Subscriber> subscribers;
    {
        const std::lock_guard lock(mutex_);
        subscribers = subscribers_;
    }
    for (const Subscriber& subscriber : subscribers) {
        if (subscriber) subscriber({});
    }
}

void Cluster::ask_for_connection(const std::shared_ptr<Endpoint>& endpoint, unsigned worker) const {
    const auto other = endpoint->most_idle_worker(worker);
    if (!other) return;
    Subscriber subscriber;
    {
        const std::lock_guard lock(mutex_);
        subscriber = subscribers_[*other];
    }
    if (subscriber) subscriber({.set = nullptr, .wanted = endpoint});
}

}  // namespace weir::upstream
