#pragma once

#include "weir/manual/command_line.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Documents made from the program's own tables, so that they cannot say anything else than the
// program does. Pure: equal tables give equal text. docs/ holds what they return.
namespace weir::manual {

// JSON Schema (2020-12) of the configuration, indented.
[[nodiscard]] std::string json_schema();

// JSON without blanks on many lines, two spaces a level.
[[nodiscard]] std::string indented(std::string_view json);

// Markdown.
[[nodiscard]] std::string configuration_page();
[[nodiscard]] std::string metrics_page();
[[nodiscard]] std::string errors_page();

// weir(1), as man(7) macros.
[[nodiscard]] std::string man_page(const std::vector<Verb>& verbs);

// A script to be sourced; nothing for a shell that is not bash, zsh or fish.
[[nodiscard]] std::optional<std::string> completion(std::string_view shell,
                                                    const std::vector<Verb>& verbs);

}  // namespace weir::manual
