#include "weir/auth/key_source.hpp"

#include <algorithm>

namespace weir::auth {
namespace {

constexpr Duration kFirstPause = std::chrono::seconds{1};
// What a source says of its max-age is believed between these.
constexpr Duration kLeastAge = std::chrono::minutes{1};
constexpr Duration kMostAge = std::chrono::hours{24};
constexpr std::size_t kMostIdBytes = 256;

}  // namespace

KeySource::KeySource(const Options& options, Random random) : options_(options), random_(random) {}

bool KeySource::has_keys(TimePoint now) const {
    return keys_ != nullptr && now - came_at_ <= options_.max_stale;
}

KeySource::Answer KeySource::begin(Action action, TimePoint now) {
    is_fetching_ = true;
    has_begun_ = true;
    began_at_ = now;
    return {action, true, keys_};
}

KeySource::Answer KeySource::ask(TimePoint now) {
    const bool may_begin = !is_fetching_ && (!has_begun_ || now - began_at_ >= pause_);
    if (has_keys(now)) {
        if (may_begin && now >= refresh_at_) return begin(Action::use, now);
        return {Action::use, false, keys_};
    }
    if (is_fetching_) return {Action::wait, false, nullptr};
    if (may_begin) return begin(Action::wait, now);
    return {Action::unavailable, false, nullptr};
}

KeySource::Answer KeySource::ask_for(std::string_view id, TimePoint now) {
    if (!has_keys(now)) return ask(now);
    if (keys_->has(id)) return {Action::use, false, keys_};
    if (id.size() > kMostIdBytes) return {Action::unknown, false, keys_};
    if (const auto at = negative_.find(std::string(id)); at != negative_.end()) {
        if (now < at->second) return {Action::unknown, false, keys_};
        negative_.erase(at);
    }
    if (is_fetching_) return {Action::wait, false, keys_};
    const Duration least = std::max(options_.min_refetch, pause_);
    if (has_begun_ && now - began_at_ < least) return {Action::unknown, false, keys_};
    sought_ = id;
    return begin(Action::wait, now);
}

void KeySource::remember_unknown(std::string_view id, TimePoint now) {
    if (negative_.size() >= options_.most_negative) {
        std::erase_if(negative_, [&](const auto& entry) { return now >= entry.second; });
        if (negative_.size() >= options_.most_negative) negative_.clear();
    }
    negative_[std::string(id)] = now + options_.negative_for;
}

void KeySource::on_fetched(std::shared_ptr<const crypto::JwkSet> keys,
                           std::optional<Duration> max_age,
                           TimePoint now) {
    is_fetching_ = false;
    pause_ = Duration{0};
    keys_ = std::move(keys);
    ++generation_;
    came_at_ = now;
    if (!sought_.empty() && !keys_->has(sought_)) remember_unknown(sought_, now);
    sought_.clear();
    const Duration age = max_age ? std::clamp(*max_age, kLeastAge, kMostAge) : options_.refresh;
    const Duration most = std::min(age, options_.max_stale);
    const double share = 0.5 + 0.3 * random_.uniform();
    refresh_at_ = now + std::chrono::duration_cast<Duration>(most * share);
}

void KeySource::on_failed(TimePoint now) {
    is_fetching_ = false;
    sought_.clear();
    pause_ = std::clamp(2 * pause_, kFirstPause, std::max(options_.min_refetch, kFirstPause));
    const double share = 0.8 + 0.2 * random_.uniform();
    refresh_at_ = std::max(refresh_at_, now + std::chrono::duration_cast<Duration>(pause_ * share));
}

void KeySource::inherit(const KeySource& other, TimePoint now) {
    keys_ = other.keys_;
    generation_ = other.generation_;
    came_at_ = other.came_at_;
    refresh_at_ = now;
}

void KeySource::on_abandoned() {
    is_fetching_ = false;
    has_begun_ = false;
}

}  // namespace weir::auth
