#pragma once

#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"
#include "weir/transport/task.hpp"

#include "discovery/srv_message.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir::discovery {

struct DnsQuestion {
    std::string host;
    std::uint16_t port = 0;
    std::vector<Address> servers;  // empty: the system's
};

// What one family of a name came to. No error and no addresses: the source says there are none.
struct DnsRecords {
    std::vector<Address> addresses;
    std::optional<Duration> ttl;  // the smallest; none from a hosts file
    std::string error;            // the source gave no answer
};

struct DnsAnswer {
    DnsRecords v4;
    DnsRecords v6;
};

// Asks for A and AAAA at once, after the system's hosts file and along its search domains. The
// families fail apart: c-ares, asked for both, hides the failure of one behind the answer of the
// other, and an endpoint would be lost with it. resolv.conf is read anew each time, so that a
// changed one needs no restart. IPv6 addresses this host has no route to are left out if there are
// IPv4 ones.
//
// Ends after about ten seconds without a server's answer. Thread: main.
[[nodiscard]] transport::Task<DnsAnswer> ask_dns(transport::TaskScope& scope, DnsQuestion question);

// Asks for SRV of the host, along the system's search domains; a port means nothing. An answer too
// long for UDP is asked for again by TCP. Addresses that came along are kept as those above are.
[[nodiscard]] transport::Task<SrvAnswer> ask_srv(transport::TaskScope& scope, DnsQuestion question);

}  // namespace weir::discovery
