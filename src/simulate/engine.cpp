#include "engine.hpp"

#include "weir/proxy/snapshot.hpp"

#include <algorithm>
#include <cmath>

namespace weir::simulate {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSlices = 120;
constexpr Duration kShortestSlice = 100ms;
constexpr Duration kTick = 100ms;
constexpr std::uint64_t kArrivalSeed = 0x5bd1e995;

bool is_later(const auto& a, const auto& b) {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
}

}  // namespace

Engine::Station::Station(const Policy& policy, TimePoint now)
    : target(std::make_unique<upstream::RouteTarget>(
          upstream::RouteTarget::Section{.listener = "simulated",
                                         .route = "all",
                                         .judge = policy.cluster.breaker,
                                         .endpoint_slow_call = policy.cluster.outlier.slow_call},
          1,
          nullptr)),
      budget(std::make_unique<resilience::RetryBudget>(
          resilience::RetryBudget::Options{.ratio = policy.cluster.retry.budget,
                                           .min_rate = policy.cluster.retry.budget_min,
                                           .shards = 1},
          now)) {}

Engine::Engine(const Scenario& scenario, const Policy& policy)
    : scenario_(scenario),
      policy_(policy),
      retry_(proxy::retry_options(policy.cluster.retry)),
      now_(start_),
      random_(scenario.seed),
      arrivals_(scenario.seed ^ kArrivalSeed),
      origins_(scenario, scenario.seed * 31 + 7) {
    outcome_.name = policy.name;
    outcome_.slice_length =
        std::max(scenario.duration / static_cast<Duration::rep>(kSlices), kShortestSlice);
    const auto slices = static_cast<std::size_t>(scenario.duration / outcome_.slice_length) + 1;
    outcome_.slices.resize(slices);
    outcome_.load.assign(std::min<std::size_t>(scenario.endpoints, Outcome::kShown),
                         std::vector<std::uint32_t>(slices));
    outcome_.attempts_on.resize(scenario.endpoints);
    make_stations();
}

// Row by row; all proxies of a row call all of the next, those of the last row the endpoints.
void Engine::make_stations() {
    const std::size_t count = std::size_t{scenario_.hops} * scenario_.proxies;
    stations_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        Station& station = stations_.emplace_back(policy_, now_);
        station.row = static_cast<std::uint32_t>(i) / scenario_.proxies;
        std::size_t size = scenario_.proxies;
        if (is_last_row(station)) {
            const bool is_part = scenario_.subset > 0 && scenario_.subset < scenario_.endpoints;
            size = is_part ? scenario_.subset : scenario_.endpoints;
            const std::uint32_t first = is_part ? random_.below(scenario_.endpoints) : 0;
            for (std::uint32_t n = 0; n < size; ++n)
                station.endpoints.push_back((first + n) % scenario_.endpoints);
        }
        const bool is_watched = is_last_row(station) && i % scenario_.proxies == 0;
        auto tell = [this, is_watched, is_last = is_last_row(station), index = i](
                        std::uint32_t endpoint, resilience::State to, std::string_view reason,
                        TimePoint at) {
            const bool is_breaker = endpoint == Change::kBreaker;
            if (to == resilience::State::open)
                ++(is_breaker ? outcome_.openings : outcome_.ejections);
            if (reason == resilience::word(resilience::TripReason::stall) && !is_breaker)
                stalls_.push_back({static_cast<std::uint32_t>(index), endpoint});
            if (!is_watched || !is_last) return;
            const std::uint32_t number =
                is_breaker ? endpoint : stations_[index].endpoints[endpoint];
            outcome_.changes.push_back({at - start_, number, to, reason});
        };
        const std::uint64_t seed = scenario_.seed * 7919 + i;
        switch (policy_.kind) {
            case Policy::Kind::weir:
                station.decider = make_weir(policy_.cluster, size, seed, now_, std::move(tell));
                break;
            case Policy::Kind::envoy:
                station.decider = make_envoy(size, now_, std::move(tell));
                break;
            case Policy::Kind::linkerd:
                station.decider = make_linkerd(size, seed, std::move(tell));
                break;
        }
    }
}

void Engine::schedule(TimePoint at, Kind kind, std::uint32_t slot, std::uint32_t stamp) {
    events_.push_back({at, order_++, slot, stamp, kind});
    std::push_heap(events_.begin(), events_.end(), is_later<Event, Event>);
}

Outcome Engine::run() {
    schedule_arrival();
    schedule(now_ + kTick, Kind::tick, 0, 0);
    while (!events_.empty()) {
        std::pop_heap(events_.begin(), events_.end(), is_later<Event, Event>);
        const Event event = events_.back();
        events_.pop_back();
        now_ = event.at;
        if (since_begin() > scenario_.duration + scenario_.patience) break;
        handle(event);
    }
    note_recovery();
    return std::move(outcome_);
}

