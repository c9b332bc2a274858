// What operators tell a running process to do.
#include "weir/config/values.hpp"
#include "weir/core/log.hpp"
#include "weir/finders/registry.hpp"

#include "admin/body.hpp"
#include "admin/describe.hpp"
#include "admin/handlers.hpp"
#include "admin/shapes.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace weir::admin {
namespace {

using namespace std::chrono_literals;

constexpr Duration kEjectFor = 5min;
constexpr Duration kForceFor = 10min;
constexpr Duration kLongestForce = 24h;
constexpr Duration kFaultFor = 5min;
constexpr Duration kLongestDelay = 1h;

// A body of nothing, or of an object without members.
std::optional<Response> refuse_members(const Request& request) {
    const Body body(request, {});
    if (body.has_failed()) return body.refusal();
    return std::nullopt;
}

// ---- endpoints

struct Place {
    std::shared_ptr<upstream::Cluster> cluster;
    std::shared_ptr<upstream::Endpoint> endpoint;
    std::optional<Response> refusal;
};

Place place_of(const Request& request, const proxy::Snapshot& snapshot) {
    Place place;
    const std::string& name = request.parameters[0];
    const std::string& address = request.parameters[1];
    place.cluster = snapshot.find_cluster(name);
    if (!place.cluster) {
        place.refusal = no_such_cluster(name);
        return place;
    }
    for (const auto& endpoint : place.cluster->endpoints()->endpoints) {
        if (endpoint->name() == address) place.endpoint = endpoint;
    }
    if (!place.endpoint) {
        place.refusal = error_response(404, "no_such_endpoint",
                                       "cluster " + name + " has no endpoint " + address);
    }
    return place;
}

// Nobody is left to take requests when this one is gone.
bool is_last(const Place& place) {
    const auto set = place.cluster->endpoints();
    return std::none_of(set->endpoints.begin(), set->endpoints.end(), [&](const auto& other) {
        return other != place.endpoint && !other->is_held() && other->is_selectable();
    });
}

Response endpoint_now(const Place& place, const proxy::Snapshot& snapshot) {
    const WallClock wall = refreshed(snapshot);
    Response response;
    JsonWriter json(response.body);
    write_endpoint(json, *place.cluster, *place.endpoint, wall);
    response.body += '\n';
    return response;
}

// Drains or ejects, unless that would leave none.
template <typename Act>
Response take_out(const Request& request,
                  const Context& context,
                  std::optional<Duration> fallback,
                  Duration longest,
                  Act&& act) {
    const auto snapshot = context.snapshot();
    const Place place = place_of(request, *snapshot);
    if (place.refusal) return *place.refusal;
    Body body(request, {"for", "reason", "force"});
    auto time = body.time(longest);
    if (!time) time = fallback;
    upstream::Order order{.until = {}, .by = request.peer, .reason = body.reason()};
    const bool is_forced = body.flag("force");
    if (body.has_failed()) return body.refusal();
    const WallClock wall = refreshed(*snapshot);
    if (!is_forced && !place.endpoint->is_held() && is_last(place)) {
        return error_response(409, "last_endpoint",
                              place.endpoint->name() + " is the last endpoint of " +
                                  place.cluster->name() +
                                  " that takes requests: send {\"force\":true} to take it out");
    }
    if (time) order.until = wall.now() + *time;
    act(*place.endpoint, std::move(order), wall.now());
    return endpoint_now(place, *snapshot);
}

template <typename Act>
Response bring_back(const Request& request, const Context& context, Act&& act) {
    if (auto refusal = refuse_members(request)) return *std::move(refusal);
    const auto snapshot = context.snapshot();
    const Place place = place_of(request, *snapshot);
    if (place.refusal) return *place.refusal;
    act(*place.endpoint, refreshed(*snapshot).now());
    return endpoint_now(place, *snapshot);
}

// ---- breakers

// Of CLUSTER or CLUSTER@ROUTE; null if there is none. The newest, while a reload replaces one.
struct FoundBreaker {
    std::shared_ptr<const upstream::Cluster> cluster;
    std::shared_ptr<upstream::Breaker> breaker;
};
FoundBreaker find_breaker(const proxy::Snapshot& snapshot, std::string_view id) {
    FoundBreaker found;
    for (const auto& cluster : snapshot.clusters()) {
        if (!id.starts_with(cluster->name())) continue;
        for (const auto& breaker : cluster->breakers()) {
            if (breaker->id() == id) found = {cluster, breaker};
        }
    }
    return found;
}

Response breaker_now(const FoundBreaker& found, const proxy::Snapshot& snapshot) {
    const WallClock wall = refreshed(snapshot);
    Response response;
    JsonWriter json(response.body);
    write_breaker(json, *found.cluster, *found.breaker, wall);
    response.body += '\n';
    return response;
}

Response no_such_breaker(const std::string& id) {
    return error_response(404, "no_such_breaker", "no breaker is called " + id);
}

Response force(const Request& request, const Context& context, resilience::State state) {
    const auto snapshot = context.snapshot();
    const auto found = find_breaker(*snapshot, request.parameters.front());
    if (!found.breaker) return no_such_breaker(request.parameters.front());
    Body body(request, {"for", "reason"});
    const Duration time = body.time(kLongestForce).value_or(kForceFor);
    upstream::Order order{.until = {}, .by = request.peer, .reason = body.reason()};
    if (body.has_failed()) return body.refusal();
    const TimePoint now = Clock::refresh();
    order.until = now + time;
    found.breaker->force(state, std::move(order), now);
    return breaker_now(found, *snapshot);
}

// ---- the process

Response readiness_now(const Context& context) {
    const Readiness readiness = context.readiness();
    Response response;
    JsonWriter json(response.body);
    json.begin_object().field("ready", readiness.is_ready && !readiness.is_draining);
    json.field("draining", readiness.is_draining).key("waiting").begin_array();
    for (const std::string& what : readiness.waiting)
        json.value(what);
    json.end_array().end_object();
    response.body += '\n';
    return response;
}

// ---- faults

void write_fault(JsonWriter& json, const filter::LiveFault& live, const WallClock& wall) {
    const auto text_or_null = [&json](std::string_view key, const std::string& text) {
        text.empty() ? json.key(key).null() : json.field(key, text);
    };
    json.begin_object().field("id", live.id);
    text_or_null("cluster", live.cluster);
    text_or_null("route", live.route);
    write_duration(json, "delay", live.fault.delay);
    if (live.fault.abort) {
        json.field("abort", std::uint64_t{*live.fault.abort});
    } else {
        json.key("abort").null();
    }
    json.field("percent", percent_of(live.fault.percent));
    write_time(json, "until", std::optional(wall(live.until)));
    json.field("by", live.by).field("reason", live.reason).end_object();
}

// What is to happen to requests, and to which; not for how long.
filter::LiveFault fault_from(Body& body, const Request& request) {
    filter::LiveFault live{.cluster = body.text("cluster"),
                           .route = body.text("route"),
                           .by = request.peer,
                           .reason = body.reason()};
    if (!body.member("delay").is_null()) {
        live.fault.delay = duration_from(body.text("delay"));
        if (!live.fault.delay || *live.fault.delay > kLongestDelay)
            body.fail("delay is a duration like 200ms, at most 1h");
    }
    if (const JsonValue& abort = body.member("abort"); !abort.is_null()) {
        const std::uint64_t status = abort.integer().value_or(0);
        if (status < 200 || status > 599) body.fail("abort is a status from 200 to 599");
        live.fault.abort = static_cast<std::uint16_t>(status);
    }
    if (!body.member("percent").is_null()) {
        const auto share = config::read_percent(body.text("percent"));
        const double* const value = std::get_if<double>(&share);
        if (value == nullptr || *value <= 0 || *value > 1) body.fail("percent is like 10%");
        if (value != nullptr) live.fault.percent = *value;
    }
    if (live.cluster.empty() && live.route.empty()) body.fail("a fault names a cluster or a route");
    if (!live.fault.delay && !live.fault.abort) body.fail("a fault has a delay or an abort");
    return live;
}

bool has_route(const proxy::Snapshot& snapshot, std::string_view name) {
    const auto& listeners = snapshot.config().listeners;
    return std::any_of(listeners.begin(), listeners.end(), [name](const config::Listener& each) {
        return std::any_of(each.routes.begin(), each.routes.end(),
                           [name](const config::Route& route) { return route.name == name; });
    });
}

Response unavailable(std::string_view what) {
    return error_response(503, "not_ready", std::string(what) + " is not possible yet");
}

std::string join(std::span<const std::string_view> words) {
    std::string text;
    for (const std::string_view word : words)
        text.append(text.empty() ? "" : ", ").append(word);
    return text;
}

// {"level":"debug","modules":{"upstream":"trace"}}
log::Levels levels_from(Body& body) {
    const auto level_of = [&](const std::string& word, log::Level fallback) {
        const auto level = log::level_from(word);
        if (!level && !word.empty()) {
            body.fail(word + " is no level: trace, debug, info, warn or error");
        }
        return level.value_or(fallback);
    };
    log::Levels levels{.level = log::levels().levels.level, .modules = {}};
    levels.level = level_of(body.text("level"), levels.level);
    const JsonValue& modules = body.member("modules");
    if (!modules.is_null() && !modules.is_object()) body.fail("modules is an object");
    for (const auto& [name, level] : modules.members()) {
        const auto known = log::modules();
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            body.fail("no module is called " + name + ": " + join(known));
        }
        if (!level.is_string()) body.fail("the level of " + name + " is a text");
        levels.modules.emplace_back(name, level_of(level.text(), levels.level));
    }
    return levels;
}

