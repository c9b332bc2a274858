#include "weir/admin/collect.hpp"
#include "weir/core/json.hpp"

#include "admin/handlers.hpp"

namespace weir::admin {
namespace {

Response not_ready(const Readiness& readiness) {
    Response response;
    response.status = 503;
    JsonWriter json(response.body);
    json.begin_object().field("ready", false).field("draining", readiness.is_draining);
    json.key("waiting").begin_array();
    for (const std::string& what : readiness.waiting)
        json.value(what);
    json.end_array().end_object();
    response.body += '\n';
    return response;
}

}  // namespace

Response health(const Request& /*request*/, const Context& /*context*/) {
    return text_response(200, "ok\n");
}

Response ready(const Request& /*request*/, const Context& context) {
    const Readiness readiness = context.readiness();
    if (readiness.is_ready && !readiness.is_draining) return text_response(200, "ok\n");
    return not_ready(readiness);
}

Response startup(const Request& /*request*/, const Context& context) {
    const Readiness readiness = context.readiness();
    // To drain, it must have started.
    if (readiness.is_ready || readiness.is_draining) return text_response(200, "ok\n");
    return not_ready(readiness);
}

Response metrics(const Request& request, const Context& context) {
    if (const auto snapshot = context.snapshot()) tick(*snapshot, Clock::refresh());
    const bool is_openmetrics = names_type(request.accept, "application/openmetrics-text");
    Response response;
    response.content_type = is_openmetrics
                                ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                : "text/plain; version=0.0.4; charset=utf-8";
    response.body = context.registry.expose(is_openmetrics ? telemetry::Exposition::openmetrics
                                                           : telemetry::Exposition::text);
    compress(response, request);
    return response;
}

Response root(const Request& /*request*/, const Context& /*context*/) {
    return text_response(200,
                         "weir: see /api/v1/status, /api/v1/clusters, /api/v1/breakers, "
                         "/api/v1/events and /metrics\n");
}

}  // namespace weir::admin
