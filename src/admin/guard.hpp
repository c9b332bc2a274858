#pragma once

#include "weir/config/config.hpp"
#include "weir/core/address.hpp"

#include "admin/message.hpp"

#include <optional>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace weir::admin {

// Why the admin port refuses a request before it looks at the route; nothing if it does not.
//
// A page of a stranger, open in the operator's browser, must not reach it: not by a name of its own
// that resolves to 127.0.0.1 (421: Host is no name of ours, compared as an address and not as a
// text, for 127.evil.example), and not by a request across origins (403). On a Unix socket any Host
// will do, as no browser gets there.
[[nodiscard]] std::optional<Response> refuse_stranger(const Request& request,
                                                      const Address& listen,
                                                      std::span<const std::string> hosts);

// host[:port], whatever the port: one of `hosts`, or an address we listen on.
[[nodiscard]] bool is_own_host(std::string_view authority,
                               std::span<const Address> own,
                               std::span<const std::string> hosts);

// 401 unless the request bears the token. Takes as long whatever is wrong with it.
[[nodiscard]] std::optional<Response> refuse_without_token(const Request& request,
                                                           const config::Secret& token);

// 415 for a body that a page could send without asking first.
[[nodiscard]] std::optional<Response> refuse_body(const Request& request);

// ---- who is at the other end

[[nodiscard]] std::string peer_ip(int fd);  // of a TCP connection; "-" if it is gone already

struct Credentials {
    uid_t uid = 0;
    pid_t pid = 0;
    std::vector<gid_t> groups;  // the first is the primary one
};
// Of a connection over a Unix socket, as the kernel vouches for it.
[[nodiscard]] std::optional<Credentials> credentials_of(int fd);

// Whose socket it is, and what its mode gives to the group.
struct Ownership {
    uid_t uid = 0;
    gid_t gid = 0;
    bool may_group_write = false;
};
// root, its owner, or a member of its group if its mode says so.
[[nodiscard]] bool may_ask(const Credentials& peer, const Ownership& socket);

}  // namespace weir::admin
