#pragma once

#include "weir/admin/server.hpp"

#include "admin/message.hpp"

// What the routes answer with. One file a group; the table of routes names them.
namespace weir::admin {

// health.cpp: both ports
[[nodiscard]] Response health(const Request& request, const Context& context);
[[nodiscard]] Response ready(const Request& request, const Context& context);
[[nodiscard]] Response startup(const Request& request, const Context& context);
[[nodiscard]] Response metrics(const Request& request, const Context& context);
[[nodiscard]] Response root(const Request& request, const Context& context);

// status.cpp
[[nodiscard]] Response status(const Request& request, const Context& context);
[[nodiscard]] Response events(const Request& request, const Context& context);

// clusters.cpp
[[nodiscard]] Response clusters(const Request& request, const Context& context);
[[nodiscard]] Response cluster(const Request& request, const Context& context);
[[nodiscard]] Response endpoints(const Request& request, const Context& context);
[[nodiscard]] Response breakers(const Request& request, const Context& context);
[[nodiscard]] Response discovery_sources(const Request& request, const Context& context);

// listeners.cpp
[[nodiscard]] Response listeners(const Request& request, const Context& context);
[[nodiscard]] Response route_list(const Request& request, const Context& context);

}  // namespace weir::admin
