#pragma once

#include "weir/filter/make.hpp"

namespace weir::filter {

class Stores {};

}  // namespace weir::filter
