#pragma once

#include "weir/simulate/run.hpp"

#include <span>
#include <string>
#include <utility>
#include <vector>

// What came of a scenario, for people and programs. Thread: any (pure).
namespace weir::simulate {

// Side by side, then the load of each endpoint over time.
[[nodiscard]] std::string render_text(const Scenario& scenario, std::span<const Outcome> outcomes);

// All figures, by slice as well.
[[nodiscard]] std::string render_json(const Scenario& scenario, std::span<const Outcome> outcomes);

// A page that asks for nothing else: the table and plots of success, load and states. Follows the
// reader's choice of light or dark.
[[nodiscard]] std::string render_html(const Scenario& scenario, std::span<const Outcome> outcomes);

// The plots alone: file name and SVG.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> render_svg(
    const Scenario& scenario, std::span<const Outcome> outcomes);

// "99.98 %", and other cells of the table: label, then one text an outcome.
[[nodiscard]] std::vector<std::vector<std::string>> table(std::span<const Outcome> outcomes);

}  // namespace weir::simulate
