#include "discovery/endpoint_slice.hpp"

#include "weir/core/json.hpp"

#include <algorithm>
#include <set>

namespace weir::discovery {
namespace {

constexpr std::string_view kInitialEnd = "k8s.io/initial-events-end";
constexpr std::string_view kH2c = "kubernetes.io/h2c";
constexpr std::size_t kMostHints = 16;

std::vector<std::string> names_of(const JsonValue& list) {
    std::vector<std::string> names;
    for (const JsonValue& item : list.items()) {
        if (names.size() < kMostHints) names.push_back(item["name"].text());
    }
    return names;
}

// nil: ready and serving, but not terminating (the types of the API say so).
std::optional<Found::State> state_of(const JsonValue& conditions) {
    if (conditions["ready"].boolean().value_or(true)) return Found::State::serving;
    const bool is_serving = conditions["serving"].boolean().value_or(true);
    const bool is_terminating = conditions["terminating"].boolean().value_or(false);
    if (is_serving && is_terminating) return Found::State::terminating;
    return std::nullopt;
}

Slice read_slice(const JsonValue& object) {
    Slice slice;
    if (object["addressType"].text() == "FQDN") return slice;
    for (const JsonValue& from : object["ports"].items()) {
        const auto number = from["port"].integer();
        const JsonValue& protocol = from["protocol"];
        const bool is_tcp = protocol.is_null() || protocol.text() == "TCP";
        if (!is_tcp || !number || *number == 0 || *number > 65535) continue;
        slice.ports.push_back({from["name"].text(), static_cast<std::uint16_t>(*number),
                               from["appProtocol"].text() == kH2c});
    }
    const auto& endpoints = object["endpoints"].items();
    slice.endpoints.reserve(endpoints.size());
    for (const JsonValue& from : endpoints) {
        const auto& addresses = from["addresses"].items();
        const auto state = state_of(from["conditions"]);
        if (addresses.empty() || !state) continue;
        // Of several the first: they are one endpoint.
        slice.endpoints.push_back({.ip = addresses.front().text(),
                                   .state = *state,
                                   .zone = from["zone"].text(),
                                   .uid = from["targetRef"]["uid"].text(),
                                   .for_zones = names_of(from["hints"]["forZones"]),
                                   .for_nodes = names_of(from["hints"]["forNodes"])});
    }
    return slice;
}

std::optional<WatchEvent::Kind> kind_of(const std::string& type) {
    using enum WatchEvent::Kind;
    if (type == "ADDED" || type == "MODIFIED") return put;
    if (type == "DELETED") return removed;
    if (type == "BOOKMARK") return bookmark;
    if (type == "ERROR") return error;
    return std::nullopt;
}

const Slice::Port* pick_port(const Slice& slice, const SliceSet::Wish& wish) {
    const bool is_named = wish.port.has_value();
    if (!is_named && wish.number == 0)
        return slice.ports.size() == 1 ? &slice.ports.front() : nullptr;
    for (const Slice::Port& port : slice.ports) {
        if (is_named ? port.name == *wish.port : port.number == wish.number) return &port;
    }
    return nullptr;
}

std::string describe_ports(const std::set<std::string>& ports) {
    std::string text;
    for (const std::string& port : ports)
        text += (text.empty() ? "" : ", ") + port;
    return text;
}

// Of those that serve, each with its hints: whom they mean by it.
struct Hinted {
    Found* found;
    const Slice::Endpoint* from;
};
void heed_hints(std::vector<Hinted>& serving,
                const std::string& us,
                std::vector<std::string> Slice::Endpoint::*hints) {
    if (us.empty()) return;
    const auto is_for_us = [&](const Hinted& each) {
        const auto& names = each.from->*hints;
        return std::find(names.begin(), names.end(), us) != names.end();
    };
    const bool all_have = std::all_of(serving.begin(), serving.end(), [&](const Hinted& each) {
        return !(each.from->*hints).empty();
    });
    if (!all_have || std::none_of(serving.begin(), serving.end(), is_for_us)) return;
    for (Hinted& each : serving)
        each.found->priority = is_for_us(each) ? 0 : 1;
    serving.clear();  // decided
}

}  // namespace

std::optional<WatchEvent> read_watch_event(std::string_view line) {
    const auto json = JsonValue::parse(line);
    if (!json || !json->is_object()) return std::nullopt;
    const auto kind = kind_of((*json)["type"].text());
    const JsonValue& object = (*json)["object"];
    if (!kind || !object.is_object()) return std::nullopt;
    WatchEvent event;
    event.kind = *kind;
    if (event.kind == WatchEvent::Kind::error) {
        event.code = static_cast<unsigned>(object["code"].integer().value_or(0));
        event.message = object["message"].text();
        return event;
    }
    const JsonValue& metadata = object["metadata"];
    event.name = metadata["name"].text();
    event.version = metadata["resourceVersion"].text();
    if (event.kind == WatchEvent::Kind::bookmark) {
        event.ends_initial = metadata["annotations"][kInitialEnd].text() == "true";
        return event;
    }
    if (event.name.empty()) return std::nullopt;
    if (event.kind == WatchEvent::Kind::put) event.slice = read_slice(object);
    return event;
}

std::optional<SliceList> read_slice_list(std::string_view text) {
    const auto json = JsonValue::parse(text);
    if (!json || !(*json)["metadata"].is_object()) return std::nullopt;
    const JsonValue& items = (*json)["items"];
    if (!items.is_array() && !items.is_null()) return std::nullopt;
    SliceList list;
    list.version = (*json)["metadata"]["resourceVersion"].text();
    list.next = (*json)["metadata"]["continue"].text();
    for (const JsonValue& item : items.items()) {
        const std::string& name = item["metadata"]["name"].text();
        if (name.empty()) return std::nullopt;
        list.slices[name] = read_slice(item);
    }
    return list;
}

std::string read_status_message(std::string_view text) {
    const auto json = JsonValue::parse(text);
    return json ? (*json)["message"].text() : std::string();
}

std::optional<std::string> read_service_port(std::string_view text, std::uint16_t number) {
    const auto json = JsonValue::parse(text);
    if (!json) return std::nullopt;
    for (const JsonValue& port : (*json)["spec"]["ports"].items()) {
        const JsonValue& protocol = port["protocol"];
        const bool is_tcp = protocol.is_null() || protocol.text() == "TCP";
        if (is_tcp && port["port"].integer() == std::uint64_t{number}) return port["name"].text();
    }
    return std::nullopt;
}

std::vector<Found> SliceSet::endpoints(const Wish& wish, std::string& problem) const {
    std::size_t most = 0;
    for (const auto& [name, slice] : slices_)
        most += slice.endpoints.size();
    std::vector<Found> all;
    all.reserve(most);
    std::vector<Hinted> by_zone;
    std::set<std::string> ports;
    for (const auto& [name, slice] : slices_) {
        const Slice::Port* const port = pick_port(slice, wish);
        if (port == nullptr && !slice.endpoints.empty()) {
            for (const Slice::Port& other : slice.ports)
                ports.insert((other.name.empty() ? "" : other.name + " ") +
                             std::to_string(other.number));
        }
        if (port == nullptr) continue;
        const std::string called = wish.service + ":" + std::to_string(port->number);
        for (const Slice::Endpoint& from : slice.endpoints) {
            auto address = Address::from_ip(from.ip, port->number);
            if (!address) continue;
            all.push_back({.address = *std::move(address),
                           .name = called,
                           .state = from.state,
                           .speaks = port->is_h2c ? Found::Speaks::h2c : Found::Speaks::unknown,
                           .zone = from.zone,
                           .uid = from.uid});
            if (from.state == Found::State::serving) by_zone.push_back({&all.back(), &from});
        }
    }
    if (all.empty() && !ports.empty()) {
        const std::string sought = wish.port && !wish.port->empty() ? "'" + *wish.port + "'"
                                   : wish.number != 0               ? std::to_string(wish.number)
                                                                    : std::string();
        problem = (sought.empty() ? wish.service + " has several ports, write which one"
                                  : wish.service + " has no port " + sought) +
                  ": " + describe_ports(ports);
        return all;
    }
    heed_hints(by_zone, wish.node, &Slice::Endpoint::for_nodes);
    if (!by_zone.empty()) heed_hints(by_zone, wish.zone, &Slice::Endpoint::for_zones);
    return all;
}

}  // namespace weir::discovery
