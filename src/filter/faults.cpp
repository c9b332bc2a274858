#include "weir/filter/faults.hpp"

#include <utility>

namespace weir::filter {

Injection draw(const config::Fault& fault, Random& random) {
    if (fault.percent < 1 && random.uniform() >= fault.percent) return {};
    return {.delay = fault.delay.value_or(Duration::zero()), .abort = fault.abort.value_or(0)};
}

void LiveFaults::publish(List faults) {
    is_any_.store(!faults.empty(), std::memory_order_relaxed);
    faults_ = std::make_shared<const List>(std::move(faults));
    version_.fetch_add(1, std::memory_order_release);
}

void LiveFaults::drop_ended(TimePoint now) {
    List left = *faults_;
    if (std::erase_if(left, [now](const LiveFault& fault) { return fault.until <= now; }) > 0)
        publish(std::move(left));
}

std::optional<std::uint64_t> LiveFaults::add(LiveFault fault, TimePoint now) {
    const std::lock_guard lock(mutex_);
    drop_ended(now);
    if (faults_->size() >= kMost) return std::nullopt;
    fault.id = ++last_id_;
    List more = *faults_;
    more.push_back(std::move(fault));
    publish(std::move(more));
    return last_id_;
}

bool LiveFaults::remove(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    List left = *faults_;
    if (std::erase_if(left, [id](const LiveFault& fault) { return fault.id == id; }) == 0)
        return false;
    publish(std::move(left));
    return true;
}

std::vector<LiveFault> LiveFaults::list(TimePoint now) {
    return *current(now).list;
}

LiveFaults::Versioned LiveFaults::current(TimePoint now) {
    const std::lock_guard lock(mutex_);
    drop_ended(now);
    return {version_.load(std::memory_order_relaxed), faults_};
}

Injection LocalFaults::draw(std::string_view route,
                            std::string_view cluster,
                            TimePoint now,
                            Random& random) {
    if (!is_any()) return {};
    if (all_->version() != seen_.version) seen_ = all_->current(now);
    bool has_ended = false;
    for (const LiveFault& live : *seen_.list) {
        has_ended = has_ended || live.until <= now;
        if (live.until <= now || !live.is_about(route, cluster)) continue;
        const Injection injection = filter::draw(live.fault, random);
        if (injection.is_any()) return injection;
    }
    if (has_ended) seen_ = all_->current(now);
    return {};
}

}  // namespace weir::filter
