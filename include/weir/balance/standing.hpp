#pragma once

#include "weir/core/clock.hpp"
#include "weir/resilience/outlier_detector.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace weir::balance {

class Roster;

// Why an endpoint gets no requests whatever its detector says.
enum class Hold : std::uint8_t {
    drained = 1,    // by an operator; not even when no other is ready
    unhealthy = 2,  // says its health check
};

// Where one endpoint stands, for all workers: one byte that a pick reads instead of asking detector
// and operators. It joins the roster of its cluster when made. Thread: any.
class alignas(64) Standing {
  public:
    enum class Condition : std::uint8_t {
        ready,
        penalized,  // failing, but too few are left to eject it
        ejected,    // or on trial
        unhealthy,
        held,  // drained, or ejected by an operator
    };

    // `detector` outlives it.
    Standing(std::shared_ptr<Roster> roster, resilience::OutlierDetector& detector, TimePoint now);
    Standing(const Standing&) = delete;
    Standing& operator=(const Standing&) = delete;
    ~Standing();

    [[nodiscard]] Condition condition() const { return condition_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool is_selectable() const { return condition() <= Condition::penalized; }
    [[nodiscard]] bool is_held() const { return condition() == Condition::held; }
    [[nodiscard]] const resilience::OutlierDetector& detector() const { return detector_; }

    // The detector has changed its state, its penalty or its ramp: whoever hears of that says so
    // here.
    void refresh(TimePoint now);
    void hold(Hold why, bool is_on, TimePoint now);
    // As the detector's: discovery names it no longer, or again.
    void leave();
    void rejoin(TimePoint now);

    // Its place in the set of the cluster: a hint, the same for all workers.
    [[nodiscard]] std::size_t place() const { return place_.load(std::memory_order_relaxed); }
    void set_place(std::size_t place) { place_.store(place, std::memory_order_relaxed); }

  private:
    friend class Roster;

    std::atomic<Condition> condition_{Condition::ready};
    std::atomic<std::size_t> place_{0};
    resilience::OutlierDetector& detector_;
    const std::shared_ptr<Roster> roster_;
    // Guarded by the roster's mutex.
    std::uint8_t holds_ = 0;
    bool is_member_ = false;
    bool is_ramping_ = false;
    std::uint32_t stamp_ = 0;  // of its newest entry among those to look at
};

// The standings of a cluster: how many are ready, and which of the others wants a probe next.
// Nothing here grows with the number of endpoints, but with what happens to them: a transition
// costs O(log of those that are not ready). While all are ready a pick reads one counter.
//
// Thread: any; a mutex, taken at transitions and while one is due to be looked at. Locks nothing.
// Co-owned by the cluster and its standings.
class Roster {
  public:
    // A request looks at so many endpoints for one that wants a probe; the next looks further.
    static constexpr int kLooks = 8;

    explicit Roster(std::shared_ptr<resilience::DetectorGroup> detectors)
        : detectors_(std::move(detectors)) {}
    Roster(const Roster&) = delete;
    Roster& operator=(const Roster&) = delete;

    // All are ready and have their full weight.
    [[nodiscard]] bool is_plain() const { return special_.load(std::memory_order_relaxed) == 0; }
    [[nodiscard]] std::uint32_t ready() const { return ready_.load(std::memory_order_relaxed); }

    // An endpoint to which this request should go as a probe, or nullptr. Its machine may still
    // refuse: another thread was first.
    [[nodiscard]] Standing* next_probe(TimePoint now, bool is_replay_safe, const Standing* avoid);

    // While most endpoints ramp, none weighs less: the others would get over twice their fair
    // share. In 1/1000.
    [[nodiscard]] std::uint32_t least_ramp(TimePoint now);

  private:
    friend class Standing;
    struct Look {
        TimePoint at;
        Standing* standing;
        std::uint32_t stamp;
    };

    void join(Standing& standing, TimePoint now);
    void leave(Standing& standing);
    void hold(Standing& standing, Hold why, bool is_on, TimePoint now);
    void refresh(Standing& standing, TimePoint now);

    // All below: mutex_ is held.
    void update(Standing& standing, TimePoint now);
    void count(const Standing& standing, bool is_added);
    void note_ramp(Standing& standing, TimePoint now);
    void list(Standing& standing, TimePoint at);
    void heed_releases(TimePoint now);
    [[nodiscard]] Standing* look(TimePoint now, const Standing* avoid);
    [[nodiscard]] Standing* look_for_ordinary(TimePoint now, const Standing* avoid) const;
    void publish_next_look();

    const std::shared_ptr<resilience::DetectorGroup> detectors_;
    std::atomic<std::int32_t> special_{0};  // not ready, or ramping
    std::atomic<std::uint32_t> ready_{0};
    std::atomic<Duration::rep> next_look_{TimePoint::max().time_since_epoch().count()};
    std::atomic<std::uint32_t> least_ramp_{0};
    std::atomic<Duration::rep> sweep_at_{0};
    std::atomic<std::uint32_t> releases_{0};  // of the detectors, as far as heeded

    std::mutex mutex_;
    std::vector<Look> looks_;  // a heap, the earliest first; entries may be out of date
    std::vector<Standing*> ramping_;
};

}  // namespace weir::balance
