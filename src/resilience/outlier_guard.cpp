#include "weir/resilience/outlier_guard.hpp"

#include "weir/resilience/outlier_detector.hpp"

#include <algorithm>
#include <cmath>

namespace weir::resilience {
namespace {

// The breaker opens when fewer than this share of the endpoints are well.
constexpr double kWellShare = 0.2;

}  // namespace

std::uint32_t ejection_floor(std::uint32_t n, double max_ejected, std::uint32_t min_ready) {
    // 10 * (1 - 0.7) is a little more than 3.
    constexpr double kRounding = 1e-9;
    const double share = std::ceil(static_cast<double>(n) * (1.0 - max_ejected) - kRounding);
    std::uint32_t floor = static_cast<std::uint32_t>(std::max(share, 0.0));
    if (n == 2) floor = 1;
    return std::max({floor, min_ready, 1U});
}

std::uint32_t DetectorGroup::floor() const {
    return ejection_floor(static_cast<std::uint32_t>(members_.size()), options_.max_ejected,
                          options_.min_ready);
}

DetectorGroup::Size DetectorGroup::size() const {
    const std::lock_guard lock(mutex_);
    return {static_cast<std::uint32_t>(members_.size()), ready_, floor()};
}

TripGate::Answer DetectorGroup::may_trip(TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (members_.size() < 2) return Answer::trip;
    const double rate = options_.failure_rate > 0 ? options_.failure_rate : 0.5;
    const double enough = std::max(1.0, kWellShare * static_cast<double>(members_.size()));
    std::uint32_t well = 0;
    for (const Member& member : members_) {
        // A penalized one is failing now, however many good answers its window still holds: with
        // them the breaker of a cluster that dies as a whole opened only after 2 to 3 s.
        if (member.is_out || member.detector->machine().is_penalized()) continue;
        const SuccessWindow::Counts seen = member.detector->machine().counts(now);
        if (seen.ok == 0 || seen.failure_rate() >= rate) continue;
        if (static_cast<double>(++well) >= enough) return Answer::hold;
    }
    return Answer::trip;
}

bool DetectorGroup::is_ramp_off(TimePoint now) const {
    return now.time_since_epoch().count() < ramp_off_until_.load(std::memory_order_relaxed);
}

void DetectorGroup::change(Member& member, bool is_available, bool is_out) {
    if (member.is_available && !member.is_out) --ready_;
    member.is_available = is_available;
    member.is_out = is_out;
    if (member.is_available && !member.is_out) ++ready_;
}

// A transition of the machine that is under way stores the state before it calls set_out():
// whichever comes first here, the last word is right.
void DetectorGroup::add(OutlierDetector& detector) {
    const std::lock_guard lock(mutex_);
    if (detector.index_ != kNoMember) return;
    detector.index_ = members_.size();
    members_.push_back({&detector, false, true});
    change(members_.back(), detector.is_available_, detector.machine().state() != State::closed);
}

void DetectorGroup::remove(OutlierDetector& detector) {
    const std::lock_guard lock(mutex_);
    if (detector.index_ == kNoMember) return;
    Member& gone = members_[detector.index_];
    change(gone, false, true);
    gone = members_.back();
    gone.detector->index_ = detector.index_;
    members_.pop_back();
    detector.index_ = kNoMember;
    release_below_floor();
}

void DetectorGroup::set_available(OutlierDetector& detector, bool is_available) {
    const std::lock_guard lock(mutex_);
    detector.is_available_ = is_available;
    if (detector.index_ == kNoMember) return;
    Member& member = members_[detector.index_];
    change(member, is_available, member.is_out);
    release_below_floor();
}

// One that is no member, or not available, is missing already: its ejection costs nothing.
bool DetectorGroup::try_eject(OutlierDetector& detector) {
    const std::lock_guard lock(mutex_);
    if (detector.index_ == kNoMember) return true;
    Member& member = members_[detector.index_];
    if (member.is_available && !member.is_out && ready_ < floor() + 1) return false;
    change(member, member.is_available, true);
    return true;
}

void DetectorGroup::set_out(OutlierDetector& detector, bool is_out) {
    const std::lock_guard lock(mutex_);
    if (detector.index_ == kNoMember) return;
    Member& member = members_[detector.index_];
    change(member, member.is_available, is_out);
}

void DetectorGroup::release_below_floor() {
    const std::uint32_t wanted = floor();
    std::uint32_t coming = ready_;
    std::vector<CircuitBreaker*> ejected;
    for (const Member& member : members_) {
        CircuitBreaker& machine = member.detector->machine();
        if (!member.is_available || !member.is_out || machine.is_forced()) continue;
        if (machine.state() == State::open && !machine.is_released_early()) {
            ejected.push_back(&machine);
        } else {
            ++coming;  // about to be tried
        }
    }
    std::sort(ejected.begin(), ejected.end(), [](const CircuitBreaker* a, const CircuitBreaker* b) {
        return a->next_probe_at() < b->next_probe_at();
    });
    for (CircuitBreaker* machine : ejected) {
        if (coming++ >= wanted) return;
        machine->release_early();
        releases_.fetch_add(1, std::memory_order_release);
    }
}

void DetectorGroup::note_ramp(TimePoint now, Duration length) {
    const std::lock_guard lock(mutex_);
    std::size_t ramping = 0;
    for (const Member& member : members_)
        ramping += member.detector->would_ramp(now) ? 1U : 0U;
    if (ramping * 3 <= members_.size()) return;
    ramp_off_until_.store((now + length).time_since_epoch().count(), std::memory_order_relaxed);
}

}  // namespace weir::resilience
