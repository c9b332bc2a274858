#pragma once

#include "weir/core/address.hpp"

#include "admin/message.hpp"

#include <optional>

namespace weir::admin {

// Why the admin port refuses a request before it looks at the route; nothing if it does not.
//
// A page of a stranger, open in the operator's browser, must not reach it: not by a name of its own
// that resolves to 127.0.0.1 (421: Host is no name of ours, compared as an address and not as a
// text, for 127.evil.example), and not by a request across origins (403). On a Unix socket any Host
// will do, as no browser gets there.
[[nodiscard]] std::optional<Response> refuse_stranger(const Request& request,
                                                      const Address& listen);

// host[:port]: localhost, a loopback address, or the address listened on.
[[nodiscard]] bool is_own_host(std::string_view authority, const Address& listen);

}  // namespace weir::admin
