#include "config/addresses.hpp"
#include "decode/sections.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace weir::config {
namespace {

std::optional<ListenAddress> decode_address(Context& ctx, const Node& node) {
    auto read = read_listen(node.text);
    if (auto* complaint = std::get_if<Complaint>(&read)) {
        complain(ctx, node, std::move(*complaint));
        return std::nullopt;
    }
    auto listen = std::get<ListenAddress>(std::move(read));
    listen.place = node.place;
    return listen;
}

// `listen: [::1]` is a list of one text.
bool is_unquoted_ipv6(const Node& node) {
    return node.kind == Node::Kind::list && node.items.size() == 1 &&
           node.items[0].kind == Node::Kind::scalar && !node.items[0].is_quoted &&
           Address::from_ip(node.items[0].text, 1) &&
           node.items[0].text.find(':') != std::string::npos;
}

std::vector<ListenAddress> decode_listen(Context& ctx, const Node& node) {
    std::vector<ListenAddress> addresses;
    if (is_unquoted_ipv6(node)) {
        complain(ctx, node,
                 {.code = 112,
                  .what = "an IPv6 address must be quoted here, '[' starts a YAML list",
                  .note = "write \"[" + node.items[0].text + "]:8080\""});
        return addresses;
    }
    for (const Node* item : scalars(ctx, node, "listen")) {
        if (auto address = decode_address(ctx, *item)) addresses.push_back(std::move(*address));
    }
    if (node.kind == Node::Kind::list && node.items.empty()) {
        complain(ctx, node, {.code = 114, .what = "'listen' is an empty list"});
    }
    return addresses;
}

std::vector<Cidr> decode_cidrs(Context& ctx, const Node& node) {
    std::vector<Cidr> blocks;
    for (const Node* item : scalars(ctx, node, "trusted_proxies")) {
        if (auto block = Cidr::parse(item->text)) {
            blocks.push_back(std::move(*block));
        } else {
            complain(ctx, *item,
                     {.code = 113,
                      .what = "'" + item->text + "' is no address block",
                      .note = "write 10.0.0.0/8"});
        }
    }
    return blocks;
}

struct ListenerScope {
    Context& ctx;
    const Config& config;  // as far as it is decoded
    const Defaults& defaults;
    ClusterDrafts& clusters;
    std::optional<ErrorDetail> detail;
};

// Without a route all that comes is passed through.
bool goes_where_meant(const ListenerBlock& from) {
    return from.transparent && from.mode != Mode::gateway && from.may_pass_through;
}

void decode_listener_routes(ListenerScope& scope,
                            const Node& node,
                            const ListenerBlock& from,
                            const std::string& path,
                            Listener& listener) {
    const RouteDefaults inherited{.max_body = listener.limits.body,
                                  .access_log = listener.access_log,
                                  .listener = listener.name,
                                  .rate_limits = listener.rate_limits,
                                  .is_opaque = listener.protocol == Protocol::tcp,
                                  .auth = listener.auth};
    if (from.to != nullptr && from.routes != nullptr) {
        complain(scope.ctx, *from.to,
                 {.code = 115,
                  .what = "'to' and 'routes' exclude each other",
                  .note = "make it the last route"});
    } else if (from.to != nullptr) {
        listener.routes.push_back(
            catch_all(scope.ctx, *from.to, path, inherited, scope.defaults, scope.clusters));
    } else if (from.routes != nullptr) {
        listener.routes = decode_routes(scope.ctx, *from.routes, path + ".routes", inherited,
                                        scope.defaults, scope.clusters);
    } else if (!goes_where_meant(from)) {
        complain(scope.ctx, node,
                 {.code = 114, .what = "this listener goes nowhere", .note = "add to or routes"});
    }
}

// What TLS says it will carry: of opaque bytes only what is written.
void agree_on(Listener& listener, const Node& tls) {
    if (listener.protocol == Protocol::automatic) return;
    auto& alpn = listener.tls->alpn;
    if (listener.protocol != Protocol::tcp) {
        alpn = {listener.protocol == Protocol::h2c ? "h2" : "http/1.1"};
    } else if (&value_of(tls, "alpn") == &tls) {
        alpn.clear();
    }
}

Listener decode_listener(ListenerScope& scope, const Node& node, const std::string& path) {
    Context& ctx = scope.ctx;
    Listener listener;
    listener.place = node.place;
    listener.limits = scope.config.limits;
    ListenerBlock from;
    const auto before = ctx.report.errors();
    decode(ctx, node, path, from);
    const bool is_whole = ctx.report.errors() == before && !is_in_doubt(node);
    if (node.kind != Node::Kind::map) return listener;
    if (from.limits != nullptr) decode(ctx, *from.limits, path + ".limits", listener.limits);
    if (from.listen != nullptr) {
        listener.listen = decode_listen(ctx, *from.listen);
    } else if (is_whole) {
        complain(
            ctx, node,
            {.code = 114, .what = "this listener has no address", .note = "add listen: :8080"});
    }
    if (!from.name.empty()) check_name(ctx, value_of(node, "name"), from.name);
    listener.name =
        from.name.empty() && !listener.listen.empty() ? listener.listen.front().text : from.name;
    listener.mode = from.mode;
    if (from.tls != nullptr) listener.tls = decode_tls(ctx, *from.tls, path + ".tls", true);
    listener.protocol = from.protocol;
    listener.detect_timeout = from.detect_timeout;
    if (listener.tls) agree_on(listener, *from.tls);
    listener.access_log =
        access_log_of(ctx, from.access_log, path + ".access_log", scope.config.access_log);
    listener.trusted_hops = from.trusted_hops;
    listener.forward_client_cert = from.forward_client_cert;
    const bool asks = listener.tls && listener.tls->client_auth != Tls::ClientAuth::none;
    if (is_whole && !asks && listener.forward_client_cert != ClientCert::off) {
        const Node& value = value_of(node, "forward_client_cert");
        warn_at(ctx, value.place, value.width,
                {.code = 202,
                 .what = "no client of this listener shows a certificate",
                 .note = "tls: {client_ca: FILE, ...}, or tls: mesh"});
    }
    if (from.trusted_proxies != nullptr)
        listener.trusted_proxies = decode_cidrs(ctx, *from.trusted_proxies);
    if (from.auth != nullptr) listener.auth = decode_any_of(ctx, *from.auth);
    if (!listener.auth.empty() && listener.protocol == Protocol::tcp) {
        complain(ctx, *from.auth,
                 {.code = 115,
                  .what = "'auth' is about HTTP, and this listener is protocol: tcp",
                  .note = "tls: {client_ca: FILE, allow: [...]} asks for certificates"});
    }
    listener.transparent = from.transparent;
    listener.may_pass_through = from.may_pass_through;
    listener.opaque_ports = std::move(from.opaque_ports);
    listener.proxy_protocol = from.proxy_protocol;
    if (from.proxy_protocol && is_whole && listener.trusted_proxies.empty()) {
        complain(ctx, value_of(node, "proxy_protocol"),
                 {.code = 115,
                  .what = "proxy_protocol is taken from trusted_proxies only, and there are none",
                  .note = "add trusted_proxies: [10.0.0.0/8]"});
    }
    const auto by_mode = from.mode == Mode::gateway ? Underscores::drop : Underscores::allow;
    listener.underscores = from.underscores.value_or(by_mode);
    const auto detail_by_mode =
        from.mode == Mode::gateway ? ErrorDetail::public_only : ErrorDetail::internal;
    listener.detail = scope.detail.value_or(detail_by_mode);
    if (from.rate_limit != nullptr) {
        listener.rate_limits = decode_rate_limit(ctx, *from.rate_limit, path + ".rate_limit",
                                                 listener.name, {}, scope.clusters);
    }
    if (is_whole || from.to != nullptr || from.routes != nullptr) {
        decode_listener_routes(scope, node, from, path, listener);
    }
    return listener;
}

void decode_server(Context& ctx, const Node* listen, std::optional<ListenAddress>& into) {
    if (listen == nullptr) return;
    if (!expect(ctx, *listen, Node::Kind::scalar, "listen", "one address or off")) return;
    into = listen->text == "off" ? std::nullopt : decode_address(ctx, *listen);
}

void decode_admin_hosts(Context& ctx, const Node& node, std::vector<std::string>& into) {
    into.clear();
    for (const Node* item : scalars(ctx, node, "hosts")) {
        const auto& text = item->text;
        const bool is_bracketed = text.starts_with('[') && text.ends_with(']');
        const bool is_host =
            is_host_name(text) ||
            Address::from_ip(is_bracketed ? std::string_view(text).substr(1, text.size() - 2)
                                          : std::string_view(text),
                             1)
                .has_value();
        if (is_host) {
            into.push_back(text);
        } else {
            complain(ctx, *item,
                     {.code = 119,
                      .what = "'" + text + "' is no host",
                      .note = "names and addresses without a port: any port is accepted"});
        }
    }
}

void check_version(Context& ctx, const Node& root, const Node* version) {
    if (version == nullptr) {
        complain_at(ctx, root.place, 0,
                    {.code = 114, .what = "'version' is missing", .note = "begin with version: 1"});
    } else if (expect(ctx, *version, Node::Kind::scalar, "version", "1") && version->text != "1") {
        complain(ctx, *version,
                 {.code = 117,
                  .what = "version '" + version->text + "' is not known",
                  .note = "this Weir reads version: 1"});
    }
}

// Whoever reaches the admin port rules the proxy.
void check_admin(Context& ctx, const Config& config) {
    if (!config.admin_listen || config.admin_token) return;
    const auto& address = config.admin_listen->address;
    if (address.is_unix() || address.is_loopback()) return;
    complain_at(ctx, config.admin_listen->place, 0,
                {.code = 150,
                 .what = "admin.listen " + config.admin_listen->text +
                         " can be reached from other machines",
                 .note = "write 127.0.0.1:" + std::to_string(address.port()) +
                         " or unix:/run/weir/admin.sock, or set admin.token"});
}

// Each address once, over listeners, admin and telemetry. Port 0 is a new one each time.
void check_addresses(Context& ctx, const Config& config) {
    struct Use {
        const ListenAddress* listen;
        std::string by;
    };
    std::map<std::string, Use> uses;
    const auto use = [&](const ListenAddress& listen, const std::string& by) {
        if (!listen.address.is_unix() && listen.address.port() == 0) return;
        const auto [at, is_new] = uses.emplace(listen.address.to_string(), Use{&listen, by});
        if (is_new) return;
        const auto* first = &at->second;
        Use second{&listen, by};
        const bool is_swapped = listen.place.is_built_in();  // say it where something is written
        const auto& said = is_swapped ? *first : second;
        const auto& other = is_swapped ? second : *first;
        const auto of = other.by.empty() ? std::string() : " by " + other.by;
        const auto& place = other.listen->place;
        complain_at(ctx, said.listen->place, static_cast<std::uint32_t>(said.listen->text.size()),
                    {.code = 130,
                     .what = "'" + said.listen->text + "' is also listened on" + of +
                             (of.empty() ? " " : ", ") +
                             (place.is_built_in() ? std::string("built-in")
                                                  : "at " + where(ctx, place, said.listen->place)),
                     .note = of.empty() && said.by.empty()
                                 ? "merge the two listeners or choose another port"
                                 : "choose another port"});
    };
    for (const auto& listener : config.listeners) {
        for (const auto& listen : listener.listen)
            use(listen, "");
    }
    if (config.admin_listen) use(*config.admin_listen, "admin");
    if (config.telemetry_listen) use(*config.telemetry_listen, "telemetry");
}

// It names the client of a connection, and those of HTTP are shared by many.
void check_proxy_protocol(Context& ctx, const Config& config) {
    for (const auto& listener : config.listeners) {
        if (listener.protocol == Protocol::tcp) continue;
        for (const auto& route : listener.routes) {
            const auto* forward = std::get_if<Forward>(&route.action);
            if (forward == nullptr) continue;
            for (const auto& target : forward->targets) {
                const auto& cluster = config.clusters.at(target.cluster);
                if (cluster.proxy_protocol == ProxyProtocol::off) continue;
                complain_at(ctx, route.place, 0,
                            {.code = 115,
                             .what = "a route of HTTP leads to cluster '" + cluster.name +
                                     "', whose proxy_protocol names one client a connection",
                             .note = "connections of HTTP are shared: X-Forwarded-For names the "
                                     "client there"});
            }
        }
    }
}

// What is said of its files is for transport to check, each once.
void name_files(Config& config, const std::optional<Tls>& identity) {
    const auto add_once = [](auto& into, const auto& file) {
        if (std::find(into.begin(), into.end(), file) == into.end()) into.push_back(file);
    };
    const auto add = [&](const std::optional<Tls>& tls) {
        if (!tls) return;
        for (const CertificateFiles& files : tls->certs)
            add_once(config.certificates, files);
        if (!tls->ca.path.empty()) add_once(config.trust_files, tls->ca);
        if (!tls->crl.path.empty()) add_once(config.crl_files, tls->crl);
    };
    add(identity);
    for (const Listener& listener : config.listeners)
        add(listener.tls);
    for (const auto& [name, cluster] : config.clusters)
        add(cluster.tls);
    for (const auto& [name, redis] : config.redis)
        add(redis.tls);
}

template <typename T>
void decode_into(
    Context& ctx, const Node* node, std::string_view path, T& into, Origins* origins = nullptr) {
    if (node != nullptr) decode(ctx, *node, std::string(path), into, origins);
}

void check_listener_names(Context& ctx, const Node& list, const std::vector<Listener>& listeners) {
    std::map<std::string_view, Place> places;
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        const Node& name = value_of(list.items[i], "name");
        // An address used twice is W130 already.
        if (listeners[i].name.empty() || &name == &list.items[i]) continue;
        const auto [at, is_new] = places.emplace(listeners[i].name, name.place);
        if (!is_new) complain_repeated(ctx, name, "a listener", listeners[i].name, at->second);
    }
}

}  // namespace

