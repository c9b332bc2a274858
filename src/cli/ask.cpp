#include "cli/ask.hpp"

#include "weir/client/event_reader.hpp"
#include "weir/client/questions.hpp"

#include "cli/ask_outcomes.hpp"
#include "cli/ask_views.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <utility>

namespace weir::cli {
namespace {

using client::Answer;
using client::Question;

constexpr const char* kTelemetryDoor = "127.0.0.1:9348";
constexpr Duration kUsualTimeout = std::chrono::seconds{5};
constexpr Duration kLongTimeout = std::chrono::seconds{60};  // a configuration takes its time
constexpr Duration kReadyPeriod = std::chrono::milliseconds{100};

using Show = std::string (*)(const JsonValue&, const View&);

// What a verb has to say.
struct Said {
    int code = kSuccess;
    std::string out;  // to stdout
    std::string err;  // to stderr
};

int print(const Said& said) {
    std::fwrite(said.out.data(), 1, said.out.size(), stdout);
    std::fflush(stdout);
    std::fwrite(said.err.data(), 1, said.err.size(), stderr);
    return said.code;
}

Said failed(const std::string& what, int code = kFailure) {
    return {code, {}, "weir: " + what + "\n"};
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    append_json_escaped(out, text);
    return out + "\"";
}

void append_json(std::string& out, const JsonValue& value) {
    const auto list = [&out](char open, char close, const auto& items, auto&& each) {
        out += open;
        for (const auto& item : items) {
            if (&item != &items.front()) out += ',';
            each(item);
        }
        out += close;
    };
    switch (value.kind()) {
        case JsonValue::Kind::null:
            out += "null";
            break;
        case JsonValue::Kind::string:
            out += quoted(value.text());
            break;
        case JsonValue::Kind::array:
            list('[', ']', value.items(), [&](const JsonValue& item) { append_json(out, item); });
            break;
        case JsonValue::Kind::object:
            list('{', '}', value.members(), [&](const JsonValue::Member& member) {
                out += quoted(member.first) + ":";
                append_json(out, member.second);
            });
            break;
        default:
            out += value.text();
    }
}

JsonValue value_of(const Answer& answer) {
    return JsonValue::parse(answer.body).value_or(JsonValue{});
}

std::optional<std::string> contents_of(const std::string& file) {
    if (file == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
    std::ifstream in(file, std::ios::binary);
    if (!in) return std::nullopt;
    std::string text(std::istreambuf_iterator<char>(in), {});
    if (in.bad()) return std::nullopt;
    return text;
}

Said unreadable(const std::string& file) {
    return failed("cannot read " + file + ": " + std::strerror(errno));
}

// Asks, and turns answers into what is to be said.
class Asker {
  public:
    Asker(const AskOptions& options, client::AdminClient client)
        : options_(options), client_(std::move(client)) {}

    [[nodiscard]] bool is_json() const { return options_.output == "json"; }
    [[nodiscard]] bool is_wide() const { return options_.output == "wide"; }
    [[nodiscard]] View view() const {
        Clock::refresh();
        return {look_of_stdout(), Clock::wall()};
    }
    [[nodiscard]] const client::AdminClient& client() const { return client_; }

    // A good answer, or what is wrong.
    [[nodiscard]] std::variant<Answer, Said> ask(const Question& question) const {
        auto result = client_.ask(question);
        if (auto* answer = std::get_if<Answer>(&result)) {
            if (!is_of_weir(*answer)) return Said{kUnanswered, {}, say_stranger(*answer)};
            if (answer->is_success()) return std::move(*answer);
            return Said{kFailure, {}, say_refusal(*answer, view())};
        }
        return Said{kUnanswered, {}, say_unanswered(std::get<1>(result))};
    }

    [[nodiscard]] Said shown(const std::string& body, Show write) const {
        if (is_json()) return {.out = body};
        const auto value = JsonValue::parse(body);
        if (!value) return failed("the answer is no JSON", kUnanswered);
        return {.out = write(*value, view())};
    }

    [[nodiscard]] Said show(const Question& question, Show write) const {
        auto result = ask(question);
        if (auto* said = std::get_if<Said>(&result)) return std::move(*said);
        return shown(std::get<Answer>(result).body, write);
    }

    // Now, or each second until Ctrl-C. Once it was there, a Weir that does not answer is waited
    // for.
    [[nodiscard]] int perform(const std::function<Said()>& take) const {
        if (!options_.watches) return print(take());
        const Interrupts interrupts;
        Said last = take();
        if (last.code != kSuccess) return print(last);
        bool is_first = true;
        watch(interrupts, [&]() -> std::optional<std::string> {
            if (!std::exchange(is_first, false)) last = take();
            return last.out + last.err + (is_json() ? "" : "\n");
        });
        return kSuccess;
    }

  private:
    const AskOptions& options_;
    client::AdminClient client_;
};

// ---- verbs

class Verbs {
  public:
    explicit Verbs(const Asker& asker) : asker_(asker) {}

    int operator()(const StatusVerb& verb) const {
        if (verb.asks_ready) return wait_ready(parse_duration(verb.wait).value_or(Duration{}));
        return show(client::look_at("status"), show_status);
    }

    int operator()(const GetVerb& verb) const {
        constexpr std::pair<std::string_view, Show> kKinds[] = {
            {"listeners", show_listeners},   {"routes", show_routes}, {"clusters", show_clusters},
            {"breakers", show_breakers},     {"faults", show_faults}, {"certs", show_certs},
            {"discovery", show_discovery},   {"log", show_log},       {"memory", show_memory},
            {"ratelimits", show_rate_limits}};
        if (verb.what == "config") return (*this)(DumpVerb{});
        if (verb.what == "events") return (*this)(EventsVerb{});
        if (!verb.name.empty()) return show(client::look_at_cluster(verb.name), show_cluster);
        for (const auto& [word, view] : kKinds) {
            if (word == verb.what) return show(client::look_at(verb.what), view);
        }
        return kUsage;
    }

    int operator()(const EndpointsVerb& verb) const {
        if (verb.action.empty()) return asker_.perform([&] { return endpoints(verb.cluster); });
        auto result = asker_.ask(client::change_endpoint(
            verb.cluster, verb.address, verb.action, {verb.lasting, verb.reason, verb.is_forced}));
        if (const auto* said = std::get_if<Said>(&result)) return print(*said);
        const std::string& answer = std::get<Answer>(result).body;
        if (asker_.is_json()) return print({.out = answer});
        return print(
            asker_.shown("{" + quoted(verb.cluster) + ":[" + answer + "]}", show_endpoints));
    }

    int operator()(const BreakersVerb& /*verb*/) const {
        return show(client::look_at("breakers"), show_breakers);
    }

    int operator()(const BreakerVerb& verb) const {
        if (verb.action.empty()) return asker_.perform([&] { return breaker(verb.name); });
        return change(client::change_breaker(verb.name, verb.action, {verb.lasting, verb.reason}),
                      show_breaker);
    }

    int operator()(const FaultVerb& verb) const {
        if (verb.action.empty()) return show(client::look_at("faults"), show_faults);
        if (verb.action == "remove") {
            return change(client::remove_fault(verb.name), [](const JsonValue&, const View&) {
                return std::string("the fault has ended\n");
            });
        }
        client::FaultOrder order = verb.order;
        order.cluster = verb.name;
        return change(client::add_fault(order), show_fault);
    }

    int operator()(const RegistryVerb& verb) const {
        if (verb.action.empty()) {
            return show(client::look_at_registry(verb.service), show_registry);
        }
        if (verb.action == "remove") {
            return change(client::unregister(verb.service, verb.address),
                          [](const JsonValue&, const View&) {
                              return std::string("it is no longer registered\n");
                          });
        }
        return change(client::register_endpoint(verb.service, verb.address, verb.lease),
                      show_registration);
    }

    int operator()(const DiscoveryVerb& /*verb*/) const {
        return show(client::look_at("discovery"), show_discovery);
    }

    int operator()(const CertsVerb& /*verb*/) const {
        return show(client::look_at("certs"), show_certs);
    }

    int operator()(const RouteVerb& verb) const {
        return change(client::try_route(verb.method, verb.url, verb.headers, verb.listener),
                      show_route);
    }

    int operator()(const LogVerb& verb) const {
        if (verb.level.empty() && verb.modules.empty()) {
            return show(client::look_at("log"), show_log);
        }
        if (verb.level == "reopen") {
            return change(client::order("log/reopen"), [](const JsonValue&, const View&) {
                return std::string("the log files are opened again\n");
            });
        }
        const std::string level = verb.level == "reset" ? std::string{} : verb.level;
        return change(client::change_log(level, verb.modules, verb.lasting), show_log);
    }

    int operator()(const DrainVerb& verb) const {
        return change(client::order(verb.exits ? "shutdown" : "drain"), show_readiness);
    }

    int operator()(const ReloadVerb& /*verb*/) const {
        return change(client::order("config/reload"), show_applied);
    }

    int operator()(const ApplyVerb& verb) const {
        auto text = contents_of(verb.file);
        if (!text) return print(unreadable(verb.file));
        return change(client::apply_config(std::move(*text), verb.if_match, verb.is_persistent),
                      show_applied);
    }

    int operator()(const DumpVerb& verb) const {
        const bool is_json = verb.format.empty() ? asker_.is_json() : verb.format == "json";
        auto result =
            asker_.ask(client::look_at_config(is_json, verb.has_origins, verb.has_defaults));
        if (const auto* said = std::get_if<Said>(&result)) return print(*said);
        return print({.out = std::get<Answer>(result).body});
    }

    int operator()(const ExplainVerb& verb) const {
        return change(client::explain_key(verb.path), show_explanation);
    }

    int operator()(const DifferenceVerb& verb) const {
        auto text = contents_of(verb.file);
        if (!text) return print(unreadable(verb.file));
        auto result = asker_.ask(client::validate_config(std::move(*text)));
        if (const auto* said = std::get_if<Said>(&result)) return print(*said);
        return print(difference(std::get<Answer>(result).body));
    }

    int operator()(const EventsVerb& verb) const {
        const Question question = client::look_at_events(verb.count, verb.cluster);
        if (verb.follows) return follow(question);
        return show(question, [](const JsonValue& all, const View& view) {
            std::string out;
            for (const JsonValue& event : all.items())
                out += show_event(event, view);
            return out;
        });
    }

    int operator()(const FailuresVerb& verb) const {
        const Question question =
            client::look_at_failures({.id = verb.id,
                                      .newest = verb.id.empty() ? verb.count : 0,
                                      .cluster = verb.cluster,
                                      .route = verb.route,
                                      .reason = verb.reason});
        const bool is_full = !verb.id.empty() || asker_.is_wide();
        return show(question, is_full ? show_failures_in_full : show_failures);
    }

    // Its lines as they come, for a file or a pipe.
    int operator()(const TraceVerb& verb) const {
        return stream(client::record_trace(verb.lasting, verb.cluster, verb.count));
    }

  private:
    // What may be shown again each second, and what is done once.
    [[nodiscard]] int show(const Question& question, Show view) const {
        return asker_.perform([&] { return asker_.show(question, view); });
    }
    [[nodiscard]] int change(const Question& question, Show view) const {
        return print(asker_.show(question, view));
    }

    // 0 when ready, 1 when not, 3 when nobody is there; until then it is asked again.
    [[nodiscard]] int wait_ready(Duration wait) const {
        const TimePoint end = Clock::refresh() + wait;
        const Interrupts interrupts;
        for (;;) {
            const Said said = readiness();
            if (said.code == kSuccess || Clock::refresh() >= end) return print(said);
            if (interrupts.wait_for(std::min(kReadyPeriod, end - Clock::now()))) return kFailure;
        }
    }

    [[nodiscard]] Said readiness() const {
        const auto result = asker_.client().ask({.target = "/readyz"});
        if (const auto* failures = std::get_if<1>(&result)) {
            return {kUnanswered, {}, say_unanswered(*failures)};
        }
        const auto& answer = std::get<Answer>(result);
        if (answer.status == 200 && answer.body == "ok\n") {
            return {.out = asker_.is_json() ? "{\"ready\":true}\n" : "ready\n"};
        }
        const auto value = JsonValue::parse(answer.body);
        if (answer.status != 503 || !value || (*value)["ready"].is_null()) {
            return {kUnanswered, {}, say_stranger(answer)};
        }
        Said said = asker_.shown(answer.body, show_readiness);
        said.code = kFailure;
        return said;
    }

    [[nodiscard]] Said endpoints(const std::string& cluster) const {
        std::vector<std::string> names{cluster};
        if (cluster.empty()) {
            auto result = asker_.ask(client::look_at("clusters"));
            if (auto* said = std::get_if<Said>(&result)) return std::move(*said);
            names.clear();
            const JsonValue clusters = value_of(std::get<Answer>(result));
            for (const JsonValue& each : clusters.items())
                names.push_back(each["name"].text());
        }
        std::string all;
        for (const std::string& name : names) {
            auto result = asker_.ask(client::look_at_endpoints(name));
            if (auto* said = std::get_if<Said>(&result)) return std::move(*said);
            const std::string& body = std::get<Answer>(result).body;
            if (!cluster.empty() && asker_.is_json()) return {.out = body};
            all += (all.empty() ? "" : ",") + quoted(name) + ":" + body;
        }
        return asker_.shown("{" + all + "}\n",
                            asker_.is_wide() ? show_endpoints_in_full : show_endpoints);
    }

    [[nodiscard]] Said breaker(const std::string& name) const {
        auto result = asker_.ask(client::look_at("breakers"));
        if (auto* said = std::get_if<Said>(&result)) return std::move(*said);
        const JsonValue list = value_of(std::get<Answer>(result));
        for (const JsonValue& each : list.items()) {
            if (each["id"].text() != name) continue;
            std::string body;
            append_json(body, each);
            return asker_.shown(body + "\n", show_breaker);
        }
        Said said = failed("no breaker is called " + name);
        said.err += "  help: weir breakers lists them\n";
        return said;
    }

    [[nodiscard]] Said difference(const std::string& body) const {
        const auto value = JsonValue::parse(body);
        const bool is_valid = value && (*value)["valid"].boolean().value_or(false);
        Said said = asker_.shown(body, show_difference);
        if (is_valid || !value) return said;
        said.code = kFailure;
        if (asker_.is_json()) return said;
        said.out.clear();
        for (const JsonValue& problem : (*value)["errors"].items())
            said.err += show_problem(problem, "error", {});
        return said;
    }

    [[nodiscard]] int stream(const Question& question) const {
        const Interrupts interrupts;
        client::AdminClient::Options options = asker_.client().options();
        options.interrupt_fd = interrupts.fd();
        const auto result = client::AdminClient(options).ask(question, [](std::string_view bytes) {
            return print({.out = std::string(bytes)}) == kSuccess;
        });
        if (const auto* failures = std::get_if<1>(&result)) {
            if (failures->back().kind == client::Failure::Kind::interrupted) return kSuccess;
            return print({kUnanswered, {}, say_unanswered(*failures)});
        }
        const auto& answer = std::get<Answer>(result);
        if (answer.is_success()) return kSuccess;
        if (!is_of_weir(answer)) return print({kUnanswered, {}, say_stranger(answer)});
        return print({kFailure, {}, say_refusal(answer, asker_.view())});
    }

    [[nodiscard]] int follow(Question question) const {
        const Interrupts interrupts;
        client::AdminClient::Options options = asker_.client().options();
        options.interrupt_fd = interrupts.fd();
        question.headers.emplace_back("Accept", "text/event-stream");
        client::EventReader reader;
        const auto result = client::AdminClient(options).ask(question, [&](std::string_view bytes) {
            reader.feed(bytes);
            while (const auto event = reader.next())
                print(asker_.shown(event->data + "\n", show_event));
            return true;
        });
        if (const auto* failures = std::get_if<1>(&result)) {
            if (failures->back().kind == client::Failure::Kind::interrupted) return kSuccess;
            return print({kUnanswered, {}, say_unanswered(*failures)});
        }
        const auto& answer = std::get<Answer>(result);
        if (answer.is_success()) return print(failed("Weir ended the stream", kUnanswered));
        if (!is_of_weir(answer)) return print({kUnanswered, {}, say_stranger(answer)});
        return print({kFailure, {}, say_refusal(answer, asker_.view())});
    }

    const Asker& asker_;
};

// ---- whom to ask

std::string from_environment(const char* name) {
    const char* const text = std::getenv(name);
    return text == nullptr ? std::string{} : text;
}

std::optional<Said> choose_doors(const AskCommand& command, std::vector<client::Door>& doors) {
    std::string admin = command.options.admin;
    if (admin.empty()) admin = from_environment("WEIR_ADMIN");
    std::vector<std::string> texts{admin};
    if (admin.empty()) {
        texts = {"127.0.0.1:9347", "unix:/run/weir/admin.sock"};
        // Readiness is told there, too, also where the admin port is off.
        const auto* status = std::get_if<StatusVerb>(&command.verb);
        if (status != nullptr && status->asks_ready) texts.emplace_back(kTelemetryDoor);
    }
    for (const std::string& text : texts) {
        std::string why;
        auto door = client::parse_door(text, why);
        if (!door) return failed(why, kUsage);
        doors.push_back(std::move(*door));
    }
    return std::nullopt;
}

std::optional<Said> choose_token(const AskOptions& options, std::string& token) {
    token = from_environment("WEIR_TOKEN");
    if (!options.token_file.empty()) {
        auto text = contents_of(options.token_file);
        if (!text) return unreadable(options.token_file);
        token = std::move(*text);
    }
    while (token.ends_with('\n') || token.ends_with('\r'))
        token.pop_back();
    if (std::any_of(token.begin(), token.end(),
                    [](unsigned char c) { return c <= ' ' || c > '~'; })) {
        return failed("the token holds a character that no header can carry");
    }
    return std::nullopt;
}

bool is_lasting(const AskVerb& verb) {
    return std::holds_alternative<ReloadVerb>(verb) || std::holds_alternative<ApplyVerb>(verb) ||
           std::holds_alternative<DifferenceVerb>(verb) || std::holds_alternative<DumpVerb>(verb);
}

}  // namespace

int ask(const AskCommand& command) {
    client::AdminClient::Options options;
    if (const auto wrong = choose_doors(command, options.doors)) return print(*wrong);
    if (const auto wrong = choose_token(command.options, options.token)) return print(*wrong);
    options.timeout = parse_duration(command.options.timeout)
                          .value_or(is_lasting(command.verb) ? kLongTimeout : kUsualTimeout);
    const Asker asker(command.options, client::AdminClient(std::move(options)));
    return std::visit(Verbs(asker), command.verb);
}

}  // namespace weir::cli
