#include "config/addresses.hpp"
#include "decode/sections.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace weir::config {
namespace {

Complaint no_pattern(std::string what, std::string note = {}) {
    return {.code = 119, .what = std::move(what), .note = std::move(note)};
}

// ---- path

bool is_template_name(std::string_view name) {
    return !name.empty() &&
           name.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
               std::string_view::npos;
}

// Names in braces, in order; nothing if the braces do not pair or a name is none.
std::optional<std::vector<std::string_view>> names_in(std::string_view text) {
    std::vector<std::string_view> names;
    for (auto at = text.find_first_of("{}"); at != std::string_view::npos;
         at = text.find_first_of("{}")) {
        const auto end = text.find('}', at);
        if (text[at] == '}' || end == std::string_view::npos) return std::nullopt;
        const auto name = text.substr(at + 1, end - at - 1);
        if (!is_template_name(name)) return std::nullopt;
        names.push_back(name);
        text.remove_prefix(end + 1);
    }
    return names;
}

std::optional<Complaint> check_segments(std::string_view path, bool is_merged) {
    const std::string quoted = "'" + std::string(path) + "'";
    std::set<std::string_view> seen;
    auto rest = path.substr(1);
    while (!rest.empty()) {
        const auto end = std::min(rest.find('/'), rest.size());
        const auto segment = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (segment.empty() && !is_merged) continue;
        if (segment.empty())
            return no_pattern(quoted + " can never match: paths are compared with slashes merged");
        if (segment == "." || segment == "..")
            return no_pattern(quoted + " can never match: paths are compared without dots");
        if (segment.find_first_of("{}") == std::string_view::npos) continue;
        const auto names = names_in(segment);
        const bool is_whole =
            names && names->size() == 1 && names->front().size() + 2 == segment.size();
        if (!is_whole)
            return no_pattern("'" + std::string(segment) + "' is no template segment",
                              "write /{name}/");
        if (!seen.insert(names->front()).second)
            return no_pattern("{" + std::string(names->front()) + "} stands twice in " + quoted);
    }
    return std::nullopt;
}

// "~ ^/re$"
Read<PathPattern> read_expression(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(' ', 1), text.size()));
    if (text.empty()) return no_pattern("no regular expression after ~");
    return PathPattern{.kind = PathPattern::Kind::regex, .text = std::string(text)};
}

Read<PathPattern> read_path(std::string_view text, bool is_merged) {
    const std::string quoted = "'" + std::string(text) + "'";
    if (text.starts_with('~')) return read_expression(text);
    if (!text.starts_with('/')) return no_pattern(quoted + " is no path", "a path begins with /");
    if (text.find_first_of(" \t?#") != std::string_view::npos) {
        return no_pattern(quoted + " is no path", "spaces, ? and # are never part of one");
    }
    PathPattern pattern{.kind = PathPattern::Kind::exact, .text = std::string(text)};
    if (text.ends_with("/*")) pattern.text.pop_back();
    if (pattern.text.find('*') != std::string::npos) {
        return no_pattern(quoted + " is no path", "a * stands alone, as the last segment: /a/*");
    }
    if (auto complaint = check_segments(pattern.text, is_merged)) return std::move(*complaint);
    if (pattern.text.find('{') != std::string::npos) {
        pattern.kind = PathPattern::Kind::templated;
    } else if (pattern.text.ends_with('/')) {
        pattern.kind = PathPattern::Kind::prefix;
    }
    return pattern;
}

// {names} and the * of a rewrite or redirect must be there in the path, and nothing that would end
// the line of the head it is written to.
std::optional<Complaint> check_template(std::string_view text, const PathPattern& path) {
    const auto is_blank = [](char c) { return (c >= 0 && c <= ' ') || c == 0x7F; };
    if (std::any_of(text.begin(), text.end(), is_blank))
        return no_pattern("a blank or control character in a URL", "write %20 for a blank");
    const auto names = names_in(text);
    if (!names) return no_pattern("the braces of '" + std::string(text) + "' are no {name}");
    const bool is_regex = path.kind == PathPattern::Kind::regex;
    if (is_regex && (!names->empty() || text.find('*') != std::string_view::npos))
        return no_pattern("a path by regular expression leaves nothing for {name} or *");
    for (const auto name : *names) {
        if (path.text.find("{" + std::string(name) + "}") != std::string::npos) continue;
        return no_pattern("the path '" + path.text + "' has no segment {" + std::string(name) +
                          "}");
    }
    const auto star = text.find('*');
    if (star == std::string_view::npos) return std::nullopt;
    if (star + 1 != text.size())
        return no_pattern("a * stands for the rest of the path: it comes last");
    if (path.text.ends_with('/')) return std::nullopt;
    return no_pattern("the path '" + path.text + "' is exact and leaves no rest for *",
                      "write path: " + path.text + "/*");
}

