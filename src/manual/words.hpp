#pragma once

#include "weir/manual/explain.hpp"

#include <span>

namespace weir::manual {

// The pages, by kind.
[[nodiscard]] std::span<const Explanation> reason_pages();
[[nodiscard]] std::span<const Explanation> transition_pages();
[[nodiscard]] std::span<const Explanation> refusal_pages();
[[nodiscard]] std::span<const Explanation> problem_pages();

}  // namespace weir::manual
