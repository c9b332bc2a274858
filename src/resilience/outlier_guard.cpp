#include "weir/resilience/outlier_guard.hpp"

#include "weir/resilience/outlier_detector.hpp"

#include <algorithm>
#include <cmath>

namespace weir::resilience {
namespace {

// The breaker opens when fewer than this share of the endpoints are well.
constexpr double kWellShare = 0.2;

// A peer with fewer answers says nothing about its share of throttled ones.
constexpr std::uint64_t kFewestAnswers = 5;

// Peers that are looked at each time somebody asks.
constexpr std::size_t kFewPeers = 8;
constexpr Duration kThrottledFresh = std::chrono::milliseconds{50};

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

std::uint64_t DetectorGroup::looks() const {
    const std::lock_guard lock(mutex_);
    return looks_;
}

// Evenly spread, and from another one each time: in 10 000 endpoints 128 tell the share of those
// that are well to a few per cent.
template <typename Visit>
void DetectorGroup::look_at_some(Visit visit) {
    const std::size_t n = members_.size();
    const std::size_t count = std::min(n, kSample);
    const std::size_t stride = n <= kSample ? 1 : n / kSample;
    sample_from_ = n <= kSample ? 0 : (sample_from_ + 1) % stride;
    for (std::size_t i = 0; i < count; ++i) {
        ++looks_;
        if (!visit(members_[sample_from_ + i * stride])) return;
    }
}

TripGate::Answer DetectorGroup::may_trip(TripReason reason, TimePoint now) {
    if (reason == TripReason::slow_rate || reason == TripReason::stall) return Answer::trip;
    const std::lock_guard lock(mutex_);
    const std::size_t n = members_.size();
    if (n < 2) return Answer::trip;
    const double rate = options_.failure_rate > 0 ? options_.failure_rate : 0.5;
    if (ready_ < std::max(1.0, kWellShare * static_cast<double>(n))) return Answer::trip;
    const double enough = std::max(1.0, kWellShare * static_cast<double>(std::min(n, kSample)));
    std::uint32_t well = 0;
    look_at_some([&](const Member& member) {
        // A penalized one is failing now, however many good answers its window still holds: with
        // them the breaker of a cluster that dies as a whole opened only after 2 to 3 s.
        if (member.place != Place::ready || member.detector->machine().is_penalized()) return true;
        // Neither is one amid a run that is long enough: where all of three refuse at once, waiting
        // for the certainty of each (20, or 100 ms) cost 60 attempts instead of 20.
        if (member.detector->machine().is_suspect()) return true;
        const SuccessWindow::Counts seen = member.detector->machine().counts(now);
        if (seen.ok > 0 && seen.failure_rate() < rate) ++well;
        return static_cast<double>(well) < enough;
    });
    return static_cast<double>(well) >= enough ? Answer::hold : Answer::trip;
}

std::optional<double> DetectorGroup::throttled_median(const OutlierDetector* self, TimePoint now) {
    shares_.clear();
    look_at_some([&](const Member& member) {
        if (member.detector == self) return true;
        const SuccessWindow::Counts seen = member.detector->machine().counts(now);
        if (seen.total() < kFewestAnswers) return true;
        shares_.push_back(static_cast<double>(seen.throttled) / static_cast<double>(seen.total()));
        return true;
    });
    if (shares_.empty()) return std::nullopt;
    // Of two in the middle the higher: in doubt nobody goes.
    const auto middle = shares_.begin() + static_cast<std::ptrdiff_t>(shares_.size() / 2);
    std::nth_element(shares_.begin(), middle, shares_.end());
    return *middle;
}

// In a large group, where all throttle, many ask at once, and one more or less moves no median.
bool DetectorGroup::do_peers_throttle_less(const OutlierDetector& self,
                                           double share,
                                           TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (members_.size() <= kFewPeers) {
        const auto median = throttled_median(&self, now);
        return median && *median < share;
    }
    if (now >= throttled_until_ || throttled_until_ - now > kThrottledFresh) {
        throttled_median_ = throttled_median(nullptr, now).value_or(1);
        throttled_until_ = now + kThrottledFresh;
    }
    return throttled_median_ < share;
}

bool DetectorGroup::is_ramp_off(TimePoint now) const {
    return now.time_since_epoch().count() < ramp_off_until_.load(std::memory_order_relaxed);
}

void DetectorGroup::count(const Member& member, bool is_added) {
    const std::uint32_t change = is_added ? 1U : static_cast<std::uint32_t>(-1);
    if (member.place == Place::ready) ready_ += change;
    if (member.place == Place::coming) coming_ += change;
    if (member.place != Place::ejected) return;
    if (is_added) {
        ejected_.emplace(member.deadline, member.detector);
    } else {
        ejected_.erase({member.deadline, member.detector});
    }
}

void DetectorGroup::place(Member& member, Place place, TimePoint deadline) {
    count(member, false);
    member.place = place;
    member.deadline = deadline;
    count(member, true);
}

// A machine stores its state before it says that it moved: whichever comes first here, the last
// word is right.
void DetectorGroup::place(Member& member) {
    const CircuitBreaker& machine = member.detector->machine();
    const State state = machine.state();
    Place to = Place::out;
    if (!member.is_available) {
        to = Place::out;
    } else if (state == State::closed) {
        to = Place::ready;
    } else if (!machine.is_forced()) {
        const bool is_coming = state == State::half_open || machine.is_released_early();
        to = is_coming ? Place::coming : Place::ejected;
    }
    place(member, to, to == Place::ejected ? machine.next_probe_at() : TimePoint{});
}

void DetectorGroup::add(OutlierDetector& detector) {
    const std::lock_guard lock(mutex_);
    if (detector.index_ != kNoMember) return;
    detector.index_ = members_.size();
    members_.push_back({&detector, detector.is_available_, Place::out, {}});
    place(members_.back());
}

void DetectorGroup::remove(OutlierDetector& detector) {
    const std::lock_guard lock(mutex_);
    if (detector.index_ == kNoMember) return;
    Member& gone = members_[detector.index_];
    count(gone, false);
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
    member.is_available = is_available;
    place(member);
    release_below_floor();
}

// One that is no member, or not available, is missing already: its ejection costs nothing.
bool DetectorGroup::try_eject(OutlierDetector& detector) {
    const std::lock_guard lock(mutex_);
    if (detector.index_ == kNoMember) return true;
    Member& member = members_[detector.index_];
    if (member.place != Place::ready) return true;
    if (ready_ < floor() + 1) return false;
    place(member, Place::out, {});  // until its machine says that it moved
    return true;
}

void DetectorGroup::moved(OutlierDetector& detector) {
    const std::lock_guard lock(mutex_);
    if (detector.index_ == kNoMember) return;
    place(members_[detector.index_]);
}

void DetectorGroup::release_below_floor() {
    const std::uint32_t wanted = floor();
    while (ready_ + coming_ < wanted && !ejected_.empty()) {
        ++looks_;
        OutlierDetector& next = *ejected_.begin()->second;
        next.machine().release_early();
        releases_.fetch_add(1, std::memory_order_release);
        place(members_[next.index_], Place::coming, {});
    }
}

// One that is held ramps for longer than is counted here: a ramp that fails is no deploy.
void DetectorGroup::note_ramp(TimePoint now, Duration length) {
    const std::lock_guard lock(mutex_);
    const auto eighths = static_cast<Duration::rep>(ramps_.size());
    const Duration::rep eighth = now.time_since_epoch() / std::max(length / eighths, Duration{1});
    if (eighth < ramp_eighth_ || eighth - ramp_eighth_ > eighths) ramp_eighth_ = eighth - eighths;
    while (ramp_eighth_ < eighth)
        ramps_[static_cast<std::size_t>(++ramp_eighth_ % eighths)] = 0;
    ++ramps_[static_cast<std::size_t>(eighth % eighths)];
    std::size_t ramping = 0;
    for (const std::uint32_t begun : ramps_)
        ramping += begun;
    if (ramping * 3 <= members_.size()) return;
    ramp_off_until_.store((now + length).time_since_epoch().count(), std::memory_order_relaxed);
}

}  // namespace weir::resilience
