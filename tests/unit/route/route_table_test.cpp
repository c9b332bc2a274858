#include "weir/route/route_table.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace weir::route {
namespace {

using config::PathPattern;

PathPattern path(std::string text) {
    if (text.ends_with("/*")) text.pop_back();
    PathPattern pattern;
    pattern.kind = text.find('{') != std::string::npos ? PathPattern::Kind::templated
                   : text.ends_with('/')               ? PathPattern::Kind::prefix
                                                       : PathPattern::Kind::exact;
    pattern.text = text;
    return pattern;
}

config::Route route(const std::string& path_text, std::vector<std::string> hosts = {}) {
    config::Route made;
    made.name = path_text;
    made.hosts = std::move(hosts);
    made.path = path(path_text);
    made.action = config::Respond{};
    return made;
}

config::Matcher matcher(std::string name, config::Matcher::Kind kind, std::string value = {}) {
    config::Matcher made;
    made.name = std::move(name);
    made.kind = kind;
    made.value = std::move(value);
    return made;
}

// Owns the texts that a head only views.
struct Request {
    std::string host = "shop.example";
    std::string path = "/";
    std::string query;
    std::string method = "GET";
    std::vector<std::pair<std::string, std::string>> headers;

    [[nodiscard]] http::RequestHead head() const {
        http::RequestHead made;
        made.authority = host;
        made.path = path;
        made.query = query;
        made.has_query = !query.empty();
        made.method_text = method;
        made.method = http::method_from(method);
        for (const auto& [name, value] : headers)
            made.headers.add(name, value, http::header_id(name));
        return made;
    }
};

int matched(const std::vector<config::Route>& routes, const Request& request) {
    const RouteTable table(routes);
    const auto head = request.head();
    const auto found = table.match(head);
    return found ? static_cast<int>(*found) : -1;
}

TEST(RouteTable, TellsPathsApart) {
    struct Row {
        const char* pattern;
        const char* path;
        bool does_match;
    };
    const Row rows[] = {
        {"/", "/", true},
        {"/", "/a/b", true},
        {"/", "*", true},
        {"/*", "/a", true},
        {"/a", "/a", true},
        {"/a", "/a/", false},
        {"/a", "/a/b", false},
        {"/a", "/A", false},
        {"/a", "/ab", false},
        {"/a", "*", false},
        {"/a/", "/a/", true},
        {"/a/", "/a/b/c", true},
        {"/a/", "/a", false},
        {"/a/*", "/a/b", true},
        {"/a/*", "/a", false},
        {"/a/*", "/ab/c", false},
        {"/a/b", "/a/b", true},
        {"/a/b", "/a/c", false},
        {"/u/{id}", "/u/7", true},
        {"/u/{id}", "/u/", false},
        {"/u/{id}", "/u/7/", false},
        {"/u/{id}", "/u/7/x", false},
        {"/u/{id}/x", "/u/7/x", true},
        {"/u/{id}/x", "/u/7/y", false},
        {"/u/{id}/", "/u/7/", true},
        {"/u/{id}/", "/u/7/x/y", true},
        {"/u/{id}/", "/u/7", false},
        {"/{a}/{b}", "/x/y", true},
        {"/{a}/{b}", "/x", false},
        {"/a//b", "/a//b", true},
        {"/a//b", "/a/b", false},
        {"/caf%c3%a9", "/caf%C3%A9", true},
        {"/caf\xc3\xa9/", "/caf%C3%A9/x", true},
        {"/%7Eme", "/~me", true},
    };
    for (const Row& row : rows) {
        Request request;
        request.path = row.path;
        EXPECT_EQ(matched({route(row.pattern)}, request), row.does_match ? 0 : -1)
            << row.pattern << " and " << row.path;
    }
}

TEST(RouteTable, TellsHostsApart) {
    struct Row {
        const char* pattern;
        const char* host;
        bool does_match;
    };
    const Row rows[] = {
        {"a.example", "a.example", true},
        {"a.example", "A.Example", true},
        {"a.example", "a.example:8080", true},
        {"a.example", "a.example.", true},
        {"a.example", "b.example", false},
        {"a.example", "x.a.example", false},
        {"a.example", "", false},
        {"*.example", "a.example", true},
        {"*.example", "a.b.example:80", true},
        {"*.example", "example", false},
        {"*.example", ".example", false},
        {"*.example", "a.examples", false},
        {"*.example", "aexample", false},
        {"[::1]", "[::1]:80", true},
        {"[::1]", "[::2]:80", false},
        {"127.0.0.1", "127.0.0.1:80", true},
        {"*", "anything", true},
        {"*", "", true},
    };
    for (const Row& row : rows) {
        Request request;
        request.host = row.host;
        EXPECT_EQ(matched({route("/", {row.pattern})}, request), row.does_match ? 0 : -1)
            << row.pattern << " and " << row.host;
    }
}

TEST(RouteTable, TakesNoHostLongerThanANameCanBe) {
    Request request;
    request.host = std::string(300, 'a') + ".example";
    EXPECT_EQ(matched({route("/", {"*.example"}), route("/")}, request), 1);
}

TEST(RouteTable, LetsTheFirstInTheFileWin) {
    Request request;
    request.path = "/a/b";
    EXPECT_EQ(matched({route("/a/"), route("/a/b")}, request), 0);
    EXPECT_EQ(matched({route("/a/b"), route("/a/")}, request), 0);
    EXPECT_EQ(matched({route("/{x}/b"), route("/a/b"), route("/")}, request), 0);
    EXPECT_EQ(
        matched({route("/x"), route("/a/", {"*.example"}), route("/", {"shop.example"})}, request),
        1);
    EXPECT_EQ(matched({route("/", {"shop.example"}), route("/a/b")}, request), 0);
    EXPECT_EQ(matched({route("/a/b"), route("/", {"shop.example"})}, request), 0);
}

TEST(RouteTable, ComparesTheMethodAsWritten) {
    auto only_post = route("/");
    only_post.methods = {"POST", "PURGE"};
    Request request;
    EXPECT_EQ(matched({only_post}, request), -1);
    request.method = "POST";
    EXPECT_EQ(matched({only_post}, request), 0);
    request.method = "PURGE";
    EXPECT_EQ(matched({only_post}, request), 0);
    request.method = "purge";
    EXPECT_EQ(matched({only_post}, request), -1);
    request.method = "HEAD";
    EXPECT_EQ(matched({only_post}, request), -1);
}

TEST(RouteTable, ComparesHeaders) {
    auto canary = route("/");
    canary.headers = {matcher("x-canary", config::Matcher::Kind::exact, "true")};
    Request request;
    EXPECT_EQ(matched({canary}, request), -1);
    request.headers = {{"X-Canary", "True"}};
    EXPECT_EQ(matched({canary}, request), -1);
    request.headers = {{"X-Canary", "no"}, {"X-CANARY", "true"}};
    EXPECT_EQ(matched({canary}, request), 0);

    canary.headers = {matcher("accept", config::Matcher::Kind::present)};
    EXPECT_EQ(matched({canary}, request), -1);
    request.headers = {{"Accept", ""}};
    EXPECT_EQ(matched({canary}, request), 0);

    canary.headers = {matcher("accept", config::Matcher::Kind::present),
                      matcher("x-b", config::Matcher::Kind::present)};
    EXPECT_EQ(matched({canary}, request), -1) << "all must match";
}

TEST(RouteTable, MatchesARegularExpressionAgainstTheWholeValue) {
    auto versions = route("/");
    versions.headers = {matcher("x-version", config::Matcher::Kind::regex, "v[12]")};
    Request request;
    request.headers = {{"x-version", "v2"}};
    EXPECT_EQ(matched({versions}, request), 0);
    request.headers = {{"x-version", "v21"}};
    EXPECT_EQ(matched({versions}, request), -1);
}

TEST(RouteTable, ComparesTheQueryDecoded) {
    auto search = route("/");
    search.query = {matcher("q", config::Matcher::Kind::exact, "a b&c")};
    Request request;
    for (const char* query : {"q=a+b%26c", "x=1&q=a%20b%26c&y", "q=z&q=a+b%26c", "%71=a+b%26c"}) {
        request.query = query;
        EXPECT_EQ(matched({search}, request), 0) << query;
    }
    for (const char* query :
         {"", "q", "q=", "q=a+b", "q=a+b%26cd", "qq=a+b%26c", "q=a b&c", "q=%"}) {
        request.query = query;
        EXPECT_EQ(matched({search}, request), -1) << query;
    }
    search.query = {matcher("debug", config::Matcher::Kind::present)};
    request.query = "x=1&debug";
    EXPECT_EQ(matched({search}, request), 0);
}

std::string rewritten(const std::string& pattern,
                      const std::string& rewrite,
                      const std::string& path_text) {
    auto one = route(pattern);
    one.rewrite_path = rewrite;
    const RouteTable table({one});
    Request request;
    request.path = path_text;
    const auto head = request.head();
    std::string out = "<";
    EXPECT_TRUE(table.rewrite_path(table.match(head).value(), head, out));
    return out.substr(1);
}

TEST(RouteTable, RewritesThePath) {
    EXPECT_EQ(rewritten("/api/*", "/*", "/api/v1/x"), "/v1/x");
    EXPECT_EQ(rewritten("/api/*", "/v2/*", "/api/"), "/v2/");
    EXPECT_EQ(rewritten("/api/*", "*", "/api/x"), "/x");
    EXPECT_EQ(rewritten("/api/*", "/fixed", "/api/x"), "/fixed");
    EXPECT_EQ(rewritten("/a", "/b", "/a"), "/b");
    EXPECT_EQ(rewritten("/u/{id}/{what}", "/{what}/of/{id}", "/u/7/orders"), "/orders/of/7");
    EXPECT_EQ(rewritten("/u/{id}/", "/{id}-*", "/u/7/a/b"), "/7-a/b");
    EXPECT_EQ(rewritten("/files/{name}/", "/of-{name}/*", "/files/x/y/z"), "/of-x/y/z");
    EXPECT_EQ(rewritten("/u/{user}/orders/{order}", "/{order}.{user}.*", "/u/ann/orders/7"),
              "/7.ann.");
}

TEST(RouteTable, LeavesThePathOfOtherRoutesAlone) {
    const RouteTable table({route("/a/")});
    Request request;
    request.path = "/a/b";
    const auto head = request.head();
    std::string out = "kept";
    EXPECT_FALSE(table.rewrite_path(table.match(head).value(), head, out));
    EXPECT_EQ(out, "kept");
}

std::string location(const std::string& pattern, const std::string& to, const std::string& target) {
    auto one = route(pattern);
    one.action = config::Redirect{to};
    const RouteTable table({one});
    Request request;
    request.path = target.substr(0, target.find('?'));
    if (target.find('?') != std::string::npos) request.query = target.substr(target.find('?') + 1);
    const auto head = request.head();
    std::string out;
    table.redirect_location(table.match(head).value(), head, out);
    return out;
}

TEST(RouteTable, FillsInARedirect) {
    EXPECT_EQ(location("/old/*", "https://new.example/*", "/old/a/b"), "https://new.example/a/b");
    EXPECT_EQ(location("/old/*", "/new/*", "/old/a?x=1"), "/new/a?x=1");
    EXPECT_EQ(location("/old/*", "/new?from=*", "/old/a?x=1"), "/new?from=a");
    EXPECT_EQ(location("/u/{id}", "/users/{id}", "/u/7"), "/users/7");
}

TEST(RouteTable, LetsNoRequestNameTheHostOfARedirect) {
    EXPECT_EQ(location("/", "/*", "///evil.example"), "/evil.example");
    EXPECT_EQ(location("/", "*", "/https:evil.example"), "/https:evil.example");
    EXPECT_EQ(location("/", "*", "/"), "/");
    EXPECT_EQ(location("/", "https://good.example*", "/.evil.example"),
              "https://good.example/.evil.example");
    EXPECT_EQ(location("/", "/go?to=https://good.example/*", "/x"),
              "/go?to=https://good.example/x");
}

TEST(RouteTable, RefusesWhatItCannotHold) {
    EXPECT_THROW(RouteTable({route("/v{n}")}), std::invalid_argument);
    EXPECT_THROW(RouteTable({route("/{a}/{a}")}), std::invalid_argument);
    EXPECT_THROW(RouteTable({route("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}")}),
                 std::invalid_argument);
    auto bad = route("/{a}");
    bad.rewrite_path = "/{b}";
    EXPECT_THROW(RouteTable({bad}), std::invalid_argument);
    bad = route("/");
    bad.headers = {matcher("x", config::Matcher::Kind::regex, "(")};
    EXPECT_THROW(RouteTable({bad}), std::invalid_argument);
}

TEST(RouteTable, MatchesNothingWithoutRoutes) {
    EXPECT_EQ(matched({}, Request{}), -1);
}

TEST(RouteTable, ExplainsEachRouteBeforeTheMatch) {
    auto posts = route("/orders/");
    posts.methods = {"POST"};
    auto testers = route("/");
    testers.headers = {matcher("x-canary", config::Matcher::Kind::exact, "true")};
    const RouteTable table({route("/", {"*.other"}), route("/orders"), route("/pay/"), posts,
                            testers, route("/"), route("/never")});
    Request request;
    request.path = "/orders/1";
    const auto explanation = table.explain(request.head());
    EXPECT_EQ(explanation.matched, 5U);
    ASSERT_EQ(explanation.misses.size(), 5U);
    EXPECT_EQ(explanation.misses[0].why, "host shop.example is not *.other");
    EXPECT_EQ(explanation.misses[1].why, "path /orders/1 is not /orders");
    EXPECT_EQ(explanation.misses[2].why, "path /orders/1 is not below /pay/");
    EXPECT_EQ(explanation.misses[3].why, "method GET is not POST");
    EXPECT_EQ(explanation.misses[4].why, "header x-canary is not 'true'");
    EXPECT_EQ(explanation.misses[4].index, 4U);
}

// What the tables must equal, written as the reference says it and not as they do it.
class Reference {
  public:
    static int match(const std::vector<config::Route>& routes, const Request& request) {
        for (std::size_t i = 0; i < routes.size(); ++i) {
            if (takes(routes[i], request)) return static_cast<int>(i);
        }
        return -1;
    }

