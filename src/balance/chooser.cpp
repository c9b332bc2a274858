#include "weir/balance/chooser.hpp"

#include "balancer.hpp"

#include <algorithm>
#include <array>

namespace weir::balance {
namespace {

using Condition = Standing::Condition;

// Enough to choose among when none is ready.
constexpr std::size_t kSample = 8;
// Every tenth request goes to any penalized one, however much the others fail.
constexpr std::uint32_t kTrickle = 10;
// Endpoints from whose averages the median is taken.
constexpr std::size_t kMedianOf = 31;
constexpr std::uint32_t kLearnAtMostEvery = 256;

// Up to kSample candidates in that condition, from a random place on.
struct Sample {
    std::array<std::size_t, kSample> indexes{};
    std::size_t size = 0;

    Sample(const Chooser::Candidates& candidates,
           const Wish& wish,
           Random& random,
           Condition condition) {
        const std::size_t all = candidates.size();
        const std::size_t begin = random.below(static_cast<std::uint32_t>(all));
        for (std::size_t i = 0; i < all && size < kSample; ++i) {
            const std::size_t index = begin + i < all ? begin + i : begin + i - all;
            const Standing& standing = candidates[index]->standing();
            if (standing.condition() == condition && &standing != wish.avoid)
                indexes[size++] = index;
        }
    }
    template <typename Badness>
    [[nodiscard]] std::size_t best(const Badness& badness) const {
        std::size_t found = Choice::kNone;
        double least = 0;
        for (std::size_t i = 0; i < size; ++i) {
            const double value = badness(indexes[i]);
            if (found != Choice::kNone && value >= least) continue;
            found = indexes[i];
            least = value;
        }
        return found;
    }
};

}  // namespace

Chooser::Chooser(config::Policy policy, NoneReady none_ready, std::shared_ptr<Roster> roster)
    : none_ready_(none_ready), roster_(std::move(roster)), balancer_(make_balancer(policy)) {}

Chooser::~Chooser() = default;

void Chooser::set(Candidates candidates, std::shared_ptr<const Placement> placement) {
    for (std::size_t i = 0; i < candidates.size(); ++i)
        candidates[i]->standing().set_place(i);
    set_placed(std::move(candidates), std::move(placement));
}

void Chooser::set_placed(Candidates candidates, std::shared_ptr<const Placement> placement) {
    candidates_ = std::move(candidates);
    placement_ = std::move(placement);
    balancer_->on_change(candidates_);
    learn_in_ = learn_every_ = 1;
}

Choice Chooser::choose(const Wish& wish, Random& random) {
    Field field{.candidates = candidates_,
                .peers = peers_,
                .placement = placement_.get(),
                .now = wish.now,
                .key = wish.key,
                .avoid = wish.avoid};
    field.is_plain = roster_->is_plain();
    if (!field.is_plain) {
        const Choice probe = this->probe(wish);
        if (probe.index != Choice::kNone) return probe;
        if (roster_->ready() == 0) return when_none_ready(wish, random);
        field.least_ramp = roster_->least_ramp(wish.now);
    }
    std::size_t index = balancer_->pick(field, random);
    if (index == candidates_.size() && wish.avoid != nullptr) {
        field.avoid = nullptr;
        index = balancer_->pick(field, random);
    }
    if (index < candidates_.size()) return {index, false};
    return when_none_ready(wish, random);
}

Choice Chooser::choose_other(const Wish& wish, Random& random) {
    Field field{.candidates = candidates_,
                .peers = peers_,
                .placement = placement_.get(),
                .now = wish.now,
                .key = wish.key,
                .avoid = wish.avoid};
    field.is_plain = roster_->is_plain();
    if (!field.is_plain) {
        if (roster_->ready() == 0) return {};
        field.least_ramp = roster_->least_ramp(wish.now);
    }
    const std::size_t index = balancer_->pick(field, random);
    if (index >= candidates_.size()) return {};
    return {index, false};
}

Choice Chooser::probe(const Wish& wish) {
    const Standing* const found = roster_->next_probe(wish.now, wish.is_replay_safe, wish.avoid);
    if (found == nullptr) return {};
    const std::size_t place = found->place();
    if (place < candidates_.size() && &candidates_[place]->standing() == found) return {place};
    // The set is being changed.
    const auto at = std::find_if(candidates_.begin(), candidates_.end(),
                                 [&](const Candidate* each) { return &each->standing() == found; });
    if (at == candidates_.end()) return {};
    return {static_cast<std::size_t>(at - candidates_.begin())};
}

Choice Chooser::when_none_ready(const Wish& wish, Random& random) const {
    if (candidates_.empty()) return {};
    Wish again = wish;
    for (;;) {
        std::size_t index = Choice::kNone;
        switch (none_ready_) {
            case NoneReady::least_bad:
                index = least_bad(again, random);
                break;
            case NoneReady::all:
                index = any(again, random);
                break;
            case NoneReady::fail:
                index = trickle(again, random);
                break;
        }
        if (index != Choice::kNone || again.avoid == nullptr) return {index, true};
        again.avoid = nullptr;
    }
}

std::size_t Chooser::least_bad(const Wish& wish, Random& random) const {
    const Sample penalized(candidates_, wish, random, Condition::penalized);
    if (penalized.size > 0 && random.below(kTrickle) == 0) {
        return penalized.indexes[random.below(static_cast<std::uint32_t>(penalized.size))];
    }
    if (penalized.size > 0) {
        // One that fails all requests is not worth nothing: it may be well by now.
        return penalized.best([&](std::size_t index) {
            const Candidate& candidate = *candidates_[index];
            const auto seen = candidate.standing().detector().machine().counts(wish.now);
            return (seen.failure_rate() + 0.05) * (candidate.active() + 1.0);
        });
    }
    const Sample ejected(candidates_, wish, random, Condition::ejected);
    if (ejected.size > 0) {
        return ejected.best([&](std::size_t index) {
            const Candidate& candidate = *candidates_[index];
            const TimePoint due = candidate.standing().detector().machine().next_probe_at();
            const double wait = std::chrono::duration<double>(due - wish.now).count();
            return (std::max(wait, 0.0) + 0.05) * (candidate.active() + 1.0);
        });
    }
    return any(wish, random);
}

// As many at a time as probes: one.
std::size_t Chooser::trickle(const Wish& wish, Random& random) const {
    const Sample penalized(candidates_, wish, random, Condition::penalized);
    for (std::size_t i = 0; i < penalized.size; ++i) {
        if (candidates_[penalized.indexes[i]]->active() == 0) return penalized.indexes[i];
    }
    return Choice::kNone;
}

// But none that an operator took out.
std::size_t Chooser::any(const Wish& wish, Random& random) const {
    const std::size_t size = candidates_.size();
    const std::size_t begin = random.below(static_cast<std::uint32_t>(size));
    for (std::size_t i = 0; i < size; ++i) {
        const std::size_t index = begin + i < size ? begin + i : begin + i - size;
        const Standing& standing = candidates_[index]->standing();
        if (!standing.is_held() && &standing != wish.avoid) return index;
    }
    return Choice::kNone;
}

void Chooser::observe(Duration latency) {
    if (peers_.p95 == Duration::zero()) peers_.p95 = latency;
    // Steps of a size with the value; as often up as the quantile says (a stochastic approximation;
    // Robbins and Monro, 1951).
    const Duration step = peers_.p95 / 512 + Duration{1};
    peers_.p95 += latency > peers_.p95 ? step * 19 : -step;
    if (--learn_in_ == 0) learn_median();
}

void Chooser::learn_median() {
    learn_every_ = std::min(learn_every_ * 2, kLearnAtMostEvery);
    learn_in_ = learn_every_;
    std::array<Duration, kMedianOf> known{};
    std::size_t size = 0;
    const std::size_t step = std::max<std::size_t>(candidates_.size() / kMedianOf, 1);
    for (std::size_t i = 0; i < candidates_.size() && size < kMedianOf; i += step) {
        if (candidates_[i]->ewma() > Duration::zero()) known[size++] = candidates_[i]->ewma();
    }
    if (size == 0) return;
    const auto middle = known.begin() + static_cast<std::ptrdiff_t>(size / 2);
    std::nth_element(known.begin(), middle, known.begin() + static_cast<std::ptrdiff_t>(size));
    peers_.median = *middle;
}

}  // namespace weir::balance
