#include "weir/route/route_table.hpp"

#include "route/condition.hpp"
#include "route/pattern.hpp"

#include <limits>
#include <stdexcept>
#include <unordered_map>

namespace weir::route {
namespace {

constexpr std::uint32_t kNothing = std::numeric_limits<std::uint32_t>::max();

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
        return std::hash<std::string_view>{}(text);
    }
};
using IndexByText = std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>>;

// A segment of the paths of one host pattern. The lists hold routes in the order of the file.
struct Node {
    IndexByText children;
    std::uint32_t parameter = kNothing;  // child for a {name}
    std::uint32_t lowest = kNothing;     // first route at or below it
    std::vector<std::uint32_t> exact;    // the path ends here
    std::vector<std::uint32_t> prefix;   // the path goes on: "/" follows
    std::vector<std::uint32_t> regular;  // expressions whose texts all begin so
};

struct OneRoute {
    explicit OneRoute(const config::Route& route)
        : hosts(route.hosts), is_merged(route.actions.merge_slashes), condition(route) {}

    std::vector<std::string> hosts;
    std::string path_text;
    PathShape path;
    Expression expression;  // of the path; none: the shape says all
    bool is_merged;         // slashes, in the paths it sees
    Condition condition;
    std::optional<Template> rewrite;
    std::optional<Template> location;
    bool location_has_query = false;
    bool location_names_host = false;
};

void require(const std::optional<std::string>& problem, const config::Route& route) {
    if (problem) throw std::invalid_argument("route " + route.name + ": " + *problem);
}

// Whether a location begins with "//host" or "scheme://host".
bool names_host(std::string_view location) {
    const std::size_t host = location.find("//");
    return host != std::string_view::npos && host == location.find_first_of("/?#");
}

// "https://new.example*" means "https://new.example/*": else what a client sends would become part
// of the host's name.
std::string with_root(std::string location) {
    const std::size_t host = location.find("//");
    const bool has_rest = location.ends_with('*');
    if (!has_rest || !names_host(location)) return location;
    if (location.find_first_of("/?#", host + 2) != std::string::npos) return location;
    return location.insert(location.size() - 1, 1, '/');
}

class Walk;

// Of the path of a request that the route takes.
Captures captures(const OneRoute& route, const http::RequestHead& head) {
    Captures found;
    if (route.expression == nullptr)
        static_cast<void>(path_matches(route.path, path_for(route.is_merged, head), found));
    return found;
}

OneRoute compile(const config::Route& route) {
    for (const auto* matchers : {&route.headers, &route.query}) {
        for (const auto& matcher : *matchers)
            require(Condition::problem(matcher), route);
    }
    OneRoute compiled(route);
    compiled.path_text = route.path.text;
    if (const auto error = parse_path(route.path, compiled.path)) require(error->what, route);
    if (!compiled.path.expression.empty())
        compiled.expression = make_expression(compiled.path.expression);
    const auto parameters = compiled.path.parameters();
    if (route.rewrite_path) {
        require(compiled.rewrite.emplace().parse(*route.rewrite_path, parameters), route);
    }
    if (const auto* redirect = std::get_if<config::Redirect>(&route.action)) {
        const std::string text = with_root(redirect->location);
        require(compiled.location.emplace().parse(text, parameters), route);
        compiled.location_has_query = text.find('?') != std::string::npos;
        compiled.location_names_host = names_host(text);
    }
    return compiled;
}

}  // namespace

struct RouteTable::Compiled {
    explicit Compiled(const std::vector<config::Route>& all);

    // Trees by host.
    struct Forest {
        std::uint32_t any_host = kNothing;
        IndexByText exact_hosts;
        IndexByText wildcard_hosts;  // by ".x" for "*.x"
    };

    std::uint32_t make_node();
    std::uint32_t root_of(Forest& forest, const std::string& host);
    void insert(std::uint32_t root, std::uint32_t index);
    [[gnu::always_inline]] void search(const Forest& forest,
                                       const http::RequestHead& head,
                                       std::string_view path,
                                       Walk& walk) const;
    [[gnu::noinline]] void search_unmerged(const http::RequestHead& head, Walk& walk) const;

    std::vector<OneRoute> routes;
    std::vector<Node> nodes;
    Forest merged;
    Forest unmerged;  // of routes that see empty segments
    bool has_unmerged = false;
};

