#include "weir/resilience/adaptive_limit.hpp"
#include "weir/upstream/options.hpp"

#include "decider.hpp"

#include <algorithm>
#include <deque>

namespace weir::simulate {
namespace {

using resilience::State;

// As `upstream` puts them together: a detector, where it stands, and a worker's view of it.
class Member final : public resilience::TransitionSink {
  public:
    Member(const resilience::OutlierDetector::Options& options,
           std::uint64_t seed,
           TimePoint now,
           const std::shared_ptr<resilience::DetectorGroup>& group,
           const std::shared_ptr<balance::Roster>& roster,
           std::uint32_t index,
           const ChangeSink& tell)
        : detector(options, seed, now, group, this),
          standing(roster, detector, now),
          candidate(standing, 100),
          index_(index),
          tell_(tell) {}

    resilience::OutlierDetector detector;
    balance::Standing standing;
    balance::Candidate candidate;
    resilience::Answering answering;
    std::uint32_t stalled = 0;  // in the present look

  private:
    void on_transition(const resilience::Transition& transition) override {
        standing.refresh(transition.at);
        tell_(index_, transition.to, resilience::word(transition.reason), transition.at);
    }
    void on_penalty(bool /*is_penalized*/, TimePoint at) override { standing.refresh(at); }

    const std::uint32_t index_;
    const ChangeSink& tell_;
};

class WeirDecider final : public Decider, private resilience::TransitionSink {
  public:
    WeirDecider(const config::Cluster& cluster,
                std::size_t endpoints,
                std::uint64_t seed,
                TimePoint now,
                ChangeSink tell)
        : tell_(std::move(tell)),
          group_(std::make_shared<resilience::DetectorGroup>(
              resilience::DetectorGroup::Options{.max_ejected = cluster.outlier.max_ejected,
                                                 .min_ready = cluster.outlier.min_ready,
                                                 .failure_rate = cluster.breaker.failure_rate})),
          roster_(std::make_shared<balance::Roster>(group_)),
          breaker_(upstream::breaker_options(cluster.breaker, 1), seed, now, group_.get(), this),
          chooser_(cluster.policy, cluster.when_none_ready, roster_),
          peers_(upstream::peer_options(cluster.outlier)),
          endpoint_rule_(
              upstream::stall_options(cluster.outlier.stall_after, cluster.outlier.mode)),
          cluster_rule_(upstream::stall_options(cluster.breaker.stall_after, cluster.breaker.mode)),
          max_requests_(cluster.limits.max_requests) {
        if (cluster.limits.adaptive) adaptive_.emplace(resilience::AdaptiveLimit::Options{}, now);
        const auto options = upstream::detector_options(cluster.outlier, 1);
        balance::Chooser::Candidates candidates;
        members_.reserve(endpoints);
        for (std::size_t i = 0; i < endpoints; ++i) {
            members_.push_back(std::make_unique<Member>(options, seed * 1'000'003 + i + 1, now,
                                                        group_, roster_,
                                                        static_cast<std::uint32_t>(i), tell_));
            candidates.push_back(&members_.back()->candidate);
        }
        chooser_.set(std::move(candidates));
    }

    Admission begin(const Asked& asked, Random& random) override {
        const auto leave = breaker_.acquire(
            asked.now, {.is_replay_safe = asked.is_replay_safe, .probe_timeout = asked.lease});
        if (!leave) return {std::nullopt, Reason::breaker_open};
        if (max_requests_ && active_ >= *max_requests_) {
            breaker_.release(leave.permit);
            return {std::nullopt, Reason::limit_exceeded};
        }
        resilience::AdaptiveLimit::Slot slot;
        if (adaptive_) {
            auto taken = adaptive_->try_acquire();
            if (!taken) {
                breaker_.release(leave.permit);
                return {std::nullopt, Reason::limit_exceeded};
            }
            slot = std::move(*taken);
        }
        Ticket ticket{.breaker = leave.permit};
        if (!choose(asked, random, ticket)) {
            breaker_.release(leave.permit);
            return {std::nullopt, Reason::no_healthy_endpoint};
        }
        ++active_;
        members_[ticket.endpoint]->candidate.request_began();
        ticket.serial = first_wait_ + waits_.size();
        waits_.push_back({asked.now, ticket.endpoint, true, std::move(slot)});
        return {ticket, Reason::none};
    }