// ---- endpoints that register themselves

using finders::Registry;

constexpr std::uint64_t kMostWeight = 65535;

void write_registration(JsonWriter& json,
                        std::string_view service,
                        const Registry::Entry& entry,
                        const WallClock& wall) {
    json.begin_object();
    json.field("service", service).field("address", entry.address.to_string());
    json.field("weight", entry.lease.weight).field("zone", entry.lease.zone);
    json.field("remote", entry.is_remote).key("ttl");
    entry.is_remote ? json.null() : json.value(config::to_text(entry.lease.ttl));
    write_time(json, "since", wall(entry.since));
    write_time(json, "renewed", wall(entry.renewed));
    write_time(json, "expires",
               entry.is_remote ? std::nullopt : std::optional(wall(entry.expires)));
    json.end_object();
}

// Names of services are those of the configuration: words, with what joins them.
bool is_service_name(std::string_view name) {
    const auto may_be_there = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.' || c == ':';
    };
    return !name.empty() && name.size() <= Registry::kLongestName &&
           std::all_of(name.begin(), name.end(), may_be_there);
}

struct Named {
    std::string service;
    Address address;
    std::optional<Response> refusal;
};

Named named_by(const Request& request, const Context& context) {
    Named named{.service = request.parameters[0], .address = {}, .refusal = {}};
    const std::string& text = request.parameters[1];
    const auto refuse = [&named](std::string_view code, const std::string& message) {
        named.refusal = error_response(400, code, message);
    };
    if (context.registrations == nullptr) {
        refuse("no_registry", "nothing registers here");
        return named;
    }
    if (!is_service_name(named.service)) {
        refuse("bad_service",
               "'" + named.service +
                   "' is no name of a service: letters, digits and -_.: are, up to " +
                   std::to_string(Registry::kLongestName));
        return named;
    }
    const auto address = Address::parse(text);
    const bool is_of_one =
        address && !text.starts_with(':') && (address->is_unix() || address->port() != 0);
    if (is_of_one) {
        named.address = *address;
    } else {
        refuse("bad_address", "'" + text + "' is no address like 10.0.0.1:80 or [::1]:80");
    }
    return named;
}