RouteTable::Compiled::Compiled(const std::vector<config::Route>& all) {
    routes.reserve(all.size());
    for (const auto& route : all)
        routes.push_back(compile(route));
    for (std::uint32_t index = 0; index < routes.size(); ++index) {
        Forest& forest = routes[index].is_merged ? merged : unmerged;
        has_unmerged = has_unmerged || !routes[index].is_merged;
        if (routes[index].hosts.empty()) insert(root_of(forest, "*"), index);
        for (const auto& host : routes[index].hosts)
            insert(root_of(forest, host), index);
    }
}

std::uint32_t RouteTable::Compiled::make_node() {
    nodes.emplace_back();
    return static_cast<std::uint32_t>(nodes.size() - 1);
}

std::uint32_t RouteTable::Compiled::root_of(Forest& forest, const std::string& host) {
    if (host == "*") {
        if (forest.any_host == kNothing) forest.any_host = make_node();
        return forest.any_host;
    }
    const bool is_wildcard = host.starts_with("*.");
    IndexByText& hosts = is_wildcard ? forest.wildcard_hosts : forest.exact_hosts;
    const auto [entry, is_new] = hosts.try_emplace(is_wildcard ? host.substr(1) : host, kNothing);
    if (is_new) entry->second = make_node();
    return entry->second;
}

void RouteTable::Compiled::insert(std::uint32_t root, std::uint32_t index) {
    const PathShape& path = routes[index].path;
    std::uint32_t at = root;
    nodes[at].lowest = std::min(nodes[at].lowest, index);
    for (const auto& segment : path.segments) {
        std::uint32_t next = kNothing;
        if (segment.is_parameter) {
            next = nodes[at].parameter;
        } else if (const auto found = nodes[at].children.find(segment.text);
                   found != nodes[at].children.end()) {
            next = found->second;
        }
        if (next == kNothing) {
            next = make_node();
            if (segment.is_parameter) {
                nodes[at].parameter = next;
            } else {
                nodes[at].children.emplace(segment.text, next);
            }
        }
        at = next;
        nodes[at].lowest = std::min(nodes[at].lowest, index);
    }
    auto& list = routes[index].expression ? nodes[at].regular
                 : path.is_prefix         ? nodes[at].prefix
                                          : nodes[at].exact;
    if (list.empty() || list.back() != index) list.push_back(index);  // the same host twice
}

namespace {

// One request's walk through the trees. A subtree whose first route comes after the best one found
// is not entered, so that most walks end early.
class Walk {
  public:
    Walk(const std::vector<Node>& nodes,
         const std::vector<OneRoute>& routes,
         const http::RequestHead& head)
        : nodes_(nodes), routes_(routes), head_(head) {}

    void visit(std::uint32_t at, std::string_view rest) {
        const Node& node = nodes_[at];
        if (node.lowest >= best_) return;
        if (!node.regular.empty()) choose_regular(node.regular);
        if (rest.empty()) {
            choose(node.exact);
            return;
        }
        choose(node.prefix);
        if (node.children.empty() && node.parameter == kNothing) return;

        const std::size_t end = rest.find('/', 1);
        const bool is_last = end == std::string_view::npos;
        const std::string_view segment = rest.substr(1, is_last ? end : end - 1);
        const std::string_view below = is_last ? std::string_view() : rest.substr(end);
        if (!node.children.empty()) {
            const auto child = node.children.find(segment);
            if (child != node.children.end()) visit(child->second, below);
        }
        if (node.parameter != kNothing && !segment.empty()) visit(node.parameter, below);
    }

    // "*" of OPTIONS has no segments: only routes for everything take it.
    void visit_asterisk(std::uint32_t root) { choose(nodes_[root].prefix); }

    // What follows is about that path.
    void set_path(std::string_view path) { path_ = path; }
    [[nodiscard]] std::uint32_t best() const { return best_; }

  private:
    void choose_regular(const std::vector<std::uint32_t>& list) {
        for (const std::uint32_t index : list) {
            if (index >= best_) return;
            if (!matches(*routes_[index].expression, path_)) continue;
            if (!routes_[index].condition.holds(head_)) continue;
            best_ = index;
            return;
        }
    }
    void choose(const std::vector<std::uint32_t>& list) {
        for (const std::uint32_t index : list) {
            if (index >= best_) return;
            if (!routes_[index].condition.holds(head_)) continue;
            best_ = index;
            return;
        }
    }

    const std::vector<Node>& nodes_;
    const std::vector<OneRoute>& routes_;
    const http::RequestHead& head_;
    std::string_view path_;
    std::uint32_t best_ = kNothing;
};

}  // namespace

RouteTable::RouteTable(const std::vector<config::Route>& routes)
    : compiled_(std::make_unique<const Compiled>(routes)) {}

