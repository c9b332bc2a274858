#pragma once

#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weir::discovery {

// A target of a service (RFC 2782).
struct SrvRecord {
    std::string target;  // without the dot at its end, in small letters
    std::uint16_t port = 0;
    std::uint16_t priority = 0;  // the smaller the earlier
    std::uint16_t weight = 0;
    std::vector<Address> addresses;  // that came along with the answer; none: to be asked for

    bool operator==(const SrvRecord&) const = default;
};

// What a question for SRV came to. No error and no records: the source says there are none, by an
// empty answer or by the target ".".
struct SrvAnswer {
    std::vector<SrvRecord> records;
    // For how long that is so: the smallest TTL of what it was read from; of an answer that says
    // "none", that of RFC 2308, section 5, if it has one.
    std::optional<Duration> ttl;
    std::string error;  // the source gave no answer
};

// Reads a response of DNS. Whatever is not as RFC 1035 has it makes the whole an error: half a set
// would take the place of a whole one. Pure. Thread: any.
[[nodiscard]] SrvAnswer read_srv(std::span<const std::uint8_t> message);

}  // namespace weir::discovery
