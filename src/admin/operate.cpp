#include "admin/handlers.hpp"

namespace weir::admin {
namespace {

Response soon() {
    return error_response(501, "not_yet", "this is not built yet");
}

}  // namespace

Response memory(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response stream(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response route_of(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response drain_endpoint(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response undrain_endpoint(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response eject_endpoint(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response uneject_endpoint(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response open_breaker(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response close_breaker(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response free_breaker(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response log_levels(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response set_log_levels(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response reopen_logs(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response drain(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response shut_down(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response config_dump(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response config_apply(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response config_explain(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response config_validate(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response config_reload(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}
Response openapi_document(const Request& /*request*/, const Context& /*context*/) {
    return soon();
}

}  // namespace weir::admin
