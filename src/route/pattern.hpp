#pragma once

#include "weir/config/config.hpp"
#include "weir/route/route_table.hpp"

#include "route/expression.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Hosts, paths and templates, one at a time: what the tables are made from, and what explains them.
namespace weir::route {

inline constexpr std::size_t kLongestHost = 255;  // RFC 1035, 2.3.4

// The host of an authority in lower case, without port and final dot, in `buffer`; empty for an
// authority without one or longer than a name can be.
[[nodiscard]] std::string_view host_of(std::string_view authority,
                                       std::array<char, kLongestHost>& buffer);

// "*.x" is one or more labels below x. Both in lower case.
[[nodiscard]] bool host_matches(std::string_view pattern, std::string_view host);

// A path of the configuration, taken apart. Of a regular expression the segments are those that
// every path it matches begins with.
struct PathShape {
    struct Segment {
        std::string text;  // of a parameter: its name
        bool is_parameter = false;
        bool operator==(const Segment&) const = default;
    };
    std::vector<Segment> segments;
    bool is_prefix = false;  // everything below them; without segments: everything
    std::string expression;  // empty: none

    [[nodiscard]] std::vector<std::string_view> parameters() const;
};

// A request's path as routes see it that have slashes merged, or not.
[[nodiscard]] inline std::string_view path_for(bool is_merged, const http::RequestHead& head) {
    return is_merged || head.unmerged_path.empty() ? head.path : head.unmerged_path;
}

// Nothing, and what is wrong with it, for what no table can hold.
struct PathError {
    std::string what;
};
[[nodiscard]] std::optional<PathError> parse_path(const config::PathPattern& pattern,
                                                  PathShape& shape);

inline constexpr std::size_t kMaxParameters = 8;  // {name} segments of one path

// What a pattern names in a path: views into it.
struct Captures {
    std::string_view rest;  // behind a prefix, without its slash: "b/c" of /a/b/c for /a/
    std::array<std::string_view, kMaxParameters> parameters{};  // {name} segments, in order
};

// Whether the path has that shape, which is none of a regular expression; then what it captured.
[[nodiscard]] bool path_matches(const PathShape& shape, std::string_view path, Captures& captures);

// The text of rewrite.path or a redirect: {name} and a trailing * are replaced.
class Template {
  public:
    // What is wrong, if a {name} is none of the parameters.
    [[nodiscard]] std::optional<std::string> parse(std::string_view text,
                                                   const std::vector<std::string_view>& parameters);

    void append(const Captures& captures, std::string& out) const;

  private:
    struct Piece {
        std::string literal;
        int capture = kLiteral;  // or a parameter's number
    };
    static constexpr int kLiteral = -1;
    static constexpr int kRest = -2;
    std::vector<Piece> pieces_;
};

}  // namespace weir::route
