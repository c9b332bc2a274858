#include "cli/ask_pieces.hpp"

// Why things are as they are, and the stories of failed requests.
namespace weir::cli {
namespace {

using Cell = Table::Cell;

constexpr Align kRight = Align::right;

std::string time_of(const JsonValue& time) {
    const auto at = parse_time(time.text());
    return at ? time_of_day(*at) : std::string("-");
}

std::string title_of(const JsonValue& failure) {
    std::string text = failure["method"].text() + " " + failure["host"].text();
    text += failure["path"].text() + "  " + failure["status"].text();
    if (failure["reason"].text() != "none") text += " " + failure["reason"].text();
    return text + "  " + milliseconds_text(failure["duration_ms"]);
}

std::string place_of(const JsonValue& failure) {
    std::string text = failure["listener"].text();
    for (const char* const key : {"route", "cluster"}) {
        if (failure[key].is_string()) text += " > " + failure[key].text();
    }
    return text;
}

std::string timers_text(const JsonValue& timers) {
    std::string text;
    for (const JsonValue& timer : timers.items()) {
        text += (text.empty() ? "" : ", ") + timer["key"].text() + " " + timer["after"].text();
        if (timer["fired"].boolean().value_or(false)) text += " (passed)";
    }
    return text;
}

std::string end_of(const JsonValue& attempt) {
    const std::string& kind = attempt["kind"].text();
    std::string text = attempt["outcome"].text();
    if (!kind.empty() && kind != "none") text += " " + kind;
    const std::string& reason = attempt["reason"].text();
    if (!reason.empty() && reason != kind) text += " " + reason;
    if (attempt["detail"].is_string()) text += " (" + attempt["detail"].text() + ")";
    return text;
}

std::string how_of(const JsonValue& attempt) {
    std::string text = attempt["role"].text();
    for (const auto& [key, word] :
         {std::pair{"probe", "probe"}, {"reused", "reused"}, {"none_ready", "none ready"}}) {
        if (attempt[key].boolean().value_or(false)) text += std::string(", ") + word;
    }
    return text;
}

std::string attempts_table(const JsonValue& failure, const View& view) {
    Table table({{.title = "AT", .align = kRight},
                 {.title = "ENDPOINT", .least = 21},
                 {.title = "HOW", .least = 5, .rank = 1},
                 {.title = "CONNECT", .align = kRight, .rank = 2},
                 {.title = "HEADERS", .align = kRight, .rank = 2},
                 {.title = "TOOK", .align = kRight},
                 {.title = "STATUS", .align = kRight, .rank = 1},
                 {.title = "END", .least = 12}});
    for (const JsonValue& attempt : failure["attempts"].items()) {
        table.add(
            {milliseconds_text(attempt["began_ms"]), attempt["endpoint"].text(), how_of(attempt),
             milliseconds_text(attempt["connect_ms"]), milliseconds_text(attempt["headers_ms"]),
             milliseconds_text(attempt["duration_ms"]), attempt["status"].text(), end_of(attempt)});
    }
    return table.render(view.look);
}

std::string endpoints_table(const JsonValue& failure, const View& view) {
    Table table({{.title = "ENDPOINT", .least = 21},
                 {.title = "STATE"},
                 {.title = "WHY", .least = 8, .rank = 1},
                 {.title = "COULD BE CHOSEN", .least = 8}});
    for (const JsonValue& one : failure["candidates"].items())
        table.add({one["endpoint"].text(), state_cell(one["state"]), one["why"].text(), "yes"});
    for (const JsonValue& one : failure["excluded"].items())
        table.add({one["endpoint"].text(), state_cell(one["state"]), one["why"].text(),
                   "no: " + one["reason"].text()});
    return table.render(view.look);
}

std::string show_failure(const JsonValue& failure, const View& view) {
    Facts facts;
    facts.add("request", title_of(failure), Tone::bad);
    facts.add("at", time_of(failure["at"]) + ", from " + failure["client"].text());
    facts.add("id", failure["request_id"].text());
    facts.add("through", place_of(failure));
    facts.add("story", failure["story"].text());
    facts.add("flags", joined(failure["flags"]));
    facts.add("timers", timers_text(failure["timers"]));
    std::string breaker = failure["breaker"].text();
    if (failure["breaker_reason"].is_string())
        breaker += " (" + failure["breaker_reason"].text() + ")";
    facts.add("breaker", breaker, tone_of(failure["breaker"].text()));
    std::string out = facts.render(view.look);
    for (const std::string& table : {attempts_table(failure, view), endpoints_table(failure, view)})
        out += table.empty() ? "" : "\n" + table;
    return out;
}

}  // namespace

std::string show_failures(const JsonValue& answer, const View& view) {
    std::string out;
    for (const JsonValue& failure : answer.items()) {
        const std::string time = time_of(failure["at"]);
        const std::size_t indent = time.size() + 2;
        out += painted(time, Tone::faint, view.look) + "  ";
        out +=
            painted(wrapped(printable(title_of(failure)), view.look, indent), Tone::bad, view.look);
        out += "\n" + std::string(indent, ' ');
        out += wrapped(printable(failure["story"].text()), view.look, indent) + "\n";
    }
    return out.empty() ? "no request has failed\n" : out;
}

std::string show_failures_in_full(const JsonValue& answer, const View& view) {
    std::string out;
    for (const JsonValue& failure : answer.items())
        out += (out.empty() ? "" : "\n") + show_failure(failure, view);
    return out.empty() ? "no failed request that is kept has this id\n" : out;
}

void add_story(Facts& facts, const JsonValue& subject, const View& view) {
    facts.add("why", subject["why"].text());
    std::string next;
    for (const JsonValue& rule : subject["trips_next"].items())
        next += (next.empty() ? "" : "; or ") + rule["text"].text();
    facts.add("trips by", next);
    facts.add("but", subject["guard"].text(), Tone::warning);
    std::string probe = until(subject["next_probe_at"], view);
    if (subject["next_probe_by"].is_string())
        probe += (probe.empty() ? "by " : ", by ") + subject["next_probe_by"].text();
    facts.add("next try", probe);
}

std::string show_endpoints_in_full(const JsonValue& by_cluster, const View& view) {
    std::string out;
    for (const auto& [cluster, endpoints] : by_cluster.members()) {
        for (const JsonValue& endpoint : endpoints.items()) {
            Facts facts;
            const std::string& state = endpoint["state"].text();
            const std::string since = ago(endpoint["since"], view);
            facts.add("endpoint", endpoint["address"].text() + " of " + cluster);
            facts.add("state", state + (since.empty() ? "" : ", for " + since), tone_of(state));
            facts.add("by hand", override_text(endpoint["forced"], view), Tone::warning);
            add_story(facts, endpoint, view);
            const JsonValue& window = endpoint["window"];
            if (window.is_object()) {
                facts.add("window", window["requests"].text() + " requests, " +
                                        window["failures"].text() + " failures, " +
                                        window["slow"].text() + " slow");
            }
            facts.add("last error", endpoint["last_error"].text());
            out += (out.empty() ? "" : "\n") + facts.render(view.look);
        }
    }
    return out.empty() ? "no endpoints\n" : out;
}

}  // namespace weir::cli
