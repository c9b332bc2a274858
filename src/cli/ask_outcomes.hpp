#pragma once

#include "weir/client/admin_client.hpp"

#include "cli/ask_views.hpp"

#include <string>
#include <string_view>
#include <vector>

// What came of it: what was changed, what is wrong with a configuration; and, for stderr, why a
// Weir did not do what it was asked: what was tried, why that is, what to do. Pure.
namespace weir::cli {

[[nodiscard]] std::string show_applied(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_explanation(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_difference(const JsonValue& answer, const View& view);
[[nodiscard]] std::string show_readiness(const JsonValue& answer, const View& view);
// "weir.yaml:3:5: error[W101]: unknown key 'listne'", and its help.
[[nodiscard]] std::string show_problem(const JsonValue& problem,
                                       std::string_view severity,
                                       const View& view);

// Whether an answer of the API can be Weir's: JSON, YAML or events, and errors of its form.
[[nodiscard]] bool is_of_weir(const client::Answer& answer);

[[nodiscard]] std::string say_unanswered(const std::vector<client::Failure>& failures);
[[nodiscard]] std::string say_stranger(const client::Answer& answer);
[[nodiscard]] std::string say_refusal(const client::Answer& answer, const View& view);

}  // namespace weir::cli
