#pragma once

#include "weir/inject/inject.hpp"

#include "inject/value.hpp"

#include <string>
#include <vector>

namespace weir::inject {

// Injects what pods an object has, or takes the sidecars away; those of the objects in a list.
// True if something changed.
bool inject_object(Value& object, const Options& options, std::vector<Note>& notes);

// Of one pod, or template of one, which is part of `owner`. The pod is changed only if the note
// says so.
[[nodiscard]] Note inject_pod(Value& pod, const Value& owner, const Options& options);

}  // namespace weir::inject
