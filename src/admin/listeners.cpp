#include "admin/describe.hpp"
#include "admin/handlers.hpp"
#include "admin/shapes.hpp"

namespace weir::admin {
namespace {

void write_texts(JsonWriter& json, std::string_view key, const std::vector<std::string>& texts) {
    json.key(key).begin_array();
    for (const std::string& text : texts)
        json.value(text);
    json.end_array();
}

std::string_view word(config::PathPattern::Kind kind) {
    switch (kind) {
        case config::PathPattern::Kind::exact:
            return "exact";
        case config::PathPattern::Kind::prefix:
            return "prefix";
        case config::PathPattern::Kind::regex:
            return "regex";
        case config::PathPattern::Kind::templated:
            break;
    }
    return "template";
}

void write_matchers(JsonWriter& json,
                    std::string_view key,
                    const std::vector<config::Matcher>& matchers) {
    json.key(key).begin_object();
    for (const config::Matcher& matcher : matchers) {
        const bool is_regex = matcher.kind == config::Matcher::Kind::regex;
        const bool is_present = matcher.kind == config::Matcher::Kind::present;
        json.field(matcher.name, is_present ? "present" : (is_regex ? "~ " : "") + matcher.value);
    }
    json.end_object();
}

void write_action(JsonWriter& json, const config::Action& action) {
    if (const auto* respond = std::get_if<config::Respond>(&action)) {
        json.key("respond").begin_object();
        json.field("status", std::uint32_t{respond->status}).end_object();
        return;
    }
    if (const auto* redirect = std::get_if<config::Redirect>(&action)) {
        json.field("redirect", redirect->location);
        return;
    }
    json.key("to").begin_array();
    for (const config::Target& target : std::get<config::Forward>(action).targets) {
        json.begin_object();
        json.field("cluster", target.cluster).field("weight", target.weight);
        write_duration(json, "timeout", target.timeout.request);
        json.field("retry", target.retry.attempts);
        json.end_object();
    }
    json.end_array();
}

void write_route(JsonWriter& json, std::string_view listener, const config::Route& route) {
    json.begin_object();
    json.field("listener", listener).field("name", route.name);
    write_texts(json, "hosts", route.hosts);
    json.field("path", route.path.text).field("path_kind", word(route.path.kind));
    json.key("grpc");
    const config::RouteActions& actions = route.actions;
    if (actions.grpc_service.empty()) {
        json.null();
    } else {
        const bool has_method = !actions.grpc_method.empty();
        json.value(actions.grpc_service + (has_method ? "/" + actions.grpc_method : ""));
    }
    write_texts(json, "methods", route.methods);
    write_matchers(json, "header", route.headers);
    write_matchers(json, "query", route.query);
    write_action(json, route.action);
    json.end_object();
}

// ---- which route a request would take

// The request as the data path would get it: the same parser then refuses it, or makes of its path,
// what it would there. No line may end within what was asked for.
bool is_one_line(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

std::optional<std::string> text_of(const Request& request) {
    const std::string method = request.query_value("method").value_or("GET");
    const std::string host = request.query_value("host").value_or("localhost");
    std::string path = request.query_value("path").value_or("/");
    if (path.empty()) path = "/";
    std::string text = method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n";
    for (const std::string& each : {method, host, path}) {
        if (!is_one_line(each) || each.find(' ') != std::string::npos) return std::nullopt;
    }
    for (const std::string& header : request.query_values("header")) {
        if (!is_one_line(header) || header.find(':') == std::string::npos) return std::nullopt;
        text += header + "\r\n";
    }
    return text + "\r\n";
}

void write_targets(JsonWriter& json,
                   const config::Action& action,
                   const proxy::Snapshot& snapshot) {
    json.key("targets").begin_array();
    const auto* forward = std::get_if<config::Forward>(&action);
    for (const config::Target& target :
         forward ? forward->targets : std::vector<config::Target>{}) {
        const auto cluster = snapshot.find_cluster(target.cluster);
        if (!cluster) continue;
        json.begin_object().field("cluster", target.cluster).field("weight", target.weight);
        json.field("state", cluster_state(*cluster, count_endpoints(*cluster)));
        json.field("breaker", resilience::word(cluster->breaker().state()));
        const auto& fallback =
            target.breaker ? target.breaker->fallback : cluster->config().breaker.fallback;
        if (fallback) {
            json.field("fallback",
                       fallback->to.empty() ? std::to_string(fallback->status) : fallback->to);
        }
        json.key("endpoints").begin_array();
        for (const auto& endpoint : cluster->endpoints()->endpoints) {
            json.begin_object().field("address", endpoint->name());
            json.field("state", endpoint->state_word());
            json.field("takes_requests", endpoint->is_selectable()).end_object();
        }
        json.end_array().end_object();
    }
    json.end_array();
}

struct Hit {
    const proxy::ListenerState* listener = nullptr;
    const config::Route* route = nullptr;
    std::string forwarded_path;
    std::string location;
};

void write_hit(JsonWriter& json, const Hit& hit, const proxy::Snapshot& snapshot) {
    const auto text = [&](std::string_view key, const std::string& value) {
        json.key(key);
        if (value.empty()) {
            json.null();
        } else {
            json.value(value);
        }
    };
    text("listener", hit.listener != nullptr ? hit.listener->config.name : std::string{});
    text("route", hit.route != nullptr ? hit.route->name : std::string{});
    const config::Action none =
        config::Respond{.status = info(Reason::no_route).status, .body = {}};
    const config::Action& action = hit.route != nullptr ? hit.route->action : none;
    const auto* respond = std::get_if<config::Respond>(&action);
    const bool is_redirect = std::holds_alternative<config::Redirect>(action);
    json.field("action", hit.route == nullptr ? "none"
                         : respond != nullptr ? "respond"
                         : is_redirect        ? "redirect"
                                              : "forward");
    json.key("status");
    if (respond != nullptr) {
        json.value(std::uint32_t{respond->status});
    } else if (is_redirect) {
        json.value(std::uint32_t{308});
    } else {
        json.null();
    }
    text("location", hit.location);
    text("forwarded_path", hit.forwarded_path);
    write_targets(json, action, snapshot);
}

// Tries one listener; the misses are written as they come.
bool try_listener(const proxy::ListenerState& listener,
                  const http::RequestHead& head,
                  JsonWriter& misses,
                  Hit& hit) {
    const route::Explanation explanation = listener.table.explain(head);
    for (const route::Miss& miss : explanation.misses) {
        misses.begin_object().field("listener", listener.config.name);
        misses.field("route", listener.config.routes[miss.index].name);
        misses.field("why", miss.why).end_object();
    }
    if (!explanation.matched) return false;
    hit.listener = &listener;
    hit.route = &listener.config.routes[*explanation.matched];
    if (const auto match = listener.table.match(head)) {
        if (std::holds_alternative<config::Forward>(hit.route->action) &&
            !listener.table.rewrite_path(*match, head, hit.forwarded_path)) {
            const bool is_unmerged =
                !hit.route->actions.merge_slashes && !head.unmerged_path.empty();
            hit.forwarded_path = is_unmerged ? head.unmerged_path : head.path;
        }
        listener.table.redirect_location(*match, head, hit.location);
    }
    return true;
}

void write_certificates(JsonWriter& json,
                        const transport::TlsContext& tls,
                        std::string_view owner,
                        const Context& context) {
    for (const transport::TlsCertificate& each : tls.certificates()) {
        json.begin_object().field("subject_name", each.subject_name);
        json.field("side", tls.is_server() ? "downstream" : "upstream");
        json.field(tls.is_server() ? "listener" : "cluster", owner);
        json.field("file", each.file).field("subject", each.subject).field("issuer", each.issuer);
        write_texts(json, "names", each.names);
        write_time(json, "not_before", each.not_before);
        write_time(json, "not_after", each.not_after);
        json.field("serial", each.serial).field("sha256", each.fingerprint);
        const auto& reloads = context.certificate_reloads;
        json.field("reloads", reloads ? reloads(each.subject_name) : std::uint64_t{0});
        json.end_object();
    }
}

// ---- rate limits

std::string_view word(config::RateLimit::Algorithm algorithm) {
    constexpr std::string_view kWords[] = {"gcra", "sliding_window", "concurrency"};
    return kWords[static_cast<std::size_t>(algorithm)];
}
std::string_view word(config::RateLimit::Store::Kind kind) {
    constexpr std::string_view kWords[] = {"local", "redis", "rls"};
    return kWords[static_cast<std::size_t>(kind)];
}
std::string_view word(config::RateLimit::OnStoreFailure what) {
    constexpr std::string_view kWords[] = {"local", "allow", "deny"};
    return kWords[static_cast<std::size_t>(what)];
}

void text_or_null(JsonWriter& json, std::string_view key, std::string_view text) {
    text.empty() ? json.key(key).null() : json.field(key, text);
}

void write_store(JsonWriter& json,
                 const config::RateLimit& rule,
                 const std::optional<quota::StoreHealth::View>& health,
                 const WallClock& wall) {
    const bool is_local = rule.store.kind == config::RateLimit::Store::Kind::local;
    const auto time_of = [&](bool is_known, TimePoint at) {
        return is_known ? std::optional(wall(at)) : std::nullopt;
    };
    json.key("store").begin_object().field("kind", word(rule.store.kind));
    text_or_null(json, "name", rule.store.name);
    text_or_null(json, "on_failure", is_local ? "" : word(rule.on_store_failure));
    text_or_null(json, "breaker", health ? resilience::word(health->state) : "");
    write_time(json, "since", time_of(health.has_value(), health ? health->since : TimePoint{}));
    const auto answered = health ? health->answered_at : std::nullopt;
    write_time(json, "answered_at", time_of(answered.has_value(), answered.value_or(TimePoint{})));
    json.key("age_s");
    if (answered) {
        json.value(std::chrono::duration<double>(wall.now() - *answered).count());
    } else {
        json.null();
    }
    const bool has_failed = health && !health->error.empty();
    text_or_null(json, "error", has_failed ? health->error : "");
    write_time(json, "failed_at",
               time_of(has_failed, has_failed ? health->failed_at : TimePoint{}));
    json.end_object();
}

void write_rate_limit(JsonWriter& json,
                      const config::RateLimit& rule,
                      const Context& context,
                      const WallClock& wall) {
    using telemetry::Family;
    const filter::LimitState state = context.stores != nullptr
                                         ? filter::limit_state(*context.stores, rule, wall.now())
                                         : filter::LimitState{};
    const auto counted = [&](Family family, std::initializer_list<std::string_view> labels) {
        return static_cast<std::uint64_t>(
            std::max<std::int64_t>(context.registry.value(family, labels), 0));
    };
    json.begin_object().field("name", rule.name).field("algorithm", word(rule.algorithm));
    json.field("mode", rule.is_shadow ? "shadow" : "enforce").key("key").begin_array();
    for (const config::RateKey& part : rule.key)
        json.value(part.text);
    json.end_array().field("cost", std::uint64_t{rule.cost});
    json.key("quota");
    if (state.promise) {
        json.value(state.promise->quota);
    } else {
        json.null();
    }
    json.key("window_ms");
    if (state.promise && state.promise->window > Duration{0}) {
        json.value(std::chrono::duration<double, std::milli>(state.promise->window).count());
    } else {
        json.null();
    }
    json.field("keys", std::uint64_t{state.keys}).field("max_keys", std::uint64_t{rule.max_keys});
    json.field("evicted", state.evicted).key("decisions").begin_object();
    for (const std::string_view result : {"limited", "shadow", "store_error"})
        json.field(result, counted(Family::rate_limited, {rule.name, result}));
    json.end_object();
    write_store(json, rule, state.store, wall);
    json.key("lease");
    if (rule.lease && rule.store.kind == config::RateLimit::Store::Kind::redis) {
        json.begin_object().field("keys", counted(Family::rate_limit_leased_keys, {rule.name}));
        json.field("tokens", counted(Family::rate_limit_leased_tokens, {rule.name})).end_object();
    } else {
        json.null();
    }
    json.end_object();
}

}  // namespace

void write_listeners(JsonWriter& json, const proxy::Snapshot& snapshot, const Context& context) {
    json.begin_array();
    for (const auto& listener : snapshot.listeners()) {
        const config::Listener& config = listener->config;
        json.begin_object();
        json.field("name", config.name).field("mode", word(config.mode));
        json.key("listen").begin_array();
        for (const auto& listen : config.listen)
            json.value(listen.text);
        json.end_array();
        json.key("addresses").begin_array();
        if (context.listen_addresses) {
            for (const Address& address : context.listen_addresses(config.name))
                json.value(address.to_string());
        } else {
            for (const auto& listen : config.listen)
                json.value(listen.address.to_string());
        }
        json.end_array();
        json.field("routes", std::uint64_t{config.routes.size()});
        json.end_object();
    }
    json.end_array();
}

// Without a listener's name the first one counts that has a route.
Response route_of(const Request& request, const Context& context) {
    const auto snapshot = context.snapshot();
    const auto text = text_of(request);
    if (!text) {
        return error_response(400, "bad_request",
                              "method, host and path are words, header is \"name: value\"");
    }
    const auto wanted = request.query_value("listener");
    if (wanted && snapshot->find_listener(*wanted) == nullptr) {
        return error_response(404, "no_such_listener", "no listener is named " + *wanted);
    }
    refreshed(*snapshot);
    std::string misses_text;
    JsonWriter misses(misses_text);
    misses.begin_array();
    http::RequestHead head;
    Hit hit;
    for (const auto& listener : snapshot->listeners()) {
        if (wanted && listener->config.name != *wanted) continue;
        const http::HeadParse parse = http::parse_request_head(*text, listener->limits, head);
        if (parse.state != http::HeadParse::State::done) {
            return error_response(
                400, word(parse.error.reason),
                std::string("the data path refuses such a request: ") + parse.error.detail);
        }
        if (try_listener(*listener, head, misses, hit)) break;
    }
    if (head.has_escaped_slash &&
        (hit.route == nullptr || !hit.route->actions.allow_encoded_slash)) {
        return error_response(400, word(Reason::bad_request),
                              "the data path refuses such a request: %2F or %5C in the path");
    }
    misses.end_array();
    Response response;
    JsonWriter json(response.body);
    json.begin_object();
    write_hit(json, hit, *snapshot);
    json.field("method", head.method_text).field("host", head.authority);
    json.field("path", head.path);
    json.end_object();
    response.body.insert(response.body.size() - 1, ",\"misses\":" + misses_text);
    response.body += '\n';
    return response;
}

Response listeners(const Request& /*request*/, const Context& context) {
    Response response;
    JsonWriter json(response.body);
    write_listeners(json, *context.snapshot(), context);
    response.body += '\n';
    return response;
}

Response route_list(const Request& /*request*/, const Context& context) {
    const auto snapshot = context.snapshot();
    Response response;
    JsonWriter json(response.body);
    json.begin_array();
    for (const auto& listener : snapshot->listeners()) {
        for (const config::Route& route : listener->config.routes)
            write_route(json, listener->config.name, route);
    }
    json.end_array();
    response.body += '\n';
    return response;
}

Response certificates(const Request& /*request*/, const Context& context) {
    const auto snapshot = context.snapshot();
    Response response;
    JsonWriter json(response.body);
    json.begin_array();
    for (const auto& listener : snapshot->listeners()) {
        if (listener->tls) write_certificates(json, *listener->tls, listener->config.name, context);
    }
    for (const auto& cluster : snapshot->clusters()) {
        if (cluster->tls()) write_certificates(json, *cluster->tls(), cluster->name(), context);
    }
    json.end_array();
    return response;
}

Response rate_limits(const Request& /*request*/, const Context& context) {
    const auto snapshot = context.snapshot();
    const WallClock wall = refresh_clocks();
    Response response;
    JsonWriter json(response.body);
    json.begin_array();
    for (const auto& [name, rule] : snapshot->config().rate_limits)
        write_rate_limit(json, rule, context, wall);
    json.end_array();
    response.body += '\n';
    return response;
}

}  // namespace weir::admin
