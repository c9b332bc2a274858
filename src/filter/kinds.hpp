#pragma once

#include "weir/config/actions.hpp"
#include "weir/filter/filter.hpp"
#include "weir/filter/pass.hpp"

#include <optional>

// The kinds of filters that are made of a route's actions. None where the route has no such action;
// the configuration outlives them.
namespace weir::filter {

// Of what goes upstream: the last of all, so that it has the last word.
[[nodiscard]] FilterPtr make_request_headers(const config::HeaderEdits& edits);
// Of any answer, refusals of those behind it included.
[[nodiscard]] FilterPtr make_answer_headers(const config::HeaderEdits& edits);
// Answers preflights, which come without credentials, and says with any answer who may read it.
[[nodiscard]] FilterPtr make_cors(const std::optional<config::Cors>& cors);

}  // namespace weir::filter