  private:
    static bool takes(const config::Route& one, const Request& request) {
        std::string host = request.host.substr(0, request.host.find(':'));
        for (char& c : host)
            c = static_cast<char>(std::tolower(c));
        bool is_host = one.hosts.empty();
        for (const auto& pattern : one.hosts) {
            const bool is_wildcard = pattern.starts_with("*.");
            const std::string tail = is_wildcard ? pattern.substr(1) : pattern;
            is_host = is_host || (is_wildcard ? host.size() > tail.size() && host.ends_with(tail)
                                              : host == tail);
        }
        if (!is_host || !takes_path(one.path.text, request.path)) return false;
        if (!one.methods.empty() &&
            std::count(one.methods.begin(), one.methods.end(), request.method) == 0) {
            return false;
        }
        return std::all_of(one.headers.begin(), one.headers.end(), [&](const auto& wanted) {
            return std::any_of(
                request.headers.begin(), request.headers.end(), [&](const auto& header) {
                    return header.first == wanted.name && header.second == wanted.value;
                });
        });
    }

    static bool takes_path(std::string_view pattern, std::string_view text) {
        while (!pattern.empty()) {
            if (pattern == "/") return !text.empty();
            if (text.empty()) return false;
            const auto pattern_end = std::min(pattern.find('/', 1), pattern.size());
            const auto text_end = std::min(text.find('/', 1), text.size());
            const bool is_parameter = pattern.substr(0, 2) == "/{";
            if (is_parameter ? text_end == 1
                             : pattern.substr(0, pattern_end) != text.substr(0, text_end)) {
                return false;
            }
            pattern.remove_prefix(pattern_end);
            text.remove_prefix(text_end);
        }
        return text.empty();
    }
};

// Few words, so that routes and requests meet often.
class Chance {
  public:
    explicit Chance(std::uint64_t seed) : random_(seed) {}

