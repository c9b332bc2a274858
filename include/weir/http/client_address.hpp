#pragma once

#include "weir/config/cidr.hpp"
#include "weir/http/headers.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace weir::http {

// Who a request is really from, when its connection's peer may speak for others: the right-most
// entry of X-Forwarded-For that is no trusted proxy, or, if hops are counted (0: not), the one so
// many from the right, whosever it is. Several fields are one list, in their order (RFC 9110,
// 5.3): a proxy may add to the last one or write one more. A view into `headers`, or `peer` if that
// says nothing usable. A client can add entries on the left only.
[[nodiscard]] std::string_view real_client(const HeaderList& headers,
                                           std::string_view peer,
                                           const std::vector<config::Cidr>& trusted,
                                           std::uint32_t hops);

}  // namespace weir::http
