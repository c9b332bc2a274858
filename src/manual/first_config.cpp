#include "weir/manual/first_config.hpp"

#include "weir/decode/load.hpp"

namespace weir::manual {

std::string first_config(const FirstConfig& wishes) {
    std::string out = R"(# yaml-language-server: $schema=./weir.schema.json
#
# A first configuration. `weir check` tells what is wrong with it, `weir run` serves it, and a change
# is taken when the file is saved. Every key: `weir reference`.
version: 1

listeners:
  - name: main
    listen: $FROM
    # gateway: in front of many services; inbound: in front of one app; outbound: its own calls.
    mode: $MODE
    # Requests are tried against the routes in this order; the first that matches wins.
    routes:
      # - {name: health, path: /healthz, respond: {status: 200, body: ok}}
      - {name: all, path: /*, to: app}

clusters:
  app:
    # One or several; host names are resolved and followed.
    endpoints: [$TO]
    # From the end of the request to the response headers, all tries included.
    timeout: 60s
    # Extra tries, for requests that may safely be sent again.
    retry: 2
    # The circuit breaker and the ejection of failing endpoints are on with their defaults:
    # `weir config dump FILE --defaults` shows them.
    # breaker: {consecutive_failures: 5, open_for: 10s}

# What every cluster starts from.
# defaults:
#   timeout: {connect: 250ms, request: 5s}

# The admin API and `weir status` (127.0.0.1:9347), metrics for Prometheus (127.0.0.1:9348).
# admin: {listen: 127.0.0.1:9347}
# telemetry: {listen: 127.0.0.1:9348}
)";
    const auto fill = [&out](std::string_view name, const std::string& text) {
        out.replace(out.find(name), name.size(), text);
    };
    fill("$FROM", config::yaml_scalar(wishes.from));
    fill("$MODE", config::yaml_scalar(wishes.mode));
    fill(
        "$TO", "\"" + [&] {
            auto text = config::yaml_scalar(wishes.to);
            return text.front() == '"' ? text.substr(1, text.size() - 2) : text;
        }() + "\"");
    return out;
}

}  // namespace weir::manual