    config::Route any_route() {
        std::string text;
        std::uint32_t parameters = 0;
        for (std::uint32_t i = random_.below(4); i > 0; --i) {
            text += '/';
            text += random_.below(4) == 0 ? "{p" + std::to_string(parameters++) + "}" : word();
        }
        if (text.empty() || random_.below(2) == 0) text += '/';
        auto made = route(text);
        for (std::uint32_t i = random_.below(3); i > 0; --i)
            made.hosts.push_back(host_pattern());
        if (random_.below(4) == 0) made.methods = {method()};
        if (random_.below(4) == 0) {
            made.headers = {matcher("x-a", config::Matcher::Kind::exact, word())};
        }
        return made;
    }

    Request any_request() {
        Request made;
        made.path.clear();
        for (std::uint32_t i = random_.below(5); i > 0; --i)
            made.path += "/" + word();
        if (made.path.empty() || random_.below(3) == 0) made.path += '/';
        made.host = random_.below(6) == 0 ? "C.b.A:80" : host_pattern();
        if (made.host.starts_with('*')) made.host[0] = 'c';
        made.method = method();
        if (random_.below(2) == 0) made.headers.emplace_back("x-a", word());
        return made;
    }

    std::uint32_t below(std::uint32_t bound) { return random_.below(bound); }

