#include "admin/router.hpp"

namespace weir::admin {
namespace {

std::string_view next_segment(std::string_view& path) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    return segment;
}

bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& values) {
    values.clear();
    // Both start with '/'. A slash at the end is a segment more, hence compared first.
    if (pattern.ends_with('/') != path.ends_with('/')) return false;
    while (!pattern.empty() && !path.empty()) {
        const std::string_view wanted = next_segment(pattern);
        const std::string_view segment = next_segment(path);
        if (wanted.starts_with('{')) {
            if (segment.empty()) return false;
            values.push_back(percent_decoded(segment));
        } else if (wanted != segment) {
            return false;
        }
    }
    return pattern.empty() && path.empty();
}

std::string_view name(http::Method method) {
    switch (method) {
        case http::Method::get:
            return "GET";
        case http::Method::post:
            return "POST";
        case http::Method::put:
            return "PUT";
        case http::Method::del:
            return "DELETE";
        default:
            return "";
    }
}

}  // namespace

Response dispatch(std::span<const Route> table,
                  Server::Port port,
                  Request& request,
                  const Context& context) {
    const auto wanted = request.method == http::Method::head ? http::Method::get : request.method;
    std::string allow;
    for (const Route& route : table) {
        if (port == Server::Port::telemetry && route.ports != Ports::both) continue;
        if (!matches(route.path, request.path, request.parameters)) continue;
        if (route.method == wanted) return route.handler(request, context);
        allow += allow.empty() ? "" : ", ";
        allow += name(route.method);
        if (route.method == http::Method::get) allow += ", HEAD";
    }
    if (allow.empty()) {
        return error_response(404, "not_found", "nothing is here: " + request.path);
    }
    Response response =
        error_response(405, "method_not_allowed", "this path takes " + allow + " only");
    response.allow = std::move(allow);
    return response;
}

}  // namespace weir::admin
