#include "cli/ask_views.hpp"

#include "cli/ask_pieces.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::cli {
namespace {

using Cell = Table::Cell;

constexpr Align kRight = Align::right;
constexpr std::size_t kAddress = 21;  // of IPv4 and port: to be copied, hence not shortened
constexpr std::array<std::string_view, 6> kEndpointStates{"healthy", "penalized", "half_open",
                                                          "ejected", "unhealthy", "draining"};

}  // namespace

std::string table_or(const Table& table, std::string_view nothing, const View& view) {
    if (table.is_empty()) return std::string(nothing) + "\n";
    return table.render(view.look);
}

Tone tone_of(std::string_view state) {
    constexpr std::pair<std::string_view, Tone> kTones[] = {
        {"ok", Tone::good},          {"closed", Tone::good},       {"healthy", Tone::good},
        {"degraded", Tone::warning}, {"half_open", Tone::warning}, {"penalized", Tone::warning},
        {"draining", Tone::warning}, {"down", Tone::bad},          {"open", Tone::bad},
        {"ejected", Tone::bad},      {"unhealthy", Tone::bad}};
    for (const auto& [word, tone] : kTones) {
        if (word == state) return tone;
    }
    return Tone::plain;
}

Table::Cell state_cell(const JsonValue& state) {
    return {state.text(), tone_of(state.text())};
}

namespace {

template <typename Write>
std::string number_text(const JsonValue& value, Write&& write) {
    const auto number = value.number();
    return number ? write(*number) : std::string{};
}

}  // namespace

std::string milliseconds_text(const JsonValue& value) {
    return number_text(value, brief_milliseconds);
}

namespace {

std::string bytes_text(const JsonValue& value) {
    const auto bytes = value.integer();
    return bytes ? brief_bytes(*bytes) : std::string{};
}

std::string seconds_text(const JsonValue& value) {
    return number_text(value, [](double seconds) {
        return brief(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)));
    });
}

}  // namespace

std::string ago(const JsonValue& time, const View& view) {
    const auto at = parse_time(time.text());
    return at ? brief(view.now - *at) : std::string{};
}

std::string until(const JsonValue& time, const View& view) {
    const auto at = parse_time(time.text());
    if (!at) return {};
    return *at <= view.now ? "now" : "in " + brief(*at - view.now);
}

namespace {

// "health: status 503"
std::string why_text(const JsonValue& endpoint) {
    const bool is_unhealthy = endpoint["state"].text() == "unhealthy";
    return endpoint["reason"].text() +
           (is_unhealthy ? ": " + endpoint["health"]["detail"].text() : std::string());
}

}  // namespace

std::string override_text(const JsonValue& forced, const View& view) {
    if (!forced.is_object()) return {};
    std::string out = forced["state"].text();
    if (const std::string when = until(forced["until"], view); !when.empty()) {
        out += when == "now" ? ", ends now" : ", ends " + when;
    }
    if (const std::string& by = forced["by"].text(); !by.empty()) out += ", by " + by;
    if (const std::string& why = forced["reason"].text(); !why.empty()) out += ": " + why;
    return out;
}

