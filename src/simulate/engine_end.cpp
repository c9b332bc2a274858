// How attempts end, and what follows.
#include "engine.hpp"

#include <algorithm>

namespace weir::simulate {

using resilience::Verdict;

Verdict Engine::judge(const Attempt& attempt, const End& end, bool has_client_left) {
    resilience::AttemptEnd seen;
    if (end.status != 0) seen.status = end.status;
    // A proxy of the next row says so when it did nothing with the request.
    if (end.is_local && end.status != 0) seen.weir_error = word(end.reason);
    if (!end.is_local && end.reason != Reason::none) {
        seen.error = {.reason = end.reason, .origin = Error::Origin::upstream};
        seen.got_response_bytes = end.is_cut;
        seen.reused_connection = end.reason == Reason::upstream_reset;
        seen.since_last_write = now_ - attempt.began;
    }
    if (has_client_left) {
        seen.error = {.reason = Reason::client_closed, .origin = Error::Origin::downstream};
        seen.client_left = true;
    } else if (end.is_local && end.reason == Reason::upstream_timeout) {
        seen.error = {.reason = Reason::upstream_timeout, .origin = Error::Origin::upstream};
    }
    seen.has_retry_after = end.hint > Duration{0};
    seen.retry_after = end.hint;
    seen.waited = now_ - attempt.began;
    upstream::RouteTarget& target = *stations_[attempt.station].target;
    seen.patience = target.patience(0, now_, policy_.cluster.timeout.request);
    return target.classifier().classify(seen);
}

// The one place where an attempt gives back its ticket.
void Engine::end_attempt(std::uint32_t id, const Verdict& verdict) {
    Attempt& attempt = attempts_[id];
    stations_[attempt.station].decider->complete(attempt.ticket, verdict, now_);
    if (attempt.request != kNone) {
        Request& request = requests_[attempt.request];
        std::replace(request.attempts.begin(), request.attempts.end(), id, kNone);
        --request.open;
    }
    const std::uint32_t next = attempt.next;
    const std::uint32_t next_stamp = attempt.next_stamp;
    free_attempt(id);
    if (next == kNone || requests_[next].stamp != next_stamp) return;
    // The proxy of the next row loses its caller.
    requests_[next].parent = kAbandoned;
    leave(next, {.reason = Reason::client_closed, .is_local = true});
}

void Engine::free_attempt(std::uint32_t id) {
    ++attempts_[id].stamp;
    attempts_[id].is_waiting = false;
    free_attempts_.push_back(id);
}

void Engine::answered(std::uint32_t id, const End& end) {
    Attempt& attempt = attempts_[id];
    const std::uint32_t owner = attempt.request;
    const Verdict verdict = judge(attempt, end, false);
    Station& station = stations_[attempt.station];
    const Duration latency = now_ - attempt.began;
    const bool has_good_headers =
        end.status != 0 && (end.is_cut || verdict.outcome == resilience::Outcome::ok);
    if (has_good_headers) {
        station.target->observe(0, latency, now_);
        station.decider->headers_ok(attempt.ticket, latency, now_);
    }
    const Ticket ticket = attempt.ticket;
    end_attempt(id, verdict);
    if (owner == kNone) return;
    Request& request = requests_[owner];
    const bool is_answer = end.status != 0 && verdict.outcome == resilience::Outcome::ok;
    if (is_answer || end.is_cut) {
        detach(owner, id);
        return finish(owner, end);
    }
    request.last = end;
    if (request.open > 0) return;  // the one beside it goes on
    if (request.is_waiting) return;
    if (retries(owner, end, verdict, ticket)) return;
    finish(owner, end);
}

bool Engine::retries(std::uint32_t id,
                     const End& end,
                     const Verdict& verdict,
                     const Ticket& ticket) {
    Request& request = requests_[id];
    Station& station = stations_[request.station];
    resilience::RetryInput input;
    input.verdict = verdict;
    if (end.status != 0) input.status = end.status;
    if (!end.is_local && end.reason != Reason::none)
        input.error = {.reason = end.reason, .origin = Error::Origin::upstream};
    if (end.is_local && end.status != 0) input.weir_error = word(end.reason);
    input.is_method_listed = request.is_replay_safe;
    input.retries = request.tries - 1;
    input.depth = request.depth;
    if (const auto& limit = policy_.cluster.timeout.request)
        input.remaining = *limit - (now_ - request.began);
    input.median_latency = station.target->latency(0, now_).median;
    input.wait = retry_.backoff.wait(request.tries, verdict.hint, random_);
    const auto decision = resilience::decide_retry(retry_, input);
    // A failed probe of an endpoint costs its user nothing: it is sent again elsewhere, at once.
    const bool is_replay =
        ticket.is_probe && request.is_replay_safe && policy_.kind == Policy::Kind::weir;
    if (is_replay) {
        station.budget->charge_always(now_);
        input.wait = Duration{0};
    } else {
        if (!decision.may_retry()) return false;
        request.charge = station.budget->try_charge(now_);
        if (!request.charge) return false;
    }
    ++outcome_.retries;
    request.avoid = ticket.endpoint;
    request.is_waiting = true;
    schedule(now_ + input.wait, Kind::retry, id, request.stamp);
    return true;
}

// A hedge, or the way round a probe that hangs.
void Engine::second_beside(std::uint32_t id, bool is_rescue) {
    Attempt& attempt = attempts_[id];
    if (attempt.request == kNone) return;
    Request& request = requests_[attempt.request];
    Station& station = stations_[attempt.station];
    if (request.was_hedged || request.open > 1) return;
    if (!station.decider->has_other(attempt.ticket.endpoint, now_)) return;
    if (attempt.ticket.is_probe || is_rescue) {
        station.budget->charge_always(now_);
    } else if (auto charge = station.budget->try_charge(now_)) {
        charge->sent();
    } else {
        return;
    }
    ++outcome_.hedges;
    request.was_hedged = true;
    request.avoid = attempt.ticket.endpoint;
    try_once(attempt.request);
}

// Who waits at an endpoint that was ejected for a stall gets a second attempt elsewhere.
void Engine::rescue(std::uint32_t station, std::uint32_t endpoint) {
    if (!policy_.cluster.retry.rescue) return;
    const auto size = static_cast<std::uint32_t>(attempts_.size());
    for (std::uint32_t id = 0; id < size; ++id) {
        const Attempt& attempt = attempts_[id];
        const bool is_there = attempt.request != kNone && attempt.is_waiting &&
                              attempt.station == station && attempt.ticket.endpoint == endpoint;
        if (is_there && requests_[attempt.request].is_replay_safe) second_beside(id, true);
    }
}

// The first good headers have won: a probe beside them goes on to be judged, another attempt ends.
void Engine::detach(std::uint32_t owner, std::uint32_t winner) {
    Request& request = requests_[owner];
    for (std::uint32_t& id : request.attempts) {
        if (id == kNone || id == winner) continue;
        Attempt& attempt = attempts_[id];
        if (attempt.ticket.is_probe) {
            let_go(attempt, id);
            --request.open;
            id = kNone;
        } else {
            cancel(id, {.reason = Reason::client_closed, .is_local = true}, false);
        }
    }
}

void Engine::cancel(std::uint32_t id, const End& why, bool has_client_left) {
    Verdict verdict{.outcome = resilience::Outcome::ignored};
    // Only Weir takes a client's leaving for a timeout.
    const bool is_heard = has_client_left && policy_.kind == Policy::Kind::weir;
    if (is_heard || why.reason == Reason::upstream_timeout)
        verdict = judge(attempts_[id], why, has_client_left);
    end_attempt(id, verdict);
}

// A probe goes on only to be judged, while its lease lasts.
void Engine::let_go(Attempt& attempt, std::uint32_t id) {
    attempt.request = kNone;
    schedule(now_ + std::chrono::seconds{5}, Kind::timeout, id, attempt.stamp);
}

// The client leaves, or the request's own time is over.
void Engine::leave(std::uint32_t id, const End& why) {
    const bool has_client_left = why.reason == Reason::client_closed;
    for (const std::uint32_t attempt : requests_[id].attempts) {
        if (attempt == kNone) continue;
        if (attempts_[attempt].ticket.is_probe && requests_[id].was_hedged) {
            let_go(attempts_[attempt], attempt);
            continue;
        }
        cancel(attempt, why, has_client_left);
    }
    finish(id, why);
}

}  // namespace weir::simulate
