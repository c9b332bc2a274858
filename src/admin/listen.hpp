#pragma once

#include "weir/core/address.hpp"
#include "weir/transport/socket.hpp"

#include <string_view>

namespace weir::admin {

// A listening socket, not shared with other processes. Throws std::runtime_error with a sentence
// for people. A Unix socket's file is made for its owner and group alone; one that nobody listens
// on any more is replaced.
[[nodiscard]] transport::Socket listen_on(const Address& address, std::string_view purpose);

// The file of a Unix socket that was listened on; nothing for other addresses.
void remove_file_of(const Address& address);

}  // namespace weir::admin
