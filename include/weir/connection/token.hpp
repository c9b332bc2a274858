#pragma once

#include "weir/resilience/limit.hpp"
#include "weir/telemetry/handles.hpp"

#include <utility>

namespace weir::connection {

// A connection counted: its slot of the endpoint's limit, and its place in the gauges.
// Thread: worker.
class Token {
  public:
    Token(telemetry::Shard& shard,
          const telemetry::ClusterMetrics& metrics,
          resilience::Limit::Slot slot);
    Token(Token&& other) noexcept
        : shard_(std::exchange(other.shard_, nullptr)),
          active_(other.active_),
          slot_(std::move(other.slot_)) {}
    Token& operator=(Token&& other) noexcept;
    ~Token() { reset(); }
    void reset();

  private:
    telemetry::Shard* shard_;
    telemetry::CellId active_;
    resilience::Limit::Slot slot_;
};

// What a connection holds for as long as it lasts, and until it is connected.
struct Hold {
    Token token;
    resilience::Limit::Slot connecting;
};

}  // namespace weir::connection
