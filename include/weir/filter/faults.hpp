#pragma once

#include "weir/config/actions.hpp"
#include "weir/core/clock.hpp"
#include "weir/core/random.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
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

// Those that are on, for the process; they outlive reloads. Requests look at them through their
// worker's LocalFaults. Thread: any; by a lock, but is_any() and version().
class LiveFaults {
  public:
    static constexpr std::size_t kMost = 32;

    // Its id; none if there are too many.
    [[nodiscard]] std::optional<std::uint64_t> add(LiveFault fault, TimePoint now);
    bool remove(std::uint64_t id);
    // Without those that have ended.
    [[nodiscard]] std::vector<LiveFault> list(TimePoint now);

    [[nodiscard]] bool is_any() const { return is_any_.load(std::memory_order_relaxed); }
    // Another with each change.
    [[nodiscard]] std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
    using List = std::vector<LiveFault>;
    struct Versioned {
        std::uint64_t version = 0;
        std::shared_ptr<const List> list;
    };
    // Without those that have ended.
    [[nodiscard]] Versioned current(TimePoint now);

  private:
    void drop_ended(TimePoint now);  // as all below: mutex_ is held
    void publish(List faults);

    std::atomic<bool> is_any_{false};
    std::atomic<std::uint64_t> version_{1};
    std::mutex mutex_;
    std::shared_ptr<const List> faults_ = std::make_shared<const List>();  // guarded by mutex_
    std::uint64_t last_id_ = 0;                                            // likewise
};

// One worker's view of them. While there is none a request reads one flag, else a version, and the
// few there are; the first request after a change takes the lock. Thread: worker.
class LocalFaults {
  public:
    LocalFaults() = default;                               // there never is one
    explicit LocalFaults(LiveFaults& all) : all_(&all) {}  // it outlives this

    [[nodiscard]] bool is_any() const { return all_ != nullptr && all_->is_any(); }
    [[nodiscard]] Injection draw(std::string_view route,
                                 std::string_view cluster,
                                 TimePoint now,
                                 Random& random);

  private:
    LiveFaults* all_ = nullptr;
    LiveFaults::Versioned seen_;
};

}  // namespace weir::filter