// ---- host and matchers

std::optional<Complaint> check_host(std::string_view host) {
    const std::string quoted = "'" + std::string(host) + "'";
    if (host == "*") return no_pattern("'*' is no host", "leave host out to take any");
    const bool is_wildcard = host.starts_with("*.");
    const auto name = is_wildcard ? host.substr(2) : host;
    const auto inside =
        name.starts_with('[') && name.ends_with(']') ? name.substr(1, name.size() - 2) : name;
    const bool is_ip = !is_wildcard && Address::from_ip(inside, 1).has_value();
    if (is_ip || is_host_name(name)) return std::nullopt;
    if (host.find("://") != std::string_view::npos)
        return no_pattern(quoted + " is a URL, not a host");
    if (const auto colon = name.rfind(':');
        colon != std::string_view::npos && is_host_name(name.substr(0, colon))) {
        return no_pattern(quoted + " has a port", "ports are not compared, write " +
                                                      std::string(host.substr(0, host.rfind(':'))));
    }
    return no_pattern(quoted + " is no host", "write example.com or *.example.com");
}

// What a Host header may say: a host, and perhaps a port.
bool is_authority(std::string_view text) {
    if (is_host_name(text) || Address::from_ip(text, 1)) return true;
    if (text.starts_with('[') && text.ends_with(']'))
        return Address::from_ip(text.substr(1, text.size() - 2), 1).has_value();
    const auto read = read_endpoint(text);
    return std::holds_alternative<Endpoint>(read) && !text.starts_with("unix:");
}

std::vector<Matcher> decode_matchers(Context& ctx,
                                     const Node& node,
                                     const std::string& path,
                                     bool is_header) {
    std::vector<Matcher> matchers;
    if (!expect(ctx, node, Node::Kind::map, path, "a map of names and values")) return matchers;
    walk_names(ctx, node, path, [&](const Entry& entry) {
        if (is_header && !is_token(entry.key)) {
            complain_at(ctx, entry.place, entry.width,
                        no_pattern("'" + entry.key + "' is no header name"));
            return;
        }
        if (entry.value.is_broken || !expect(ctx, entry.value, Node::Kind::scalar, entry.key,
                                             "a value, \"~ regex\" or present"))
            return;
        Matcher matcher{.name = is_header ? lower(entry.key) : entry.key,
                        .value = entry.value.text,
                        .place = entry.value.place};
        if (matcher.value == "present") {
            matcher.kind = Matcher::Kind::present;
            matcher.value.clear();
        } else if (matcher.value.starts_with('~')) {
            matcher.kind = Matcher::Kind::regex;
            matcher.value.erase(
                0, std::min(matcher.value.find_first_not_of(' ', 1), matcher.value.size()));
            if (matcher.value.empty())
                complain(ctx, entry.value, no_pattern("no regular expression after ~"));
        }
        matchers.push_back(std::move(matcher));
    });
    return matchers;
}

// ---- a route

struct RouteScope {
    Context& ctx;
    const std::string& path;
    const RouteDefaults& inherited;
    const Defaults& defaults;
    ClusterDrafts& clusters;
};

// An empty list would take nothing for some and anything for others.
void refuse_empty(Context& ctx, const Node& node, std::string_view key) {
    if (node.kind != Node::Kind::list || !node.items.empty()) return;
    complain(ctx, node,
             {.code = 114,
              .what = "'" + std::string(key) + "' is an empty list",
              .note = "leave it out to take any"});
}

void decode_match(RouteScope& scope, const RouteBlock& from, Route& route) {
    Context& ctx = scope.ctx;
    if (from.path != nullptr && expect(ctx, *from.path, Node::Kind::scalar, "path", "one path")) {
        auto read = read_path(from.path->text, from.merge_slashes);
        if (auto* complaint = std::get_if<Complaint>(&read)) {
            complain(ctx, *from.path, std::move(*complaint));
        } else {
            route.path = std::get<PathPattern>(std::move(read));
        }
    }
    if (from.host != nullptr) {
        refuse_empty(ctx, *from.host, "host");
        for (const Node* item : scalars(ctx, *from.host, "host")) {
            if (auto complaint = check_host(item->text)) {
                complain(ctx, *item, std::move(*complaint));
            } else {
                route.hosts.push_back(lower(item->text));
            }
        }
    }
    if (from.method != nullptr) {
        refuse_empty(ctx, *from.method, "method");
        for (const Node* item : scalars(ctx, *from.method, "method")) {
            if (is_method(item->text)) {
                route.methods.push_back(item->text);
            } else {
                complain_method(ctx, *item);
            }
        }
    }
    if (from.header != nullptr)
        route.headers = decode_matchers(ctx, *from.header, scope.path + ".header", true);
    if (from.query != nullptr)
        route.query = decode_matchers(ctx, *from.query, scope.path + ".query", false);
}

