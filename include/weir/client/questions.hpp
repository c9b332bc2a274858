#pragma once

#include "weir/client/admin_client.hpp"

#include <string>
#include <string_view>
#include <vector>

// The admin API's questions as requests. Pure: names are encoded, bodies are made here.
namespace weir::client {

// For a segment of a path or a value of a query (RFC 3986).
[[nodiscard]] std::string percent_encoded(std::string_view text);

[[nodiscard]] Question look_at(std::string_view what);  // "status", "clusters"
[[nodiscard]] Question look_at_cluster(std::string_view name);
[[nodiscard]] Question look_at_endpoints(std::string_view cluster);
[[nodiscard]] Question look_at_events(std::size_t newest, std::string_view cluster);
// What is empty is not asked for.
struct FailureFilter {
    std::string id;
    std::size_t newest = 0;  // 0: all that are kept
    std::string cluster;
    std::string route;
    std::string reason;
};
[[nodiscard]] Question look_at_failures(const FailureFilter& filter);
[[nodiscard]] Question record_trace(std::string_view lasting,
                                    std::string_view cluster,
                                    std::uint64_t most);
[[nodiscard]] Question look_at_config(bool is_json, bool has_origins, bool has_defaults);
[[nodiscard]] Question explain_key(std::string_view path);
// `url` is http://host:port/path?query, or only the path; a method is written in capitals.
[[nodiscard]] Question try_route(std::string_view method,
                                 std::string_view url,
                                 const std::vector<std::string>& headers,
                                 std::string_view listener);

// For how long, why, and whether it must be; what is empty or false is not sent.
struct Hold {
    std::string lasting;
    std::string reason;
    bool is_forced = false;
};
// drain, undrain, eject, uneject
[[nodiscard]] Question change_endpoint(std::string_view cluster,
                                       std::string_view address,
                                       std::string_view action,
                                       const Hold& hold);
// open, close, auto
[[nodiscard]] Question change_breaker(std::string_view name,
                                      std::string_view action,
                                      const Hold& hold);
// What is empty is not sent.
struct FaultOrder {
    std::string cluster;
    std::string route;
    std::string delay;
    std::string abort;    // a status
    std::string percent;  // "10" or "10%"
    std::string lasting;
    std::string reason;
};
[[nodiscard]] Question add_fault(const FaultOrder& order);
[[nodiscard]] Question remove_fault(std::string_view id);

// Each empty where it is not said.
struct LeaseOrder {
    std::string ttl;
    std::string weight;
    std::string zone;
};
[[nodiscard]] Question look_at_registry(std::string_view service);  // empty: all
[[nodiscard]] Question register_endpoint(std::string_view service,
                                         std::string_view address,
                                         const LeaseOrder& lease);
[[nodiscard]] Question unregister(std::string_view service, std::string_view address);
// `modules` are "name=level". Nothing said is as configured.
[[nodiscard]] Question change_log(std::string_view level,
                                  const std::vector<std::string>& modules,
                                  std::string_view lasting);
// "log/reopen", "drain", "shutdown", "config/reload"
[[nodiscard]] Question order(std::string_view what);
[[nodiscard]] Question apply_config(std::string text,
                                    std::string_view if_match,
                                    bool is_persistent);
[[nodiscard]] Question validate_config(std::string text);

}  // namespace weir::client
