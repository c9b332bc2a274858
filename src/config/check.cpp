#include "config/sections.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace weir::config {
namespace {

std::string where(const Place& place) {
    return place.is_built_in() ? std::string("built-in") : "at line " + std::to_string(place.line);
}

// Each address once, over listeners, admin and telemetry. Port 0 is a new one each time.
void check_addresses(Context& ctx, const Config& config) {
    struct Use {
        const ListenAddress* listen;
        std::string by;
    };
    std::map<std::string, Use> uses;
    const auto use = [&](const ListenAddress& listen, const std::string& by) {
        if (!listen.address.is_unix() && listen.address.port() == 0) return;
        const auto [at, is_new] = uses.emplace(listen.address.to_string(), Use{&listen, by});
        if (is_new) return;
        const auto* first = &at->second;
        Use second{&listen, by};
        const bool is_swapped = listen.place.is_built_in();  // say it where something is written
        const auto& said = is_swapped ? *first : second;
        const auto& other = is_swapped ? second : *first;
        const auto of = other.by.empty() ? std::string() : " by " + other.by;
        complain_at(ctx, said.listen->place, static_cast<std::uint32_t>(said.listen->text.size()),
                    {.code = 130,
                     .what = "'" + said.listen->text + "' is also listened on" + of +
                             (of.empty() ? " " : ", ") + where(other.listen->place),
                     .note = of.empty() && said.by.empty()
                                 ? "merge the two listeners or choose another port"
                                 : "choose another port"});
    };
    for (const auto& listener : config.listeners) {
        for (const auto& listen : listener.listen)
            use(listen, "");
    }
    if (config.admin_listen) use(*config.admin_listen, "admin");
    if (config.telemetry_listen) use(*config.telemetry_listen, "telemetry");
}

// ---- routes that never match: an earlier one takes all they could

bool covers_host(const std::string& a, const std::string& b) {
    if (a == b) return true;
    const std::string_view suffix = std::string_view(a).substr(a.starts_with("*.") ? 1 : 0);
    return a.starts_with("*.") && b.size() > suffix.size() && b.ends_with(suffix);
}

bool covers_path(const PathPattern& a, const PathPattern& b) {
    if (a.kind == b.kind && a.text == b.text) return true;
    if (a.kind != PathPattern::Kind::prefix) return false;
    const auto literal = std::string_view(b.text).substr(0, b.text.find('{'));
    return literal.starts_with(a.text);
}

// Every condition of a is one of b, too.
bool covers_matchers(const std::vector<Matcher>& a, const std::vector<Matcher>& b) {
    return std::all_of(a.begin(), a.end(), [&](const Matcher& matcher) {
        return std::find(b.begin(), b.end(), matcher) != b.end();
    });
}

bool covers(const Route& a, const Route& b) {
    const auto takes_host = [&](const std::string& host) {
        return std::any_of(a.hosts.begin(), a.hosts.end(),
                           [&](const auto& own) { return covers_host(own, host); });
    };
    const auto takes_method = [&](const std::string& method) {
        return std::find(a.methods.begin(), a.methods.end(), method) != a.methods.end();
    };
    return covers_path(a.path, b.path) &&
           (a.hosts.empty() ||
            (!b.hosts.empty() && std::all_of(b.hosts.begin(), b.hosts.end(), takes_host))) &&
           (a.methods.empty() || (!b.methods.empty() &&
                                  std::all_of(b.methods.begin(), b.methods.end(), takes_method))) &&
           covers_matchers(a.headers, b.headers) && covers_matchers(a.query, b.query);
}

std::string as_written(const PathPattern& path) {
    return path.text.ends_with('/') ? path.text + "*" : path.text;
}

// Carets under "path: /orders/*", or under the route if it has no path.
void point_at_path(Problem& problem, const Node& route) {
    problem.place = route.place;
    problem.width = route.width;
    for (const auto& entry : route.entries) {
        if (entry.key != "path") continue;
        problem.place = entry.place;
        const auto& value = entry.value;
        const bool is_near =
            value.place.line == entry.place.line && value.place.column > entry.place.column;
        problem.width =
            is_near ? value.place.column - entry.place.column + value.width : entry.width;
    }
}

}  // namespace

void complain_repeated(Context& ctx,
                       const Node& node,
                       std::string_view kind,
                       const std::string& name,
                       std::uint32_t line) {
    complain(ctx, node,
             {.code = 131,
              .what = std::string(kind) + " named '" + name + "' is already there",
              .note = "first at line " + std::to_string(line)});
}

void check_listener_names(Context& ctx, const Node& list, const std::vector<Listener>& listeners) {
    std::map<std::string_view, std::uint32_t> lines;
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        const Node& name = value_of(list.items[i], "name");
        // An address used twice is W130 already.
        if (listeners[i].name.empty() || &name == &list.items[i]) continue;
        const auto [at, is_new] = lines.emplace(listeners[i].name, name.place.line);
        if (!is_new) complain_repeated(ctx, name, "a listener", listeners[i].name, at->second);
    }
}

void check_reach(Context& ctx, const Node& list, const std::vector<Route>& routes) {
    constexpr std::size_t kMost = 2000;  // pairs are compared; beyond this the hint is not worth it
    if (routes.size() > kMost) return;
    for (std::size_t i = 1; i < routes.size(); ++i) {
        const auto end = routes.begin() + static_cast<std::ptrdiff_t>(i);
        const auto first =
            std::find_if(routes.begin(), end, [&](const Route& r) { return covers(r, routes[i]); });
        if (first == end) continue;
        const auto line = "line " + std::to_string(first->place.line);
        Problem problem{.severity = Problem::Severity::warning, .code = 201};
        problem.what = "this route can never match, " + line + " already takes path '" +
                       as_written(first->path) + "'";
        problem.note = "move it above " + line;
        point_at_path(problem, list.items[i]);
        ctx.report.add(std::move(problem));
    }
}

void check_config(Context& ctx, const Config& config) {
    check_addresses(ctx, config);
}

}  // namespace weir::config
