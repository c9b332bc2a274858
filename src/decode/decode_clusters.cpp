#include "config/addresses.hpp"
#include "decode/sections.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace weir::config {
namespace {

bool has_name(const std::vector<Endpoint>& endpoints) {
    return std::any_of(endpoints.begin(), endpoints.end(),
                       [](const Endpoint& e) { return !e.address; });
}

// What a kind of discovery knows; other keys and options are an error there. An option "*": any.
struct Meaning {
    std::string_view type;
    std::vector<std::string_view> keys;
    std::vector<std::string_view> options{};
    bool asks_servers = false;  // `servers` are asked by HTTP; else they are resolvers
};
const Meaning& meaning_of(Discovery::Type type) {
    using enum Discovery::Type;
    static const Meaning kStatic{"static", {"type"}};
    static const Meaning kFile{"file", {"type", "path", "refresh", "keep_last", "empty_hold"}};
    static const Meaning kDns{
        "dns", {"type", "name", "port", "servers", "refresh", "keep_last", "empty_hold"}};
    static const Meaning kKubernetes{
        .type = "kubernetes",
        .keys = {"type", "name", "port", "servers", "keep_last", "empty_hold", "keep_last_max_age",
                 "options"},
        .options = {"namespace", "node", "token_file", "ca_file", "cert_file", "key_file",
                    "namespace_file", "cluster_domain", "watch_timeout"},
        .asks_servers = true};
    static const Meaning kSrv{"dns-srv",
                              {"type", "name", "servers", "refresh", "keep_last", "empty_hold"}};
    static const Meaning kPlugin{.type = "plugin",
                                 .keys = {"type", "name", "port", "path", "keep_last", "empty_hold",
                                          "keep_last_max_age", "options"},
                                 .options = {"*"}};
    static const Meaning kRegistry{
        .type = "registry",
        .keys = {"type", "name", "servers", "keep_last", "empty_hold", "keep_last_max_age",
                 "options"},
        .options = {"prefix", "user", "password_file", "ca_file", "cert_file", "key_file"},
        .asks_servers = true};
    static const Meaning kEtcd{
        .type = "etcd",
        .keys = {"type", "name", "servers", "keep_last", "empty_hold", "keep_last_max_age",
                 "options"},
        .options = {"user", "password_file", "ca_file", "cert_file", "key_file"},
        .asks_servers = true};
    static const Meaning kConsul{.type = "consul",
                                 .keys = {"type", "name", "servers", "keep_last", "empty_hold",
                                          "keep_last_max_age", "options"},
                                 .options = {"datacenter", "tag", "health", "filter", "wait",
                                             "token_file", "ca_file", "cert_file", "key_file"},
                                 .asks_servers = true};
    switch (type) {
        case static_list:
            return kStatic;
        case file:
            return kFile;
        case dns:
            return kDns;
        case kubernetes:
            return kKubernetes;
        case dns_srv:
            return kSrv;
        case plugin:
            return kPlugin;
        case registry:
            return kRegistry;
        case etcd:
            return kEtcd;
        case consul:
            return kConsul;
    }
    return kStatic;
}

std::vector<Address> decode_servers(Context& ctx, const Node& node) {
    std::vector<Address> servers;
    for (const Node* item : scalars(ctx, node, "servers")) {
        auto read = read_server(item->text);
        if (auto* complaint = std::get_if<Complaint>(&read)) {
            complain(ctx, *item, std::move(*complaint));
        } else {
            servers.push_back(std::get<Address>(read));
        }
    }
    return servers;
}

// "consul:8500", "https://10.96.0.1:443".
std::vector<Discovery::Source> decode_asked(Context& ctx, const Node& node) {
    std::vector<Discovery::Source> sources;
    for (const Node* item : scalars(ctx, node, "servers")) {
        std::string_view text = item->text;
        Discovery::Source source;
        for (const std::string_view scheme : {"http://", "https://"}) {
            if (!text.starts_with(scheme)) continue;
            text.remove_prefix(scheme.size());
            source.uses_tls = scheme == "https://";
        }
        if (source.uses_tls && text.ends_with('/')) text.remove_suffix(1);
        auto read = read_endpoint(text);
        if (auto* complaint = std::get_if<Complaint>(&read)) {
            complaint->size = 0;
            complain(ctx, *item, std::move(*complaint));
            continue;
        }
        source.endpoint = std::get<Endpoint>(std::move(read));
        sources.push_back(std::move(source));
    }
    return sources;
}

std::map<std::string, std::string> decode_options(Context& ctx,
                                                  const Node& node,
                                                  const std::string& path,
                                                  const Meaning& meaning) {
    std::map<std::string, std::string> options;
    if (!expect(ctx, node, Node::Kind::map, "options", "a map: option: value")) return options;
    walk_names(ctx, node, path, [&](const Entry& entry) {
        const auto& known = meaning.options;
        const bool is_known = std::find(known.begin(), known.end(), entry.key) != known.end();
        if (!is_known && known != std::vector<std::string_view>{"*"}) {
            const auto meant = nearest(entry.key, known);
            complain_at(ctx, entry.place, entry.width,
                        {.code = 115,
                         .what = "'" + entry.key +
                                 "' is no option of discovery: " + std::string(meaning.type),
                         .note = (meant.empty() ? std::string()
                                                : "did you mean '" + std::string(meant) + "'?   ") +
                                 "one of: " + joined(known)});
        } else if (expect(ctx, entry.value, Node::Kind::scalar, entry.key, "one value")) {
            const bool is_file = entry.key.ends_with("_file");
            if (entry.key.ends_with("_timeout")) {
                auto read = read_duration(entry.value.text);
                if (auto* complaint = std::get_if<Complaint>(&read))
                    complain(ctx, entry.value, std::move(*complaint));
            }
            options[entry.key] =
                is_file ? resolved(ctx, entry.value.place, entry.value.text) : entry.value.text;
        }
    });
    return options;
}

// `discovery: dns` without endpoints: the one endpoint is name:port.
void decode_dns_name(Context& ctx, const Node& node, const DiscoveryBlock& from, Cluster& cluster) {
    if (!from.port_name.empty()) {
        complain(ctx, value_of(node, "port"),
                 {.code = 104,
                  .what = "'" + from.port_name + "' is no number",
                  .note = "names of DNS have no named ports; those of dns-srv do"});
        return;
    }
    if (from.port == 0) {
        complain(ctx, node,
                 {.code = 114,
                  .what = "discovery by DNS needs a port",
                  .note = "write {type: dns, port: 80}, or endpoints: [name:80]"});
        return;
    }
    const auto name = from.name.empty() ? cluster.name : from.name;
    auto read = read_endpoint(name + ":" + std::to_string(from.port));
    if (std::holds_alternative<Complaint>(read)) {
        complain(ctx, node, {.code = 113, .what = "'" + name + "' is no host name"});
        return;
    }
    cluster.endpoints.push_back(std::get<Endpoint>(std::move(read)));
    cluster.endpoints.back().place = node.place;
}

bool has_type(Context& ctx, const Node& node, const Origins& origins) {
    if (origins.find("type") != nullptr) return true;
    complain(ctx, node,
             {.code = 114,
              .what = "'discovery' needs a type",
              .note = "one of: " + joined(words_of(block<DiscoveryBlock>().rows[0].type))});
    return false;
}

// Values that only one kind of discovery knows.
void check_values(Context& ctx, const Node& node, const Cluster& cluster) {
    const Discovery& discovery = cluster.discovery;
    const std::string& name = discovery.name.empty() ? cluster.name : discovery.name;
    const auto may_stand_in_name = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    };
    if (discovery.type == Discovery::Type::dns_srv &&
        !std::all_of(name.begin(), name.end(), may_stand_in_name)) {
        complain(ctx, value_of(node, "name"),
                 {.code = 113,
                  .what = "'" + name + "' is no name of a service",
                  .note = "write _http._tcp.orders.internal"});
    }
    if (discovery.type != Discovery::Type::consul) return;
    const Node& options = value_of(node, "options");
    const auto said = [&](const char* key) -> const std::string* {
        const auto found = discovery.options.find(key);
        return found == discovery.options.end() ? nullptr : &found->second;
    };
    const std::string* const health = said("health");
    if (health != nullptr && *health != "passing" && *health != "warning" && *health != "any") {
        complain(ctx, value_of(options, "health"),
                 {.code = 115,
                  .what = "'" + *health + "' is no health of Consul",
                  .note = "one of: passing, warning, any"});
    }
    const std::string* const wait = said("wait");
    if (wait != nullptr && !std::holds_alternative<Duration>(read_duration(*wait))) {
        complain(ctx, value_of(options, "wait"),
                 {.code = 104, .what = "'" + *wait + "' is no duration", .note = "write wait: 5m"});
    }
}

