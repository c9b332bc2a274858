#pragma once

#include "weir/admin/server.hpp"

#include "admin/message.hpp"

#include <span>

namespace weir::admin {

enum class Ports : std::uint8_t { admin, both };

// One row of the routes: the router and whatever describes the API are made from it.
struct Route {
    http::Method method;
    std::string_view path;  // "/api/v1/clusters/{cluster}"; a {name} is one segment
    Ports ports;
    Response (*handler)(const Request&, const Context&);
    std::string_view doc;
};

// In the order of the documentation. A test checks that no two can take the same request.
[[nodiscard]] std::span<const Route> routes();

// The answer of the route that takes it; 404 or, for a path that is there but not for this method,
// 405 with Allow. HEAD is GET without the body, which the caller leaves out.
[[nodiscard]] Response dispatch(std::span<const Route> table,
                                Server::Port port,
                                Request& request,
                                const Context& context);

}  // namespace weir::admin
