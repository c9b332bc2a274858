#pragma once

#include "weir/config/config.hpp"
#include "weir/config/report.hpp"
#include "weir/http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::route {

// Why a route does not take a request.
struct Miss {
    std::uint32_t index = 0;
    std::string why;  // "path /a is not /orders/"
};
struct Explanation {
    std::optional<std::uint32_t> matched;
    std::vector<Miss> misses;  // every route before the matched one, in file order
};

// The routes of one listener, compiled: hosts are hashed, paths are a tree of segments, and only
// the routes found there have method, headers and query compared. The first in the order of the
// file wins, exactly as if they were tried one by one. Thread: any (immutable).
class RouteTable {
  public:
    // Of routes that check() found nothing wrong with; throws std::invalid_argument otherwise.
    // The routes are not kept.
    explicit RouteTable(const std::vector<config::Route>& routes);
    ~RouteTable();
    RouteTable(const RouteTable&) = delete;
    RouteTable& operator=(const RouteTable&) = delete;

    // The route a request takes, as index into the routes the table was made of. The path must be
    // normalised. No allocation; its cost grows with the path's segments, not with the number of
    // routes, but for routes of the very same host and path.
    [[nodiscard]] std::optional<std::uint32_t> match(const http::RequestHead& head) const;

    // The path to forward, without the query, appended to `out`; false and nothing appended if that
    // route, which takes the request, does not rewrite it. Always starts with '/'.
    bool rewrite_path(std::uint32_t index, const http::RequestHead& head, std::string& out) const;

    // The location of a redirect route that takes the request, appended to `out`: the request's
    // query is kept unless the template has one. Never becomes another host than the template
    // names.
    void redirect_location(std::uint32_t index,
                           const http::RequestHead& head,
                           std::string& out) const;

    // For `weir route`: tries one route after the other.
    [[nodiscard]] Explanation explain(const http::RequestHead& head) const;

    [[nodiscard]] std::size_t size() const;

  private:
    struct Compiled;
    std::unique_ptr<const Compiled> compiled_;
};

// Problems the tables would have: unknown {name}, bad regular expression, too many parameters,
// a route that can never match (a warning).
void check(const config::Config& config, config::Report& report);

}  // namespace weir::route