void decode_rewrite(RouteScope& scope, const Node& node, Route& route) {
    RewriteBlock from;
    Origins origins;
    decode(scope.ctx, node, scope.path + ".rewrite", from, &origins);
    route.rewrite_path = from.path;
    if (from.host != "keep") route.rewrite_host = from.host;
    if (route.rewrite_host && !is_authority(*route.rewrite_host)) {
        complain_at(scope.ctx, origins.find("host")->place, 0,
                    no_pattern("'" + *route.rewrite_host + "' is no host",
                               "write example.com or example.com:8080"));
    }
    if (!from.path) return;
    auto complaint = from.path->starts_with('/')
                         ? check_template(*from.path, route.path)
                         : no_pattern("'" + *from.path + "' is no path", "a path begins with /");
    if (complaint) complain_at(scope.ctx, origins.find("path")->place, 0, std::move(*complaint));
}

void decode_respond(RouteScope& scope, const Node& node, Route& route) {
    Respond respond;
    decode(scope.ctx, node, scope.path + ".respond", respond);
    if ((respond.status == 204 || respond.status == 304) && !respond.body.empty()) {
        complain(scope.ctx, node,
                 {.code = 115, .what = "a " + std::to_string(respond.status) + " has no body"});
    }
    route.action = std::move(respond);
}

// Exactly one of to, respond, redirect.
void decode_action(RouteScope& scope, const Node& node, const RouteBlock& from, Route& route) {
    const int actions =
        (from.to != nullptr ? 1 : 0) + (from.respond != nullptr ? 1 : 0) + (from.redirect ? 1 : 0);
    if (actions == 0) {
        complain(scope.ctx, node,
                 {.code = 114,
                  .what = "this route goes nowhere",
                  .note = "add to, respond or redirect"});
    } else if (actions > 1) {
        complain(scope.ctx, node,
                 {.code = 115, .what = "to, respond and redirect exclude each other"});
    } else if (from.to != nullptr) {
        route.action =
            Forward{decode_targets(scope.ctx, from, scope.path, scope.defaults, scope.clusters)};
    } else if (from.respond != nullptr) {
        decode_respond(scope, *from.respond, route);
    } else {
        if (auto complaint = check_template(*from.redirect, route.path))
            complain(scope.ctx, value_of(node, "redirect"), std::move(*complaint));
        route.action = Redirect{*from.redirect};
    }
    const bool is_forward = from.to != nullptr;
    if (!is_forward && actions == 1 &&
        (route.actions.mirror || !route.actions.request.is_none() ||
         !route.actions.compress.empty())) {
        complain(scope.ctx, node,
                 {.code = 115, .what = "mirror, headers and compress mean nothing without 'to'"});
    }
    if (!is_forward &&
        (from.retry != nullptr || from.timeout != nullptr || from.breaker != nullptr ||
         from.rewrite != nullptr) &&
        actions == 1) {
        complain(
            scope.ctx, node,
            {.code = 115, .what = "retry, timeout, breaker and rewrite mean nothing without 'to'"});
    }
}

// Where its path is written, "path: /orders/*", or the route.
Span path_span(const Node& route) {
    for (const auto& entry : route.entries) {
        if (entry.key != "path") continue;
        const auto& value = entry.value;
        const bool is_near =
            value.place.line == entry.place.line && value.place.column > entry.place.column;
        return {entry.place,
                is_near ? value.place.column - entry.place.column + value.width : entry.width};
    }
    return {route.place, route.width};
}

// Of bytes that are no HTTP nothing is known but a server name.
void refuse_http(Context& ctx, const Node& route) {
    constexpr std::string_view kHttp[] = {
        "path",    "method",   "header",   "query",   "respond",          "redirect",
        "rewrite", "max_body", "grpc",     "headers", "response_headers", "mirror",
        "fault",   "cors",     "compress", "auth",    "require",          "rate_limit"};
    for (const auto& entry : route.entries) {
        if (std::find(std::begin(kHttp), std::end(kHttp), entry.key) == std::end(kHttp)) continue;
        if (entry.value.kind == Node::Kind::scalar && entry.value.text == "off") continue;
        complain_at(
            ctx, entry.place, entry.width,
            {.code = 115,
             .what = "'" + entry.key + "' is about HTTP, and this listener is protocol: tcp",
             .note = "its routes may say host (the server name of TLS) and to"});
    }
}