  private:
    std::string word() { return std::string(1, static_cast<char>('a' + random_.below(3))); }
    std::string method() { return random_.below(2) == 0 ? "GET" : "POST"; }
    std::string host_pattern() {
        static const char* const kHosts[] = {"a", "b.a", "*.a", "*.b.a", "c.b.a", "b"};
        return kHosts[random_.below(6)];
    }

    Random random_;
};

TEST(RouteTable, EqualsALinearScan) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        Chance chance(seed);
        std::vector<config::Route> routes;
        for (std::uint32_t i = 1 + chance.below(200); i > 0; --i)
            routes.push_back(chance.any_route());
        const RouteTable table(routes);
        for (int i = 0; i < 300; ++i) {
            const Request request = chance.any_request();
            const auto head = request.head();
            const auto found = table.match(head);
            const int expected = Reference::match(routes, request);
            ASSERT_EQ(found ? static_cast<int>(*found) : -1, expected)
                << "seed " << seed << " " << request.method << " " << request.host << request.path;
            const auto explained = table.explain(head);
            ASSERT_EQ(explained.matched ? static_cast<int>(*explained.matched) : -1, expected);
            ASSERT_EQ(explained.misses.size(),
                      expected < 0 ? routes.size() : static_cast<std::size_t>(expected));
        }
    }
}

