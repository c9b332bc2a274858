#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/random.hpp"
#include "weir/core/reason.hpp"
#include "weir/telemetry/access_policy.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace weir::telemetry {

class Registry;

// What the `flags` field says beside reason and status: a word a bit, in this order.
enum class Flag : std::uint8_t {
    retried = 1,      // more than one attempt
    none_ready = 2,   // sent although no endpoint was ready
    probe = 4,        // served as a half-open breaker's or endpoint's probe
    stale_reuse = 8,  // a pooled connection had died
    shadow = 16,      // a breaker or limit in shadow mode would have refused
    upgraded = 32,    // became a tunnel
    hedged = 64,      // a second attempt ran beside the first
    fallback = 128,   // an open breaker's fallback answered
};

// The words of the bits that are set.
[[nodiscard]] std::vector<std::string_view> words_of_flags(std::uint8_t flags);

// One request. Views need to live during append() only; empty ones are written as empty.
struct AccessRecord {
    WallTime time{};                       // of the request's first byte
    const AccessPolicy* policy = nullptr;  // of its listener, route and cluster; never none
    const AccessFields* fields = nullptr;  // what the policy asked for, if anything
    std::string_view endpoint;
    std::string_view method;
    std::string_view host;
    std::string_view path;  // with its query
    std::string_view protocol;
    std::string_view request_id;
    std::string_view trace_id;
    std::string_view client;
    std::string_view peer;  // identity of a mutual-TLS client
    Duration duration{};
    Duration upstream{};  // sent to the last byte of the answer, last attempt; 0 without one
    std::uint64_t request_bytes = 0;
    std::uint64_t response_bytes = 0;
    std::uint32_t attempts = 0;
    std::uint16_t status = 0;
    Reason reason = Reason::none;
    std::uint8_t flags = 0;  // of Flag
};

// The text of a record's second, kept as long as the second is the same.
struct AccessTime {
    std::int64_t second = -1;
    std::array<char, 24> text{};
};

class LogWriter;

// The process's access log: a thread of its own writes what the workers hand over. What is logged
// of a request is its policy's matter. Thread: any.
class AccessLog {
  public:
    enum class Format : std::uint8_t { auto_detect, text, json };

    struct Options {
        std::string to = "stdout";                     // stdout, stderr, off or a path
        Format format = Format::auto_detect;           // text on a terminal, else json
        std::size_t buffer = std::size_t{256} * 1024;  // handed over and not yet written, at most

        bool operator==(const Options&) const = default;
    };
    [[nodiscard]] static Options options(const config::AccessLog& config);

    // Opens the sink; throws std::system_error if it cannot. Losses are counted in
    // weir_access_log_dropped_total.
    AccessLog(const Options& options, Registry& registry);
    // Writes what was handed over, but gives up on a sink that takes nothing for 2 s.
    ~AccessLog();
    AccessLog(const AccessLog&) = delete;
    AccessLog& operator=(const AccessLog&) = delete;

    // From now on; for a reload. Throws as the constructor does, and then nothing has changed. The
    // workers follow at their next record or flush(); what was handed over before goes to the old
    // sink, which is then closed. Never waits. Thread: main.
    void configure(const Options& options);

    [[nodiscard]] bool is_on() const { return is_on_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool is_text() const { return is_text_.load(std::memory_order_relaxed); }

    // A file is opened again by its path, for logrotate, before anything handed over later is
    // written. If that fails, the old file is kept and a warning logged. Never waits.
    void reopen();

    // A line among the records, for a terminal: "12:01:07.202  ●  breaker legacy  closed → open".
    // Text format only; else ignored.
    void write_line(std::string_view line, WallTime at);

    // Waits until all that was handed over to the present sink is written. For tests and shutdown;
    // never on a worker.
    void drain();

  private:
    friend class AccessLogShard;

    // The present writer, none if off, with one user more; its format.
    struct Attachment {
        LogWriter* writer = nullptr;
        bool is_text = false;
        std::uint64_t version = 0;
    };
    Attachment attach();

    Registry& registry_;
    Options options_;
    std::atomic<bool> is_on_{false};
    std::atomic<bool> is_text_{false};
    std::atomic<std::uint64_t> version_{0};  // of the options; workers look at it for each record
    std::mutex mutex_;
    LogWriter* current_ = nullptr;                     // none: off
    std::vector<std::unique_ptr<LogWriter>> writers_;  // those before until they are done
};

// A worker's part: formats records into a buffer of its own and hands it over when it holds 64 KiB
// or at flush(). When the log's buffer is full, records are dropped and counted; never waits.
// Owns no buffer while empty. The log outlives its shards. Thread: its worker's. No allocation a
// record.
class AccessLogShard {
  public:
    // The seed is of the sampling.
    explicit AccessLogShard(AccessLog& log, std::uint64_t seed = Random::from_system()());
    ~AccessLogShard();  // hands over the rest
    AccessLogShard(const AccessLogShard&) = delete;
    AccessLogShard& operator=(const AccessLogShard&) = delete;

    // If its policy keeps it.
    void append(const AccessRecord& record);

    // Once a second, and before the worker ends.
    void flush();

  private:
    void follow();
    void leave();
    bool make_room(std::size_t size);
    bool hand_over();

    AccessLog& log_;
    AccessLog::Attachment to_;
    Random random_;
    std::unique_ptr<char[]> buffer_;
    std::size_t capacity_ = 0;
    std::size_t size_ = 0;
    std::uint32_t records_ = 0;
    AccessTime time_;
    std::string scratch_;   // for what must be escaped
    std::string redacted_;  // for a path with something to hide
};

}  // namespace weir::telemetry
