// What goes on: events and the numbers of status, as server-sent events.
#include "weir/core/json.hpp"

#include "admin/describe.hpp"
#include "admin/handlers.hpp"
#include "admin/shapes.hpp"

#include <charconv>

namespace weir::admin {
namespace {

constexpr std::size_t kMostEvents = 256;
constexpr Duration kLook = std::chrono::milliseconds{100};
constexpr Duration kShortest = std::chrono::milliseconds{100};
constexpr Duration kLongest = std::chrono::minutes{1};

void write_event(JsonWriter& json, const telemetry::Event& event) {
    json.begin_object();
    json.field("sequence", event.sequence);
    write_time(json, "at", event.at);
    json.field("kind", telemetry::word(event.kind));
    const std::pair<std::string_view, const std::string&> texts[] = {
        {"cluster", event.cluster}, {"endpoint", event.endpoint},
        {"route", event.route},     {"from", event.from},
        {"to", event.to},           {"reason", event.reason},
        {"detail", event.detail}};
    for (const auto& [key, text] : texts) {
        if (!text.empty()) json.field(key, text);
    }
    json.end_object();
}

std::optional<std::uint64_t> number_from(std::string_view text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, ec] = std::from_chars(text.data(), end, number);
    if (ec != std::errc{} || stop != end) return std::nullopt;
    return number;
}

std::optional<std::uint64_t> number_of(const Request& request, std::string_view key) {
    const auto text = request.query_value(key);
    return text ? number_from(*text) : std::nullopt;
}

// A number that is yet to come is of a process that ran before: its client has seen nothing of
// this.
std::uint64_t known_number(std::uint64_t since, const telemetry::EventLog& events) {
    const auto newest = events.recent(1);
    return !newest.empty() && since <= newest.back().sequence ? since : 0;
}

// As server-sent events; `last` is the number of the newest one looked at.
std::string texts_of(const std::vector<telemetry::Event>& events,
                     const std::string& cluster,
                     std::uint64_t& last) {
    std::string text;
    for (const telemetry::Event& event : events) {
        last = event.sequence;
        if (!cluster.empty() && event.cluster != cluster) continue;
        text += "id: " + std::to_string(event.sequence) + "\nevent: ";
        text += telemetry::word(event.kind);
        text += "\ndata: ";
        JsonWriter json(text);
        write_event(json, event);
        text += "\n\n";
    }
    return text;
}

// From Last-Event-ID or since on, else with the newest n; without either from now on. What the
// process has forgotten meanwhile is left out: the numbers show the gap.
Response events_feed(const Request& request, const Context& context) {
    auto since = number_from(request.last_event_id);
    if (!since) since = number_of(request, "since");
    const std::string cluster = request.query_value("cluster").value_or("");
    Response response;
    response.content_type = "text/event-stream";
    response.body = "retry: 1000\n\n";
    std::uint64_t last = 0;
    if (since) {
        last = known_number(*since, context.events);
    } else {
        const auto newest = context.events.recent(1);
        if (!newest.empty()) last = newest.back().sequence;
        const auto count = number_of(request, "n").value_or(0);
        response.body +=
            texts_of(context.events.recent(std::min<std::uint64_t>(count, kMostEvents), cluster),
                     cluster, last);
        if (!newest.empty()) last = std::max(last, newest.back().sequence);
    }
    response.feed = Feed{kLook, [&events = context.events, cluster, last](TimePoint) mutable {
                             return texts_of(events.since(last), cluster, last);
                         }};
    return response;
}

}  // namespace

Response events(const Request& request, const Context& context) {
    if (names_type(request.accept, "text/event-stream")) return events_feed(request, context);
    const auto since = number_of(request, "since");
    const auto count = number_of(request, "n").value_or(kMostEvents);
    const std::string cluster = request.query_value("cluster").value_or("");
    auto found = since ? context.events.since(known_number(*since, context.events))
                       : context.events.recent(kMostEvents, cluster);
    if (since && !cluster.empty()) {
        std::erase_if(found, [&](const auto& event) { return event.cluster != cluster; });
    }
    if (found.size() > count) {
        found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(count));
    }
    Response response;
    JsonWriter json(response.body);
    json.begin_array();
    for (const telemetry::Event& event : found)
        write_event(json, event);
    json.end_array();
    response.body += '\n';
    return response;
}

Response stream(const Request& request, const Context& context) {
    const auto every = duration_from(request.query_value("every").value_or("1s"));
    if (!every || *every < kShortest || *every > kLongest) {
        return error_response(400, "bad_request", "every is a duration from 100ms to 1m, like 1s");
    }
    Response response;
    response.content_type = "text/event-stream";
    response.body = "retry: 1000\n\n";
    // A copy of the context: what its functions belong to outlives the server and its connections.
    response.feed = Feed{*every, [context](TimePoint) {
                             const Response now = status(Request{}, context);
                             return "event: status\ndata: " + now.body + "\n";
                         }};
    return response;
}

}  // namespace weir::admin
