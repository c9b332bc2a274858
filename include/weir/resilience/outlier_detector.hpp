#pragma once

#include "weir/resilience/circuit_breaker.hpp"
#include "weir/resilience/latency_sketch.hpp"
#include "weir/resilience/outlier_guard.hpp"

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace weir::resilience {

// Ejects one endpoint and brings it back: the machine of circuit_breaker.hpp, with the group's
// guard before each ejection and a ramp after each return.
//
// An ejection the guard refuses makes the endpoint penalized: a tenth of its weight until
// successes_to_return ok in a row. After a return the weight starts at a tenth and doubles each
// half second while the endpoint is like its peers: a failure, and answers that take much longer
// than theirs, start the current half second again. `ramp` is the longest it may take.
// Thread: any. Its owner keeps it while permits of its machine are held.
class OutlierDetector final : private TripGate {
  public:
    struct Options {
        CircuitBreaker::Options machine = CircuitBreaker::Options::outlier();
        Duration ramp = std::chrono::seconds{10};  // 0 = off
        // Latencies are kept for PeerComparison; else they cost neither time nor memory.
        bool has_latencies = false;
    };

    static constexpr std::uint32_t kFullWeight = 1000;

    // Joins the group. sink may be null, else outlives the detector.
    OutlierDetector(const Options& options,
                    std::uint64_t seed,
                    TimePoint now,
                    std::shared_ptr<DetectorGroup> group,
                    TransitionSink* sink = nullptr);
    OutlierDetector(const OutlierDetector&) = delete;
    OutlierDetector& operator=(const OutlierDetector&) = delete;
    ~OutlierDetector();

    // Discovery no longer names the endpoint: it leaves the group, and takes its state along should
    // it rejoin. Both may be repeated.
    void leave();
    void rejoin();

    // Healthy and not draining: an endpoint that is not does not count as ready.
    void set_available(bool is_available);

    // May requests be balanced to it? True also for a penalized one, and unless the mode is
    // `enforce` always but when an operator ejected it. Takes no lock.
    [[nodiscard]] bool is_selectable() const;
    // Not selectable, but the next request (that may be replayed) should be its probe. Takes no
    // lock.
    [[nodiscard]] bool wants_probe(TimePoint now, bool is_replay_safe = true) const;

    // Share of the configured weight: ramp and penalty. Takes no lock.
    [[nodiscard]] std::uint32_t weight_permille(TimePoint now) const;
    [[nodiscard]] double weight(TimePoint now) const { return weight_permille(now) / 1000.0; }
    [[nodiscard]] bool is_ramping(TimePoint now) const;
    // As after a return: for an endpoint that discovery has just added.
    void start_ramp(TimePoint now);

    // As the machine's.
    [[nodiscard]] CircuitBreaker::Admission acquire(TimePoint now,
                                                    const CircuitBreaker::AcquireOptions& options);
    void headers_ok(Permit& permit, TimePoint now, const Verdict& verdict = {}) {
        machine_.headers_ok(permit, now, verdict);
    }
    // A good answer took so long; `usual` is what its peers take, 0 if that is not known. shard:
    // the caller's own.
    void observe(Duration latency, Duration usual, TimePoint now, std::uint32_t shard) {
        if (!sketches_.empty()) sketches_[shard]->add(latency, now);
        if (now.time_since_epoch().count() < ramp_end_.load(std::memory_order_relaxed)) {
            observe_ramp(latency, usual, now);
        }
    }
    // Of good answers, if has_latencies, since it was closed.
    [[nodiscard]] LatencySketch::View latencies(TimePoint now) const;
    void complete(const Permit& permit, const Verdict& verdict, TimePoint now, std::uint32_t shard);
    void release(const Permit& permit) { machine_.release(permit); }
    void tick(TimePoint now) { machine_.tick(now); }
    bool trip(TripReason reason, TimePoint now) { return machine_.trip(reason, now); }
    void health_passed(TimePoint now) { machine_.health_passed(now); }

    // The rest of the machine: forcing, state, snapshot.
    [[nodiscard]] CircuitBreaker& machine() { return machine_; }
    [[nodiscard]] const CircuitBreaker& machine() const { return machine_; }

  private:
    friend class DetectorGroup;
    [[nodiscard]] Answer may_trip(TripReason reason, TimePoint now) override;
    [[nodiscard]] bool do_peers_throttle_less(double share, TimePoint now) override;
    void entered(State state, TripReason reason, TimePoint now) override;
    [[nodiscard]] std::uint32_t ramp_permille(TimePoint now) const;
    // Were the ramp not off for the whole group.
    [[nodiscard]] bool would_ramp(TimePoint now) const;
    void hold_ramp(TimePoint now);
    void observe_ramp(Duration latency, Duration usual, TimePoint now);

    static constexpr Duration::rep kNever = std::numeric_limits<Duration::rep>::min();

    const Duration ramp_;
    const std::shared_ptr<DetectorGroup> group_;
    std::atomic<Duration::rep> ramp_since_{0};  // of the first half second, moved by failures
    std::atomic<Duration::rep> ramp_end_{kNever};
    std::atomic<Duration::rep> ramp_average_{0};            // of its answers, 0: none yet
    std::vector<std::unique_ptr<LatencySketch>> sketches_;  // one a shard, or none
    std::size_t index_ = DetectorGroup::kNoMember;          // in the group; guarded by its mutex
    bool is_available_ = true;                              // likewise
    CircuitBreaker machine_;
};

}  // namespace weir::resilience
