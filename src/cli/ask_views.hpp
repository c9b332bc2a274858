#pragma once

#include "weir/client/admin_client.hpp"
#include "weir/core/json.hpp"

#include "cli/display.hpp"

#include <string>

// Answers of the admin API as people read them. A field that is missing is shown as "-", one that
// is not known is passed over: the Weir that answers may be older or newer. Pure.
namespace weir::cli {

struct View {
    Look look;
    WallTime now;
};

[[nodiscard]] std::string show_status(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_listeners(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_routes(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_clusters(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_cluster(const JsonValue& answer, const View& view);
// {"orders": [endpoint, ...]}: with the cluster's name in front if there are several.
[[nodiscard]] std::string show_endpoints(const JsonValue& by_cluster, const View& view);
// -o wide: each with why it is so, what would change it, and when it is tried next.
[[nodiscard]] std::string show_endpoints_in_full(const JsonValue& by_cluster, const View& view);
// Two lines and more for each: what it was, and its story. In full: attempts and endpoints, too.
[[nodiscard]] std::string show_failures(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_failures_in_full(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_breakers(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_registry(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_registration(const JsonValue& entry, const View& view);
[[nodiscard]] std::string show_faults(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_fault(const JsonValue& fault, const View& view);
[[nodiscard]] std::string show_breaker(const JsonValue& breaker, const View& view);
[[nodiscard]] std::string show_discovery(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_certs(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_rate_limits(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_route(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_log(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_memory(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_event(const JsonValue& event, const View& view);  // a line

// ["a","b"]
[[nodiscard]] std::string joined(const JsonValue& list, std::string_view separator = ", ");
// "weir.yaml:4", "built-in"
[[nodiscard]] std::string origin_text(const JsonValue& origin);

}  // namespace weir::cli
