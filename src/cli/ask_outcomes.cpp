#include "cli/ask_outcomes.hpp"

#include "cli/ask_pieces.hpp"
#include "cli/ask_views.hpp"

#include <algorithm>

namespace weir::cli {
namespace {

std::string counted(std::size_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string advice(std::string_view text) {
    return "  help: " + std::string(text) + "\n";
}

std::string port_of(const std::string& door) {
    return door.substr(door.rfind(':') + 1);
}

bool is_unix(const std::string& door) {
    return door.starts_with("unix:");
}

std::string say_nobody(const std::vector<client::Failure>& failures) {
    std::string out = "weir: no Weir answers";
    for (const client::Failure& failure : failures) {
        out += (&failure == &failures.front() ? " at " : ", nor at ") + failure.door + " (" +
               failure.detail + ")";
    }
    return out + "\n" + advice("start one: weir run weir.yaml") +
           advice("elsewhere? --admin ADDRESS, or WEIR_ADMIN: admin.listen of its configuration") +
           advice("in a pod? kubectl exec POD -c weir -- weir status");
}

}  // namespace

std::string show_applied(const JsonValue& answer, const View& view) {
    const auto& changed = answer["changed"].items();
    std::string out =
        changed.empty() ? "nothing was changed" : counted(changed.size(), "key") + " changed";
    out += "; running config " + answer["hash"].text() + "\n";
    for (const JsonValue& path : changed)
        out += "  " +
               shortened(printable(path.text()),
                         view.look.width == 0 ? std::string::npos : view.look.width - 2) +
               "\n";
    if (const std::string keys = joined(answer["needs_restart"]); !keys.empty()) {
        out += painted(wrapped("takes effect after a restart: " + printable(keys), view.look, 0),
                       Tone::warning, view.look) +
               "\n";
    }
    for (const JsonValue& problem : answer["warnings"].items())
        out += show_problem(problem, "warning", view);
    return out;
}

std::string show_explanation(const JsonValue& answer, const View& view) {
    const auto line = [&](const JsonValue& setting, const std::string& before) {
        std::string origin = origin_text(setting["origin"]);
        if (setting["layer"].text() == "defaults") origin += " (defaults)";
        return before + printable(setting["value"].text()) + "   " +
               painted(origin, Tone::faint, view.look) + "\n";
    };
    std::string out = line(answer, printable(answer["path"].text()) + " = ");
    const auto& chain = answer["chain"].items();
    for (std::size_t i = 1; i < chain.size(); ++i)
        out += line(chain[i], "  hides ");
    const std::string& doc = answer["doc"].text();
    return doc.empty() ? out : out + "  " + wrapped(printable(doc), view.look, 2) + "\n";
}

std::string show_difference(const JsonValue& answer, const View& view) {
    std::string out;
    for (const JsonValue& change : answer["diff"].items()) {
        const std::string& from = change["from"].text();
        const std::string& to = change["to"].text();
        const char sign = change["from"].is_null() ? '+' : change["to"].is_null() ? '-' : '~';
        const Tone tone = sign == '+' ? Tone::good : sign == '-' ? Tone::bad : Tone::warning;
        const std::string values = sign == '~' ? from + " -> " + to : from + to;
        out +=
            painted(printable(std::string(1, sign) + " " + change["path"].text() + ": " + values),
                    tone, view.look) +
            "\n";
    }
    return out.empty() ? "no difference\n" : out;
}

std::string show_readiness(const JsonValue& answer, const View& view) {
    const bool is_draining = answer["draining"].boolean().value_or(false);
    const bool is_ready = answer["ready"].boolean().value_or(false);
    std::string out = is_draining ? "draining" : is_ready ? "ready" : "not ready";
    out += "\n";
    for (const JsonValue& what : answer["waiting"].items())
        out += "  waiting for: " + wrapped(printable(what.text()), view.look, 15) + "\n";
    return out;
}

std::string show_problem(const JsonValue& problem, std::string_view severity, const View& view) {
    std::string place =
        problem["file"].is_string() ? problem["file"].text() : problem["path"].text();
    for (const char* const key : {"line", "column"}) {
        if (!place.empty() && problem[key].number()) place += ":" + problem[key].text();
    }
    std::string out = printable(place) + (place.empty() ? "" : ": ");
    out += painted(std::string(severity) + "[" + printable(problem["code"].text()) + "]",
                   severity == "error" ? Tone::bad : Tone::warning, view.look);
    out += ": " + printable(problem["message"].text()) + "\n";
    for (const char* const key : {"note", "help"}) {
        if (!problem[key].text().empty()) {
            out += std::string("  ") + key + ": " + printable(problem[key].text()) + "\n";
        }
    }
    return out;
}

bool is_of_weir(const client::Answer& answer) {
    const std::string& type = answer.content_type;
    const bool is_json = type.starts_with("application/json");
    if (answer.is_success()) {
        return is_json || type.starts_with("application/yaml") ||
               type.starts_with("application/x-ndjson") || type.starts_with("text/event-stream");
    }
    const auto value = JsonValue::parse(answer.body);
    return is_json && value && (*value)["error"]["code"].is_string();
}

std::string say_unanswered(const std::vector<client::Failure>& failures) {
    using Kind = client::Failure::Kind;
    const client::Failure& last = failures.back();
    switch (last.kind) {
        case Kind::no_name:
        case Kind::no_socket:
        case Kind::refused:
            return say_nobody(failures);
        case Kind::denied:
            return "weir: " + last.door + ": permission denied\n" +
                   advice(
                       "its socket is for the user and group that run Weir: sudo -u USER weir "
                       "..., or join the group");
        case Kind::timed_out:
            return "weir: " + last.door + " does not answer: " + last.detail + "\n" +
                   advice("--timeout 30s waits longer; " +
                          (is_unix(last.door)
                               ? std::string("is the process stopped?")
                               : "who listens? ss -ltnp 'sport = :" + port_of(last.door) + "'"));
        case Kind::cut_short:
        case Kind::not_http:
            return "weir: something answers at " + last.door + ", but not as Weir: " + last.detail +
                   "\n" +
                   advice("--admin names the admin port of a Weir" +
                          (is_unix(last.door)
                               ? std::string{}
                               : "; who listens? ss -ltnp 'sport = :" + port_of(last.door) + "'"));
        default:
            return "weir: " + last.door + ": " + last.detail + "\n";
    }
}

std::string say_stranger(const client::Answer& answer) {
    client::Failure failure{
        .kind = client::Failure::Kind::not_http, .door = answer.door, .detail = {}};
    failure.detail = "HTTP status " + std::to_string(answer.status);
    if (!answer.content_type.empty()) failure.detail += ", " + printable(answer.content_type);
    return say_unanswered({failure});
}

std::string say_refusal(const client::Answer& answer, const View& view) {
    const auto value = JsonValue::parse(answer.body).value_or(JsonValue{});
    const auto& errors = value["errors"].items();
    std::string out;
    const View plain{.look = {.width = 0, .has_colour = false}, .now = view.now};
    for (const JsonValue& problem : errors)
        out += show_problem(problem, "error", plain);
    for (const JsonValue& problem : value["warnings"].items())
        out += show_problem(problem, "warning", plain);
    if (!errors.empty()) return out + "weir: refused; nothing was changed\n";
    const JsonValue& error = value["error"];
    const std::string& code = error["code"].text();
    out += "weir: " + printable(error["message"].text()) + " [" + printable(code) + "]\n";
    if (!error["help"].text().empty()) out += advice(printable(error["help"].text()));
    if (answer.status == 401) {
        out += advice("give the token by --token-file FILE, or in WEIR_TOKEN");
    } else if (code == "last_endpoint") {
        out += advice("--force takes it out all the same");
    } else if (code == "no_such_cluster" || code == "no_such_breaker") {
        out += advice("weir get clusters lists the names");
    } else if (code == "no_such_endpoint") {
        out += advice("weir endpoints lists the addresses");
    } else if (code == "not_found") {
        out += advice("another version of Weir, or its telemetry port: the admin port is asked");
    }
    return out;
}

std::string show_registry(const JsonValue& answer, const View& view) {
    Table table({{.title = "SERVICE", .least = 8},
                 {.title = "ADDRESS"},
                 {.title = "WEIGHT", .align = kRight, .rank = 3},
                 {.title = "ZONE", .rank = 2},
                 {.title = "RENEWED", .rank = 1},
                 {.title = "ENDS"}});
    for (const JsonValue& entry : answer.items()) {
        table.add({entry["service"].text(), entry["address"].text(), entry["weight"].text(),
                   entry["zone"].text(), ago(entry["renewed"], view),
                   until(entry["expires"], view)});
    }
    return table_or(table, "nothing has registered", view);
}

std::string show_registration(const JsonValue& entry, const View& view) {
    Facts facts;
    facts.add("service", entry["service"].text());
    facts.add("address", entry["address"].text());
    facts.add("weight", entry["weight"].text());
    facts.add("zone", entry["zone"].text());
    facts.add("ends", until(entry["expires"], view));
    return facts.render(view.look);
}

}  // namespace weir::cli
