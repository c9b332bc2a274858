#include "weir/filter/faults.hpp"

#include <utility>

namespace weir::filter {

Injection draw(const config::Fault& fault, Random& random) {
    if (fault.percent < 1 && random.uniform() >= fault.percent) return {};
    return {.delay = fault.delay.value_or(Duration::zero()), .abort = fault.abort.value_or(0)};
}

void LiveFaults::drop_ended(TimePoint now) {
    std::erase_if(faults_, [now](const LiveFault& fault) { return fault.until <= now; });
    is_any_.store(!faults_.empty(), std::memory_order_relaxed);
}

std::optional<std::uint64_t> LiveFaults::add(LiveFault fault, TimePoint now) {
    const std::lock_guard lock(mutex_);
    drop_ended(now);
    if (faults_.size() >= kMost) return std::nullopt;
    fault.id = ++last_id_;
    faults_.push_back(std::move(fault));
    is_any_.store(true, std::memory_order_relaxed);
    return last_id_;
}

bool LiveFaults::remove(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto gone =
        std::erase_if(faults_, [id](const LiveFault& fault) { return fault.id == id; });
    is_any_.store(!faults_.empty(), std::memory_order_relaxed);
    return gone > 0;
}

std::vector<LiveFault> LiveFaults::list(TimePoint now) {
    const std::lock_guard lock(mutex_);
    drop_ended(now);
    return faults_;
}

Injection LiveFaults::draw(std::string_view route,
                           std::string_view cluster,
                           TimePoint now,
                           Random& random) {
    const std::lock_guard lock(mutex_);
    drop_ended(now);
    for (const LiveFault& live : faults_) {
        if (!live.is_about(route, cluster)) continue;
        const Injection injection = filter::draw(live.fault, random);
        if (injection.is_any()) return injection;
    }
    return {};
}

}  // namespace weir::filter