Registry::Lease lease_from(Body& body) {
    Registry::Lease lease;
    lease.ttl = body.time(Registry::kLongestLease, "ttl").value_or(lease.ttl);
    lease.zone = body.text("zone");
    if (lease.zone.size() > Registry::kLongestName) body.fail("zone is at most 128 bytes");
    const JsonValue& weight = body.member("weight");
    if (weight.is_null()) return lease;
    const auto number = weight.integer();
    if (!number || *number == 0 || *number > kMostWeight) {
        body.fail("weight is a number from 1 to 65535");
    } else {
        lease.weight = static_cast<std::uint32_t>(*number);
    }
    return lease;
}

}  // namespace

Response drain_endpoint(const Request& request, const Context& context) {
    return take_out(request, context, std::nullopt, 24h * 365,
                    [](upstream::Endpoint& endpoint, upstream::Order order, TimePoint now) {
                        endpoint.drain(std::move(order), now);
                    });
}

Response undrain_endpoint(const Request& request, const Context& context) {
    return bring_back(request, context,
                      [](upstream::Endpoint& endpoint, TimePoint now) { endpoint.undrain(now); });
}

Response eject_endpoint(const Request& request, const Context& context) {
    return take_out(request, context, kEjectFor, kLongestForce,
                    [](upstream::Endpoint& endpoint, upstream::Order order, TimePoint now) {
                        endpoint.eject(std::move(order), now);
                    });
}

