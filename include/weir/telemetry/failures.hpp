#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/error.hpp"
#include "weir/resilience/outcome.hpp"
#include "weir/resilience/retry_policy.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The last failed requests, each with its story: who was tried, who was not and why, which deadline
// fired. Made only when a request has failed: one that succeeds pays nothing for it.
namespace weir::telemetry {

// What an attempt was for.
enum class AttemptRole : std::uint8_t {
    first,
    retry,
    hedge,         // the one before was slow
    rescue,        // the endpoint of the one before had stalled
    probe_replay,  // the one before was a probe
};
[[nodiscard]] std::string_view word(AttemptRole role);

// One attempt, as it ended.
struct AttemptRecord {
    std::string endpoint;  // empty: it got nowhere
    TimePoint began{};
    TimePoint ended{};
    std::optional<Duration>
        queued;  // until it had a connection or began to make one; none: at once
    std::optional<Duration> connect;  // that its connection took; none on a pooled connection
    std::optional<Duration> headers;  // from sending to the head of the answer
    resilience::Verdict verdict;
    Error error;
    std::uint16_t status = 0;  // of the answer; 0 without one
    AttemptRole role = AttemptRole::first;
    bool is_sent = false;
    bool is_reused = false;          // a pooled connection
    bool is_endpoint_probe = false;  // of a half-open endpoint
    bool is_breaker_probe = false;   // of a half-open breaker
    bool is_none_ready = false;      // sent although no endpoint was ready
};

// A deadline that applied to the request.
struct TimerRecord {
    const char* key = "";  // "timeout.request"
    Duration after{};
    bool has_fired = false;
};

// An endpoint of the cluster, as it was when the request had failed.
struct CandidateRecord {
    std::string endpoint;
    std::string_view state;     // static text: healthy, ejected, ...
    std::string_view excluded;  // static text: why no request could go there; empty: one could
    std::string_view reason;    // static text: of its state
};

// A request that failed. Texts are cut off: a story is for people to read.
struct Failure {
    static constexpr std::size_t kLongestPath = 512;
    static constexpr std::size_t kLongestText = 128;
    static constexpr std::size_t kMostAttempts = 8;
    static constexpr std::size_t kMostCandidates = 16;
    static constexpr std::size_t kMostTimers = 8;

    std::uint64_t sequence = 0;  // set by FailureLog, from 1
    WallTime at{};               // of the request's first byte
    TimePoint began{};
    Duration duration{};
    std::string request_id;
    std::string method;
    std::string host;
    std::string path;  // with its query, redacted as in the access log
    std::string client;
    std::string listener;
    std::string route;
    std::string cluster;
    std::uint16_t status = 0;  // that the client saw; 0: none
    Reason reason = Reason::none;
    const char* detail = "";  // static text: of the error
    std::uint8_t flags = 0;   // of Flag
    bool is_cut = false;      // the answer had begun, and was cut off
    resilience::RetryRefusal refusal = resilience::RetryRefusal::none;  // why no further attempt
    std::uint32_t attempts_total = 0;
    std::uint32_t candidates_total = 0;
    std::string_view breaker;         // static text: the state of the cluster's; empty: no cluster
    std::string_view breaker_reason;  // static text
    std::array<TimerRecord, kMostTimers> timers{};
    std::uint8_t timer_count = 0;
    // Only the first *_count are of this request: the rest is capacity.
    std::uint8_t attempt_count = 0;
    std::uint8_t candidate_count = 0;
    std::vector<AttemptRecord> attempts;
    std::vector<CandidateRecord> candidates;

    // Ready for the next, with the capacity of its texts.
    void clear();
    // The next place to write to; none once there are enough.
    [[nodiscard]] AttemptRecord* add_attempt();
    [[nodiscard]] CandidateRecord* add_candidate();
    void add_timer(const char* key, std::optional<Duration> after);
    // Marks the timer that ended something, if `key` is one.
    void fire(std::string_view key);
};

// At most so many bytes of it; a text that was cut ends with "...".
void assign_cut(std::string& to, std::string_view text, std::size_t most);

// The last failures of the process, and beside them some that are older but had reached an
// endpoint: refusals in numbers do not hide what led to them. Bounded: some kilobytes each.
// Thread: any, by a lock held for a swap, and for a copy when it is read.
class FailureLog {
  public:
    static constexpr std::size_t kKept = 256;
    static constexpr std::size_t kTriedKept = 64;

    FailureLog();

    // Takes it, and leaves an older one in its place for its capacity.
    void add(Failure& failure);

    struct Query {
        std::string_view cluster = {};  // empty: any
        std::string_view route = {};
        std::string_view reason = {};
        std::string_view request_id = {};
        std::size_t most = kKept;
    };
    // Newest first. Beyond the last kKept only if one asks for something, or for more than that.
    [[nodiscard]] std::vector<Failure> recent(const Query& query) const;

    [[nodiscard]] std::uint64_t total() const;  // since it began

  private:
    // The newest of up to `capacity`.
    struct Ring {
        // The one that goes to make room is left in `failure`.
        void swap_in(Failure& failure, std::size_t capacity);
        std::vector<Failure> kept;
        std::size_t next = 0;
    };
    static void append(std::vector<Failure>& to, const Ring& ring, const Query& query);

    mutable std::mutex mutex_;
    std::uint64_t last_ = 0;
    Ring recent_;
    Ring tried_;
};

}  // namespace weir::telemetry