void Engine::handle(const Event& event) {
    const bool is_request =
        event.kind == Kind::retry || event.kind == Kind::deadline || event.kind == Kind::patience;
    if (event.kind == Kind::arrival) return arrive(event.slot == 1);
    if (event.kind == Kind::tick) return tick();
    if (is_request && requests_[event.slot].stamp != event.stamp) return;
    if (!is_request && attempts_[event.slot].stamp != event.stamp) return;
    switch (event.kind) {
        case Kind::arrival:
        case Kind::tick:
            break;
        case Kind::retry:
            requests_[event.slot].is_waiting = false;
            if (auto& charge = requests_[event.slot].charge) charge->sent();
            requests_[event.slot].charge.reset();
            try_once(event.slot);
            break;
        case Kind::deadline:
            leave(event.slot, {.reason = Reason::upstream_timeout, .is_local = true});
            break;
        case Kind::patience:
            leave(event.slot, {.reason = Reason::client_closed, .is_local = true});
            break;
        case Kind::answer: {
            const Answer& answer = attempts_[event.slot].answer;
            answered(event.slot,
                     {.status = answer.is_cut || answer.reason == Reason::none ? answer.status
                                                                               : std::uint16_t{0},
                      .reason = answer.reason,
                      .is_cut = answer.is_cut,
                      .hint = answer.hint});
            break;
        }
        case Kind::timeout:
            answered(event.slot, {.reason = Reason::upstream_timeout});
            break;
        case Kind::hedge:
            second_beside(event.slot, false);
            break;
    }
}

void Engine::tick() {
    if (since_begin() < scenario_.duration) schedule(now_ + kTick, Kind::tick, 0, 0);
    for (Station& station : stations_) {
        const upstream::RouteLatency& seen = station.target->latency(0, now_);
        station.decider->tick({seen.samples, seen.p95, seen.p99, policy_.cluster.timeout.request},
                              now_);
    }
    for (const Stall& stall : std::exchange(stalls_, {}))
        rescue(stall.station, stall.endpoint);
}

// How long after the last fault users went on failing.
void Engine::note_recovery() {
    Duration over{0};
    for (const Fault& fault : scenario_.faults)
        if (fault.to < scenario_.duration) over = std::max(over, fault.to);
    for (std::size_t i = 0; i < outcome_.slices.size(); ++i) {
        const Duration end = outcome_.slice_length * static_cast<Duration::rep>(i + 1);
        if (outcome_.slices[i].failed > 0 && end > over) outcome_.unwell = end - over;
    }
}

// ---- clients

void Engine::schedule_arrival() {
    double rate = 0;
    Duration next = Duration::max();
    for (const Arrivals& each : scenario_.arrivals) {
        if (each.from <= since_begin()) rate = each.rate;
        if (each.from > since_begin()) next = std::min(next, each.from);
    }
    Duration wait = next == Duration::max() ? Duration::max() : next - since_begin();
    bool is_arrival = false;
    if (rate > 0) {
        const double gap = -std::log(1.0 - arrivals_.uniform()) / rate;
        const Duration drawn{static_cast<Duration::rep>(gap * 1e9)};
        is_arrival = drawn < wait;
        wait = std::min(wait, drawn);
    }
    if (wait == Duration::max() || since_begin() + wait >= scenario_.duration) return;
    // Else only the rate changes then.
    schedule(now_ + wait, Kind::arrival, is_arrival ? 1 : 0, 0);
}

void Engine::arrive(bool is_request) {
    schedule_arrival();
    if (!is_request) return;
    const std::uint32_t id = take_request();
    Request& request = requests_[id];
    request.station = arrivals_.below(scenario_.proxies);
    request.is_replay_safe = arrivals_.uniform() >= scenario_.posts;
    ++outcome_.requests;
    ++slice().requests;
    schedule(now_ + scenario_.patience, Kind::patience, id, request.stamp);
    begin(id);
}

// ---- a request at one proxy

std::uint32_t Engine::take_request() {
    std::uint32_t id = 0;
    if (free_requests_.empty()) {
        id = static_cast<std::uint32_t>(requests_.size());
        requests_.emplace_back();
    } else {
        id = free_requests_.back();
        free_requests_.pop_back();
    }
    const std::uint32_t stamp = requests_[id].stamp + 1;
    requests_[id] = Request{};
    requests_[id].stamp = stamp;
    requests_[id].began = now_;
    return id;
}

void Engine::begin(std::uint32_t id) {
    Request& request = requests_[id];
    stations_[request.station].budget->count_original(0, now_);
    if (const auto& limit = policy_.cluster.timeout.request; limit && *limit < scenario_.patience)
        schedule(now_ + *limit, Kind::deadline, id, request.stamp);
    try_once(id);
}

