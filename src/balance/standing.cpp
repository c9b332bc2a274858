#include "weir/balance/standing.hpp"

#include <algorithm>
#include <utility>

namespace weir::balance {
namespace {

using namespace std::chrono_literals;
using resilience::State;

// When to look again at one that was offered, or that wanted nothing: its probe may have ended.
constexpr Duration kLookAgain = 1ms;
// At one that gets no requests now.
constexpr Duration kLookAtHeld = 100ms;
constexpr Duration kSweep = 100ms;

Duration::rep count_of(TimePoint at) {
    return at.time_since_epoch().count();
}

bool is_later(const auto& a, const auto& b) {
    return a.at > b.at;
}

}  // namespace

Standing::Standing(std::shared_ptr<Roster> roster,
                   resilience::OutlierDetector& detector,
                   TimePoint now)
    : detector_(detector), roster_(std::move(roster)) {
    roster_->join(*this, now);
}

Standing::~Standing() {
    roster_->leave(*this);
}

void Standing::refresh(TimePoint now) {
    roster_->refresh(*this, now);
}
void Standing::hold(Hold why, bool is_on, TimePoint now) {
    roster_->hold(*this, why, is_on, now);
}
void Standing::leave() {
    roster_->leave(*this);
}
void Standing::rejoin(TimePoint now) {
    roster_->join(*this, now);
}

void Roster::join(Standing& standing, TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (standing.is_member_) return;
    standing.is_member_ = true;
    count(standing, true);
    update(standing, now);
}

void Roster::leave(Standing& standing) {
    const std::lock_guard lock(mutex_);
    if (!standing.is_member_) return;
    count(standing, false);
    standing.is_member_ = false;
    if (standing.is_ramping_) {
        standing.is_ramping_ = false;
        std::erase(ramping_, &standing);
        special_.fetch_sub(1, std::memory_order_relaxed);
    }
    // It may be destroyed: not even an entry out of date may name it.
    if (standing.stamp_ == 0) return;
    std::erase_if(looks_, [&](const Look& look) { return look.standing == &standing; });
    std::make_heap(looks_.begin(), looks_.end(), is_later<Look, Look>);
    publish_next_look();
}

void Roster::hold(Standing& standing, Hold why, bool is_on, TimePoint now) {
    const std::lock_guard lock(mutex_);
    const auto bit = static_cast<std::uint8_t>(why);
    const int holds = is_on ? standing.holds_ | bit : standing.holds_ & ~bit;
    standing.holds_ = static_cast<std::uint8_t>(holds);
    update(standing, now);
}

void Roster::refresh(Standing& standing, TimePoint now) {
    const std::lock_guard lock(mutex_);
    update(standing, now);
}

// The detector stored its state before it told anybody, and calls of two threads take turns here:
// the last of them sees the newest state.
void Roster::update(Standing& standing, TimePoint now) {
    using Condition = Standing::Condition;
    const resilience::CircuitBreaker& machine = standing.detector_.machine();
    const bool is_enforced = machine.options().mode == resilience::Mode::enforce;
    Condition condition = Condition::ready;
    if ((standing.holds_ & static_cast<std::uint8_t>(Hold::drained)) != 0 ||
        (machine.state() == State::open && machine.is_forced())) {
        condition = Condition::held;
    } else if ((standing.holds_ & static_cast<std::uint8_t>(Hold::unhealthy)) != 0) {
        condition = Condition::unhealthy;
    } else if (!standing.detector_.is_selectable()) {
        condition = Condition::ejected;
    } else if (machine.is_penalized() && is_enforced) {
        condition = Condition::penalized;
    }
    if (standing.is_member_) count(standing, false);
    standing.condition_.store(condition, std::memory_order_relaxed);
    if (!standing.is_member_) return;
    count(standing, true);
    note_ramp(standing, now);
    if (machine.state() == State::closed || !is_enforced) return;
    list(standing, machine.state() == State::open ? machine.next_probe_at() : now);
}

void Roster::count(const Standing& standing, bool is_added) {
    const bool is_ready = standing.condition() == Standing::Condition::ready;
    if (is_added) {
        is_ready ? void(ready_.fetch_add(1, std::memory_order_relaxed))
                 : void(special_.fetch_add(1, std::memory_order_relaxed));
    } else {
        is_ready ? void(ready_.fetch_sub(1, std::memory_order_relaxed))
                 : void(special_.fetch_sub(1, std::memory_order_relaxed));
    }
}

void Roster::note_ramp(Standing& standing, TimePoint now) {
    if (standing.is_ramping_ || !standing.detector_.is_ramping(now)) return;
    standing.is_ramping_ = true;
    special_.fetch_add(1, std::memory_order_relaxed);
    ramping_.push_back(&standing);
    sweep_at_.store(count_of(now), std::memory_order_relaxed);
}

void Roster::list(Standing& standing, TimePoint at) {
    looks_.push_back({at, &standing, ++standing.stamp_});
    std::push_heap(looks_.begin(), looks_.end(), is_later<Look, Look>);
    publish_next_look();
}

void Roster::publish_next_look() {
    const TimePoint next = looks_.empty() ? TimePoint::max() : looks_.front().at;
    next_look_.store(count_of(next), std::memory_order_relaxed);
}

Standing* Roster::next_probe(TimePoint now, bool is_replay_safe, const Standing* avoid) {
    const bool are_released = releases_.load(std::memory_order_relaxed) != detectors_->releases();
    if (!are_released && count_of(now) < next_look_.load(std::memory_order_relaxed)) return nullptr;
    // Somebody else is looking: that is enough.
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return nullptr;
    if (are_released) heed_releases(now);
    return is_replay_safe ? look(now, avoid) : look_for_ordinary(now, avoid);
}

// The floor has sent some back ahead of their time.
void Roster::heed_releases(TimePoint now) {
    releases_.store(detectors_->releases(), std::memory_order_relaxed);
    for (Look& look : looks_) {
        const resilience::CircuitBreaker& machine = look.standing->detector_.machine();
        if (look.stamp == look.standing->stamp_ && machine.is_released_early()) look.at = now;
    }
    std::make_heap(looks_.begin(), looks_.end(), is_later<Look, Look>);
    publish_next_look();
}

Standing* Roster::look(TimePoint now, const Standing* avoid) {
    Standing* found = nullptr;
    for (int i = 0; i < kLooks && found == nullptr;) {
        if (looks_.empty() || looks_.front().at > now) break;
        std::pop_heap(looks_.begin(), looks_.end(), is_later<Look, Look>);
        Look& entry = looks_.back();
        const resilience::CircuitBreaker& machine = entry.standing->detector_.machine();
        if (entry.stamp != entry.standing->stamp_ || machine.state() == State::closed) {
            looks_.pop_back();
            continue;
        }
        ++i;
        const bool is_barred = entry.standing->condition() != Standing::Condition::ejected;
        if (is_barred) {
            entry.at = now + kLookAtHeld;
        } else if (machine.wants_probe(now, true)) {
            if (entry.standing != avoid) found = entry.standing;
            entry.at = now + kLookAgain;
        } else {
            const bool is_open = machine.state() == State::open;
            entry.at = std::max(is_open ? machine.next_probe_at() : now, now + kLookAgain);
        }
        std::push_heap(looks_.begin(), looks_.end(), is_later<Look, Look>);
    }
    publish_next_look();
    return found;
}

// One that no replay-safe request came for is an old entry, near the top. Nothing moves: the next
// replay-safe request is to find what it would have found.
Standing* Roster::look_for_ordinary(TimePoint now, const Standing* avoid) const {
    const std::size_t size = std::min<std::size_t>(looks_.size(), kLooks);
    for (std::size_t i = 0; i < size; ++i) {
        const Look& entry = looks_[i];
        if (entry.at > now || entry.stamp != entry.standing->stamp_ || entry.standing == avoid ||
            entry.standing->condition() != Standing::Condition::ejected) {
            continue;
        }
        if (entry.standing->detector_.machine().wants_probe(now, false)) return entry.standing;
    }
    return nullptr;
}

std::uint32_t Roster::least_ramp(TimePoint now) {
    if (count_of(now) < sweep_at_.load(std::memory_order_relaxed))
        return least_ramp_.load(std::memory_order_relaxed);
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return least_ramp_.load(std::memory_order_relaxed);
    const std::size_t gone = std::erase_if(ramping_, [&](Standing* standing) {
        const bool is_over = !standing->detector_.is_ramping(now);
        if (is_over) standing->is_ramping_ = false;
        return is_over;
    });
    special_.fetch_sub(static_cast<std::int32_t>(gone), std::memory_order_relaxed);
    // Of r ready ones q ramp with the weight w: the others get 1 / (r - q + q w) each, and that is
    // at most 2 / r for w >= 1 - r / 2q.
    const double r = ready();
    const double q = static_cast<double>(ramping_.size());
    const double least = q > 0 ? std::max(0.0, 1.0 - r / (2.0 * q)) : 0.0;
    least_ramp_.store(static_cast<std::uint32_t>(least * 1000.0), std::memory_order_relaxed);
    sweep_at_.store(ramping_.empty() ? count_of(TimePoint::max()) : count_of(now + kSweep),
                    std::memory_order_relaxed);
    return least_ramp_.load(std::memory_order_relaxed);
}

}  // namespace weir::balance
