#pragma once

#include "weir/core/random.hpp"
#include "weir/resilience/outlier_detector.hpp"
#include "weir/resilience/retry_budget.hpp"

#include "machine_fixture.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace weir::resilience {

// A cluster as `upstream` puts it together: a breaker before, a detector an endpoint, a budget
// beside. Attempts end at once. Endpoints answer as `answers` says.
class SimulatedCluster {
  public:
    struct Options {
        std::size_t endpoints = 3;
        OutlierDetector::Options detector;
        CircuitBreaker::Options breaker;
        DetectorGroup::Options group;
        Duration slow_call = std::chrono::seconds{1};  // of breaker and detectors
        bool are_retries_on = true;
        bool has_breaker = true;
        std::uint64_t seed = 1;
    };

    explicit SimulatedCluster(const Options& options)
        : options_(options),
          random_(options.seed),
          group(std::make_shared<DetectorGroup>(options.group)),
          breaker(options.breaker, options.seed, now, group.get()),
          budget({}, now) {
        for (std::size_t i = 0; i < options.endpoints; ++i)
            add();
    }

    void add() {
        const std::uint64_t seed = options_.seed * 1000 + detectors.size();
        detectors.push_back(
            std::make_unique<OutlierDetector>(options_.detector, seed, now, group, &sink));
        attempts_on.push_back(0);
    }

    // One request of a user; was it answered well?
    bool request(bool is_replay_safe = true) {
        budget.count_original(0, now);
        Outcome outcome = Outcome::ignored;
        std::optional<std::size_t> before;
        for (int tries = 0; tries < 3; ++tries) {
            const bool was_refused = outcome == Outcome::ignored;
            if (tries > 0 && !was_refused && !may_retry(outcome, is_replay_safe)) break;
            const auto admission = breaker.acquire(now, {.is_replay_safe = is_replay_safe});
            if (!admission.is_admitted) break;
            const std::optional<std::size_t> chosen = choose(is_replay_safe, before);
            if (!chosen) {
                breaker.release(admission.permit);
                break;
            }
            outcome = attempt(*chosen, admission.permit, is_replay_safe);
            if (outcome == Outcome::ok) return true;
            before = chosen;
        }
        return false;
    }

    // As many a second for so long; how many were answered well.
    int run(Duration length, int rate, bool is_replay_safe = true) {
        int good = 0;
        const TimePoint end = now + length;
        for (; now < end; now += Duration{1s} / rate)
            good += request(is_replay_safe) ? 1 : 0;
        return good;
    }

    [[nodiscard]] std::size_t count(State state) const {
        std::size_t found = 0;
        for (const auto& each : detectors)
            found += each->machine().state() == state ? 1U : 0U;
        return found;
    }
    [[nodiscard]] std::vector<OutlierDetector*> peers() const {
        std::vector<OutlierDetector*> peers;
        for (const auto& each : detectors)
            peers.push_back(each.get());
        return peers;
    }
    // Why closed detectors were opened so far.
    [[nodiscard]] std::size_t ejections_for(TripReason reason) const {
        std::size_t found = 0;
        for (const Transition& each : sink.transitions)
            found += each.from == State::closed && each.reason == reason ? 1U : 0U;
        return found;
    }
    [[nodiscard]] std::uint64_t breaker_opens() const { return breaker.snapshot(now).opens_total; }

  private:
    [[nodiscard]] bool may_retry(Outcome outcome, bool is_replay_safe) {
        if (!options_.are_retries_on) return false;
        if (outcome != Outcome::local_failure && !is_replay_safe) return false;
        auto charge = budget.try_charge(now);
        if (!charge) return false;
        charge->sent();
        return true;
    }

    [[nodiscard]] std::optional<std::size_t> choose(bool is_replay_safe,
                                                    std::optional<std::size_t> avoid) {
        std::vector<double> weights;
        double sum = 0;
        for (std::size_t i = 0; i < detectors.size(); ++i) {
            const OutlierDetector& each = *detectors[i];
            const bool is_avoided = avoid == i && detectors.size() > 1;
            if (!is_avoided && each.wants_probe(now, is_replay_safe)) return i;
            const bool is_usable = each.is_selectable() && !is_avoided;
            weights.push_back(is_usable ? each.weight(now) : 0.0);
            sum += weights.back();
        }
        if (sum <= 0) return std::nullopt;
        double at = random_.uniform() * sum;
        for (std::size_t i = 0; i < weights.size(); ++i) {
            at -= weights[i];
            if (at < 0) return i;
        }
        return detectors.size() - 1;
    }

    Outcome attempt(std::size_t index, const Permit& breaker_permit, bool is_replay_safe) {
        const auto admission = detectors[index]->acquire(now, {.is_replay_safe = is_replay_safe});
        if (!admission.is_admitted) {
            breaker.release(breaker_permit);
            return Outcome::ignored;
        }
        ++attempts;
        ++attempts_on[index];
        const Outcome outcome = answers(index);
        Verdict verdict = verdict_of(outcome);
        if (outcome == Outcome::ok && waits) {
            const Duration waited = waits(index);
            verdict.is_slow = verdict.is_slow_at_endpoint = waited >= options_.slow_call;
            detectors[index]->observe(waited, usual, now, 0);
            usual += (waited - usual) / 16;
        }
        detectors[index]->complete(admission.permit, verdict, now, 0);
        breaker.complete(breaker_permit, verdict, now, 0);
        return outcome;
    }

    const Options options_;
    Random random_;

  public:
    TimePoint now = kStart;
    std::function<Outcome(std::size_t)> answers = [](std::size_t) { return Outcome::ok; };
    std::function<Duration(std::size_t)> waits;  // for response headers; none: 0
    Duration usual{0};
    std::uint64_t attempts = 0;
    std::vector<std::uint64_t> attempts_on;
    RecordingSink sink;
    std::shared_ptr<DetectorGroup> group;
    CircuitBreaker breaker;
    RetryBudget budget;
    std::vector<std::unique_ptr<OutlierDetector>> detectors;
};

}  // namespace weir::resilience