Response uneject_endpoint(const Request& request, const Context& context) {
    return bring_back(request, context,
                      [](upstream::Endpoint& endpoint, TimePoint now) { endpoint.uneject(now); });
}

Response open_breaker(const Request& request, const Context& context) {
    return force(request, context, resilience::State::open);
}

Response close_breaker(const Request& request, const Context& context) {
    return force(request, context, resilience::State::closed);
}

Response free_breaker(const Request& request, const Context& context) {
    if (auto refusal = refuse_members(request)) return *std::move(refusal);
    const auto snapshot = context.snapshot();
    const auto found = find_breaker(*snapshot, request.parameters.front());
    if (!found.breaker) return no_such_breaker(request.parameters.front());
    found.breaker->unforce(Clock::refresh());
    return breaker_now(found, *snapshot);
}

Response live_faults(const Request& /*request*/, const Context& context) {
    const WallClock wall = refresh_clocks();
    Response response;
    JsonWriter json(response.body);
    json.begin_array();
    for (const filter::LiveFault& live : context.faults.list(wall.now()))
        write_fault(json, live, wall);
    json.end_array();
    response.body += '\n';
    return response;
}

Response add_fault(const Request& request, const Context& context) {
    Body body(request, {"cluster", "route", "delay", "abort", "percent", "for", "reason"});
    filter::LiveFault live = fault_from(body, request);
    const Duration time = body.time(kLongestForce).value_or(kFaultFor);
    if (body.has_failed()) return body.refusal();
    const auto snapshot = context.snapshot();
    if (!live.cluster.empty() && !snapshot->find_cluster(live.cluster))
        return no_such_cluster(live.cluster);
    if (!live.route.empty() && !has_route(*snapshot, live.route))
        return error_response(404, "no_such_route", "no route is called " + live.route);
    const WallClock wall = refresh_clocks();
    live.until = wall.now() + time;
    const auto id = context.faults.add(live, wall.now());
    if (!id) {
        return error_response(
            409, "too_many_faults",
            "at most " + std::to_string(filter::LiveFaults::kMost) + " faults at once");
    }
    live.id = *id;
    Response response;
    JsonWriter json(response.body);
    write_fault(json, live, wall);
    response.body += '\n';
    return response;
}

Response remove_fault(const Request& request, const Context& context) {
    if (auto refusal = refuse_members(request)) return *std::move(refusal);
    std::uint64_t id = 0;
    const std::string& text = request.parameters.front();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    const bool is_number = error == std::errc() && end == text.data() + text.size();
    if (!is_number || !context.faults.remove(id))
        return error_response(404, "no_such_fault", "no fault has the id " + text);
    Response response;
    response.body = "{\"done\":true}\n";
    return response;
}