namespace {

// "rate_limit per-address, rate_limit logins, fault 3": what a restart forgets.
std::string only_here_text(const JsonValue& states) {
    std::string text;
    for (const JsonValue& state : states.items())
        text += (text.empty() ? "" : ", ") + state["kind"].text() + " " + state["name"].text();
    return text;
}

// "2/3"
std::string healthy_text(const JsonValue& counts) {
    if (!counts.is_object()) return {};
    std::uint64_t total = 0;
    for (const auto& [state, count] : counts.members())
        total += count.integer().value_or(0);
    return counts["healthy"].text() + "/" + std::to_string(total);
}

// "1 ejected, 1 draining"
std::string unwell_text(const JsonValue& counts) {
    std::string out;
    for (const std::string_view state : kEndpointStates) {
        const auto count = counts[state].integer().value_or(0);
        if (state == "healthy" || count == 0) continue;
        out += (out.empty() ? "" : ", ") + std::to_string(count) + " " + std::string(state);
    }
    return out;
}

std::string match_text(const JsonValue& route) {
    std::string out = joined(route["methods"], ",");
    const auto append = [&out](const std::string& text) {
        if (!text.empty()) out += (out.empty() ? "" : " ") + text;
    };
    append(joined(route["hosts"], ","));
    append(route["path"].text());
    for (const char* const key : {"header", "query"}) {
        for (const auto& [name, value] : route[key].members())
            append(std::string(key) + ":" + name + "=" + value.text());
    }
    return out;
}

std::string action_text(const JsonValue& route) {
    if (route["respond"].is_object()) return "answers " + route["respond"]["status"].text();
    if (route["redirect"].is_string()) return "redirects to " + route["redirect"].text();
    std::string out;
    const auto& targets = route["to"].items();
    for (const JsonValue& target : targets) {
        out += (out.empty() ? "" : ", ") + target["cluster"].text();
        if (targets.size() > 1) out += " (" + target["weight"].text() + ")";
    }
    return out;
}

std::string events_to(const JsonValue& event) {
    std::string out;
    for (const char* const key : {"cluster", "endpoint", "route"}) {
        if (event[key].is_string()) out += (out.empty() ? "" : " ") + event[key].text();
    }
    const std::string& to = event["to"].text();
    if (to.empty()) return out;
    const std::string& from = event["from"].text();
    out += "  " + (from.empty() ? std::string{} : from + " → ") + to;
    return out;
}

Tone event_tone(const JsonValue& event) {
    const Tone tone = tone_of(event["to"].text());
    return event["kind"].text() == "config" && event["to"].text() == "failure" ? Tone::bad : tone;
}

}  // namespace

std::string joined(const JsonValue& list, std::string_view separator) {
    std::string out;
    for (const JsonValue& item : list.items())
        out.append(out.empty() ? "" : separator).append(item.text());
    return out;
}

std::string origin_text(const JsonValue& origin) {
    if (!origin.is_object()) return origin.text();
    return origin["file"].text() + ":" + origin["line"].text();
}

std::string show_status(const JsonValue& answer, const View& view) {
    Facts facts;
    std::string head = answer["version"].text();
    if (answer["commit"].is_string()) head += " (" + answer["commit"].text() + ")";
    for (const auto& [key, before] :
         {std::pair{"node", ", node "}, {"mode", ", "}, {"pid", ", pid "}}) {
        if (const std::string& text = answer[key].text(); !text.empty()) head += before + text;
    }
    facts.add("weir", head);
    const bool is_draining = answer["draining"].boolean().value_or(false);
    const bool is_ready = answer["ready"].boolean().value_or(true);
    facts.add("state",
              (is_draining ? "draining"
               : is_ready  ? "ready"
                           : "not ready") +
                  std::string(", up ") + seconds_text(answer["uptime_s"]),
              is_draining || !is_ready ? Tone::warning : Tone::good);
    const JsonValue& config = answer["config"];
    std::string source = config["file"].text().empty() ? "no file" : config["file"].text();
    source += " " + config["hash"].text();
    if (const std::string age = ago(config["loaded_at"], view); !age.empty()) {
        source += ", loaded " + age + " ago";
    }
    facts.add("config", source);
    facts.add("refused", config["last_error"].text(), Tone::bad);
    facts.add("only here", only_here_text(answer["only_here"]));
    const JsonValue& process = answer["process"];
    if (process.is_object()) {
        facts.add("process", "rss " + bytes_text(process["rss_bytes"]) + ", cpu " +
                                 seconds_text(process["cpu_seconds"]) + ", " +
                                 process["fds"].text() + " fds, " + process["threads"].text() +
                                 " threads");
    }
    std::string out = facts.render(view.look) + "\n";
    out += show_listeners(answer["listeners"], view) + "\n";
    return out + show_clusters(answer["clusters"], view);
}

std::string show_listeners(const JsonValue& answer, const View& view) {
    Table table({{.title = "LISTENER", .least = 8},
                 {.title = "MODE", .rank = 2},
                 {.title = "ADDRESS", .least = kAddress},
                 {.title = "ROUTES", .align = kRight, .rank = 1}});
    for (const JsonValue& listener : answer.items())
        table.add({listener["name"].text(), listener["mode"].text(), joined(listener["addresses"]),
                   listener["routes"].text()});
    return table_or(table, "no listeners", view);
}

std::string show_routes(const JsonValue& answer, const View& view) {
    Table table({{.title = "LISTENER", .least = 8, .rank = 1},
                 {.title = "ROUTE", .least = 8},
                 {.title = "MATCH", .least = 10},
                 {.title = "TO", .least = 8}});
    for (const JsonValue& route : answer.items())
        table.add({route["listener"].text(), route["name"].text(), match_text(route),
                   action_text(route)});
    return table_or(table, "no routes", view);
}

