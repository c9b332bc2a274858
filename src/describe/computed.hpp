#pragma once

#include "describe/resolve.hpp"

#include <string_view>

// Defaults that depend on what is written elsewhere.
namespace weir::describe {

// Null if there is none.
[[nodiscard]] const Branch* child(const Branch& of, std::string_view key);
[[nodiscard]] Branch* child(Branch& of, std::string_view key);

// "max_x, or x if longer": the longest wait of a block follows the first, unless it is written.
void follow_first(Branch& object, std::string_view block);

// Marks built-in values that the decoder takes as they are, but would complain of if they were
// written beside another one of this cluster.
void mark_contradictions(Branch& cluster);
// The same of a breaker or outlier: a rate means nothing where nothing is slow.
void mark_slow_rate(Branch& object);
// Removes built-in values of keys that contradict those written: of a check over TCP its path.
void drop_meaningless(Branch& object, std::string_view block);
// The same of an access log: a share means nothing where `only` does not list sampled.
void mark_sample(Branch& access_log);
// Of a `tls` block: built-in values that mean nothing to a listener, or to a cluster.
void drop_other_side(Branch& tls, bool is_listener);

}  // namespace weir::describe
