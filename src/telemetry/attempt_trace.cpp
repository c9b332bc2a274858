#include "weir/telemetry/attempt_trace.hpp"

#include "weir/core/json.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace weir::telemetry {
namespace {

constexpr std::string_view kOther = "_other";

// The names of resilience::FailureKind: a status says that it is one.
std::string kind_of(resilience::FailureKind kind) {
    const std::string_view word = resilience::word(kind);
    const bool is_status = word.front() >= '0' && word.front() <= '9';
    return is_status ? "status_" + std::string(word) : std::string(word);
}

double milliseconds(Duration duration) {
    // To the microsecond.
    const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
    return static_cast<double>(whole) / 1000.0;
}

std::string iso_time(WallTime at) {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch());
    const std::time_t seconds = since.count() / 1000;
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    std::array<char, 64> text{};
    const auto size = std::strftime(text.data(), 32, "%Y-%m-%dT%H:%M:%S", &utc);
    std::snprintf(text.data() + size, 8, ".%03uZ", static_cast<unsigned>(since.count() % 1000));
    return text.data();
}

}  // namespace

std::uint32_t AttemptTrace::number_of(std::string_view name) {
    std::string key(numbers_.size() < kMostNames ? name : kOther);
    const auto known = numbers_.find(std::string(name));
    if (known != numbers_.end()) return known->second;
    const auto added = numbers_.try_emplace(std::move(key), names_.size());
    if (added.second) names_.push_back(&added.first->first);
    return added.first->second;
}

void AttemptTrace::add(const TracedAttempt& attempt) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) {
        missed_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    if (readers_ == 0) return;
    Row& row = rows_[written_++ % capacity_];
    row = {.began = attempt.began,
           .latency = attempt.ended - attempt.began,
           .headers = attempt.headers.value_or(Duration{-1}),
           .hint = attempt.verdict.hint,
           .request = attempt.request,
           .cluster = number_of(attempt.cluster),
           .route = number_of(attempt.route),
           .endpoint = number_of(attempt.endpoint),
           .method = number_of(attempt.method),
           .attempt = attempt.attempt,
           .status = attempt.status,
           .outcome = attempt.verdict.outcome,
           .kind = attempt.verdict.kind,
           .is_slow = attempt.verdict.is_slow,
           .is_replay_safe = attempt.is_replay_safe,
           .is_probe = attempt.is_probe};
}

void AttemptTrace::write(std::string& out, const Row& row, TimePoint start) const {
    JsonWriter json(out);
    json.begin_object();
    json.field("t_ms", milliseconds(row.began - start));
    json.field("cluster", *names_[row.cluster]).field("route", *names_[row.route]);
    json.field("endpoint", *names_[row.endpoint]);
    json.field("outcome", resilience::word(row.outcome)).field("kind", kind_of(row.kind));
    json.field("slow", row.is_slow).field("latency_ms", milliseconds(row.latency));
    json.field("status", std::uint32_t{row.status}).field("method", *names_[row.method]);
    json.field("replay_safe", row.is_replay_safe).field("attempt", row.attempt);
    json.field("probe", row.is_probe).field("request", row.request);
    json.field("hint_ms", milliseconds(row.hint));
    if (row.headers >= Duration::zero()) json.field("headers_ms", milliseconds(row.headers));
    json.end_object();
    out += '\n';
}

AttemptTrace::Reader::Reader(AttemptTrace& trace,
                             std::string_view cluster,
                             TimePoint now,
                             WallTime wall)
    : trace_(trace), cluster_(cluster), start_(now), wall_(wall) {
    const std::lock_guard lock(trace_.mutex_);
    if (trace_.readers_++ == 0) trace_.rows_.resize(trace_.capacity_);
    position_ = trace_.written_;
    missed_before_ = trace_.missed_.load(std::memory_order_relaxed);
    trace_.is_on_.store(true, std::memory_order_relaxed);
}

AttemptTrace::Reader::~Reader() {
    const std::lock_guard lock(trace_.mutex_);
    if (--trace_.readers_ > 0) return;
    trace_.is_on_.store(false, std::memory_order_relaxed);
    trace_.rows_ = {};
    trace_.names_ = {};
    trace_.numbers_ = {};
}

std::string AttemptTrace::Reader::head() const {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("weir_trace", 1).field("start", iso_time(wall_));
    json.field("dropped", dropped_).end_object();
    return out + '\n';
}

std::string AttemptTrace::Reader::next(std::size_t most) {
    std::string out;
    const std::lock_guard lock(trace_.mutex_);
    const std::uint64_t missed = trace_.missed_.load(std::memory_order_relaxed);
    dropped_ += missed - std::exchange(missed_before_, missed);
    const std::uint64_t oldest =
        trace_.written_ - std::min<std::uint64_t>(trace_.written_, trace_.capacity_);
    if (position_ < oldest) {
        dropped_ += oldest - position_;
        position_ = oldest;
    }
    for (; most > 0 && position_ < trace_.written_; ++position_) {
        const Row& row = trace_.rows_[position_ % trace_.capacity_];
        if (row.began < start_) continue;
        if (!cluster_.empty() && *trace_.names_[row.cluster] != cluster_) continue;
        trace_.write(out, row, start_);
        --most;
    }
    return out;
}

}  // namespace weir::telemetry
