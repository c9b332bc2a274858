#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/random.hpp"
#include "weir/resilience/outcome.hpp"
#include "weir/resilience/success_window.hpp"
#include "weir/resilience/transition.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

namespace weir::resilience {

// What happened once but shows as many failures: the death of a connection, or of one endpoint in
// one turn of an event loop. Failures of one key count once in a run. 0 is no key.
struct FailureKey {
    std::uint64_t value = 0;

    // From an endpoint's id and the turn (of that worker) in which it failed.
    [[nodiscard]] static FailureKey of(std::uint64_t endpoint, std::uint64_t turn);
};

// Leave to make one attempt. It belongs to the epoch that gave it; its holder owes one complete()
// or release(). Hold it in a PermitGuard.
struct Permit {
    std::uint64_t epoch = 0;  // 0: no machine wants to hear of it
    TimePoint since{};
    bool is_probe = false;
    bool is_settled = false;      // a probe whose good headers have come
    bool may_close = true;        // no: it counts as any good probe but the last
    std::uint32_t lease = 0;      // which probe
    TimePoint lease_end{};        // of a probe
    std::uint32_t ended_run = 0;  // the run of failures that its good headers ended
    TimePoint ended_since{};
};

// The machine: around every call of a cluster (breaker), and once more for each endpoint (outlier
// detector; there open = ejected).
//
//   closed     --a rule says trip, and the gate agrees---->  open
//   open       --its time has passed, or floor----------->  half_open
//   half_open  --successes_to_close ok in a row---------->  closed
//   half_open  --a probe fails or its lease runs out----->  open, for longer (up to max_open_for)
//   any        --force(open | closed)-------------------->  that, until it ends: then half_open |
//   closed
//
// Transitions due by time happen when somebody calls: acquire(), complete() or tick().
//
// Pure: reads no clock, does no I/O. Thread: any. The closed state costs acquire() an acquire load,
// and complete(ok) a load and a store to the caller's own shard of the window; a refusal costs two
// loads. All else is under a mutex held for a few instructions.
class CircuitBreaker {
  public:
    struct Options {
        Mode mode = Mode::enforce;
        std::uint32_t shards = 1;                // threads that complete(): one shard each
        std::uint32_t consecutive_failures = 5;  // 0 = off
        // A local failure counts in a run of its own, not in that of the failures.
        bool are_locals_apart = false;
        bool is_of_endpoint = false;          // slow is what Verdict::is_slow_at_endpoint says
        std::uint32_t consecutive_local = 3;  // 0 = off; only if they are apart
        Duration consecutive_for = std::chrono::milliseconds{100};
        double failure_rate = 0.5;  // 0 = off
        double slow_rate = 0;       // 0 = off; which answers are slow says the classifier
        // 0 = off. Only a machine with a gate that knows its peers has the rule: penalty first, and
        // a trip if that does not help.
        double throttle_rate = 0;
        Duration window = std::chrono::seconds{10};
        std::uint32_t min_requests = 20;
        Duration open_for = std::chrono::milliseconds{500};
        Duration max_open_for = std::chrono::milliseconds{750};  // open_for, if that is longer
        std::uint32_t half_open_requests = 1;
        bool do_probes_double = true;  // 1, 2, 4 at a time with each ok
        std::uint32_t successes_to_close = 2;
        Duration probe_timeout = std::chrono::seconds{5};
        // Only replay-safe requests probe; others when none came for a second, once per open time.
        bool are_probes_replayed = false;

        [[nodiscard]] static Options breaker() { return {}; }
        [[nodiscard]] static Options outlier();  // the defaults of an endpoint's detector
    };

    struct AcquireOptions {
        bool is_replay_safe = true;
        bool is_check = false;  // an active check, no request: never the last good probe
        Duration probe_timeout{
            0};  // of this request, if it becomes a probe; 0: that of the options
    };

    struct Admission {
        bool is_admitted = false;
        bool would_refuse = false;  // shadow: admitted, but enforce would not have
        Permit permit{};
        Duration retry_after{0};  // refused: when to ask again

