// Plots as SVG, and the page that has them.
#include "weir/simulate/report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>

namespace weir::simulate {
namespace {

constexpr double kWidth = 900;
constexpr double kLeft = 110;
constexpr double kRight = 10;
constexpr double kPlot = 160;  // height of one
constexpr double kBand = 14;
constexpr std::array<std::string_view, 6> kColours = {"#2563eb", "#dc2626", "#059669",
                                                      "#d97706", "#7c3aed", "#0891b2"};

// Colours that suit light and dark pages; also where an SVG stands alone.
constexpr std::string_view kStyle =
    "text{font:12px system-ui,sans-serif;fill:#334155}.axis{stroke:#94a3b8;stroke-width:1}"
    ".grid{stroke:#94a3b833}.closed{fill:#16a34a}.open{fill:#dc2626}.half{fill:#f59e0b}"
    ".fault{fill:#94a3b833}@media(prefers-color-scheme:dark){text{fill:#cbd5e1}}";

std::string number(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f", value);
    return text.data();
}

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '&':
                out += "&amp;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

class Canvas {
  public:
    Canvas(const Scenario& scenario, double height, std::string_view title)
        : scenario_(scenario), height_(height) {
        out_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(kWidth) + " " +
               number(height) + "\" role=\"img\"><title>" + escaped(title) + "</title><style>" +
               std::string(kStyle) + "</style>";
    }

    [[nodiscard]] double x(Duration at) const {
        const double share = seconds(at) / seconds(scenario_.duration);
        return kLeft + std::clamp(share, 0.0, 1.0) * (kWidth - kLeft - kRight);
    }
    void rectangle(double left,
                   double top,
                   double width,
                   double high,
                   std::string_view style,
                   std::string_view title = {}) {
        out_ += "<rect class=\"" + std::string(style) + "\" x=\"" + number(left) + "\" y=\"" +
                number(top) + "\" width=\"" + number(std::max(width, 0.5)) + "\" height=\"" +
                number(high) + "\">";
        if (!title.empty()) out_ += "<title>" + escaped(title) + "</title>";
        out_ += "</rect>";
    }
    void line(double x1, double y1, double x2, double y2, std::string_view style) {
        out_ += "<line class=\"" + std::string(style) + "\" x1=\"" + number(x1) + "\" y1=\"" +
                number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" + number(y2) + "\"/>";
    }
    void text(double left, double top, std::string_view text, std::string_view anchor = "end") {
        out_ += "<text x=\"" + number(left) + "\" y=\"" + number(top) + "\" text-anchor=\"" +
                std::string(anchor) + "\">" + escaped(text) + "</text>";
    }
    void path(const std::string& points, std::string_view colour) {
        out_ += "<polyline fill=\"none\" stroke-width=\"1.5\" stroke=\"" + std::string(colour) +
                "\" points=\"" + points + "\"/>";
    }
    void faults(double top, double high) {
        for (const Fault& fault : scenario_.faults) {
            const Duration to = std::min(fault.to, scenario_.duration);
            rectangle(x(fault.from), top, x(to) - x(fault.from), high, "fault");
        }
    }
    void time_axis(double top) {
        line(kLeft, top, kWidth - kRight, top, "axis");
        constexpr int kMarks = 6;
        for (int i = 0; i <= kMarks; ++i) {
            const Duration at = scenario_.duration * i / kMarks;
            text(x(at), top + 14, number(seconds(at)) + " s", i == kMarks ? "end" : "middle");
        }
    }
    [[nodiscard]] std::string done() { return out_ + "</svg>\n"; }
    [[nodiscard]] double height() const { return height_; }

