#pragma once

#include "weir/core/clock.hpp"
#include "weir/resilience/outcome.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weir::telemetry {

// The end of one attempt. Views need to live during add() only.
struct TracedAttempt {
    std::string_view cluster;
    std::string_view route;
    std::string_view endpoint;  // empty: it got nowhere
    std::string_view method;
    TimePoint began{};
    TimePoint ended{};
    std::optional<Duration> headers;  // from its beginning to the head of the answer
    resilience::Verdict verdict;
    std::uint64_t request = 0;  // the same for all attempts of one request
    std::uint32_t attempt = 0;  // from 1
    std::uint16_t status = 0;
    bool is_replay_safe = false;
    bool is_probe = false;
};

// Records the end of each attempt while somebody reads along: what `weir simulate` plays again.
// Without a reader it costs an attempt one load and has no memory; with one, 4 MiB and a lock that
// a worker never waits for: what it cannot record at once is dropped and counted. Thread: any.
class AttemptTrace {
  public:
    static constexpr std::size_t kCapacity = 65'536;
    static constexpr std::size_t kMostNames = 65'536;

    explicit AttemptTrace(std::size_t capacity = kCapacity) : capacity_(capacity) {}
    AttemptTrace(const AttemptTrace&) = delete;
    AttemptTrace& operator=(const AttemptTrace&) = delete;

    [[nodiscard]] bool is_on() const { return is_on_.load(std::memory_order_relaxed); }
    // Only while is_on().
    void add(const TracedAttempt& attempt);

    // Reads along from its making to its end: attempts that began since then. The trace outlives
    // it. Thread: one.
    class Reader {
      public:
        Reader(AttemptTrace& trace, std::string_view cluster, TimePoint now, WallTime wall);
        Reader(const Reader&) = delete;
        Reader& operator=(const Reader&) = delete;
        ~Reader();

        // {"weir_trace":1,"start":...,"dropped":n}: the first line of a trace; again where nothing
        // else is to be said for long, and at its end if something was lost.
        [[nodiscard]] std::string head() const;
        // A line for each of the next attempts, at most so many.
        [[nodiscard]] std::string next(std::size_t most);
        // Attempts that ended, but were overwritten or not recorded.
        [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

      private:
        AttemptTrace& trace_;
        const std::string cluster_;
        const TimePoint start_;
        const WallTime wall_;
        std::uint64_t position_ = 0;       // of the next attempt to read
        std::uint64_t missed_before_ = 0;  // of the trace, when it was last looked at
        std::uint64_t dropped_ = 0;
    };

  private:
    // Names as numbers: 88 bytes an attempt.
    struct Row {
        TimePoint began;
        Duration latency;
        Duration headers;  // negative: none
        Duration hint;
        std::uint64_t request;
        std::uint32_t cluster, route, endpoint, method;
        std::uint32_t attempt;
        std::uint16_t status;
        resilience::Outcome outcome;
        resilience::FailureKind kind;
        bool is_slow, is_replay_safe, is_probe;
    };

    [[nodiscard]] std::uint32_t number_of(std::string_view name);
    void write(std::string& out, const Row& row, TimePoint start) const;

    const std::size_t capacity_;
    std::atomic<bool> is_on_{false};
    std::atomic<std::uint64_t> missed_{0};  // not recorded: the lock was held

    std::mutex mutex_;  // guards all below
    unsigned readers_ = 0;
    std::uint64_t written_ = 0;  // rows ever; the last capacity_ are there
    std::vector<Row> rows_;
    std::vector<const std::string*> names_;  // of numbers_
    std::unordered_map<std::string, std::uint32_t> numbers_;
};

}  // namespace weir::telemetry