        explicit operator bool() const { return is_admitted; }
    };

    // A run this long trips however short it lasted.
    static constexpr std::uint32_t kCertainRun = 20;

    // gate and sink may be null, else outlive the machine.
    CircuitBreaker(const Options& options,
                   std::uint64_t seed,
                   TimePoint now,
                   TripGate* gate = nullptr,
                   TransitionSink* sink = nullptr);
    CircuitBreaker(const CircuitBreaker&) = delete;
    CircuitBreaker& operator=(const CircuitBreaker&) = delete;

    [[nodiscard]] Admission acquire(TimePoint now, const AcquireOptions& options);
    [[nodiscard]] Admission acquire(TimePoint now) { return acquire(now, AcquireOptions{}); }

    // Good response headers have come. They end a run of failures, and a probe unless they came
    // slowly: its lease is over and it counts as ok. The permit is still held: the body is judged
    // by complete().
    void headers_ok(Permit& permit, TimePoint now, const Verdict& verdict = {});

    // The attempt has ended. shard: the caller's own. A permit of an earlier epoch changes nothing.
    void complete(const Permit& permit,
                  const Verdict& verdict,
                  TimePoint now,
                  std::uint32_t shard,
                  FailureKey key = {});

    // The attempt ended without saying anything: as complete() with `ignored`.
    void release(const Permit& permit);

    // Does what is due by time. Not needed for correctness, but without traffic nobody else calls.
    void tick(TimePoint now);

    // A rule that is judged elsewhere (peers, stall, health) says trip: through the gate, as by the
    // machine's own. True if this opened it; false also where it was not closed, is forced, or the
    // gate held or penalized it.
    bool trip(TripReason reason, TimePoint now, Duration hint = Duration{0});

    // An active health check passed. Once the open time is over: half-open (reason health). There
    // it counts as a good probe, but the last one must be a request. Never shortens the open time.
    void health_passed(TimePoint now);

    // Operators: closed or open whatever happens and whatever the mode, until then or unforce().
    // Not half_open.
    void force(State state, TimePoint until, TimePoint now);
    void unforce(TimePoint now);

    // Open goes to half-open at the next call, ahead of its time (reason floor). Takes no lock.
    void release_early() { release_early_.store(true, std::memory_order_release); }
    [[nodiscard]] bool is_released_early() const {
        return release_early_.load(std::memory_order_acquire);
    }

    // What the machine has decided, also in shadow. Takes no lock.
    [[nodiscard]] State state() const { return state_of(word_.load(std::memory_order_acquire)); }
    [[nodiscard]] bool is_forced() const {
        return (word_.load(std::memory_order_acquire) & kForced) != 0;
    }
    // Another with each transition.
    [[nodiscard]] std::uint64_t current_epoch() const {
        return word_.load(std::memory_order_acquire) >> kEpochShift;
    }
    [[nodiscard]] bool is_penalized() const { return penalty() != TripReason::none; }
    // Closed, and the present run of failures is as long as a threshold, however short it lasted.
    [[nodiscard]] bool is_suspect() const { return suspect_.load(std::memory_order_relaxed); }
    // Why it has a tenth of its weight: none, floor (the gate kept it), throttle_rate. Takes no
    // lock.
    [[nodiscard]] TripReason penalty() const { return penalty_.load(std::memory_order_relaxed); }
    [[nodiscard]] TripReason reason() const;  // of the last transition
    // Should the next request be offered as a probe? A balancer asks before it chooses; acquire()
    // may still refuse (another thread was first, or the lease of a probe has just run out): then
    // it chooses again. Takes no lock.
    [[nodiscard]] bool wants_probe(TimePoint now, bool is_replay_safe = true) const;
    // open: when the next probe may go; half_open: when the lease of the probe ends.
    [[nodiscard]] TimePoint next_probe_at() const;
    [[nodiscard]] SuccessWindow::Counts counts(TimePoint now) const;
    [[nodiscard]] const Options& options() const { return options_; }

