#pragma once

#include "weir/core/address.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// The PROXY protocol, version 1 and 2: before a connection's own bytes, who it is really from.
// Strict: what the specification does not allow is refused. Thread: any (pure).
namespace weir::transport {

struct ProxyHeader {
    enum class State : std::uint8_t { need_more, done, failed };
    State state = State::failed;
    std::size_t size = 0;    // bytes it takes, once done
    bool is_relayed = true;  // false: UNKNOWN or LOCAL, the connection's own addresses are right
    Address source;          // of the client
    Address destination;     // that it connected to
};

// A longer one is refused: type-length-values behind the addresses, which are skipped, may be some
// hundred bytes.
inline constexpr std::size_t kMostProxyHeader = 4096;
[[nodiscard]] ProxyHeader parse_proxy_header(std::string_view bytes);

enum class ProxyVersion : std::uint8_t { v1, v2 };
// Addresses that are not of one family of IP are said to be unknown.
void append_proxy_header(std::string& out,
                         ProxyVersion version,
                         const Address& source,
                         const Address& destination);

}  // namespace weir::transport
