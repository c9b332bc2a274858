#pragma once

#include "weir/connection/pool.hpp"
#include "weir/core/random.hpp"
#include "weir/telemetry/attempt_trace.hpp"
#include "weir/telemetry/metrics.hpp"
#include "weir/transport/event_loop.hpp"
#include "weir/upstream/errands.hpp"

#include <cstdint>

namespace weir::upstream {

// What everything upstream shares on one worker. Thread: worker.
struct LocalContext {
    transport::EventLoop& loop;
    telemetry::Shard& shard;
    unsigned worker = 0;  // its number: the shard of the deciders' windows
    Random random;
    telemetry::AttemptTrace* trace = nullptr;  // none, or outlives it
    connection::Context connections{.loop = loop};
    Errands errands{};
    // How often the endpoints of any cluster, or what leads to them, have changed here.
    std::uint64_t changes = 1;
};

}  // namespace weir::upstream
