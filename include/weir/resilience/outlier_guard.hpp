#pragma once

#include "weir/core/clock.hpp"
#include "weir/resilience/transition.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
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
// may trip only while fewer than max(1, 20 % of n) endpoints are closed and not penalized, fail
// less than failure_rate and have an ok in their window. First the detectors eject; the breaker
// opens when too little is left.
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

    // For the cluster's breaker.
    [[nodiscard]] Answer may_trip(TimePoint now) override;

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

    // While more than a third of the endpoints would ramp, none does (a deploy). Takes no lock.
    [[nodiscard]] bool is_ramp_off(TimePoint now) const;

  private:
    friend class OutlierDetector;
    struct Member {
        OutlierDetector* detector;
        bool is_available;  // healthy and not draining
        bool is_out;        // its machine is not closed
    };
    static constexpr std::size_t kNoMember = static_cast<std::size_t>(-1);

    void add(OutlierDetector& detector);
    // A smaller group may be below its floor: then the ejected endpoints next in time are released.
    void remove(OutlierDetector& detector);
    void set_available(OutlierDetector& detector, bool is_available);
    [[nodiscard]] bool try_eject(OutlierDetector& detector);
    void set_out(OutlierDetector& detector, bool is_out);
    // The end of the ramp that would begin now.
    void note_ramp(TimePoint now, Duration length);

    // All below: mutex_ is held.
    void change(Member& member, bool is_available, bool is_out);
    [[nodiscard]] std::uint32_t floor() const;
    void release_below_floor();

    const Options options_;
    std::atomic<Duration::rep> ramp_off_until_{0};
    std::atomic<std::uint32_t> releases_{0};

    mutable std::mutex mutex_;
    std::vector<Member> members_;
    std::uint32_t ready_ = 0;  // r
};

}  // namespace weir::resilience