config::Route regular(const std::string& expression) {
    config::Route made = route("/");
    made.path = {PathPattern::Kind::regex, expression};
    return made;
}

TEST(RouteTable, TakesPathsByRegularExpression) {
    struct Row {
        const char* expression;
        const char* path;
        bool does_match;
    };
    const Row rows[] = {
        {"^/v[0-9]+/orders$", "/v1/orders", true},
        {"/v[0-9]+/orders", "/v12/orders", true},
        {"/v[0-9]+/orders", "/v1/orders/", false},
        {"/v[0-9]+/orders", "/a/v1/orders", false},
        {".*[.]php", "/a/b.php", true},
        {".*[.]php", "/a/b.php/c", false},
        {"(?i)/API/.*", "/api/x", true},
        {"/api/.*", "/api/", true},
        {"/api/.*", "/api", false},
        {"/api(/.*)?", "/api", true},
        {"/api(/.*)?", "/api/x/y", true},
        {"/a/b|/c", "/c", true},
        {"/a/b|/c", "/a/b", true},
        {"/api/v1/.*|/api/v2/x", "/api/v2/x", true},
        {".*", "*", false},
    };
    for (const Row& row : rows) {
        Request request;
        request.path = row.path;
        EXPECT_EQ(matched({regular(row.expression)}, request), row.does_match ? 0 : -1)
            << row.expression << " and " << row.path;
    }
}

