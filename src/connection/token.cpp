#include "weir/connection/token.hpp"

namespace weir::connection {

Token::Token(telemetry::Shard& shard,
             const telemetry::ClusterMetrics& metrics,
             resilience::Limit::Slot slot)
    : shard_(&shard), active_(metrics.connections_active), slot_(std::move(slot)) {
    shard.add(metrics.connections);
    shard.add(active_);
}

Token& Token::operator=(Token&& other) noexcept {
    if (this == &other) return *this;
    reset();
    shard_ = std::exchange(other.shard_, nullptr);
    active_ = other.active_;
    slot_ = std::move(other.slot_);
    return *this;
}

void Token::reset() {
    if (shard_ != nullptr) std::exchange(shard_, nullptr)->sub(active_);
    slot_.reset();
}

}  // namespace weir::connection
