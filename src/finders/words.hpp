#pragma once

#include "weir/discovery/provider.hpp"

// Words of `discovery` that this module speaks in.
namespace weir::finders {

using discovery::Found;
using discovery::Provider;
using discovery::Status;
using discovery::Surroundings;

}  // namespace weir::finders
