#pragma once

#include "weir/config/config.hpp"
#include "weir/core/address.hpp"
#include "weir/transport/task.hpp"
#include "weir/transport/tls.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// One active check of one address.
namespace weir::upstream {

// The state of things after so many bytes of an answer.
struct StatusLine {
    enum class Kind : std::uint8_t { incomplete, status, garbage };
    Kind kind = Kind::incomplete;
    unsigned status = 0;
};
// Of the first answer that is no interim one.
[[nodiscard]] StatusLine read_status_line(std::string_view bytes);

// What a message of gRPC says that answers grpc.health.v1.Health/Check: a ServingStatus, 1 is
// SERVING. None: it is no such message, or not whole.
[[nodiscard]] std::optional<std::uint64_t> read_serving_status(std::string_view bytes);

struct CheckQuestion {
    Address address;
    std::string authority;                 // the Host
    std::optional<config::Health> health;  // none, or tcp: a connection is enough
    Duration timeout{};
    config::ClusterProtocol protocol = config::ClusterProtocol::automatic;
    transport::TlsStart tls{};
    std::string fields{};  // further header lines of a check by HTTP/1, each with its CRLF
};

struct CheckAnswer {
    enum class Kind : std::uint8_t {
        passed,
        failed,
        unreachable,  // no connection came about
        late,
        not_asked,  // for want of something of ours: says nothing
    };
    Kind kind = Kind::passed;
    std::string detail;   // for people
    unsigned status = 0;  // of an answer by HTTP, whatever was expected
};

// Asks and lets the answer end for a moment, so that the server sees no reset.
[[nodiscard]] transport::Task<CheckAnswer> check(transport::TaskScope& scope,
                                                 CheckQuestion question);

}  // namespace weir::upstream