// Keys and endpoints that this kind of discovery has no use for.
void check_discovery(Context& ctx,
                     const Node& node,
                     const Cluster& cluster,
                     const Origins& origins) {
    const auto type = cluster.discovery.type;
    const auto& meaning = meaning_of(type);
    for (const auto& [key, origin] : origins.said) {
        const bool is_meant =
            std::find(meaning.keys.begin(), meaning.keys.end(), key) != meaning.keys.end();
        const bool is_twice = !cluster.endpoints.empty() && (key == "name" || key == "port");
        if (is_meant && !is_twice) continue;
        const auto what = is_meant
                              ? "'" + std::string(key) + "' and endpoints exclude each other"
                              : "'" + std::string(key) +
                                    "' means nothing to discovery: " + std::string(meaning.type);
        complain_at(ctx, origin.place, 0, {.code = 115, .what = what});
    }
    if (type == Discovery::Type::static_list && has_name(cluster.endpoints)) {
        complain(ctx, node,
                 {.code = 115,
                  .what = "discovery: static takes addresses, not host names",
                  .note = "leave it out, and the names are resolved"});
    }
    if (type == Discovery::Type::static_list || type == Discovery::Type::dns) return;
    if (type == Discovery::Type::file && cluster.discovery.path.empty())
        complain(ctx, node, {.code = 114, .what = "discovery by file needs a path"});
    if (type == Discovery::Type::plugin && cluster.discovery.path.empty()) {
        complain(ctx, node,
                 {.code = 114,
                  .what = "discovery by plugin needs a path",
                  .note = "that of its shared object: path: /usr/lib/weir/mine.so"});
    }
    check_values(ctx, node, cluster);
    if (!cluster.endpoints.empty()) {
        complain(ctx, node,
                 {.code = 115,
                  .what = "discovery: " + std::string(meaning.type) +
                          " and endpoints exclude each other"});
    }
}