    struct Snapshot {
        State state = State::closed;
        Mode mode = Mode::enforce;
        TripReason reason = TripReason::none;  // of the last transition
        TimePoint since{};
        std::uint64_t epoch = 0;
        std::uint64_t opens_total = 0;
        std::uint64_t penalties_total = 0;
        std::uint32_t trips = 0;  // k of the back-off
        std::optional<TimePoint> next_probe_at;
        std::optional<TimePoint> forced_until;
        bool is_penalized = false;
        std::uint32_t probes = 0;  // in flight
        std::uint32_t fail_run = 0;
        std::uint32_t local_run = 0;
        Duration fail_run_for{0};  // since the first of the run
        Duration local_run_for{0};
        std::uint32_t ok_run = 0;  // half_open: good probes in a row; penalized: good answers
        TripReason penalty_reason = TripReason::none;  // penalized: the rule that was met
        std::optional<TimePoint> lease_ends_at;        // half_open: of the first probe under way
        SuccessWindow::Counts window;
        std::vector<Transition> history;  // oldest first, the last 100
    };
    // Allocates; for the admin API. tick() first, for what is due.
    [[nodiscard]] Snapshot snapshot(TimePoint now) const;

  private:
    // word_: state in bits 0-1, forced in bit 2, epoch above. One load says all of the closed
    // state.
    static constexpr std::uint64_t kStateMask = 3;
    static constexpr std::uint64_t kForced = 4;
    static constexpr unsigned kEpochShift = 3;
    static constexpr std::size_t kHistory = 100;

    struct Run {
        std::uint32_t length = 0;
        TimePoint since{};
    };
    struct Lease {
        std::uint32_t id;
        TimePoint deadline;
    };
    // What to tell the sink once the lock is free.
    struct Notices {
        std::vector<Transition> transitions;
        std::optional<bool> penalty;
        TimePoint penalty_at{};
    };

    static State state_of(std::uint64_t word) { return static_cast<State>(word & kStateMask); }
    [[nodiscard]] std::uint64_t epoch() const {
        return word_.load(std::memory_order_relaxed) >> kEpochShift;
    }
    [[nodiscard]] bool is_due(TimePoint now, bool is_replay_safe) const;

    [[nodiscard]] Admission acquire_shut(TimePoint now, const AcquireOptions& options);
    [[nodiscard]] Admission acquire_probe(TimePoint now, const AcquireOptions& options);
    [[nodiscard]] Admission refusal(TimePoint now, bool is_replay_safe) const;
    void complete_slowly(const Permit& permit,
                         const Verdict& verdict,
                         TimePoint now,
                         std::uint32_t shard,
                         FailureKey key);

    // All below: mutex_ is held.
    void advance(TimePoint now, Notices& notices);
    void enter(State next, TripReason reason, TimePoint at, Notices& notices);
    void open(TripReason reason, TimePoint at, Duration hint, Notices& notices);
    void end_force(TimePoint at, Notices& notices);
    void judge_closed(const Permit& permit,
                      const Verdict& verdict,
                      TimePoint now,
                      FailureKey key,
                      Notices& notices);
    void judge_probe(const Permit& permit, const Verdict& verdict, TimePoint now, Notices& notices);
    void judge_late(const Permit& permit,
                    const Verdict& verdict,
                    TimePoint now,
                    std::uint32_t shard,
                    FailureKey key,
                    Notices& notices);
    void probe_succeeded(TimePoint now, Notices& notices);
    void end_runs();
    void extend_run(const Permit& permit, const Verdict& verdict, TimePoint now, FailureKey key);
    [[nodiscard]] TripReason rule(TimePoint now) const;
    void try_trip(TripReason reason, TimePoint now, Duration hint, Notices& notices);
    void set_penalty(TripReason penalty, TimePoint now, Notices& notices);
    [[nodiscard]] bool is_throttling(TimePoint now);
    void judge_throttling(const Permit& permit,
                          const Verdict& verdict,
                          TimePoint now,
                          Notices& notices);
    // So short a time after a no nobody asks again: the answer may cost a look at many endpoints.
    [[nodiscard]] static bool may_ask(TimePoint again_at, TimePoint now);
    [[nodiscard]] bool is_slow(const Verdict& verdict) const {
        return options_.is_of_endpoint ? verdict.is_slow_at_endpoint : verdict.is_slow;
    }
    [[nodiscard]] bool is_bad(const Verdict& verdict) const;
    [[nodiscard]] bool is_certain(const Run& run, std::uint32_t threshold, TimePoint now) const;
    [[nodiscard]] bool is_repeated(FailureKey key);
    [[nodiscard]] std::size_t probes_allowed() const;
    void drop_lease(std::uint32_t id);
    void decay_backoff(TimePoint now);
    void store_word(std::uint64_t epoch, State state);
    void publish_wake(State state);
    void tell(const Notices& notices) const;

