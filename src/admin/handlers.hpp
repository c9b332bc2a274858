#pragma once

#include "weir/admin/server.hpp"

#include "admin/message.hpp"

// What the routes answer with. One file a group; the table of routes names them.
namespace weir::admin {

// status.cpp: the first five on both ports
[[nodiscard]] Response health(const Request& request, const Context& context);
[[nodiscard]] Response ready(const Request& request, const Context& context);
[[nodiscard]] Response startup(const Request& request, const Context& context);
[[nodiscard]] Response probe(const Request& request, const Context& context);
[[nodiscard]] Response metrics(const Request& request, const Context& context);
[[nodiscard]] Response root(const Request& request, const Context& context);
[[nodiscard]] Response status(const Request& request, const Context& context);
[[nodiscard]] Response memory(const Request& request, const Context& context);

// stream.cpp
[[nodiscard]] Response events(const Request& request, const Context& context);
[[nodiscard]] Response stream(const Request& request, const Context& context);

// stories.cpp
[[nodiscard]] Response failures(const Request& request, const Context& context);
[[nodiscard]] Response trace_export(const Request& request, const Context& context);

// clusters.cpp
[[nodiscard]] Response clusters(const Request& request, const Context& context);
[[nodiscard]] Response cluster(const Request& request, const Context& context);
[[nodiscard]] Response endpoints(const Request& request, const Context& context);
[[nodiscard]] Response breakers(const Request& request, const Context& context);
[[nodiscard]] Response discovery_sources(const Request& request, const Context& context);

// listeners.cpp
[[nodiscard]] Response listeners(const Request& request, const Context& context);
[[nodiscard]] Response route_list(const Request& request, const Context& context);
[[nodiscard]] Response certificates(const Request& request, const Context& context);
[[nodiscard]] Response route_of(const Request& request, const Context& context);
[[nodiscard]] Response rate_limits(const Request& request, const Context& context);

// operate.cpp
[[nodiscard]] Response drain_endpoint(const Request& request, const Context& context);
[[nodiscard]] Response undrain_endpoint(const Request& request, const Context& context);
[[nodiscard]] Response eject_endpoint(const Request& request, const Context& context);
[[nodiscard]] Response uneject_endpoint(const Request& request, const Context& context);
[[nodiscard]] Response open_breaker(const Request& request, const Context& context);
[[nodiscard]] Response close_breaker(const Request& request, const Context& context);
[[nodiscard]] Response free_breaker(const Request& request, const Context& context);
[[nodiscard]] Response live_faults(const Request& request, const Context& context);
[[nodiscard]] Response add_fault(const Request& request, const Context& context);
[[nodiscard]] Response remove_fault(const Request& request, const Context& context);
[[nodiscard]] Response registrations(const Request& request, const Context& context);
[[nodiscard]] Response register_endpoint(const Request& request, const Context& context);
[[nodiscard]] Response unregister_endpoint(const Request& request, const Context& context);
[[nodiscard]] Response log_levels(const Request& request, const Context& context);
[[nodiscard]] Response set_log_levels(const Request& request, const Context& context);
[[nodiscard]] Response reopen_logs(const Request& request, const Context& context);
[[nodiscard]] Response drain(const Request& request, const Context& context);
[[nodiscard]] Response shut_down(const Request& request, const Context& context);

// config.cpp
[[nodiscard]] Response config_dump(const Request& request, const Context& context);
[[nodiscard]] Response config_apply(const Request& request, const Context& context);
[[nodiscard]] Response config_explain(const Request& request, const Context& context);
[[nodiscard]] Response config_validate(const Request& request, const Context& context);
[[nodiscard]] Response config_reload(const Request& request, const Context& context);

// openapi.cpp
[[nodiscard]] Response openapi_document(const Request& request, const Context& context);

}  // namespace weir::admin