void decode_discovery(Context& ctx, const Node& node, const std::string& path, Cluster& cluster) {
    DiscoveryBlock from;
    Origins origins;
    const auto before = ctx.report.errors();
    decode(ctx, node, path, from, &origins);
    if (ctx.report.errors() != before || node.is_broken || !has_type(ctx, node, origins)) return;
    const Meaning& meaning = meaning_of(from.type);
    Discovery& into = cluster.discovery;
    into.type = from.type;
    into.name = from.name;
    into.port = from.port;
    into.port_name = from.port_name;
    if (from.servers != nullptr && meaning.asks_servers)
        into.sources = decode_asked(ctx, *from.servers);
    if (from.servers != nullptr && !meaning.asks_servers)
        into.servers = decode_servers(ctx, *from.servers);
    into.path = from.path.empty() ? from.path : resolved(ctx, node.place, from.path);
    into.refresh = from.refresh;
    into.keep_last = from.keep_last;
    into.empty_hold = from.empty_hold;
    into.keep_last_max_age = from.keep_last_max_age;
    if (from.options != nullptr)
        into.options = decode_options(ctx, *from.options, path + ".options", meaning);
    check_discovery(ctx, node, cluster, origins);
    if (from.type == Discovery::Type::dns && cluster.endpoints.empty()) {
        decode_dns_name(ctx, node, from, cluster);
    }
}

void decode_sources(Context& ctx,
                    const ClusterBlock& from,
                    const std::string& path,
                    Cluster& cluster) {
    if (from.endpoints != nullptr)
        cluster.endpoints = decode_endpoints(ctx, *from.endpoints, path + ".endpoints");
    if (from.discovery != nullptr) {
        decode_discovery(ctx, *from.discovery, path + ".discovery", cluster);
    } else if (has_name(cluster.endpoints)) {
        cluster.discovery.type = Discovery::Type::dns;
    }
}