std::string show_clusters(const JsonValue& answer, const View& view) {
    Table table({{.title = "CLUSTER", .least = 8},
                 {.title = "STATE"},
                 {.title = "BREAKER", .rank = 1},
                 {.title = "HEALTHY", .align = kRight, .rank = 2},
                 {.title = "OTHERS", .least = 8, .rank = 4},
                 {.title = "RPS", .align = kRight, .rank = 3},
                 {.title = "ERRORS", .align = kRight, .rank = 3},
                 {.title = "P50", .align = kRight, .rank = 5},
                 {.title = "P99", .align = kRight, .rank = 5}});
    for (const JsonValue& cluster : answer.items()) {
        const std::string errors = number_text(cluster["error_rate"], percentage);
        const bool has_errors = cluster["error_rate"].number().value_or(0) > 0;
        table.add({cluster["name"].text(), state_cell(cluster["state"]),
                   state_cell(cluster["breaker"]), healthy_text(cluster["endpoints"]),
                   unwell_text(cluster["endpoints"]), number_text(cluster["rps"], brief_number),
                   Cell(errors, has_errors ? Tone::warning : Tone::plain),
                   milliseconds_text(cluster["p50_ms"]), milliseconds_text(cluster["p99_ms"])});
    }
    return table_or(table, "no clusters", view);
}

std::string show_cluster(const JsonValue& answer, const View& view) {
    Facts facts;
    facts.add("cluster", answer["name"].text());
    facts.add("state", answer["state"].text(), tone_of(answer["state"].text()));
    facts.add("breaker", answer["breaker"].text(), tone_of(answer["breaker"].text()));
    const std::string others = unwell_text(answer["endpoints"]);
    facts.add("endpoints", healthy_text(answer["endpoints"]) + " healthy" +
                               (others.empty() ? "" : ", " + others));
    facts.add("discovery", answer["discovery"].text());
    facts.add("balancing", answer["lb"].text());
    if (answer["rps"].number()) {
        facts.add("requests", number_text(answer["rps"], brief_number) + "/s, " +
                                  number_text(answer["error_rate"], percentage) + " errors");
    }
    if (answer["p99_ms"].number()) {
        facts.add("latency", "p50 " + milliseconds_text(answer["p50_ms"]) + ", p99 " +
                                 milliseconds_text(answer["p99_ms"]));
    }
    Table table({{.title = "SETTING", .least = 12},
                 {.title = "VALUE", .least = 6},
                 {.title = "FROM", .least = 10, .rank = 1}});
    const std::string prefix = "clusters." + answer["name"].text() + ".";
    for (const JsonValue& setting : answer["settings"].items()) {
        std::string path = setting["path"].text();
        if (path.starts_with(prefix)) path.erase(0, prefix.size());
        table.add({path, setting["value"].text(), origin_text(setting["origin"])});
    }
    if (table.is_empty()) {
        for (const auto& [block, settings] : answer["policy"].members()) {
            for (const auto& [key, value] : settings.members())
                table.add({block + "." + key, value.text(), ""});
        }
    }
    return facts.render(view.look) + (table.is_empty() ? "" : "\n" + table.render(view.look));
}

std::string show_endpoints(const JsonValue& by_cluster, const View& view) {
    const bool has_cluster = by_cluster.members().size() != 1;
    std::vector<Table::Column> columns{{.title = "ADDRESS", .least = kAddress},
                                       {.title = "STATE"},
                                       {.title = "WHY", .least = 8, .rank = 2},
                                       {.title = "BACK", .rank = 1},
                                       {.title = "ACTIVE", .align = kRight, .rank = 4},
                                       {.title = "REQUESTS", .align = kRight, .rank = 3},
                                       {.title = "ERRORS", .align = kRight, .rank = 3},
                                       {.title = "EWMA", .align = kRight, .rank = 4},
                                       {.title = "WEIGHT", .align = kRight, .rank = 5},
                                       {.title = "ZONE", .least = 6, .rank = 6},
                                       {.title = "LAST ERROR", .least = 10, .rank = 6}};
    if (has_cluster) columns.insert(columns.begin(), {.title = "CLUSTER", .least = 8});
    Table table(std::move(columns));
    for (const auto& [cluster, endpoints] : by_cluster.members()) {
        for (const JsonValue& endpoint : endpoints.items()) {
            const std::string forced = override_text(endpoint["forced"], view);
            std::vector<Cell> row;
            if (has_cluster) row.emplace_back(cluster);
            row.insert(
                row.end(),
                {Cell(endpoint["address"].text()), state_cell(endpoint["state"]),
                 Cell(forced.empty() ? why_text(endpoint) : "by hand: " + forced),
                 Cell(until(endpoint["ejected_until"], view)), Cell(endpoint["active"].text()),
                 Cell(endpoint["requests"].text()), Cell(endpoint["errors"].text()),
                 Cell(milliseconds_text(endpoint["ewma_ms"])), Cell(endpoint["weight"].text()),
                 Cell(endpoint["zone"].text()), Cell(endpoint["last_error"].text())});
            table.add(std::move(row));
        }
    }
    return table_or(table, "no endpoints", view);
}

