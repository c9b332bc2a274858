#include "weir/quota/lease.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace weir::quota {
namespace {

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

LeaseBook::Entry* LeaseBook::find(std::uint64_t key) {
    const auto known = index_.find(key);
    if (known == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, known->second);
    return &entries_.front();
}

LeaseBook::Entry* LeaseBook::find_or_add(std::uint64_t key, TimePoint now) {
    if (Entry* const known = find(key)) return known;
    if (entries_.size() >= options_.max_keys && !make_room(now)) return nullptr;
    entries_.emplace_front();
    entries_.front().key = key;
    entries_.front().counted_since = now;
    index_[key] = entries_.begin();
    return &entries_.front();
}

// The oldest goes that nobody waits for. Few are looked at: those with a question under way go to
// the front, where the next look will not meet them.
bool LeaseBook::make_room(TimePoint now) {
    constexpr int kLooks = 4;
    for (int i = 0; i < kLooks && !entries_.empty(); ++i) {
        const auto oldest = std::prev(entries_.end());
        if (oldest->is_asking) {
            entries_.splice(entries_.begin(), entries_, oldest);
            continue;
        }
        if (oldest->tokens > 0 || oldest->refused_until > now) ++evicted_;
        erase(oldest);
        return true;
    }
    return false;
}

LeaseBook::Entries::iterator LeaseBook::erase(Entries::iterator at) {
    outstanding_ -= at->tokens;
    index_.erase(at->key);
    return entries_.erase(at);
}

void LeaseBook::tidy(TimePoint now) {
    for (auto at = entries_.begin(); at != entries_.end();) {
        expire(*at, now);
        const bool says_nothing = !at->is_asking && at->tokens == 0 && at->refused_until <= now &&
                                  now - at->counted_since > kLifetime;
        at = says_nothing ? erase(at) : std::next(at);
    }
}

void LeaseBook::count(Entry& entry, TimePoint now, std::uint32_t cost) {
    const Duration passed = now - entry.counted_since;
    if (passed >= kAhead) {
        entry.rate = entry.counted / seconds(passed);
        entry.counted = 0;
        entry.counted_since = now;
    }
    entry.counted += cost;
}

void LeaseBook::expire(Entry& entry, TimePoint now) {
    if (entry.tokens == 0 || entry.expires > now) return;
    outstanding_ -= entry.tokens;
    entry.tokens = 0;
}

std::uint32_t LeaseBook::to_ask(const Entry& entry, std::uint32_t cost) const {
    // What was counted in the present stretch says more than an idle one before.
    const double ahead = std::max(entry.rate * seconds(kAhead), entry.counted);
    const double most = static_cast<double>(options_.promise.quota) / 10;
    const double wanted = std::max(std::min(ahead, most), static_cast<double>(cost));
    return static_cast<std::uint32_t>(std::min(wanted, 1e9));
}

Decision LeaseBook::decision(const Entry& entry, TimePoint now, bool is_admitted) {
    Decision decision;
    decision.is_admitted = is_admitted;
    decision.remaining = entry.tokens + entry.remaining;
    decision.reset = std::max(entry.reset - (now - entry.reset_from), Duration{0});
    if (!is_admitted) decision.retry_after = std::max(entry.refused_until - now, Duration{0});
    return decision;
}

LeaseBook::Verdict LeaseBook::take(std::uint64_t key, TimePoint now, std::uint32_t cost) {
    Entry* const found = find_or_add(key, now);
    if (found == nullptr) return {.answer = Answer::no_room, .decision = {}};
    Entry& of = *found;
    count(of, now, cost);
    expire(of, now);
    Verdict verdict;
    if (of.tokens >= cost) {
        of.tokens -= cost;
        outstanding_ -= cost;
        verdict.answer = Answer::admitted;
        verdict.decision = decision(of, now, true);
        // Half of it is spent: the rest lasts until more is here.
        const std::uint32_t next = to_ask(of, cost);
        if (of.is_asking || of.refused_until > now || next <= cost || of.tokens > next / 2)
            return verdict;
        verdict.ask = next;
    } else if (of.refused_until > now) {
        verdict.answer = Answer::refused;
        verdict.decision = decision(of, now, false);
        return verdict;
    } else if (!of.is_asking) {
        verdict.ask = to_ask(of, cost);
    }
    of.is_asking = of.is_asking || verdict.ask > 0;
    return verdict;
}

LeaseBook::Verdict LeaseBook::take_after(std::uint64_t key, TimePoint now, std::uint32_t cost) {
    Entry* const found = find(key);
    if (found == nullptr) return {};
    Entry& of = *found;
    Verdict verdict;
    if (of.tokens >= cost) {
        of.tokens -= cost;
        outstanding_ -= cost;
        verdict.answer = Answer::admitted;
    } else if (of.refused_until > now) {
        verdict.answer = Answer::refused;
    }
    verdict.decision = decision(of, now, verdict.answer == Answer::admitted);
    return verdict;
}

std::uint32_t LeaseBook::ask_again(std::uint64_t key, TimePoint now, std::uint32_t cost) {
    Entry* const found = find_or_add(key, now);
    if (found == nullptr) return 0;
    found->is_asking = true;
    return to_ask(*found, cost);
}

void LeaseBook::settle(std::uint64_t key, TimePoint now, std::uint32_t asked, const Grant& grant) {
    Entry* const found = find(key);  // while a question is under way its key stays
    if (found == nullptr) return;
    Entry& of = *found;
    expire(of, now);
    of.is_asking = false;
    const std::uint64_t granted = std::min<std::uint64_t>(grant.tokens, asked);
    of.tokens += granted;
    outstanding_ += granted;
    of.expires = now + kLifetime;
    of.reset = grant.reset;
    of.reset_from = now;
    of.remaining = grant.remaining;
    of.refused_until = TimePoint{};
    if (granted >= asked) return;
    const Duration pause = std::min(kPause, options_.promise.window / 10);
    of.refused_until = now + std::max(grant.retry_after, pause);
}

void LeaseBook::settle_failed(std::uint64_t key) {
    const auto known = index_.find(key);
    if (known != index_.end()) known->second->is_asking = false;
}

}  // namespace weir::quota
