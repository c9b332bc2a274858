#include "weir/config/values.hpp"
#include "weir/core/json.hpp"
#include "weir/simulate/report.hpp"
#include "weir/simulate/run.hpp"
#include "weir/simulate/scenario.hpp"
#include "weir/simulate/trace.hpp"

#include "cli/configuration.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <unistd.h>

namespace weir::cli {
namespace {

std::optional<std::string> read_all(const std::string& path) {
    if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        std::fprintf(stderr, "weir: cannot read %s\n", path.c_str());
        return std::nullopt;
    }
    return std::string(std::istreambuf_iterator<char>(file), {});
}

bool write_all(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    if (!file) std::fprintf(stderr, "weir: cannot write %s\n", path.c_str());
    return static_cast<bool>(file);
}

int write_reports(const SimulateCommand& command,
                  const simulate::Scenario& scenario,
                  const std::vector<simulate::Outcome>& outcomes) {
    const std::string text = command.output == "json" ? simulate::render_json(scenario, outcomes)
                                                      : simulate::render_text(scenario, outcomes);
    std::fputs(text.c_str(), stdout);
    bool is_good = true;
    if (!command.html.empty())
        is_good = write_all(command.html, simulate::render_html(scenario, outcomes));
    if (command.svg.empty()) return is_good ? kSuccess : kFailure;
    for (const auto& [name, svg] : simulate::render_svg(scenario, outcomes)) {
        const std::string path = command.svg + "/" + scenario.name + "-" + name + ".svg";
        is_good = write_all(path, svg) && is_good;
    }
    return is_good ? kSuccess : kFailure;
}

int play(const SimulateCommand& command, const config::LoadResult* loaded) {
    const auto text = read_all(command.scenario);
    if (!text) return kFailure;
    simulate::Subject subject{.cluster = command.cluster};
    if (loaded != nullptr) subject.document = loaded->document.get();
    auto read = simulate::read_scenario(*text, command.scenario, subject);
    const bool has_colour = ::isatty(STDERR_FILENO) == 1;
    std::fputs(config::render(read.report, read.sources, {}, has_colour).c_str(), stderr);
    if (!read.scenario) return kFailure;
    simulate::Scenario& scenario = *read.scenario;
    if (command.seed != 0) scenario.seed = command.seed;
    if (!command.duration.empty()) {
        const auto duration = config::read_duration(command.duration);
        const auto* const value = std::get_if<Duration>(&duration);
        if (value == nullptr || *value <= Duration{0}) {
            std::fprintf(stderr, "weir: --for takes a duration, as 10s\n");
            return kUsage;
        }
        scenario.duration = *value;
    }
    std::vector<simulate::Outcome> outcomes;
    for (const simulate::Policy& policy : scenario.policies)
        outcomes.push_back(simulate::run(scenario, policy));
    return write_reports(command, scenario, outcomes);
}

std::string seconds_of(Duration at) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f", std::chrono::duration<double>(at).count());
    return text;
}

void print_changes(const std::vector<simulate::Replayed>& changes, bool is_json) {
    std::string out;
    for (const simulate::Replayed& change : changes) {
        const std::string_view from = resilience::word(change.from);
        const std::string_view to = resilience::word(change.to);
        if (is_json) {
            JsonWriter json(out);
            json.begin_object()
                .field("at_s", std::chrono::duration<double>(change.at).count())
                .field("cluster", change.cluster)
                .field("endpoint", change.endpoint)
                .field("from", from)
                .field("to", to)
                .field("reason", change.reason)
                .end_object();
            out += '\n';
            continue;
        }
        out += seconds_of(change.at) + " s  " + change.cluster + "  " +
               (change.endpoint.empty() ? "breaker" : change.endpoint) + "  " + std::string(from) +
               " -> " + std::string(to) + "  " + std::string(change.reason) + "\n";
    }
    if (changes.empty() && !is_json) out = "nothing would have changed its state\n";
    std::fputs(out.c_str(), stdout);
}

int replay(const SimulateCommand& command, const config::LoadResult* loaded) {
    const auto text = read_all(command.trace);
    if (!text) return kFailure;
    const simulate::Trace trace = simulate::read_trace(*text);
    if (!trace.error.empty()) {
        std::fprintf(stderr, "weir: %s: %s\n", command.trace.c_str(), trace.error.c_str());
        return kFailure;
    }
    if (trace.skipped > 0) std::fprintf(stderr, "weir: %zu lines are no attempt\n", trace.skipped);
    std::set<std::string> names;
    for (const simulate::TraceEntry& entry : trace.entries)
        if (command.cluster.empty() || entry.cluster == command.cluster)
            names.insert(entry.cluster);
    std::vector<simulate::Replayed> all;
    for (const std::string& name : names) {
        config::Cluster cluster;
        if (loaded != nullptr) {
            const auto found = loaded->config->clusters.find(name);
            if (found != loaded->config->clusters.end()) cluster = found->second;
        }
        const auto changes =
            simulate::replay(trace, cluster, name, std::max<std::uint64_t>(command.seed, 1));
        all.insert(all.end(), changes.begin(), changes.end());
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const auto& a, const auto& b) { return a.at < b.at; });
    print_changes(all, command.output == "json");
    return kSuccess;
}

}  // namespace

int simulate(const SimulateCommand& command) {
    if (command.scenario.empty() && command.trace.empty()) {
        std::fprintf(stderr, "weir: simulate takes a SCENARIO or --trace FILE\n");
        return kUsage;
    }
    std::optional<config::LoadResult> loaded;
    if (!command.file.empty()) {
        loaded = config::load_file(command.file);
        print_problems(*loaded);
        if (!*loaded) return kFailure;
    }
    const config::LoadResult* const subject = loaded ? &*loaded : nullptr;
    return command.trace.empty() ? play(command, subject) : replay(command, subject);
}

}  // namespace weir::cli
