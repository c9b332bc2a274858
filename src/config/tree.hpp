#pragma once

#include "weir/config/document.hpp"
#include "weir/config/environment.hpp"
#include "weir/config/place.hpp"
#include "weir/config/report.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::config {

// The lines of a text, without their ends.
class Lines {
  public:
    explicit Lines(std::string_view text);

    // From 1; empty beyond the last.
    [[nodiscard]] std::string_view line(std::size_t number) const;
    // What stands at a place, to the end of its line.
    [[nodiscard]] std::string_view at(const Place& place) const;
    [[nodiscard]] std::size_t count() const { return starts_.size(); }

  private:
    std::string_view text_;
    std::vector<std::size_t> starts_;
};

inline constexpr std::size_t kMostBytes = std::size_t{4} * 1024 * 1024;
inline constexpr std::size_t kMostDepth = 64;
inline constexpr std::size_t kMostCopies = 100'000;  // nodes that aliases may add

// What all files of a configuration may take together; parsing uses it up.
struct Allowance {
    std::size_t bytes = kMostBytes;
    std::size_t copies = kMostCopies;
};
inline constexpr std::uint16_t kEmptyFile = 114;  // the code of the problem

// The document of a text, with ${NAME} replaced if there is an environment; nothing, and one error,
// if it is no YAML or uses what is not taken beyond repair. The rest (tags, merge keys, unset
// variables) is an error in the report and the tree goes on.
[[nodiscard]] std::optional<Node> parse_tree(std::string_view text,
                                             const Environment* environment,
                                             Report& report,
                                             Allowance& allowance);

inline constexpr std::string_view kOddKey = "a key must be a word";

// What a YAML syntax error means to the person who wrote the line: tabs, unquoted IPv6 addresses,
// forgotten quotes; else the parser's own words.
[[nodiscard]] Problem explain_syntax(const Lines& lines, Place at, std::string_view message);

// Replaces ${NAME} and ${NAME:-default} in a scalar's text. What cannot be replaced is an error in
// the report, and the node is broken. Replaced text is never looked at again.
void expand(Node& node, const Lines& lines, const Environment& environment, Report& report);

}  // namespace weir::config
