#pragma once

#include "weir/config/document.hpp"
#include "weir/decode/keys.hpp"

#include <functional>
#include <string>
#include <string_view>

// One spelling for each value, so that equal texts are equal values: 1000ms is 1s, 65536B is 64KiB,
// a list of one where a single value may stand is that value.
namespace weir::describe {

using IsCluster = std::function<bool(std::string_view name)>;

// What is written for a key as it is spelled best. Secrets become "***". `is_cluster` tells names
// from addresses in targets.
[[nodiscard]] config::Node canonical(const config::KeyInfo& row,
                                     const config::Node& node,
                                     const IsCluster& is_cluster);

// A default of the table, "64KiB" or "[connect, reused, 503]", as a node.
[[nodiscard]] config::Node node_of(std::string_view text);
[[nodiscard]] config::Node scalar(std::string_view text);

// On one line, as it may stand after "key: ".
[[nodiscard]] std::string flow_text(const config::Node& node);
// A key of a map, or a scalar, with quotes if it needs them.
[[nodiscard]] std::string quoted_if_needed(std::string_view text, bool is_in_flow);

}  // namespace weir::describe
