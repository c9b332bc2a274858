#include "weir/quota/lease.hpp"

#include <algorithm>
#include <cmath>

namespace weir::quota {
namespace {

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

LeaseBook::Entry& LeaseBook::entry(std::uint64_t key, TimePoint now) {
    const auto known = index_.find(key);
    if (known != index_.end()) {
        entries_.splice(entries_.begin(), entries_, known->second);
        return entries_.front();
    }
    // Of the oldest few the first that nobody waits for; if there is none, it is one more for now.
    auto oldest = entries_.end();
    for (int i = 0; i < 4 && entries_.size() >= options_.max_keys && oldest != entries_.begin();
         ++i) {
        --oldest;
        if (oldest->is_asking) continue;
        if (oldest->tokens > 0 || oldest->refused_until > now) ++evicted_;
        outstanding_ -= oldest->tokens;
        index_.erase(oldest->key);
        entries_.erase(oldest);
        break;
    }
    entries_.emplace_front();
    entries_.front().key = key;
    entries_.front().counted_since = now;
    index_[key] = entries_.begin();
    return entries_.front();
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
    Entry& of = entry(key, now);
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
    Entry& of = entry(key, now);
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
    Entry& of = entry(key, now);
    of.is_asking = true;
    return to_ask(of, cost);
}

void LeaseBook::settle(std::uint64_t key, TimePoint now, std::uint32_t asked, const Grant& grant) {
    Entry& of = entry(key, now);
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