TEST(RouteTable, RegularExpressionsKeepTheirPlaceInTheFile) {
    const std::vector<config::Route> routes{route("/api/x"), regular("/api/[a-z]+"), route("/api/"),
                                            regular("/.*")};
    Request request;
    for (const auto& [path, index] : std::vector<std::pair<std::string, int>>{
             {"/api/x", 0}, {"/api/y", 1}, {"/api/7", 2}, {"/other", 3}}) {
        request.path = path;
        EXPECT_EQ(matched(routes, request), index) << path;
    }
}

config::Route call(const std::string& service, const std::string& method = {}) {
    config::Route made = route('/' + service + '/' + method);
    made.actions.grpc_service = service;
    made.actions.grpc_method = method;
    return made;
}

TEST(RouteTable, TellsCallsOfGrpcApart) {
    const std::vector<config::Route> routes{call("shop.Orders", "Get"), call("shop.Orders"),
                                            route("/shop.Orders/")};
    Request request;
    request.method = "POST";
    request.path = "/shop.Orders/Get";
    EXPECT_EQ(matched(routes, request), 2);
    for (const char* type :
         {"application/grpc", "application/grpc+proto", "application/grpc-web"}) {
        request.headers = {{"content-type", type}};
        request.path = "/shop.Orders/Get";
        EXPECT_EQ(matched(routes, request), 0) << type;
        request.path = "/shop.Orders/List";
        EXPECT_EQ(matched(routes, request), 1) << type;
        request.path = "/shop.Payments/Get";
        EXPECT_EQ(matched(routes, request), -1) << type;
    }
    request.headers = {{"content-type", "application/json"}};
    EXPECT_EQ(matched({call("shop.Payments")}, request), -1);
    const auto head = request.head();
    EXPECT_EQ(RouteTable({call("shop.Payments")}).explain(head).misses[0].why,
              "it is no call of gRPC");
}

TEST(RouteTable, ARouteThatAnswersPreflightsTakesThemByTheMethodTheyAskFor) {
    config::Route made = route("/a");
    made.methods = {"PUT"};
    made.headers = {matcher("x-user", config::Matcher::Kind::present)};
    Request request;
    request.path = "/a";
    request.method = "OPTIONS";
    request.headers = {{"access-control-request-method", "PUT"}};
    EXPECT_EQ(matched({made}, request), -1);
    made.actions.cors.emplace();
    EXPECT_EQ(matched({made}, request), 0);
    request.headers = {{"access-control-request-method", "DELETE"}};
    EXPECT_EQ(matched({made}, request), -1);
    request.headers.clear();
    EXPECT_EQ(matched({made}, request), -1);
    request.method = "PUT";
    EXPECT_EQ(matched({made}, request), -1);
    request.headers = {{"x-user", "ann"}};
    EXPECT_EQ(matched({made}, request), 0);
}

TEST(RouteTable, RoutesSeeEmptySegmentsOrNot) {
    config::Route unmerged = route("/a//b");
    unmerged.actions.merge_slashes = false;
    const std::vector<config::Route> routes{route("/a/b"), unmerged, route("/")};
    const RouteTable table(routes);
    Request request;
    request.path = "/a/b";
    auto head = request.head();
    EXPECT_EQ(table.match(head), 0U);
    // The same, and what it was before its slashes were merged.
    head.unmerged_path = "/a//b";
    EXPECT_EQ(table.match(head), 0U);
    EXPECT_EQ(RouteTable({unmerged, route("/a/b")}).match(head), 0U);
    head.unmerged_path = "/a///b";
    EXPECT_EQ(RouteTable({unmerged, route("/a/b")}).match(head), 1U);
}

}  // namespace
}  // namespace weir::route
