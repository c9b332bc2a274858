#include "weir/simulate/report.hpp"

#include "weir/config/values.hpp"
#include "weir/core/json.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace weir::simulate {
namespace {

constexpr std::array<std::string_view, 8> kLevels = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::size_t kColumns = 60;  // of a line of load

std::string fixed(double value, int digits) {
    std::array<char, 48> text{};
    std::snprintf(text.data(), text.size(), "%.*f", digits, value);
    return text.data();
}

double milliseconds(Duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

std::string latency_text(Duration duration) {
    const double value = milliseconds(duration);
    return value >= 1000 ? fixed(value / 1000, 2) + " s" : fixed(value, value < 10 ? 1 : 0) + " ms";
}

// Columns of characters, not of bytes: only the levels above have more than one.
void pad(std::string& line, std::string_view text, std::size_t width) {
    const std::size_t missing = width > text.size() ? width - text.size() : 0;
    line.append(missing, ' ').append(text);
}

// A slice of load a character; blank for none at all.
std::string strip(const std::vector<std::uint32_t>& load, double most) {
    std::string out;
    const std::size_t columns = std::min(kColumns, load.size());
    for (std::size_t i = 0; i < columns; ++i) {
        const std::size_t from = i * load.size() / columns;
        const std::size_t to = std::max((i + 1) * load.size() / columns, from + 1);
        double sum = 0;
        for (std::size_t at = from; at < to; ++at)
            sum += load[at];
        sum /= static_cast<double>(to - from);
        const auto level = static_cast<std::size_t>(most > 0 ? sum / most * 7.99 : 0);
        out += sum == 0 ? " " : kLevels[std::min<std::size_t>(level, kLevels.size() - 1)];
    }
    return out;
}

std::string_view state_word(const Change& change) {
    if (change.endpoint == Change::kBreaker) return resilience::word(change.to);
    switch (change.to) {
        case resilience::State::open:
            return "ejected";
        case resilience::State::half_open:
            return "half_open";
        case resilience::State::closed:
            break;
    }
    return "healthy";
}

void write_outcome(JsonWriter& json, const Scenario& scenario, const Outcome& outcome) {
    json.begin_object()
        .field("policy", outcome.name)
        .field("requests", outcome.requests)
        .field("failed", outcome.failed)
        .field("success_rate", outcome.success_rate())
        .field("p50_ms", milliseconds(outcome.latency.quantile(0.5)))
        .field("p99_ms", milliseconds(outcome.latency.quantile(0.99)))
        .field("attempts", outcome.attempts)
        .field("attempts_a_request", outcome.amplification())
        .field("attempts_on_faulty", outcome.wasted)
        .field("retries", outcome.retries)
        .field("second_attempts", outcome.hedges)
        .field("ejections", outcome.ejections)
        .field("openings", outcome.openings)
        .field("requests_saved", outcome.saved)
        .field("failed_probes", outcome.failed_probes)
        .field("unwell_s", seconds(outcome.unwell))
        .field("slice_s", seconds(outcome.slice_length));
    json.key("slices").begin_array();
    for (const Outcome::Slice& slice : outcome.slices) {
        json.begin_object()
            .field("requests", slice.requests)
            .field("failed", slice.failed)
            .field("attempts", slice.attempts)
            .end_object();
    }
    json.end_array().key("endpoints").begin_array();
    for (std::size_t i = 0; i < outcome.attempts_on.size() && i < 1000; ++i) {
        json.begin_object()
            .field("name", scenario.label(i))
            .field("attempts", outcome.attempts_on[i]);
        if (i < outcome.load.size()) {
            json.key("load").begin_array();
            for (const std::uint32_t load : outcome.load[i])
                json.value(load);
            json.end_array();
        }
        json.end_object();
    }
    json.end_array().key("changes").begin_array();
    for (const Change& change : outcome.changes) {
        json.begin_object().field("at_s", seconds(change.at));
        if (change.endpoint != Change::kBreaker)
            json.field("endpoint", scenario.label(change.endpoint));
        json.field("to", state_word(change)).field("reason", change.reason).end_object();
    }
    json.end_array().end_object();
}

}  // namespace

std::vector<std::vector<std::string>> table(std::span<const Outcome> outcomes) {
    std::vector<std::vector<std::string>> rows;
    const auto row = [&](std::string label, const auto& text) {
        rows.push_back({std::move(label)});
        for (const Outcome& outcome : outcomes)
            rows.back().push_back(text(outcome));
    };
    const auto count = [&](std::string label, auto member) {
        row(std::move(label),
            [member](const Outcome& each) { return std::to_string(each.*member); });
    };
    row("success rate",
        [](const Outcome& each) { return fixed(each.success_rate() * 100, 3) + " %"; });
    count("failed requests", &Outcome::failed);
    row("p50", [](const Outcome& each) { return latency_text(each.latency.quantile(0.5)); });
    row("p99", [](const Outcome& each) { return latency_text(each.latency.quantile(0.99)); });
    count("ejections", &Outcome::ejections);
    count("breaker openings", &Outcome::openings);
    count("retries", &Outcome::retries);
    count("requests saved", &Outcome::saved);
    row("attempts a request", [](const Outcome& each) { return fixed(each.amplification(), 3); });
    count("attempts on faulty", &Outcome::wasted);
    row("failing on after",
        [](const Outcome& each) { return fixed(seconds(each.unwell), 1) + " s"; });
    return rows;
}

std::string render_text(const Scenario& scenario, std::span<const Outcome> outcomes) {
    std::string out = scenario.name;
    if (!scenario.about.empty()) out += ": " + scenario.about;
    out += "\n" + std::to_string(outcomes.empty() ? 0 : outcomes[0].requests) + " requests in " +
           config::to_text(scenario.duration) + ", " + std::to_string(scenario.endpoints) +
           " endpoints, seed " + std::to_string(scenario.seed) + "\n\n";
    std::vector<std::size_t> widths;
    std::size_t first = 0;
    const auto rows = table(outcomes);
    for (const auto& row : rows)
        first = std::max(first, row[0].size());
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        std::size_t width = outcomes[i].name.size();
        for (const auto& row : rows)
            width = std::max(width, row[i + 1].size());
        widths.push_back(width + 2);
    }
    out.append(first, ' ');
    for (std::size_t i = 0; i < outcomes.size(); ++i)
        pad(out, outcomes[i].name, widths[i]);
    out += '\n';
    for (const auto& row : rows) {
        out += row[0];
        out.append(first - row[0].size(), ' ');
        for (std::size_t i = 0; i < outcomes.size(); ++i)
            pad(out, row[i + 1], widths[i]);
        out += '\n';
    }
    for (const Outcome& outcome : outcomes) {
        double most = 0;
        std::size_t width = 0;
        for (std::size_t i = 0; i < outcome.load.size(); ++i) {
            width = std::max(width, scenario.label(i).size());
            for (const std::uint32_t load : outcome.load[i])
                most = std::max(most, static_cast<double>(load));
        }
        out += "\nload on each endpoint, " + outcome.name + "\n";
        for (std::size_t i = 0; i < outcome.load.size(); ++i) {
            const std::string label = scenario.label(i);
            out += "  " + label + std::string(width - label.size(), ' ') + " |" +
                   strip(outcome.load[i], most) + "|  " + std::to_string(outcome.attempts_on[i]) +
                   "\n";
        }
        if (outcome.attempts_on.size() > outcome.load.size()) {
            out += "  and " + std::to_string(outcome.attempts_on.size() - outcome.load.size()) +
                   " more\n";
        }
    }
    return out;
}

std::string render_json(const Scenario& scenario, std::span<const Outcome> outcomes) {
    std::string out;
    JsonWriter json(out);
    json.begin_object()
        .field("scenario", scenario.name)
        .field("about", scenario.about)
        .field("duration_s", seconds(scenario.duration))
        .field("seed", scenario.seed)
        .key("policies")
        .begin_array();
    for (const Outcome& outcome : outcomes)
        write_outcome(json, scenario, outcome);
    json.end_array().end_object();
    return out + "\n";
}

}  // namespace weir::simulate
