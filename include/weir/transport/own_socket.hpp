#pragma once

#include "weir/core/address.hpp"

namespace weir::transport {

// Whether a connection between these addresses was begun by this process: then its other end is one
// of our own sockets. Asks the kernel (sock_diag), some microseconds; false where it does not say.
// Thread: any.
[[nodiscard]] bool is_own_connection(const Address& from, const Address& to);

}  // namespace weir::transport
