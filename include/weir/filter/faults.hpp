#pragma once

#include "weir/config/actions.hpp"
#include "weir/core/clock.hpp"
#include "weir/core/random.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::filter {

// What happens to one request on purpose: it waits, is answered with a status, or both.
struct Injection {
    Duration delay{};
    std::uint16_t abort = 0;  // 0: not answered here
    [[nodiscard]] bool is_any() const { return delay > Duration::zero() || abort != 0; }
};
// By chance, as the fault says how often.
[[nodiscard]] Injection draw(const config::Fault& fault, Random& random);

// A fault that an operator has switched on, until it ends by itself.
struct LiveFault {
    std::uint64_t id = 0;
    std::string cluster;  // requests into it; empty: into any
    std::string route;    // of that route; empty: of any
    config::Fault fault;
    TimePoint until{};
    std::string by;
    std::string reason;

    [[nodiscard]] bool is_about(std::string_view of_route, std::string_view into_cluster) const {
        return (cluster.empty() || cluster == into_cluster) && (route.empty() || route == of_route);
    }
};

// Those that are on, for the process; they outlive reloads. While there is none a request reads one
// flag. Thread: any; a mutex, held while a request looks at the few there are.
class LiveFaults {
  public:
    static constexpr std::size_t kMost = 32;

    // Its id; none if there are too many.
    [[nodiscard]] std::optional<std::uint64_t> add(LiveFault fault, TimePoint now);
    bool remove(std::uint64_t id);
    // Without those that have ended.
    [[nodiscard]] std::vector<LiveFault> list(TimePoint now);

    [[nodiscard]] bool is_any() const { return is_any_.load(std::memory_order_relaxed); }
    [[nodiscard]] Injection draw(std::string_view route,
                                 std::string_view cluster,
                                 TimePoint now,
                                 Random& random);

  private:
    void drop_ended(TimePoint now);  // mutex_ is held

    std::atomic<bool> is_any_{false};
    std::mutex mutex_;
    std::vector<LiveFault> faults_;  // guarded by mutex_
    std::uint64_t last_id_ = 0;      // likewise
};

}  // namespace weir::filter