    const Options options_;
    TripGate* const gate_;
    TransitionSink* const sink_;

    // Read by every attempt, written at transitions and runs only.
    alignas(64) std::atomic<std::uint64_t> word_{0};
    std::atomic<bool> suspect_{false};
    std::atomic<bool> has_run_{false};  // a run, or a penalty, that an ok would end
    std::atomic<TripReason> penalty_{TripReason::none};
    std::atomic<bool> release_early_{false};
    std::atomic<Duration::rep> wake_at_{0};  // closed-forced, open, half_open: nothing before it
    std::atomic<Duration::rep> ordinary_at_{0};  // from when on any request may probe

    SuccessWindow window_;

    mutable std::mutex mutex_;  // guards all below
    Random random_;
    bool forced_ = false;
    TimePoint since_;
    TimePoint open_until_{};
    TimePoint forced_until_{};
    Duration last_open_for_{0};
    Run fail_run_;
    Run local_run_;
    std::array<std::uint64_t, 8> keys_{};  // of the failures in the run
    std::uint32_t next_key_ = 0;
    std::uint32_t ok_run_ = 0;  // half_open: good probes in a row; penalised: good answers
    std::vector<Lease> leases_;
    std::uint32_t last_lease_ = 0;
    std::uint32_t trips_ = 0;
    TimePoint decay_since_;
    std::uint64_t decay_ok_base_ = 0;
    TimePoint ask_gate_at_{};
    TimePoint ask_peers_at_{};
    TimePoint penalized_at_{};
    std::uint32_t seen_under_penalty_ = 0;  // answers to requests that began under it
    std::uint32_t throttled_under_penalty_ = 0;
    // Answers since a throttled one, for a share that old good answers do not hide.
    std::uint32_t batch_throttled_ = 0;
    std::uint64_t batch_ok_base_ = 0;
    TimePoint batch_since_{};
    std::uint64_t opens_total_ = 0;
    std::uint64_t penalties_total_ = 0;
    TripReason reason_ = TripReason::none;
    TripReason penalty_reason_ = TripReason::none;
    std::deque<Transition> history_;
};

// Holds a permit and gives it back, with a verdict or without: a permit cannot be lost. The machine
// outlives it. Thread: its owner's.
class PermitGuard {
  public:
    PermitGuard() = default;
    PermitGuard(CircuitBreaker& breaker, const Permit& permit)
        : breaker_(&breaker), permit_(permit) {}
    PermitGuard(PermitGuard&& other) noexcept : breaker_(other.breaker_), permit_(other.permit_) {
        other.breaker_ = nullptr;
    }
    PermitGuard& operator=(PermitGuard&& other) noexcept;
    ~PermitGuard() { release(); }

    void headers_ok(TimePoint now) {
        if (breaker_ != nullptr) breaker_->headers_ok(permit_, now);
    }
    void complete(const Verdict& verdict, TimePoint now, std::uint32_t shard, FailureKey key = {});
    void release();

    [[nodiscard]] bool is_held() const { return breaker_ != nullptr; }
    [[nodiscard]] bool is_probe() const { return breaker_ != nullptr && permit_.is_probe; }

  private:
    CircuitBreaker* breaker_ = nullptr;
    Permit permit_;
};

}  // namespace weir::resilience
