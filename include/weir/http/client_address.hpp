#pragma once

#include "weir/config/cidr.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace weir::http {

// Who a request is really from, when its connection's peer may speak for others: the right-most
// entry of X-Forwarded-For that is no trusted proxy, and at most `hops` entries from the right if
// hops are counted (0: not). A view into `forwarded_for`, or `peer` if that says nothing usable. A
// client can add entries on the left only.
[[nodiscard]] std::string_view real_client(std::string_view forwarded_for,
                                           std::string_view peer,
                                           const std::vector<config::Cidr>& trusted,
                                           std::uint32_t hops);

}  // namespace weir::http