Route decode_route(RouteScope& scope, const Node& node) {
    Route route;
    route.place = node.place;
    route.path_at = path_span(node);
    route.max_body = scope.inherited.max_body;
    route.access_log = scope.inherited.access_log;
    RouteBlock from;
    from.max_body = route.max_body;
    const auto before = scope.ctx.report.errors();
    decode(scope.ctx, node, scope.path, from);
    const bool is_whole = scope.ctx.report.errors() == before && !is_in_doubt(node);
    if (node.kind != Node::Kind::map) return route;
    if (scope.inherited.is_opaque) refuse_http(scope.ctx, node);
    if (!from.name.empty()) check_name(scope.ctx, value_of(node, "name"), from.name);
    route.name = from.name;
    route.max_body = from.max_body;
    route.access_log = access_log_of(scope.ctx, from.access_log, scope.path + ".access_log",
                                     scope.inherited.access_log);
    route.auth.any_of =
        from.auth != nullptr ? decode_any_of(scope.ctx, *from.auth) : scope.inherited.auth;
    if (from.require != "none") route.auth.require = from.require;
    route.auth.require_at = value_of(node, "require").place;
    decode_match(scope, from, route);
    route.actions.websocket = from.websocket;
    route.actions.merge_slashes = from.merge_slashes;
    route.actions.allow_encoded_slash = from.allow_encoded_slash;
    decode_actions(scope.ctx, from, scope.path, scope.defaults, scope.clusters, route);
    if (from.rewrite != nullptr) decode_rewrite(scope, *from.rewrite, route);
    // An unknown key was perhaps meant to be the action.
    if (is_whole || from.to != nullptr) decode_action(scope, node, from, route);
    return route;
}

void name_routes(Context& ctx, const Node& list, std::vector<Route>& routes) {
    std::map<std::string, Place> places;
    for (std::size_t i = 0; i < routes.size(); ++i) {
        if (routes[i].name.empty()) continue;
        const Node& name = value_of(list.items[i], "name");
        const auto [at, is_new] = places.emplace(routes[i].name, name.place);
        if (!is_new) complain_repeated(ctx, name, "a route", routes[i].name, at->second);
    }
    for (std::size_t i = 0; i < routes.size(); ++i) {
        if (!routes[i].name.empty()) continue;
        routes[i].name = "route-" + std::to_string(i + 1);
        while (places.contains(routes[i].name))
            routes[i].name += '_';
    }
}

RouteLimits limits_of(const RouteScope& scope, const Node& route, const std::string& name) {
    const Node& limit = value_of(route, "rate_limit");
    if (&limit == &route) return scope.inherited.rate_limits;
    return decode_rate_limit(scope.ctx, limit, scope.path + ".rate_limit",
                             scope.inherited.listener + "/" + name, scope.inherited.rate_limits,
                             scope.clusters);
}

}  // namespace

std::string lower(std::string text) {
    for (char& c : text)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    return text;
}

bool is_token(std::string_view text) {
    constexpr std::string_view kTaken =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
    return !text.empty() && text.find_first_not_of(kTaken) == std::string_view::npos;
}

std::vector<Route> decode_routes(Context& ctx,
                                 const Node& node,
                                 const std::string& path,
                                 const RouteDefaults& inherited,
                                 const Defaults& defaults,
                                 ClusterDrafts& clusters) {
    std::vector<Route> routes;
    std::vector<bool> is_sound;
    if (!expect(ctx, node, Node::Kind::list, "routes", "a list of routes")) return routes;
    if (node.items.empty()) complain(ctx, node, {.code = 114, .what = "'routes' is empty"});
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        const auto route_path = below(path, i);
        RouteScope scope{ctx, route_path, inherited, defaults, clusters};
        const auto before = ctx.report.errors();
        routes.push_back(decode_route(scope, node.items[i]));
        is_sound.push_back(ctx.report.errors() == before && !is_in_doubt(node.items[i]));
    }
    name_routes(ctx, node, routes);
    for (std::size_t i = 0; i < routes.size(); ++i)
        routes[i].rate_limits = limits_of({ctx, below(path, i), inherited, defaults, clusters},
                                          node.items[i], routes[i].name);
    // Of a draft others judge only what is known to be meant so.
    std::size_t index = 0;
    std::erase_if(routes, [&](const Route& /*route*/) { return !is_sound[index++]; });
    return routes;
}

Route catch_all(Context& ctx,
                const Node& to,
                const std::string& path,
                const RouteDefaults& inherited,
                const Defaults& defaults,
                ClusterDrafts& clusters) {
    RouteBlock from;
    from.to = &to;
    Route route;
    route.name = "default";
    route.place = to.place;
    route.path_at = {to.place, to.width};
    route.max_body = inherited.max_body;
    route.access_log = inherited.access_log;
    route.auth.any_of = inherited.auth;
    route.rate_limits = inherited.rate_limits;
    route.action = Forward{decode_targets(ctx, from, path, defaults, clusters)};
    return route;
}

}  // namespace weir::config
