#pragma once

#include "weir/core/error.hpp"
#include "weir/http/message.hpp"
#include "weir/resilience/limit.hpp"
#include "weir/telemetry/handles.hpp"

#include <string_view>
#include <utility>

namespace weir::upstream {

class Carrier;

// Who uses a connection for one request: told what comes back. Every call but on_flush() may end
// the use.
class ConnectionUser {
  public:
    virtual void on_ready() = 0;                               // connected: send the request
    virtual void on_head(const http::ResponseHead& head) = 0;  // interim ones (1xx) too
    // A stretch of body. The last one may be empty; its trailers are checked lines.
    virtual void on_body(std::string_view data, bool is_last, std::string_view trailers) = 0;
    virtual void on_flush() = 0;  // all that one read brought has been handed over
    virtual void on_failed(const Error& error) = 0;  // the connection is gone
    virtual void on_request_drained() = 0;           // the upstream takes more of the body
    // Before on_ready(): that one has it from now on, as the upstream speaks the other protocol.
    virtual void on_moved(Carrier& carrier) = 0;
    // Before on_ready(): there is no room for it, and it has to ask for another.
    virtual void on_displaced() = 0;

  protected:
    ~ConnectionUser() = default;
};

// A connection counted: its slot of the endpoint's limit, and its place in the gauges.
class ConnectionToken {
  public:
    ConnectionToken(telemetry::Shard& shard,
                    const telemetry::ClusterMetrics& metrics,
                    resilience::Limit::Slot slot);
    ConnectionToken(ConnectionToken&& other) noexcept
        : shard_(std::exchange(other.shard_, nullptr)),
          active_(other.active_),
          slot_(std::move(other.slot_)) {}
    ConnectionToken& operator=(ConnectionToken&& other) noexcept;
    ~ConnectionToken() { reset(); }
    void reset();

  private:
    telemetry::Shard* shard_;
    telemetry::CellId active_;
    resilience::Limit::Slot slot_;
};

}  // namespace weir::upstream