std::string show_breakers(const JsonValue& answer, const View& view) {
    Table table({{.title = "BREAKER", .least = 8},
                 {.title = "STATE"},
                 {.title = "SINCE", .align = kRight, .rank = 1},
                 {.title = "NEXT TRY", .rank = 1},
                 {.title = "WHY", .least = 8, .rank = 2},
                 {.title = "OPENED", .align = kRight, .rank = 3},
                 {.title = "REQUESTS", .align = kRight, .rank = 4},
                 {.title = "FAILURES", .align = kRight, .rank = 4},
                 {.title = "MODE", .rank = 5}});
    for (const JsonValue& breaker : answer.items()) {
        const std::string forced = override_text(breaker["forced"], view);
        table.add({breaker["id"].is_string() ? breaker["id"].text() : breaker["cluster"].text(),
                   state_cell(breaker["state"]), ago(breaker["since"], view),
                   until(breaker["next_probe_at"], view),
                   forced.empty() ? breaker["reason"].text() : "by hand: " + forced,
                   breaker["opens_total"].text(), breaker["window"]["requests"].text(),
                   breaker["window"]["failures"].text(), breaker["mode"].text()});
    }
    return table_or(table, "no breakers", view);
}

namespace {

// "100 in 1s", "8 at once"
std::string quota_text(const JsonValue& limit) {
    if (!limit["quota"].integer()) return {};
    const std::string window = number_text(limit["window_ms"], [](double milliseconds) {
        constexpr double kMinute = 60e3;
        if (milliseconds < kMinute) return brief_milliseconds(milliseconds);
        return brief(std::chrono::milliseconds{static_cast<std::int64_t>(milliseconds)});
    });
    return limit["quota"].text() + (window.empty() ? " at once" : " in " + window);
}

// "redis cache: open, it refused the connection"
Cell store_cell(const JsonValue& store, const View& view) {
    std::string text = store["kind"].text();
    if (store["name"].is_string()) text += " " + store["name"].text();
    const std::string& breaker = store["breaker"].text();
    if (!store["breaker"].is_string() || breaker == "closed") return {text, Tone::plain};
    text += ": " + breaker + " for " + ago(store["since"], view);
    if (store["error"].is_string()) text += ", " + store["error"].text();
    return {text, tone_of(breaker)};
}

}  // namespace

std::string show_rate_limits(const JsonValue& answer, const View& view) {
    Table table({{.title = "LIMIT", .least = 8},
                 {.title = "QUOTA", .rank = 1},
                 {.title = "KEY", .least = 6, .rank = 2},
                 {.title = "LIMITED", .align = kRight},
                 {.title = "SHADOW", .align = kRight, .rank = 4},
                 {.title = "NO STORE", .align = kRight, .rank = 2},
                 {.title = "KEYS", .align = kRight, .rank = 3},
                 {.title = "EVICTED", .align = kRight, .rank = 4},
                 {.title = "LEASED", .align = kRight, .rank = 4},
                 {.title = "MODE", .rank = 5},
                 {.title = "STORE", .least = 10}});
    for (const JsonValue& limit : answer.items()) {
        const JsonValue& decisions = limit["decisions"];
        table.add({limit["name"].text(), quota_text(limit), joined(limit["key"]),
                   decisions["limited"].text(), decisions["shadow"].text(),
                   decisions["store_error"].text(), limit["keys"].text(), limit["evicted"].text(),
                   limit["lease"]["tokens"].text(), limit["mode"].text(),
                   store_cell(limit["store"], view)});
    }
    return table_or(table, "no rate limits", view);
}

