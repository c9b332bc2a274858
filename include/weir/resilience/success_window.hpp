#pragma once

#include "weir/core/clock.hpp"
#include "weir/resilience/outcome.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

namespace weir::resilience {

// Exact counts of the last `window`, in ten buckets: between nine and ten tenths of it are seen.
//
// Each worker writes a shard of its own, so that counting an answer writes no shared line; a reader
// sums the shards. Buckets carry the epoch they were counted in: a new epoch starts empty and
// nothing need be cleared. A bucket is reused when its tenth comes round again; a gap, or a jump of
// the clock, longer than the window empties it. Thread: any. Relaxed atomics; a shard has one
// writing thread. A reader may miss what is being counted at that moment, or a bucket that is being
// reused.
class SuccessWindow {
  public:
    static constexpr std::uint32_t kBuckets = 10;

    struct Counts {
        std::uint64_t ok = 0;
        std::uint64_t fail = 0;
        std::uint64_t slow = 0;  // among the others
        std::uint64_t throttled = 0;
        std::uint64_t local = 0;

        [[nodiscard]] std::uint64_t total() const { return ok + fail + throttled + local; }
        [[nodiscard]] std::uint64_t failed() const { return fail + local; }
        // Nobody has failed where nobody has asked.
        [[nodiscard]] double failure_rate() const {
            return total() == 0 ? 0.0
                                : static_cast<double>(failed()) / static_cast<double>(total());
        }
    };

    SuccessWindow(Duration window, std::uint32_t shards);

    // stale and ignored are not counted.
    void add(
        std::uint32_t shard, std::uint64_t epoch, Outcome outcome, bool is_slow, TimePoint now);

    [[nodiscard]] Counts sum(std::uint64_t epoch, TimePoint now) const;

    // All ok answers of all epochs.
    [[nodiscard]] std::uint64_t ok_total() const;

  private:
    using Counter = std::atomic<std::uint32_t>;
    struct Bucket {
        std::atomic<std::uint64_t> tag{0};  // epoch and tenth; 0 while it is being reused
        Counter ok{0};
        Counter fail{0};
        Counter slow{0};
        Counter throttled{0};
        Counter local{0};
    };
    struct alignas(64) Shard {
        std::array<Bucket, kBuckets> buckets;
        std::atomic<std::uint64_t> ok_total{0};
        // The writer's own: the tenth it is in.
        TimePoint begins{};
        TimePoint ends{};
        std::uint32_t tenth = 0;
    };

    [[nodiscard]] std::uint32_t tenth(TimePoint at) const;
    [[nodiscard]] std::uint32_t tenth_of_writer(Shard& own, TimePoint now) const;
    static void reuse(Bucket& bucket, std::uint64_t tag);

    Duration tenth_;
    std::uint32_t shard_count_;
    std::unique_ptr<Shard[]> shards_;
};

}  // namespace weir::resilience
