#pragma once

#include "weir/admin/server.hpp"

#include "admin/message.hpp"

#include <span>

namespace weir::admin {

enum class Ports : std::uint8_t { admin, both };

// One row of the routes: the router, the OpenAPI document and the log of mutations are made from
// it.
struct Route {
    http::Method method;
    std::string_view path;  // "/api/v1/clusters/{cluster}", see find_route()
    Ports ports;
    Response (*handler)(const Request&, const Context&);
    std::string_view doc;
    // The rest in the words of schemas.hpp.
    std::string_view answer = {};  // of a 200: "Status", "[Cluster]", a media type; or several
    std::string_view query = {};   // "n? integer; cluster? string"
    std::string_view body = {};    // "Hold"; empty: it takes none
    std::string_view errors = {};  // statuses that this route can answer besides, "404 409"
    // What it changes, as in the log and in weir_admin_mutations_total; empty: nothing.
    std::string_view operation = {};
};

// In the order of the documentation. A test checks that no two can take the same request.
[[nodiscard]] std::span<const Route> routes();

// The route that takes a request, and its parameters; none and a refusal: 404 or, for a path that
// is there but not for this method, 405 with Allow. HEAD is GET without the body, which the caller
// leaves out. A {name} is one segment, or several if they are the path of a Unix socket
// ("unix:/run/x.sock"): of two routes that could take it the longer one does.
struct Found {
    const Route* route = nullptr;
    std::vector<std::string> parameters;
    Response refusal;
};
[[nodiscard]] Found find_route(std::span<const Route> table,
                               Server::Port port,
                               const Request& request);

[[nodiscard]] std::string_view name(http::Method method);  // of the methods in the table

}  // namespace weir::admin
