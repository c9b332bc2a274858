#include "weir/auth/guesses.hpp"

#include <algorithm>

namespace weir::auth {

Duration Guesses::wait_of(std::string_view key, TimePoint now) const {
    const auto at = full_at_.find(std::string(key));
    if (at == full_at_.end()) return Duration::zero();
    const Duration room = options_.again * (options_.most - 1);
    return std::max(Duration::zero(), at->second - now - room);
}

void Guesses::on_guess(std::string_view key, TimePoint now) {
    if (full_at_.size() >= options_.keys) {
        std::erase_if(full_at_, [&](const auto& entry) { return entry.second <= now; });
        // All of them have guessed lately: what an attacker with so many addresses would forget of
        // itself, it could have as well by coming from other ones.
        if (full_at_.size() >= options_.keys) full_at_.clear();
    }
    TimePoint& full = full_at_[std::string(key)];
    full = std::max(full, now) + options_.again;
}

void Guesses::on_right(std::string_view key) {
    const auto at = full_at_.find(std::string(key));
    if (at != full_at_.end()) at->second -= options_.again;
}

}  // namespace weir::auth