  private:
    const Scenario& scenario_;
    double height_;
    std::string out_;
};

using Value = std::function<double(const Outcome&, const Outcome::Slice&)>;

// One line an outcome, of what each slice has.
std::string lines(const Scenario& scenario,
                  std::span<const Outcome> outcomes,
                  std::string_view title,
                  std::string_view unit,
                  double least_top,
                  const Value& value) {
    double most = least_top;
    for (const Outcome& outcome : outcomes)
        for (const Outcome::Slice& slice : outcome.slices)
            most = std::max(most, value(outcome, slice));
    constexpr double kTop = 30;
    Canvas canvas(scenario, kTop + kPlot + 22, title);
    canvas.faults(kTop, kPlot);
    for (int i = 0; i <= 4; ++i) {
        const double y = kTop + kPlot * i / 4.0;
        canvas.line(kLeft, y, kWidth - kRight, y, "grid");
        canvas.text(kLeft - 6, y + 4, number(most * (4 - i) / 4.0) + std::string(unit));
    }
    canvas.text(kLeft, 14, title, "start");
    double legend = kLeft + 230;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        const std::string_view colour = kColours[i % kColours.size()];
        std::string points;
        for (std::size_t n = 0; n + 1 < outcomes[i].slices.size(); ++n) {
            const Duration at = outcomes[i].slice_length * static_cast<Duration::rep>(n);
            const double share = value(outcomes[i], outcomes[i].slices[n]) / most;
            points += number(canvas.x(at)) + "," + number(kTop + kPlot * (1 - share)) + " ";
        }
        canvas.path(points, colour);
        canvas.path(number(legend) + ",10 " + number(legend + 16) + ",10", colour);
        canvas.text(legend + 20, 14, outcomes[i].name, "start");
        legend += 40 + 8.0 * static_cast<double>(outcomes[i].name.size());
    }
    canvas.time_axis(kTop + kPlot);
    return canvas.done();
}

void band(Canvas& canvas,
          const Scenario& scenario,
          const Outcome& outcome,
          std::uint32_t endpoint,
          double top) {
    const auto style = [](resilience::State state) {
        if (state == resilience::State::open) return "open";
        return state == resilience::State::closed ? "closed" : "half";
    };
    Duration since{0};
    const Change* last = nullptr;
    const auto draw = [&](Duration until) {
        const auto state = last == nullptr ? resilience::State::closed : last->to;
        const std::string title = std::string(resilience::word(state)) +
                                  (last == nullptr ? "" : ": " + std::string(last->reason));
        canvas.rectangle(canvas.x(since), top, canvas.x(until) - canvas.x(since), kBand - 4,
                         style(state), title);
    };
    for (const Change& change : outcome.changes) {
        if (change.endpoint != endpoint || change.at > scenario.duration) continue;
        draw(change.at);
        since = change.at;
        last = &change;
    }
    draw(scenario.duration);
}

// The states of the breaker and of each endpoint over time.
std::string bands(const Scenario& scenario, const Outcome& outcome) {
    const auto rows = static_cast<double>(outcome.load.size() + 1);
    constexpr double kTop = 24;
    const std::string title = "states, " + outcome.name;
    Canvas canvas(scenario, kTop + rows * kBand + 26, title);
    canvas.faults(kTop, rows * kBand);
    canvas.text(kLeft, 14, title + " (green closed, red open or ejected, amber on trial)", "start");
    double top = kTop;
    canvas.text(kLeft - 6, top + kBand - 4, "breaker");
    band(canvas, scenario, outcome, Change::kBreaker, top);
    for (std::uint32_t i = 0; i < outcome.load.size(); ++i) {
        top += kBand;
        canvas.text(kLeft - 6, top + kBand - 4, scenario.label(i));
        band(canvas, scenario, outcome, i, top);
    }
    canvas.time_axis(top + kBand + 4);
    return canvas.done();
}

// How much each endpoint has to do over time: a shade a slice.
std::string loads(const Scenario& scenario, const Outcome& outcome) {
    constexpr double kTop = 24;
    const auto rows = static_cast<double>(outcome.load.size());
    const std::string title = "load on each endpoint, " + outcome.name;
    Canvas canvas(scenario, kTop + rows * kBand + 26, title);
    canvas.text(kLeft, 14, title, "start");
    double most = 1;
    for (const auto& load : outcome.load)
        for (const std::uint32_t value : load)
            most = std::max(most, static_cast<double>(value));
    for (std::size_t i = 0; i < outcome.load.size(); ++i) {
        const double top = kTop + static_cast<double>(i) * kBand;
        canvas.text(kLeft - 6, top + kBand - 4, scenario.label(i));
        std::string points;
        for (std::size_t n = 0; n + 1 < outcome.load[i].size(); ++n) {
            const Duration at = outcome.slice_length * static_cast<Duration::rep>(n);
            const double share = outcome.load[i][n] / most;
            points += number(canvas.x(at)) + "," + number(top + (kBand - 3) * (1 - share)) + " ";
        }
        canvas.path(points, kColours[i % kColours.size()]);
    }
    canvas.time_axis(kTop + rows * kBand + 4);
    return canvas.done();
}

}  // namespace

std::vector<std::pair<std::string, std::string>> render_svg(const Scenario& scenario,
                                                            std::span<const Outcome> outcomes) {
    std::vector<std::pair<std::string, std::string>> plots;
    plots.emplace_back("success",
                       lines(scenario, outcomes, "requests answered well", " %", 100,
                             [](const Outcome&, const Outcome::Slice& slice) {
                                 if (slice.requests == 0) return 100.0;
                                 const auto all = static_cast<double>(slice.requests);
                                 return std::max(
                                     0.0, 100.0 * (1.0 - static_cast<double>(slice.failed) / all));
                             }));
    plots.emplace_back("load", lines(scenario, outcomes, "attempts a second", "", 1,
                                     [](const Outcome& outcome, const Outcome::Slice& slice) {
                                         return static_cast<double>(slice.attempts) /
                                                seconds(outcome.slice_length);
                                     }));
    for (const Outcome& outcome : outcomes) {
        plots.emplace_back("states-" + outcome.name, bands(scenario, outcome));
        plots.emplace_back("endpoints-" + outcome.name, loads(scenario, outcome));
    }
    return plots;
}

std::string render_html(const Scenario& scenario, std::span<const Outcome> outcomes) {
    std::string out =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" +
        escaped(scenario.name) +
        "</title><meta name=\"viewport\" content=\"width=device-width\"><style>"
        ":root{color-scheme:light dark}body{font:15px system-ui,sans-serif;max-width:60rem;"
        "margin:2rem auto;padding:0 1rem}table{border-collapse:collapse}td,th{padding:.2rem .8rem;"
        "text-align:right;border-bottom:1px solid #94a3b855}td:first-child{text-align:left}"
        "svg{width:100%;margin:1rem 0}</style></head><body>\n<h1>" +
        escaped(scenario.name) + "</h1><p>" + escaped(scenario.about) +
        "</p>\n<table><tr><th></th>";
    for (const Outcome& outcome : outcomes)
        out += "<th>" + escaped(outcome.name) + "</th>";
    out += "</tr>\n";
    for (const auto& row : table(outcomes)) {
        out += "<tr>";
        for (const std::string& cell : row)
            out += "<td>" + escaped(cell) + "</td>";
        out += "</tr>\n";
    }
    out += "</table>\n<p>Grey: a fault. Seed " + std::to_string(scenario.seed) + ".</p>\n";
    for (const auto& [name, svg] : render_svg(scenario, outcomes))
        out += svg;
    return out + "</body></html>\n";
}

}  // namespace weir::simulate