// A block of a cluster, over what it inherits.
template <typename T>
Traced<T> layered(Context& ctx,
                  const Node* node,
                  const std::string& path,
                  std::string_view key,
                  Traced<T> inherited) {
    inherited.origins.layer = path;
    if (node != nullptr) decode(ctx, *node, below(path, key), inherited.value, &inherited.origins);
    return inherited;
}

// Checks what is merged and gives it to the cluster. The draft keeps retry and breaker as written,
// for routes.
void settle(Context& ctx, ClusterDraft& draft, Traced<Outlier> outlier) {
    auto retry = draft.retry;
    auto breaker = draft.breaker;
    finish(ctx, breaker);
    finish(ctx, outlier);
    finish(ctx, retry);
    refuse_client_timeouts(ctx, draft.timeout.origins);
    check_times(ctx, retry, draft.timeout);
    check_breaker(ctx, breaker, draft.timeout);
    check_outlier(ctx, outlier, draft.timeout);
    draft.cluster.breaker = std::move(breaker.value);
    draft.cluster.outlier = outlier.value;
    draft.cluster.retry = std::move(retry.value);
    draft.cluster.timeout = draft.timeout.value;
}

// An endpoint that may be ejected must be one more than those that may not.
void check_ready(Context& ctx, const Node* outlier, const Cluster& cluster) {
    if (outlier == nullptr || cluster.discovery.type != Discovery::Type::static_list) return;
    const auto& min_ready = value_of(*outlier, "min_ready");
    if (&min_ready == outlier || cluster.endpoints.size() > cluster.outlier.min_ready) return;
    warn_at(ctx, min_ready.place, min_ready.width,
            {.code = 202,
             .what = "outlier.min_ready (" + std::to_string(cluster.outlier.min_ready) +
                     ") leaves none of " + std::to_string(cluster.endpoints.size()) +
                     " endpoints to eject"});
}

ClusterLimits::Places places_of(const Origins& origins) {
    const auto at = [&](std::string_view key) {
        const Origin* const origin = origins.find(key);
        return origin != nullptr ? origin->place : Place{};
    };
    return {.max_connections = at("max_connections"),
            .max_connecting = at("max_connecting"),
            .max_requests = at("max_requests"),
            .max_pending = at("max_pending"),
            .queue_timeout = at("queue_timeout"),
            .adaptive = at("adaptive")};
}

// What is offered in the handshake follows from what may be spoken.
void settle_protocol(Context& ctx, const Entry& entry, const ClusterBlock& from, Cluster& cluster) {
    using enum ClusterProtocol;
    cluster.protocol = from.protocol;
    const auto complain_here = [&](const char* what, const char* note) {
        const auto& node = value_of(entry.value, "protocol");
        complain_at(ctx, node.place, node.width, {.code = 115, .what = what, .note = note});
    };
    // A `tls` that could not be read is complained of elsewhere.
    if (cluster.protocol == h2 &&
        (from.tls == nullptr || (!cluster.tls && from.tls->text == "off")))
        complain_here("protocol: h2 needs tls", "in clear it is protocol: h2c");
    if (cluster.protocol == h2c && cluster.tls)
        complain_here("protocol: h2c is in clear, and the cluster has tls",
                      "over TLS it is protocol: h2");
    const bool is_http1 =
        cluster.protocol == http1 || (cluster.protocol == automatic && !cluster.tls);
    if (is_http1 && cluster.health && cluster.health->type == Health::Type::grpc) {
        complain(ctx, *from.health,
                 {.code = 115,
                  .what = "a health check by grpc needs HTTP/2",
                  .note = "in clear that is protocol: h2c"});
    }
    if (!cluster.tls || cluster.protocol == automatic) return;
    cluster.tls->alpn = {cluster.protocol == http1 ? "http/1.1" : "h2"};
}

bool is_hash(Policy policy) {
    return policy == Policy::maglev || policy == Policy::ring_hash;
}