std::string show_faults(const JsonValue& answer, const View& view) {
    Table table({{.title = "ID", .align = kRight},
                 {.title = "CLUSTER", .least = 8},
                 {.title = "ROUTE", .rank = 1},
                 {.title = "DELAY", .align = kRight},
                 {.title = "ABORT", .align = kRight},
                 {.title = "OF", .align = kRight},
                 {.title = "ENDS", .rank = 1},
                 {.title = "BY", .rank = 2},
                 {.title = "REASON", .least = 8, .rank = 3}});
    for (const JsonValue& fault : answer.items()) {
        table.add({fault["id"].text(), fault["cluster"].text(), fault["route"].text(),
                   fault["delay"].text(), fault["abort"].text(), fault["percent"].text(),
                   until(fault["until"], view), fault["by"].text(), fault["reason"].text()});
    }
    return table_or(table, "no faults are injected", view);
}

std::string show_fault(const JsonValue& fault, const View& view) {
    Facts facts;
    facts.add("fault", fault["id"].text());
    facts.add("cluster", fault["cluster"].text());
    facts.add("route", fault["route"].text());
    facts.add("delay", fault["delay"].text());
    facts.add("abort", fault["abort"].text());
    facts.add("of", fault["percent"].text() + " of the requests");
    facts.add("ends", until(fault["until"], view));
    return facts.render(view.look);
}

std::string show_breaker(const JsonValue& breaker, const View& view) {
    Facts facts;
    facts.add("breaker", breaker["id"].text());
    const std::string since = ago(breaker["since"], view);
    facts.add("state", breaker["state"].text() + (since.empty() ? "" : ", for " + since),
              tone_of(breaker["state"].text()));
    facts.add("reason", breaker["reason"].text());
    facts.add("by hand", override_text(breaker["forced"], view), Tone::warning);
    add_story(facts, breaker, view);
    facts.add("mode", breaker["mode"].text());
    const JsonValue& window = breaker["window"];
    facts.add("window", window["requests"].text() + " requests, " + window["failures"].text() +
                            " failures, " + window["slow"].text() + " slow");
    facts.add("opened", breaker["opens_total"].text() + " times since it started");
    Table table(
        {{.title = "AT"}, {.title = "FROM"}, {.title = "TO"}, {.title = "WHY", .least = 6}});
    for (const JsonValue& change : breaker["history"].items()) {
        const auto at = parse_time(change["at"].text());
        std::string why = change["reason"].text();
        if (change["open_for_ms"].number()) {
            why += ", for " + brief(std::chrono::milliseconds{
                                  static_cast<std::int64_t>(*change["open_for_ms"].number())});
        }
        if (change["requests"].number().value_or(0) > 0) {
            why += ", " + change["failures"].text() + " failures of " + change["requests"].text();
        }
        table.add({at ? time_of_day(*at) : std::string{}, state_cell(change["from"]),
                   state_cell(change["to"]), why});
    }
    return facts.render(view.look) + (table.is_empty() ? "" : "\n" + table.render(view.look));
}

std::string show_discovery(const JsonValue& answer, const View& view) {
    Table table({{.title = "CLUSTER", .least = 8},
                 {.title = "TYPE"},
                 {.title = "ENDPOINTS", .align = kRight, .rank = 1},
                 {.title = "ANSWERED", .rank = 2},
                 {.title = "UPDATES", .align = kRight, .rank = 3},
                 {.title = "FAILURES", .align = kRight, .rank = 3},
                 {.title = "ERROR", .least = 10}});
    for (const JsonValue& source : answer.items()) {
        const std::string age = seconds_text(source["age_s"]);
        table.add({source["cluster"].text(), source["type"].text(), source["size"].text(),
                   age.empty() ? "" : age + " ago", source["updates"].text(),
                   source["failures"].text(), Cell(source["error"].text(), Tone::bad)});
    }
    return table_or(table, "no sources of endpoints", view);
}