RouteTable::~RouteTable() = default;

std::size_t RouteTable::size() const {
    return compiled_->routes.size();
}

inline void RouteTable::Compiled::search(const Forest& forest,
                                         const http::RequestHead& head,
                                         std::string_view path,
                                         Walk& walk) const {
    walk.set_path(path);
    const auto visit = [&](std::uint32_t root) {
        if (path.starts_with('/')) {
            walk.visit(root, path);
        } else {
            walk.visit_asterisk(root);
        }
    };
    if (forest.any_host != kNothing) visit(forest.any_host);
    if (forest.exact_hosts.empty() && forest.wildcard_hosts.empty()) return;
    std::array<char, kLongestHost> buffer;
    const std::string_view host = host_of(head.authority, buffer);
    if (const auto found = forest.exact_hosts.find(host); found != forest.exact_hosts.end())
        visit(found->second);
    if (forest.wildcard_hosts.empty()) return;
    for (std::size_t dot = host.find('.', 1); dot != std::string_view::npos;
         dot = host.find('.', dot + 1)) {
        const auto found = forest.wildcard_hosts.find(host.substr(dot));
        if (found != forest.wildcard_hosts.end()) visit(found->second);
    }
}

void RouteTable::Compiled::search_unmerged(const http::RequestHead& head, Walk& walk) const {
    search(unmerged, head, path_for(false, head), walk);
}

std::optional<std::uint32_t> RouteTable::match(const http::RequestHead& head) const {
    const Compiled& tables = *compiled_;
    Walk walk(tables.nodes, tables.routes, head);
    tables.search(tables.merged, head, head.path, walk);
    if (tables.has_unmerged) tables.search_unmerged(head, walk);
    if (walk.best() == kNothing) return std::nullopt;
    return walk.best();
}

bool RouteTable::rewrite_path(std::uint32_t index,
                              const http::RequestHead& head,
                              std::string& out) const {
    const OneRoute& route = compiled_->routes[index];
    if (!route.rewrite) return false;
    const std::size_t start = out.size();
    route.rewrite->append(captures(route, head), out);
    if (out.size() == start || out[start] != '/') out.insert(start, 1, '/');
    return true;
}

void RouteTable::redirect_location(std::uint32_t index,
                                   const http::RequestHead& head,
                                   std::string& out) const {
    const OneRoute& route = compiled_->routes[index];
    if (!route.location) return;
    const std::size_t start = out.size();
    route.location->append(captures(route, head), out);
    // What a client sends must not name the host: browsers follow "//host" and "https:host".
    if (!route.location_names_host) {
        if (out.size() == start || out[start] != '/') out.insert(start, 1, '/');
        std::size_t slashes = start;
        while (slashes < out.size() && (out[slashes] == '/' || out[slashes] == '\\'))
            ++slashes;
        if (slashes > start + 1) out.erase(start + 1, slashes - start - 1);
    }
    if (head.has_query && !route.location_has_query) {
        out += '?';
        out += head.query;
    }
}

namespace {

std::string join(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) {
        if (!text.empty()) text += ", ";
        text += word;
    }
    return text;
}

// Empty if the route takes the request.
std::string why_not(const OneRoute& route, const http::RequestHead& head, std::string_view host) {
    const bool is_host = route.hosts.empty() || std::any_of(route.hosts.begin(), route.hosts.end(),
                                                            [&](const auto& pattern) {
                                                                return host_matches(pattern, host);
                                                            });
    if (!is_host) return "host " + std::string(host) + " is not " + join(route.hosts);
    Captures ignored;
    const std::string_view path = path_for(route.is_merged, head);
    if (route.expression != nullptr) {
        if (!matches(*route.expression, path))
            return "path " + std::string(path) + " does not match " + route.path_text;
    } else if (!path_matches(route.path, path, ignored)) {
        const char* const relation = route.path.is_prefix ? " is not below " : " is not ";
        return "path " + std::string(path) + relation + route.path_text;
    }
    return route.condition.why_not(head);
}

}  // namespace

Explanation RouteTable::explain(const http::RequestHead& head) const {
    std::array<char, kLongestHost> buffer;
    const std::string_view host = host_of(head.authority, buffer);
    Explanation explanation;
    for (std::uint32_t index = 0; index < compiled_->routes.size(); ++index) {
        std::string why = why_not(compiled_->routes[index], head, host);
        if (why.empty()) {
            explanation.matched = index;
            break;
        }
        explanation.misses.push_back({index, std::move(why)});
    }
    return explanation;
}

}  // namespace weir::route
