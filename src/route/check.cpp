#include "weir/route/route_table.hpp"

#include "route/condition.hpp"
#include "route/pattern.hpp"

#include <algorithm>

namespace weir::route {
namespace {

using Severity = config::Problem::Severity;

constexpr std::uint16_t kBadPattern = 119;
constexpr std::uint16_t kNeverMatches = 201;

void add_error(config::Report& report, const config::Place& place, std::string what) {
    config::Problem problem;
    problem.severity = Severity::error;
    problem.code = kBadPattern;
    problem.place = place;
    problem.what = std::move(what);
    report.add(std::move(problem));
}

void check_route(const config::Route& route, config::Report& report) {
    for (const auto* matchers : {&route.headers, &route.query}) {
        for (const auto& matcher : *matchers) {
            if (const auto problem = Condition::problem(matcher)) {
                add_error(report, matcher.place,
                          "the regular expression is not valid: " + *problem);
            }
        }
    }
    PathShape shape;
    if (const auto error = parse_path(route.path, shape)) {
        add_error(report, route.place, "the path of route '" + route.name + "': " + error->what);
        return;
    }
    Template ignored;
    if (route.rewrite_path) {
        if (const auto problem = ignored.parse(*route.rewrite_path, shape.parameters())) {
            add_error(report, route.place,
                      "rewrite.path of route '" + route.name + "': " + *problem);
        }
    }
    if (const auto* redirect = std::get_if<config::Redirect>(&route.action)) {
        if (const auto problem = ignored.parse(redirect->location, shape.parameters())) {
            add_error(report, route.place, "redirect of route '" + route.name + "': " + *problem);
        }
    }
}

// Whether `wide` takes every host that `narrow` takes.
bool covers_host(const std::string& wide, const std::string& narrow) {
    return wide == narrow ||
           host_matches(wide, narrow.starts_with("*.") ? "x" + narrow.substr(1) : narrow);
}

bool covers_hosts(const config::Route& wide, const config::Route& narrow) {
    if (wide.hosts.empty()) return true;
    if (narrow.hosts.empty()) return false;
    return std::all_of(narrow.hosts.begin(), narrow.hosts.end(), [&](const auto& host) {
        return std::any_of(wide.hosts.begin(), wide.hosts.end(),
                           [&](const auto& pattern) { return covers_host(pattern, host); });
    });
}

bool covers_path(const PathShape& wide, const PathShape& narrow) {
    if (!wide.expression.empty()) return wide.expression == narrow.expression;
    if (wide.segments.size() > narrow.segments.size()) return false;
    for (std::size_t i = 0; i < wide.segments.size(); ++i) {
        const auto& a = wide.segments[i];
        const auto& b = narrow.segments[i];
        const bool is_covered = a.is_parameter ? b.is_parameter || !b.text.empty()
                                               : !b.is_parameter && a.text == b.text;
        if (!is_covered) return false;
    }
    const bool is_longer = narrow.segments.size() > wide.segments.size();
    return wide.is_prefix ? is_longer || narrow.is_prefix : !is_longer && !narrow.is_prefix;
}

template <typename T>
bool includes(const std::vector<T>& all, const std::vector<T>& some) {
    return std::all_of(some.begin(), some.end(), [&](const T& one) {
        return std::find(all.begin(), all.end(), one) != all.end();
    });
}

bool is_grpc(const config::Route& route) {
    return !route.actions.grpc_service.empty();
}

// Calls of gRPC are POST, and preflights of browsers OPTIONS.
std::vector<std::string> methods_of(const config::Route& route) {
    if (!route.methods.empty() || !is_grpc(route)) return route.methods;
    if (route.actions.cors) return {"POST", "OPTIONS"};
    return {"POST"};
}

// With slashes merged or not, two routes see different paths, but for everything.
bool sees_paths_of(const config::Route& wide, const config::Route& narrow) {
    const bool is_all =
        wide.path.kind == config::PathPattern::Kind::prefix && wide.path.text == "/";
    return is_all || wide.actions.merge_slashes == narrow.actions.merge_slashes;
}

bool covers_conditions(const config::Route& wide, const config::Route& narrow) {
    const auto methods = methods_of(narrow);
    const bool covers_methods =
        wide.methods.empty() || (!methods.empty() && includes(wide.methods, methods));
    if (is_grpc(wide) && !is_grpc(narrow)) return false;
    // A route that answers preflights takes those of any method it takes.
    if (narrow.actions.cors && !wide.actions.cors && !wide.methods.empty()) return false;
    return covers_methods && sees_paths_of(wide, narrow) &&
           includes(narrow.headers, wide.headers) && includes(narrow.query, wide.query);
}

std::string as_written(const config::PathPattern& path) {
    if (path.kind == config::PathPattern::Kind::regex) return "~ " + path.text;
    return path.text.ends_with('/') ? path.text + "*" : path.text;
}

void add_unreachable(config::Report& report, const config::Route& taken, const config::Route& by) {
    const std::string line = std::to_string(by.place.line);
    config::Problem problem;
    problem.severity = Severity::warning;
    problem.code = kNeverMatches;
    const bool has_span = !taken.path_at.place.is_built_in();
    problem.place = has_span ? taken.path_at.place : taken.place;
    problem.width = taken.path_at.width;
    problem.what = "this route can never match, line " + line + " already takes path '" +
                   as_written(by.path) + "'";
    problem.note = "move it above line " + line;
    report.add(std::move(problem));
}

void check_reachable(const std::vector<config::Route>& routes, config::Report& report) {
    constexpr std::size_t kMost = 2000;  // pairs are compared; beyond this the hint is not worth it
    if (routes.size() > kMost) return;
    std::vector<PathShape> shapes(routes.size());
    for (std::size_t i = 0; i < routes.size(); ++i) {
        if (parse_path(routes[i].path, shapes[i])) return;  // said already
        for (std::size_t earlier = 0; earlier < i; ++earlier) {
            if (!covers_path(shapes[earlier], shapes[i])) continue;
            if (!covers_hosts(routes[earlier], routes[i])) continue;
            if (!covers_conditions(routes[earlier], routes[i])) continue;
            add_unreachable(report, routes[i], routes[earlier]);
            break;
        }
    }
}

}  // namespace

void check(const config::Config& config, config::Report& report) {
    for (const auto& listener : config.listeners) {
        for (const auto& route : listener.routes)
            check_route(route, report);
        check_reachable(listener.routes, report);
    }
}

}  // namespace weir::route
