#pragma once

#include "weir/filter/make.hpp"

namespace weir::filter {

// Removes what only Weir may say of who asks, from what clients of this listener send.
void add_strip(const Making& making, std::vector<FilterPtr>& into);
// `auth`: one of the ways of the route must take the request.
void add_auth(const Making& making, std::vector<FilterPtr>& into);
// `require`.
void add_require(const Making& making, std::vector<FilterPtr>& into);

}  // namespace weir::filter
