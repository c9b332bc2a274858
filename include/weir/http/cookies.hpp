#pragma once

#include "weir/http/headers.hpp"

#include <string_view>

namespace weir::http {

// The value of the first cookie of that name (RFC 6265, 4.2), in any of the Cookie fields; empty if
// there is none. Names are compared as they are.
[[nodiscard]] std::string_view find_cookie(const HeaderList& headers, std::string_view name);

}  // namespace weir::http