// `own` is what the cluster itself says; a key it has from defaults it need not heed.
void settle_lb(Context& ctx, const LbBlock& lb, const Node* own, const Span& at, Cluster& cluster) {
    cluster.policy = lb.policy;
    cluster.when_none_ready = lb.when_none_ready;
    if (is_hash(lb.policy)) {
        cluster.hash_key = lb.key;
        const bool says_key = own != nullptr && &value_of(*own, "key") != own;
        if (lb.key || says_key || (own != nullptr && is_in_doubt(*own))) return;
        complain_at(ctx, at.place, at.width,
                    {.code = 114,
                     .what = "a hash policy needs a key",
                     .note = "write lb: {policy: maglev, key: header:x-user}, or cookie:NAME, "
                             "client_ip, path"});
        return;
    }
    if (own == nullptr || &value_of(*own, "key") == own) return;
    const Node& key = value_of(*own, "key");
    warn_at(ctx, key.place, key.width,
            {.code = 202,
             .what = "lb.key has no effect on this policy",
             .note = "maglev and ring_hash go by a key"});
}

ClusterDraft decode_cluster(Context& ctx, const Entry& entry, const Defaults& defaults) {
    const auto path = "clusters." + entry.key;
    ClusterDraft draft{.cluster = {},
                       .timeout = defaults.timeout,
                       .retry = defaults.retry,
                       .breaker = defaults.breaker};
    Cluster& cluster = draft.cluster;
    cluster.name = entry.key;
    cluster.place = entry.place;
    ClusterBlock from;
    const auto before = ctx.report.errors();
    decode(ctx, entry.value, path, from);
    if (entry.value.kind != Node::Kind::map) return draft;
    const bool is_whole = ctx.report.errors() == before && !is_in_doubt(entry.value);
    decode_sources(ctx, from, path, cluster);
    // An unknown key was perhaps meant to be the endpoints.
    if (is_whole && from.endpoints == nullptr && from.discovery == nullptr) {
        complain_at(ctx, entry.place, entry.width,
                    {.code = 114,
                     .what = "cluster '" + entry.key + "' has no endpoints",
                     .note = "write endpoints: [host:port], or a discovery"});
    }
    LbBlock lb = defaults.lb;
    if (from.lb != nullptr) decode(ctx, *from.lb, path + ".lb", lb);
    const Node* const own = from.lb;
    settle_lb(ctx, lb, own,
              own != nullptr ? Span{own->place, own->width} : Span{entry.place, entry.width},
              cluster);
    draft.retry = layered(ctx, from.retry, path, "retry", defaults.retry);
    draft.timeout = layered(ctx, from.timeout, path, "timeout", defaults.timeout);
    draft.breaker = layered(ctx, from.breaker, path, "breaker", defaults.breaker);
    settle(ctx, draft, layered(ctx, from.outlier, path, "outlier", defaults.outlier));
    if (from.health != nullptr) cluster.health = decode_health(ctx, *from.health, path + ".health");
    if (from.tls != nullptr) cluster.tls = decode_tls(ctx, *from.tls, path + ".tls", false);
    settle_protocol(ctx, entry, from, cluster);
    cluster.proxy_protocol = from.proxy_protocol;
    cluster.proxy_protocol_at = value_of(entry.value, "proxy_protocol").place;
    const auto limits = layered(ctx, from.limits, path, "limits", Traced<ClusterLimits>{});
    cluster.limits = limits.value;
    cluster.limits.places = places_of(limits.origins);
    check_limits(ctx, limits, draft.timeout);
    check_ready(ctx, from.outlier, cluster);
    cluster.metrics_per_endpoint = from.metrics_per_endpoint;
    return draft;
}

}  // namespace

bool is_key_of_discovery(std::string_view type, std::string_view key) {
    if (key == "type") return true;
    const auto types = words_of(block<DiscoveryBlock>().rows[0].type);
    const auto at = std::find(types.begin(), types.end(), type);
    if (at == types.end()) return false;
    const auto& keys = meaning_of(static_cast<Discovery::Type>(at - types.begin())).keys;
    return std::find(keys.begin(), keys.end(), key) != keys.end();
}