void Engine::try_once(std::uint32_t id) {
    Request& request = requests_[id];
    Station& station = stations_[request.station];
    const Asked asked{
        .now = now_,
        .is_replay_safe = request.is_replay_safe,
        .avoid = request.avoid,
        .lease = station.target->probe_lease(0, now_, policy_.cluster.timeout.request)};
    const Admission admission = station.decider->begin(asked, random_);
    if (!admission.ticket) {
        if (request.open > 0) return;  // a second one that is refused: the first goes on
        // What a retry is refused says nothing new: the last real failure is the answer.
        if (request.tries > 0) return finish(id, request.last);
        ++outcome_.saved;
        return finish(id, {.status = info(admission.refused).status,
                           .reason = admission.refused,
                           .is_local = true});
    }
    ++request.tries;
    const std::uint32_t at = take_attempt();
    Attempt& attempt = attempts_[at];
    attempt.request = id;
    attempt.station = request.station;
    attempt.ticket = *admission.ticket;
    attempt.began = now_;
    request.attempts[request.attempts[0] == kNone ? 0 : 1] = at;
    ++request.open;
    if (attempt.ticket.is_probe)
        request.had_probe_beside_others = station.decider->has_other(attempt.ticket.endpoint, now_);
    send(at);
}

std::uint32_t Engine::take_attempt() {
    std::uint32_t id = 0;
    if (free_attempts_.empty()) {
        id = static_cast<std::uint32_t>(attempts_.size());
        attempts_.emplace_back();
    } else {
        id = free_attempts_.back();
        free_attempts_.pop_back();
    }
    const std::uint32_t stamp = attempts_[id].stamp + 1;
    attempts_[id] = Attempt{};
    attempts_[id].stamp = stamp;
    return id;
}

void Engine::send(std::uint32_t id) {
    Attempt& attempt = attempts_[id];
    const Station& station = stations_[attempt.station];
    arm_timers(id);
    if (!is_last_row(station)) {
        const Request& cause = requests_[attempt.request];
        const std::uint32_t depth = cause.depth + (cause.tries > 1 ? 1U : 0U);
        const bool is_replay_safe = cause.is_replay_safe;
        const std::uint32_t next = take_request();
        Request& request = requests_[next];
        request.parent = id;
        request.station = (station.row + 1) * scenario_.proxies +
                          static_cast<std::uint32_t>(attempt.ticket.endpoint);
        request.depth = depth;
        request.is_replay_safe = is_replay_safe;
        attempt.next = next;
        attempt.next_stamp = request.stamp;
        return begin(next);
    }
    count_attempt(attempt);
    const std::uint32_t endpoint = station.endpoints[attempt.ticket.endpoint];
    const Origins::Reply reply = origins_.serve(endpoint, since_begin());
    attempt.answer = reply.answer;
    if (reply.at) schedule(start_ + *reply.at, Kind::answer, id, attempt.stamp);
}

void Engine::count_attempt(const Attempt& attempt) {
    const std::uint32_t endpoint = stations_[attempt.station].endpoints[attempt.ticket.endpoint];
    ++outcome_.attempts;
    ++slice().attempts;
    ++outcome_.attempts_on[endpoint];
    if (origins_.is_faulty(endpoint, since_begin())) ++outcome_.wasted;
    const auto index = static_cast<std::size_t>(since_begin() / outcome_.slice_length);
    if (endpoint < outcome_.load.size() && index < outcome_.slices.size())
        ++outcome_.load[endpoint][index];
}

void Engine::arm_timers(std::uint32_t id) {
    const Attempt& attempt = attempts_[id];
    const Request& request = requests_[attempt.request];
    const auto& timeout = policy_.cluster.timeout.response_header;
    const auto& per_try = policy_.cluster.retry.per_try_timeout;
    const Duration first =
        std::min(timeout.value_or(Duration::max()), per_try.value_or(Duration::max()));
    if (first != Duration::max()) schedule(now_ + first, Kind::timeout, id, attempt.stamp);
    if (!request.is_replay_safe || request.was_hedged) return;
    Duration wait = policy_.cluster.retry.hedge_after.value_or(Duration::max());
    // A probe that hangs makes nobody wait.
    if (attempt.ticket.is_probe && policy_.kind == Policy::Kind::weir) {
        const auto& known = stations_[attempt.station].target->latency(0, now_);
        wait = std::min(wait, std::max<Duration>(50ms, 2 * known.p99));
    }
    if (wait != Duration::max()) schedule(now_ + wait, Kind::hedge, id, attempt.stamp);
}

Outcome::Slice& Engine::slice() {
    const auto index = static_cast<std::size_t>(since_begin() / outcome_.slice_length);
    return outcome_.slices[std::min(index, outcome_.slices.size() - 1)];
}

// To its client, or to the attempt of the row before.
void Engine::finish(std::uint32_t id, const End& end) {
    Request& request = requests_[id];
    const bool is_good = end.status != 0 && end.status < 500 && end.status != 429 && !end.is_cut;
    const std::uint32_t parent = request.parent;
    if (parent == kNone) {
        if (is_good) {
            outcome_.latency.add(now_ - request.began);
        } else {
            ++outcome_.failed;
            ++slice().failed;
            if (request.had_probe_beside_others) ++outcome_.failed_probes;
        }
    }
    ++request.stamp;
    request.charge.reset();
    free_requests_.push_back(id);
    if (parent == kNone || parent == kAbandoned) return;
    End seen = end;
    if (seen.status == 0) {
        // What Weir answers for it.
        seen.status = info(end.reason).status;
        seen.reason = Reason::none;
    }
    answered(parent, seen);
}

}  // namespace weir::simulate
