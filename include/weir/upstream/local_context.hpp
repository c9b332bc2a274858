#pragma once

#include "weir/core/random.hpp"
#include "weir/http/h1.hpp"
#include "weir/http/h2.hpp"
#include "weir/telemetry/attempt_trace.hpp"
#include "weir/telemetry/metrics.hpp"
#include "weir/transport/event_loop.hpp"
#include "weir/upstream/errands.hpp"

namespace weir::upstream {

// What everything upstream shares on one worker. Thread: worker.
struct LocalContext {
    transport::EventLoop& loop;
    telemetry::Shard& shard;
    unsigned worker = 0;  // its number: the shard of the deciders' windows
    Random random;
    telemetry::AttemptTrace* trace = nullptr;  // none, or outlives it
    http::H1Limits upstream_limits{};          // of response heads
    http::ResponseHead
        response_head{};   // being handed over; its capacity is kept from answer to answer
    http::H2Scratch h2{};  // likewise, of HTTP/2
    std::string output{};  // being framed; its capacity goes from connection to connection
    Errands errands{};
};

}  // namespace weir::upstream