void complain_repeated(Context& ctx,
                       const Node& node,
                       std::string_view kind,
                       const std::string& name,
                       const Place& first) {
    complain(ctx, node,
             {.code = 131,
              .what = std::string(kind) + " named '" + name + "' is already there",
              .note = "first at " + where(ctx, first, node.place)});
}

void decode_listeners(Context& ctx,
                      const Node& node,
                      const Config& from,
                      std::optional<ErrorDetail> detail,
                      const Defaults& defaults,
                      ClusterDrafts& clusters,
                      std::vector<Listener>& into) {
    if (!expect(ctx, node, Node::Kind::list, "listeners", "a list of listeners")) return;
    if (node.items.empty()) complain(ctx, node, {.code = 114, .what = "'listeners' is empty"});
    ListenerScope scope{ctx, from, defaults, clusters, detail};
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        into.push_back(decode_listener(scope, node.items[i], below("listeners", i)));
    }
    check_listener_names(ctx, node, into);
}

Config decode_config(Context& ctx, const Node& root) {
    Config config;
    if (!expect(ctx, root, Node::Kind::map, "configuration",
                "a map: version, listeners, clusters, ..."))
        return config;
    RootBlock from;
    const auto before = ctx.report.errors();
    decode(ctx, root, "", from);
    const bool is_whole = ctx.report.errors() == before && !is_in_doubt(root);
    if (!value_of(root, "version").is_broken) check_version(ctx, root, from.version);

    NodeBlock node{.name = ctx.environment.host_name};
    DefaultsBlock default_nodes;
    decode_into(ctx, from.node, "node", node);
    decode_into(ctx, from.defaults, "defaults", default_nodes);
    decode_into(ctx, from.limits, "limits", config.limits);
    Origins log_origins;
    decode_into(ctx, from.access_log, "access_log", config.access_log, &log_origins);
    decode_into(ctx, default_nodes.access_log, "defaults.access_log", config.access_log,
                &log_origins);
    check_sampling(ctx, config.access_log, log_origins);
    decode_into(ctx, from.log, "log", config.log);
    ctx.access_log_to = config.access_log.to;
    AdminBlock admin;
    TelemetryBlock telemetry;
    ErrorsBlock errors;
    const auto before_admin = ctx.report.errors();
    decode_into(ctx, from.admin, "admin", admin);
    const bool is_admin_whole =
        ctx.report.errors() == before_admin &&
        (from.admin == nullptr || !is_in_doubt(value_of(*from.admin, "token")));
    decode_into(ctx, from.telemetry, "telemetry", telemetry);
    decode_into(ctx, from.errors, "errors", errors);
    decode_server(ctx, admin.listen, config.admin_listen);
    decode_server(ctx, telemetry.listen, config.telemetry_listen);
    config.admin_token = std::move(admin.token);
    if (admin.hosts != nullptr) decode_admin_hosts(ctx, *admin.hosts, config.admin_hosts);
    config.telemetry = std::move(telemetry);
    if (is_admin_whole) check_admin(ctx, config);
    config.node_name = node.name;
    config.node_zone = node.zone;
    config.threads = from.threads;
    config.drain = from.drain;

    const Defaults defaults = decode_defaults(ctx, default_nodes);
    config.client_timeout = static_cast<const ClientTimeouts&>(defaults.timeout.value);
    if (from.identity != nullptr) decode_identity(ctx, *from.identity);
    ClusterDrafts clusters;
    if (from.clusters != nullptr) decode_clusters(ctx, *from.clusters, defaults, clusters);
    if (from.auth != nullptr) decode_auths(ctx, *from.auth, defaults, clusters, config.auth);
    if (from.redis != nullptr) decode_redis(ctx, *from.redis);
    if (from.rate_limits != nullptr) decode_rate_limits(ctx, *from.rate_limits, clusters);
    if (from.listeners != nullptr) {
        decode_listeners(ctx, *from.listeners, config, errors.detail, defaults, clusters,
                         config.listeners);
    } else if (is_whole) {
        complain_at(
            ctx, root.place, 0,
            {.code = 114,
             .what = "there are no listeners",
             .note = "the shortest: listeners: [{listen: \":8080\", to: \"127.0.0.1:9000\"}]"});
    }
    settle_fallbacks(ctx, defaults, clusters, config.listeners);
    const bool passes_through =
        std::any_of(config.listeners.begin(), config.listeners.end(),
                    [](const Listener& each) { return each.transparent && each.may_pass_through; });
    if (passes_through) decode_passthrough(ctx, defaults, config);
    for (auto& [name, draft] : clusters) {
        Discovery& discovery = draft.cluster.discovery;
        if (discovery.type == Discovery::Type::kubernetes) discovery.zone = config.node_zone;
        config.clusters.emplace(name, std::move(draft.cluster));
    }
    config.rate_limits = std::move(ctx.rate_limits);
    config.redis = std::move(ctx.redis);
    hide_credentials(config);
    check_addresses(ctx, config);
    check_proxy_protocol(ctx, config);
    name_files(config, ctx.identity);
    return config;
}

}  // namespace weir::config
