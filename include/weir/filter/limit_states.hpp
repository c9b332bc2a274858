#pragma once

#include "weir/config/rate_limit.hpp"
#include "weir/core/clock.hpp"
#include "weir/quota/algorithm.hpp"
#include "weir/quota/store_health.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace weir::filter {

class Stores;

// What this process knows of a rate limit now. For the admin API.
struct LimitState {
    std::optional<quota::Promise> promise{};  // none: nobody uses it, or its store alone knows
    std::size_t keys = 0;
    std::uint64_t evicted = 0;
    std::optional<quota::StoreHealth::View> store{};  // none: it has none, or nobody uses it
};
[[nodiscard]] LimitState limit_state(const Stores& stores,
                                     const config::RateLimit& rule,
                                     TimePoint now);

}  // namespace weir::filter