Response log_levels(const Request& /*request*/, const Context& /*context*/) {
    const WallClock wall = refresh_clocks();
    log::tick(wall.now());
    const log::LevelState state = log::levels();
    Response response;
    JsonWriter json(response.body);
    json.begin_object().field("level", log::word(state.levels.level));
    json.key("modules").begin_object();
    for (const auto& [name, level] : state.levels.modules)
        json.field(name, log::word(level));
    json.end_object();
    write_time(json, "until", state.until ? std::optional(wall(*state.until)) : std::nullopt);
    json.end_object();
    response.body += '\n';
    return response;
}

// {} takes everything back.
Response set_log_levels(const Request& request, const Context& context) {
    Body body(request, {"level", "modules", "for"});
    const auto time = body.time(24h * 365);
    const log::Levels levels = levels_from(body);
    const bool is_empty = body.member("level").is_null() && body.member("modules").is_null();
    if (is_empty && time) body.fail("for needs a level, or modules");
    if (body.has_failed()) return body.refusal();
    if (is_empty) {
        log::restore_levels();
    } else {
        const TimePoint now = Clock::refresh();
        log::override_levels(levels, time ? std::optional(now + *time) : std::nullopt);
    }
    return log_levels(request, context);
}

Response reopen_logs(const Request& request, const Context& context) {
    if (auto refusal = refuse_members(request)) return *std::move(refusal);
    if (!context.reopen_logs) return unavailable("opening logs again");
    try {
        context.reopen_logs();
    } catch (const std::runtime_error& error) {
        return error_response(500, "failed", error.what());
    }
    Response response;
    response.body = "{\"done\":true}\n";
    return response;
}

Response drain(const Request& request, const Context& context) {
    if (auto refusal = refuse_members(request)) return *std::move(refusal);
    if (!context.drain) return unavailable("draining");
    context.drain();
    return readiness_now(context);
}

Response shut_down(const Request& request, const Context& context) {
    if (auto refusal = refuse_members(request)) return *std::move(refusal);
    if (!context.shut_down) return unavailable("shutting down");
    context.shut_down();
    return readiness_now(context);
}

Response registrations(const Request& request, const Context& context) {
    const WallClock wall = refresh_clocks();
    const auto wanted = request.query_value("service");
    Response response;
    JsonWriter json(response.body);
    json.begin_array();
    if (context.registrations != nullptr) {
        context.registrations->expire(wall.now());
        for (const auto& [service, entries] : context.registrations->services()) {
            if (wanted && service != *wanted) continue;
            for (const auto& [text, entry] : entries)
                write_registration(json, service, entry, wall);
        }
    }
    json.end_array();
    response.body += '\n';
    return response;
}

Response register_endpoint(const Request& request, const Context& context) {
    const Named named = named_by(request, context);
    if (named.refusal) return *named.refusal;
    Body body(request, {"ttl", "weight", "zone"});
    Registry::Lease lease = lease_from(body);
    if (body.has_failed()) return body.refusal();
    const WallClock wall = refresh_clocks();
    context.registrations->expire(wall.now());
    switch (
        context.registrations->put(named.service, named.address, std::move(lease), wall.now())) {
        case Registry::Put::too_many_services:
            return error_response(409, "too_many_services",
                                  "the registry has no room for services");
        case Registry::Put::too_many_addresses:
            return error_response(409, "too_many_addresses",
                                  "the registry has no room for addresses of " + named.service);
        case Registry::Put::created:
        case Registry::Put::renewed:
            break;
    }
    Response response;
    JsonWriter json(response.body);
    const auto& entries = context.registrations->services().find(named.service)->second;
    write_registration(json, named.service, entries.find(named.address.to_string())->second, wall);
    response.body += '\n';
    return response;
}

Response unregister_endpoint(const Request& request, const Context& context) {
    const Named named = named_by(request, context);
    if (named.refusal) return *named.refusal;
    if (!context.registrations->remove(named.service, named.address)) {
        return error_response(
            404, "not_registered",
            "service " + named.service + " has no address " + named.address.to_string());
    }
    Response response;
    JsonWriter json(response.body);
    json.begin_object().field("done", true).end_object();
    response.body += '\n';
    return response;
}

}  // namespace weir::admin