    void headers_ok(Ticket& ticket, Duration latency, TimePoint now) override {
        Member& member = *members_[ticket.endpoint];
        member.detector.observe(latency, chooser_.peers().median, now, 0);
        member.candidate.observe(latency, now);
        chooser_.observe(latency);
        end_wait(ticket, {.outcome = resilience::Outcome::ok}, now);
        note_answer(member, now);
        if (ticket.holds_own) member.detector.headers_ok(ticket.own, now);
        breaker_.headers_ok(ticket.breaker, now);
    }

    void complete(const Ticket& ticket,
                  const resilience::Verdict& verdict,
                  TimePoint now) override {
        Member& member = *members_[ticket.endpoint];
        const bool is_error = verdict.outcome == resilience::Outcome::failure ||
                              verdict.outcome == resilience::Outcome::local_failure;
        end_wait(ticket, verdict, now);
        if (verdict.kind >= resilience::FailureKind::status_500 &&
            verdict.kind <= resilience::FailureKind::status_other)
            note_answer(member, now);
        resilience::FailureKey key;
        if (is_error) {
            member.candidate.observe_failure(now);
            const auto turn = static_cast<std::uint64_t>(now.time_since_epoch().count() / 100'000);
            key = resilience::FailureKey::of(ticket.endpoint + 1, turn);
        }
        if (ticket.holds_own) member.detector.complete(ticket.own, verdict, now, 0);
        breaker_.complete(ticket.breaker, verdict, now, 0, key);
        member.candidate.request_ended();
        --active_;
    }

    // As StallWatch does.
    void tick(const resilience::RoutePace& pace, TimePoint now) override {
        breaker_.tick(now);
        while (!waits_.empty() && !waits_.front().is_open) {
            waits_.pop_front();
            ++first_wait_;
        }
        look_at_endpoints(pace, now);
        look_at_cluster(pace, now);
        if (!peers_.is_due(now)) return;
        std::vector<resilience::OutlierDetector*> peers;
        for (const auto& member : members_)
            peers.push_back(&member->detector);
        peers_.run(peers, now);
    }

    bool has_other(std::size_t endpoint, TimePoint /*now*/) const override {
        const bool is_own =
            members_[endpoint]->standing.condition() == balance::Standing::Condition::ready;
        return roster_->ready() > (is_own ? 1U : 0U);
    }

  private:
    // Attempts that wait for headers, oldest first; those that have them leave when they are first.
    struct Wait {
        TimePoint since;
        std::size_t endpoint;
        bool is_open;
        resilience::AdaptiveLimit::Slot slot;
    };

    // As Attempt::lease() does.
    bool choose(const Asked& asked, Random& random, Ticket& ticket) {
        balance::Wish wish{.now = asked.now, .is_replay_safe = asked.is_replay_safe};
        if (asked.avoid) wish.avoid = &members_[*asked.avoid]->standing;
        balance::Choice choice = chooser_.choose(wish, random);
        if (choice.index == balance::Choice::kNone) return false;
        const resilience::CircuitBreaker::AcquireOptions options{
            .is_replay_safe = asked.is_replay_safe, .probe_timeout = asked.lease};
        auto leave = members_[choice.index]->detector.acquire(asked.now, options);
        if (!leave && !choice.is_none_ready) {
            wish.is_replay_safe = false;
            wish.avoid = &members_[choice.index]->standing;
            choice = chooser_.choose(wish, random);
            if (choice.index == balance::Choice::kNone) return false;
            leave = members_[choice.index]->detector.acquire(asked.now, options);
        }
        ticket.endpoint = choice.index;
        ticket.holds_own = static_cast<bool>(leave);
        ticket.own = leave.permit;
        ticket.is_probe = ticket.holds_own && leave.permit.is_probe;
        return true;
    }

    void end_wait(const Ticket& ticket, const resilience::Verdict& verdict, TimePoint now) {
        if (ticket.serial < first_wait_) return;
        Wait& wait = waits_[ticket.serial - first_wait_];
        wait.is_open = false;
        if (wait.slot.is_held()) give_back_adaptive(wait, verdict, now);
    }

    // As Attempt::give_back_adaptive() does.
    static void give_back_adaptive(Wait& wait, const resilience::Verdict& verdict, TimePoint now) {
        using resilience::FailureKind;
        using resilience::Outcome;
        if (verdict.outcome == Outcome::throttled || verdict.kind == FailureKind::peer_refused) {
            wait.slot.refused(now);
        } else if (verdict.outcome == Outcome::ok || verdict.kind == FailureKind::timeout) {
            wait.slot.finish(now - wait.since, now);
        } else {
            wait.slot.reset();
        }
    }

    void note_answer(Member& member, TimePoint now) {
        const auto note = [now](resilience::Answering& answering) {
            if (answering.last != TimePoint{}) {
                answering.mean_gap = resilience::next_gap(answering.mean_gap, now - answering.last);
            }
            answering.last = now;
        };
        note(member.answering);
        note(answering_);
    }

    void look_at_endpoints(const resilience::RoutePace& pace, TimePoint now) {
        const auto allowed = resilience::stall_after(endpoint_rule_, pace);
        if (!allowed) return;
        for (const Wait& wait : waits_) {
            if (now - wait.since < *allowed) break;
            Member& member = *members_[wait.endpoint];
            if (!wait.is_open ||
                !resilience::is_stalled(wait.since, *allowed, member.answering, now))
                continue;
            ++member.stalled;
        }
        for (const Wait& wait : waits_) {
            if (now - wait.since < *allowed) break;
            Member& member = *members_[wait.endpoint];
            const std::uint32_t stalled = std::exchange(member.stalled, 0);
            const bool is_closed = member.detector.machine().state() == State::closed;
            if (stalled < resilience::kStalledAtEndpoint || !is_closed) continue;
            const bool has_peer =
                std::any_of(members_.begin(), members_.end(), [&](const auto& peer) {
                    return peer.get() != &member && peer->answering.last > now - *allowed;
                });
            if (has_peer) member.detector.trip(resilience::TripReason::stall, now);
        }
    }

    void look_at_cluster(const resilience::RoutePace& pace, TimePoint now) {
        const auto allowed = resilience::cluster_stall_after(cluster_rule_, pace);
        if (!allowed || active_ < resilience::kWaitingInCluster) return;
        std::uint32_t waiting = 0;
        const Wait* oldest = nullptr;
        for (const Wait& wait : waits_) {
            if (!wait.is_open) continue;
            if (oldest == nullptr) oldest = &wait;
            if (++waiting == resilience::kWaitingInCluster) break;
        }
        if (oldest == nullptr) return;
        if (resilience::is_cluster_stalled(waiting, oldest->since, *allowed, answering_.last, now))
            breaker_.trip(resilience::TripReason::stall, now);
    }

    void on_transition(const resilience::Transition& transition) override {
        tell_(Change::kBreaker, transition.to, resilience::word(transition.reason), transition.at);
    }

    const ChangeSink tell_;
    const std::shared_ptr<resilience::DetectorGroup> group_;
    const std::shared_ptr<balance::Roster> roster_;
    resilience::CircuitBreaker breaker_;
    balance::Chooser chooser_;
    resilience::PeerComparison peers_;
    const resilience::StallOptions endpoint_rule_;
    const resilience::StallOptions cluster_rule_;
    const std::optional<std::uint32_t> max_requests_;
    std::optional<resilience::AdaptiveLimit> adaptive_;
    std::deque<Wait> waits_;
    std::uint64_t first_wait_ = 0;
    resilience::Answering answering_;
    std::uint32_t active_ = 0;
    std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace

std::unique_ptr<Decider> make_weir(const config::Cluster& cluster,
                                   std::size_t endpoints,
                                   std::uint64_t seed,
                                   TimePoint now,
                                   ChangeSink sink) {
    return std::make_unique<WeirDecider>(cluster, endpoints, seed, now, std::move(sink));
}

}  // namespace weir::simulate
