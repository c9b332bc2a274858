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
    write_texts(json, "methods", route.methods);
    write_matchers(json, "header", route.headers);
    write_matchers(json, "query", route.query);
    write_action(json, route.action);
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

}  // namespace weir::admin
