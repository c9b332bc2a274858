#pragma once

#include "weir/core/clock.hpp"
#include "weir/resilience/transition.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace weir::resilience {

class OutlierDetector;

// Endpoints of n that must stay closed: max(min_ready, ceil(n * (1 - max_ejected))), at least one;
// of two endpoints one may always go, unless min_ready says no.
[[nodiscard]] std::uint32_t ejection_floor(std::uint32_t n,
                                           double max_ejected,
                                           std::uint32_t min_ready);

// The detectors of one priority of a cluster: counts exactly how many endpoints there are (n) and
// how many of them are closed and available (r), and allows an ejection only while r - 1 >= floor.
//
// It is also the gate of the cluster's breaker: in a cluster of two or more endpoints the breaker
// may trip for failures only while fewer than max(1, 20 % of n) endpoints are ready and not
// penalized, fail less than failure_rate and have an ok in their window. First the detectors eject;
// the breaker opens when too little is left.
//
// Nothing here grows with n: a transition costs O(log of those ejected), and who asks about the
// peers is answered by a sample of kSample of them where there are more.
//
// Thread: any; a mutex, taken at transitions and membership changes, never in the closed state.
// Locks: a machine's before the group's, and the group never locks a machine.
// Co-owned by the cluster and its detectors: a detector may outlive the cluster in an attempt.
class DetectorGroup final : public TripGate {
  public:
    struct Options {
        double max_ejected = 0.5;
        std::uint32_t min_ready = 1;
        double failure_rate = 0.5;  // an endpoint below it is well, in the eyes of the breaker
    };

    explicit DetectorGroup(const Options& options) : options_(options) {}
    DetectorGroup(const DetectorGroup&) = delete;
    DetectorGroup& operator=(const DetectorGroup&) = delete;

    static constexpr std::size_t kSample = 128;

    // For the cluster's breaker. What is slow, or answers nothing, is so whatever the endpoints'
    // windows say: those reasons pass.
    [[nodiscard]] Answer may_trip(TripReason reason, TimePoint now) override;

    struct Size {
        std::uint32_t endpoints = 0;  // n
        std::uint32_t ready = 0;      // r
        std::uint32_t floor = 0;
    };
    [[nodiscard]] Size size() const;

    // Ejected endpoints that were released ahead of their time, ever. Takes no lock.
    [[nodiscard]] std::uint32_t releases() const {
        return releases_.load(std::memory_order_acquire);
    }
    // Members looked at by all decisions so far: what they cost.
    [[nodiscard]] std::uint64_t looks() const;

    // While more than a third of the endpoints would ramp, none does (a deploy). Takes no lock.
    [[nodiscard]] bool is_ramp_off(TimePoint now) const;

  private:
    friend class OutlierDetector;
    enum class Place : std::uint8_t {
        out,      // not available, or forced open
        ready,    // closed
        coming,   // on trial, or about to be
        ejected,  // until its deadline
    };
    struct Member {
        OutlierDetector* detector;
        bool is_available;  // healthy and not draining
        Place place;
        TimePoint deadline;  // if ejected
    };
    static constexpr std::size_t kNoMember = static_cast<std::size_t>(-1);

    void add(OutlierDetector& detector);
    // A smaller group may be below its floor: then the ejected endpoints next in time are released.
    void remove(OutlierDetector& detector);
    void set_available(OutlierDetector& detector, bool is_available);
    [[nodiscard]] bool try_eject(OutlierDetector& detector);
    // Its machine has entered a state, or was forced to stay.
    void moved(OutlierDetector& detector);
    // A ramp of that length begins.
    void note_ramp(TimePoint now, Duration length);
    [[nodiscard]] bool do_peers_throttle_less(const OutlierDetector& self,
                                              double share,
                                              TimePoint now);
    // mutex_ is held. Over all but `self`; none: nobody has answered enough.
    [[nodiscard]] std::optional<double> throttled_median(const OutlierDetector* self,
                                                         TimePoint now);

    // All below: mutex_ is held.
    void place(Member& member);
    void place(Member& member, Place place, TimePoint deadline);
    void count(const Member& member, bool is_added);
    [[nodiscard]] std::uint32_t floor() const;
    void release_below_floor();
    // Calls visit(member) until it says false: for all, or for a sample.
    template <typename Visit>
    void look_at_some(Visit visit);

    const Options options_;
    std::atomic<Duration::rep> ramp_off_until_{0};
    std::atomic<std::uint32_t> releases_{0};

    mutable std::mutex mutex_;
    std::vector<Member> members_;
    std::uint32_t ready_ = 0;  // r
    std::uint32_t coming_ = 0;
    std::set<std::pair<TimePoint, OutlierDetector*>> ejected_;
    std::size_t sample_from_ = 0;
    std::uint64_t looks_ = 0;
    std::vector<double> shares_;  // scratch
    // Of throttled answers, in a large group; good until then.
    double throttled_median_ = 0;
    TimePoint throttled_until_{};
    // Ramps that began in the last eighths of a ramp's length.
    std::array<std::uint32_t, 8> ramps_{};
    Duration::rep ramp_eighth_ = 0;
};

}  // namespace weir::resilience
