#pragma once

#include "weir/config/config.hpp"

#include "decode/decode.hpp"

#include <map>
#include <string>
#include <vector>

// The sections in the order they need each other: defaults, clusters, listeners with their routes.
namespace weir::config {

// What clusters start from.
struct Defaults {
    Traced<TimeoutBlock> timeout;
    Traced<Retry> retry;
    Traced<Breaker> breaker;
    Traced<Outlier> outlier;
    LbBlock lb;
};

// What routes have from their listener.
struct RouteDefaults {
    std::optional<std::uint64_t> max_body;
    AccessLog access_log;
    std::string listener;  // its name
    RouteLimits rate_limits;
    bool is_opaque = false;  // no HTTP: what is said of it is refused
    std::vector<std::string> auth;
};

// A cluster, and from where it has what its routes may override.
struct ClusterDraft {
    Cluster cluster;
    Traced<TimeoutBlock> timeout;
    Traced<Retry> retry;
    Traced<Breaker> breaker;
};
using ClusterDrafts = std::map<std::string, ClusterDraft, std::less<>>;

[[nodiscard]] Defaults decode_defaults(Context& ctx, const DefaultsBlock& from);

void decode_clusters(Context& ctx, const Node& node, const Defaults& defaults, ClusterDrafts& into);

// A cluster that a target made of addresses stands for; the one there is if the text was met
// before.
const ClusterDraft& inline_cluster(Context& ctx,
                                   const Defaults& defaults,
                                   std::vector<Endpoint> endpoints,
                                   const Place& place,
                                   ClusterDrafts& into);

// A list of host:port or {address, weight}; each once.
[[nodiscard]] std::vector<Endpoint> decode_endpoints(Context& ctx,
                                                     const Node& node,
                                                     const std::string& path);

// `to:` with effective timeouts and retries; makes inline clusters. Empty after an error.
[[nodiscard]] std::vector<Target> decode_targets(Context& ctx,
                                                 const RouteBlock& route,
                                                 const std::string& path,
                                                 const Defaults& defaults,
                                                 ClusterDrafts& clusters);

// What a route does besides; its path, where `grpc` says it.
void decode_actions(Context& ctx,
                    const RouteBlock& from,
                    const std::string& path,
                    const Defaults& defaults,
                    ClusterDrafts& clusters,
                    Route& route);

void decode_listeners(Context& ctx,
                      const Node& node,
                      const Config& from,  // as far as it is decoded
                      std::optional<ErrorDetail> detail,
                      const Defaults& defaults,
                      ClusterDrafts& clusters,
                      std::vector<Listener>& into);

// What an address starts from that no cluster names.
void decode_passthrough(Context& ctx, const Defaults& defaults, Config& into);

// W131 where it is given again.
void complain_repeated(Context& ctx,
                       const Node& node,
                       std::string_view kind,
                       const std::string& name,
                       const Place& first);

[[nodiscard]] std::vector<Route> decode_routes(Context& ctx,
                                               const Node& node,
                                               const std::string& path,
                                               const RouteDefaults& inherited,
                                               const Defaults& defaults,
                                               ClusterDrafts& clusters);

// ASCII.
[[nodiscard]] std::string lower(std::string text);
// What a header, a cookie or a method may be called (RFC 9110, 5.6.2).
[[nodiscard]] bool is_token(std::string_view text);

// The route of a listener's own `to`.
[[nodiscard]] Route catch_all(Context& ctx,
                              const Node& to,
                              const std::string& path,
                              const RouteDefaults& inherited,
                              const Defaults& defaults,
                              ClusterDrafts& clusters);

// Longest waits that were not written follow the first ones; written ones must not contradict.
void finish(Context& ctx, Traced<Breaker>& breaker);
void finish(Context& ctx, Traced<Outlier>& outlier);
void finish(Context& ctx, Traced<Retry>& retry);
// What is part of a request must end before the request does.
void check_times(Context& ctx, const Traced<Retry>& retry, const Traced<TimeoutBlock>& timeout);
// The same of stall_after, and slow_rate without slow_call: a warning.
void check_breaker(Context& ctx,
                   const Traced<Breaker>& breaker,
                   const Traced<TimeoutBlock>& timeout);
void check_outlier(Context& ctx,
                   const Traced<Outlier>& outlier,
                   const Traced<TimeoutBlock>& timeout);
void check_hedge(Context& ctx, const Traced<Retry>& retry, const Traced<TimeoutBlock>& timeout);
// Takes a word "grpc:..."; false if it is none.
[[nodiscard]] bool read_retry_grpc(Context& ctx, const Node& item, RetryOn& into);
// Once all clusters are known: those that breakers fall back to are there, and never in a circle.
void settle_fallbacks(Context& ctx,
                      const Defaults& defaults,
                      ClusterDrafts& clusters,
                      std::vector<Listener>& listeners);
// The one cluster that a target is; empty, and complained about, if it is none or several.
[[nodiscard]] std::string decode_one_target(Context& ctx,
                                            const Node& node,
                                            const Defaults& defaults,
                                            ClusterDrafts& clusters);
// The blocks of `auth`, by name.
void decode_auths(Context& ctx,
                  const Node& node,
                  const Defaults& defaults,
                  ClusterDrafts& clusters,
                  std::map<std::string, Auth, std::less<>>& into);
// `auth` of a listener or a route: names of blocks, or none.
[[nodiscard]] std::vector<std::string> decode_any_of(Context& ctx, const Node& node);
// No access log shows what requests prove by who they are.
void hide_credentials(Config& config);
// Who a peer may be: SPIFFE ids as they are, names in lower case.
[[nodiscard]] std::vector<std::string> decode_allow(Context& ctx, const Node& node);
// Into ctx; clusters are known.
void decode_redis(Context& ctx, const Node& node);
void decode_rate_limits(Context& ctx, const Node& node, const ClusterDrafts& clusters);
// A `rate_limit` of `owner`, by which inline ones are named, behind what it inherits.
[[nodiscard]] RouteLimits decode_rate_limit(Context& ctx,
                                            const Node& node,
                                            const std::string& path,
                                            const std::string& owner,
                                            const RouteLimits& inherited,
                                            const ClusterDrafts& clusters);
// Into ctx.identity, if it is whole.
void decode_identity(Context& ctx, const Node& node);

// A `tls` of either side; none where it is off, or refused.
[[nodiscard]] std::optional<Tls> decode_tls(Context& ctx,
                                            const Node& node,
                                            const std::string& path,
                                            bool is_listener);
[[nodiscard]] std::optional<Health> decode_health(Context& ctx,
                                                  const Node& node,
                                                  const std::string& path);
// `value`, and the layer it comes from: "3s, from defaults at line 21".
[[nodiscard]] std::string with_origin(const Context& ctx,
                                      Duration value,
                                      const Origin* origin,
                                      const Origin& other);
// How special the layer is in which something is written.
[[nodiscard]] int rank(const Origin* origin);
void check_limits(Context& ctx,
                  const Traced<ClusterLimits>& limits,
                  const Traced<TimeoutBlock>& timeout);
// Keys of an access log that have no effect beside each other: a warning.
void check_sampling(Context& ctx, const AccessLog& log, const Origins& origins);
// client_* apply before a route is known.
void refuse_client_timeouts(Context& ctx, const Origins& origins);

// The access log of a listener or a route, over what it inherits.
[[nodiscard]] AccessLog access_log_of(Context& ctx,
                                      const Node* node,
                                      const std::string& path,
                                      const AccessLog& inherited);

// Cluster, listener and route names: letters, digits and . _ - /
bool check_name(Context& ctx, const Node& at, std::string_view name);

[[nodiscard]] bool is_method(std::string_view text);
void complain_method(Context& ctx, const Node& node);

// ---- the whole

// The checked configuration of a tree; the report has errors if it is not to be used.
[[nodiscard]] Config decode_config(Context& ctx, const Node& root);

}  // namespace weir::config