void read_discovery_port(Context& ctx,
                         const Node& node,
                         const std::string& /*path*/,
                         DiscoveryBlock& into) {
    constexpr unsigned kMost = 65535;
    constexpr std::size_t kLongestName = 63;
    if (!expect(ctx, node, Node::Kind::scalar, "port", "a number, or the name of a port")) return;
    const std::string& text = node.text;
    const auto is_name_byte = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    };
    const bool is_number = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
    unsigned number = 0;
    if (is_number && text.size() <= 5) number = static_cast<unsigned>(std::stoul(text));
    if (is_number && number > 0 && number <= kMost) {
        into.port = static_cast<std::uint16_t>(number);
    } else if (is_number || text.starts_with('-')) {
        complain(ctx, node,
                 {.code = 117, .what = "'port' is " + text, .note = "it must be from 1 to 65535"});
    } else if (text.empty() || text.size() > kLongestName ||
               !std::all_of(text.begin(), text.end(), is_name_byte)) {
        complain(ctx, node,
                 {.code = 104,
                  .what = "'" + text + "' is no number, and no name of a port",
                  .note = "write port: 8080, or port: http"});
    } else {
        into.port_name = text;
    }
}

void read_hash_key(Context& ctx, const Node& node, const std::string& /*path*/, LbBlock& into) {
    using From = HashKey::Source;
    if (!expect(ctx, node, Node::Kind::scalar, "key", "one word: header:x-user")) return;
    const std::string_view text = node.text;
    const std::size_t colon = std::min(text.find(':'), text.size());
    const std::string_view kind = text.substr(0, colon);
    std::string name(text.substr(std::min(colon + 1, text.size())));
    const bool is_named = kind == "header" || kind == "cookie";
    if (is_named && is_token(name)) {
        const bool is_header = kind == "header";
        into.key = {is_header ? From::header : From::cookie,
                    is_header ? lower(std::move(name)) : std::move(name)};
    } else if (text == "client_ip" || text == "path") {
        into.key = {text == "path" ? From::path : From::client_ip, {}};
    } else {
        complain(ctx, node,
                 {.what = is_named ? "'" + node.text + "' names nothing that a request could have"
                                   : "'" + node.text + "' is nothing to hash",
                  .note = "write header:NAME, cookie:NAME, client_ip or path"});
    }
}

void decode_clusters(Context& ctx,
                     const Node& node,
                     const Defaults& defaults,
                     ClusterDrafts& into) {
    if (!expect(ctx, node, Node::Kind::map, "clusters", "a map of names")) return;
    walk_names(ctx, node, "clusters", [&](const Entry& entry) {
        Node key;  // stands where the name does
        key.kind = Node::Kind::scalar;
        key.place = entry.place;
        key.width = entry.width;
        if (!check_name(ctx, key, entry.key)) return;
        into.emplace(entry.key, decode_cluster(ctx, entry, defaults));
    });
}

const ClusterDraft& inline_cluster(Context& ctx,
                                   const Defaults& defaults,
                                   std::vector<Endpoint> endpoints,
                                   const Place& place,
                                   ClusterDrafts& into) {
    std::string name;
    for (const auto& endpoint : endpoints)
        name += (name.empty() ? "" : ", ") + endpoint.text;
    const auto found = into.find(name);
    if (found != into.end()) return found->second;
    ClusterDraft draft{.cluster = {},
                       .timeout = defaults.timeout,
                       .retry = defaults.retry,
                       .breaker = defaults.breaker};
    draft.cluster.name = name;
    draft.cluster.is_inline = true;
    draft.cluster.place = place;
    draft.cluster.discovery.type =
        has_name(endpoints) ? Discovery::Type::dns : Discovery::Type::static_list;
    draft.cluster.endpoints = std::move(endpoints);
    settle_lb(ctx, defaults.lb, nullptr, {place, 0}, draft.cluster);
    settle(ctx, draft, defaults.outlier);
    return into.emplace(name, std::move(draft)).first->second;
}

// Fallbacks are for those who know what they call.
void decode_passthrough(Context& ctx, const Defaults& defaults, Config& into) {
    ClusterDraft draft{.cluster = {},
                       .timeout = defaults.timeout,
                       .retry = defaults.retry,
                       .breaker = defaults.breaker};
    draft.cluster.name = "passthrough";
    draft.cluster.is_inline = true;
    settle(ctx, draft, defaults.outlier);
    into.passthrough = std::move(draft.cluster);
    into.passthrough.breaker.fallback.reset();
    into.passthrough_target = {.cluster = into.passthrough.name,
                               .timeout = into.passthrough.timeout,
                               .retry = into.passthrough.retry,
                               .breaker = std::nullopt};
}

}  // namespace weir::config
