#include "weir/telemetry/failures.hpp"

#include <algorithm>

namespace weir::telemetry {
namespace {

constexpr std::array<std::string_view, 5> kRoles = {"first", "retry", "hedge", "rescue",
                                                    "probe_replay"};
constexpr std::string_view kCut = "...";

bool matches(const Failure& failure, const FailureLog::Query& query) {
    const auto is = [](std::string_view wanted, std::string_view text) {
        return wanted.empty() || wanted == text;
    };
    return is(query.cluster, failure.cluster) && is(query.route, failure.route) &&
           is(query.reason, word(failure.reason)) && is(query.request_id, failure.request_id);
}

// Elements are reused, so that a story in the place of another allocates little.
template <typename T>
T* next_of(std::vector<T>& list, std::uint8_t& count, std::size_t most) {
    if (count == most) return nullptr;
    if (list.size() == count) list.emplace_back();
    return &list[count++];
}

}  // namespace

std::string_view word(AttemptRole role) {
    return kRoles[static_cast<std::size_t>(role)];
}

void assign_cut(std::string& to, std::string_view text, std::size_t most) {
    if (text.size() <= most) {
        to.assign(text);
        return;
    }
    to.assign(text.substr(0, most - kCut.size()));
    to.append(kCut);
}

void Failure::clear() {
    sequence = 0;
    refusal = resilience::RetryRefusal::none;
    status = 0;
    reason = Reason::none;
    detail = "";
    flags = 0;
    is_cut = false;
    attempts_total = candidates_total = 0;
    breaker = breaker_reason = {};
    timer_count = attempt_count = candidate_count = 0;
    for (std::string* const text :
         {&request_id, &method, &host, &path, &client, &listener, &route, &cluster})
        text->clear();
}

AttemptRecord* Failure::add_attempt() {
    ++attempts_total;
    return next_of(attempts, attempt_count, kMostAttempts);
}

CandidateRecord* Failure::add_candidate() {
    return next_of(candidates, candidate_count, kMostCandidates);
}

void Failure::add_timer(const char* key, std::optional<Duration> after) {
    if (after && timer_count < kMostTimers) timers[timer_count++] = {key, *after, false};
}

void Failure::fire(std::string_view key) {
    for (std::size_t i = 0; i < timer_count; ++i) {
        if (timers[i].key == key) timers[i].has_fired = true;
    }
}

FailureLog::FailureLog() = default;

void FailureLog::Ring::swap_in(Failure& failure, std::size_t capacity) {
    if (kept.size() < capacity) {
        kept.push_back(std::move(failure));
        failure = {};
        return;
    }
    std::swap(kept[next], failure);
    next = (next + 1) % capacity;
}

void FailureLog::add(Failure& failure) {
    const std::lock_guard lock(mutex_);
    failure.sequence = ++last_;
    recent_.swap_in(failure, kKept);
    // What it left is one that is forgotten now.
    const bool was_tried = failure.sequence != 0 && failure.attempt_count > 0 &&
                           !failure.attempts.front().endpoint.empty();
    if (was_tried) tried_.swap_in(failure, kTriedKept);
}

void FailureLog::append(std::vector<Failure>& to, const Ring& ring, const Query& query) {
    const std::size_t size = ring.kept.size();
    for (std::size_t i = 1; i <= size && to.size() < query.most; ++i) {
        const Failure& failure = ring.kept[(ring.next + size - i) % size];
        if (matches(failure, query)) to.push_back(failure);
    }
}

std::vector<Failure> FailureLog::recent(const Query& query) const {
    std::vector<Failure> found;
    const std::lock_guard lock(mutex_);
    append(found, recent_, query);
    const bool asks_for_some = !query.cluster.empty() || !query.route.empty() ||
                               !query.reason.empty() || !query.request_id.empty();
    if (asks_for_some || query.most > kKept) append(found, tried_, query);
    return found;
}

std::uint64_t FailureLog::total() const {
    const std::lock_guard lock(mutex_);
    return last_;
}

}  // namespace weir::telemetry
