#include "exchange.hpp"
#include "lone_probe.hpp"

#include <algorithm>

// A second attempt beside the first: for one that is slower than retry.hedge_after, one that hangs
// as an endpoint's probe, and one whose endpoint was ejected for a stall.
namespace weir::proxy {
namespace {

// A probe that has no answer for so long, at least, makes nobody wait.
constexpr Duration kProbePatience = std::chrono::milliseconds{50};
// A probe nobody waits for goes on for so long, at most.
constexpr Duration kProbeLease = std::chrono::seconds{5};

}  // namespace

// Arms the timer after which the attempt that has just begun gets a rival.
void Exchange::watch_first() {
    const upstream::Attempt& first = tries_.lead();
    const bool is_queued = first.endpoint() == nullptr;
    if (!first.was_endpoint_probe() && !is_queued) return;
    if (!first.is_running() || tries_.is_racing() || !is_replay_safe()) return;
    if (is_queued && cluster().cluster().roster()->is_plain()) return;
    const Duration wait = std::max(kProbePatience, 2 * cluster().latency());
    context_.loop.timers().arm(second_timer_, Clock::now() + wait);
}

void Exchange::on_second_timer() {
    if (state_ != State::attempting || tries_.is_racing()) return;
    const upstream::Attempt& first = tries_.lead();
    if (first.endpoint() == nullptr) return watch_first();
    if (first.was_endpoint_probe()) start_second(telemetry::Second::probe);
}

void Exchange::on_attempt_stuck(upstream::Attempt& attempt) {
    if (state_ != State::attempting || tries_.is_racing() || !tries_.is_lead(attempt)) return;
    if (is_replay_safe()) start_second(telemetry::Second::rescue);
}

void Exchange::start_second(telemetry::Second kind) {
    resilience::RetryBudget& budget = cluster().cluster().budget();
    const TimePoint now = Clock::now();
    auto request = attempt_request(tries_.lead().endpoint());
    request.is_second = true;
    request.retry_depth = static_cast<std::uint8_t>(retry_depth_ + 1);
    tries_.begin_race(kind).start(snapshot_->clusters[target_->cluster], request);
    if (!tries_.is_racing()) return;  // there is no other endpoint that is well
    ++attempts_;
    flags_ |= static_cast<std::uint8_t>(telemetry::Flag::hedged);
    budget.charge_always(now);
}

// Two are under way and this one has the head of an answer: is it the one for the client?
bool Exchange::is_first_to_answer(upstream::Attempt& attempt) {
    if (attempt.verdict().outcome != resilience::Outcome::ok) {
        attempt.cancel_answered();
        drop_out(attempt);
        return false;
    }
    const bool has_second_won = !tries_.is_lead(attempt);
    context_.shard.add(cluster().cluster().metrics().of(tries_.kind(), has_second_won));
    tries_.win(attempt);
    if (tries_.rival().was_endpoint_probe() && context_.has_room_for_probe()) {
        let_probe_go_on(tries_.take_rival());
    } else {
        tries_.rival().cancel_lost();
    }
    return true;
}

// One of two has ended, and badly: the other goes on alone.
void Exchange::drop_out(upstream::Attempt& attempt) {
    const bool was_first = tries_.is_lead(attempt);
    context_.shard.add(cluster().cluster().metrics().of(tries_.kind(), was_first));
    tries_.drop(attempt);
}

// The client's answer needs the head and body no longer: they are the probe's.
void Exchange::let_probe_go_on(std::unique_ptr<upstream::Attempt> probe) {
    const TimePoint lease_end = std::min(request_deadline_, Clock::now() + kProbeLease);
    context_.keep(std::make_unique<LoneProbe>(
        context_, snapshot_, std::move(probe),
        LoneProbe::Request{std::move(upstream_head_), std::move(body_), std::move(trailers_)},
        lease_end));
    upstream_head_ = {};
    body_ = {};
    trailers_ = {};
}

}  // namespace weir::proxy