std::string show_certs(const JsonValue& answer, const View& view) {
    Table table({{.title = "NAME", .least = 8},
                 {.title = "OF", .rank = 2},
                 {.title = "SUBJECT", .least = 8},
                 {.title = "NAMES", .least = 10, .rank = 1},
                 {.title = "UNTIL"},
                 {.title = "RELOADS", .align = kRight, .rank = 3},
                 {.title = "FILE", .least = 10, .rank = 4}});
    for (const JsonValue& each : answer.items()) {
        const auto& owner = each["listener"].is_string() ? each["listener"] : each["cluster"];
        const std::string until = each["not_after"].text();
        table.add({each["subject_name"].text(), owner.text(), each["subject"].text(),
                   joined(each["names"]), until.substr(0, until.find('T')), each["reloads"].text(),
                   each["file"].text()});
    }
    return table_or(table, "no certificates", view);
}

std::string show_route(const JsonValue& answer, const View& view) {
    Facts facts;
    facts.add("request",
              answer["method"].text() + " " + answer["host"].text() + answer["path"].text());
    facts.add("listener", answer["listener"].text());
    const bool is_taken = answer["route"].is_string();
    facts.add("route", is_taken ? answer["route"].text() : "none takes it: 404 no_route",
              is_taken ? Tone::good : Tone::bad);
    if (is_taken) facts.add("answer", answer["status"].text());
    facts.add("location", answer["location"].text());
    facts.add("sent as", answer["forwarded_path"].text());
    std::string out = facts.render(view.look);
    Table targets({{.title = "CLUSTER", .least = 8},
                   {.title = "STATE"},
                   {.title = "BREAKER", .rank = 1},
                   {.title = "ENDPOINT", .least = 10},
                   {.title = "STATE"},
                   {.title = "TAKES REQUESTS", .rank = 1}});
    for (const JsonValue& target : answer["targets"].items()) {
        const std::vector<Cell> cluster{target["cluster"].text(), state_cell(target["state"]),
                                        state_cell(target["breaker"])};
        if (target["endpoints"].items().empty()) targets.add(cluster);
        for (const JsonValue& endpoint : target["endpoints"].items()) {
            std::vector<Cell> row = cluster;
            const bool takes = endpoint["takes_requests"].boolean().value_or(false);
            row.insert(row.end(), {Cell(endpoint["address"].text()), state_cell(endpoint["state"]),
                                   Cell(takes ? "yes" : "no")});
            targets.add(std::move(row));
        }
    }
    if (!targets.is_empty()) out += "\n" + targets.render(view.look);
    Table misses({{.title = "NOT TAKEN BY", .least = 8},
                  {.title = "LISTENER", .least = 6, .rank = 1},
                  {.title = "BECAUSE", .least = 16}});
    for (const JsonValue& miss : answer["misses"].items())
        misses.add({miss["route"].text(), miss["listener"].text(), miss["why"].text()});
    if (!misses.is_empty()) out += "\n" + misses.render(view.look);
    return out;
}

std::string show_log(const JsonValue& answer, const View& view) {
    Facts facts;
    facts.add("level", answer["level"].text());
    for (const auto& [module, level] : answer["modules"].members())
        facts.add(module, level.text());
    const std::string when = until(answer["until"], view);
    if (!when.empty()) facts.add("ends", when + ", then as configured");
    return facts.render(view.look);
}

std::string show_memory(const JsonValue& answer, const View& view) {
    Table table({{.title = "MEMORY"}, {.title = "", .align = kRight}});
    for (const auto& [name, value] : answer.members()) {
        const bool is_size = name.ends_with("_bytes");
        const std::string label = is_size ? name.substr(0, name.size() - 6) : name;
        table.add({label, is_size ? bytes_text(value) : value.text()});
    }
    return table.render(view.look);
}

std::string show_event(const JsonValue& event, const View& view) {
    const auto at = parse_time(event["at"].text());
    std::string kind = event["kind"].text();
    kind.resize(std::max<std::size_t>(kind.size(), 9), ' ');
    std::string line = printable(kind + "  " + events_to(event));
    const std::string& detail = event["detail"].text();
    const std::string& why = detail.empty() ? event["reason"].text() : detail;
    if (!why.empty()) line += "  (" + printable(why) + ")";
    const std::string time = at ? time_of_day(*at) : std::string("-");
    if (view.look.width > time.size() + 2) {
        line = shortened(line, view.look.width - time.size() - 2);
    }
    return painted(time, Tone::faint, view.look) + "  " +
           painted(line, event_tone(event), view.look) + "\n";
}

}  // namespace weir::cli
