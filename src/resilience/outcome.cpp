#include "weir/resilience/outcome.hpp"

#include <array>
#include <cstddef>

namespace weir::resilience {
namespace {

constexpr std::array<std::string_view, 6> kOutcomes = {"ok",        "failure", "local_failure",
                                                       "throttled", "stale",   "ignored"};

constexpr std::array<std::string_view, 14> kKinds = {"none",
                                                     "500",
                                                     "502",
                                                     "503",
                                                     "504",
                                                     "status",
                                                     "peer_refused",
                                                     "connect_refused",
                                                     "connect_timeout",
                                                     "dns",
                                                     "tls",
                                                     "reset",
                                                     "timeout",
                                                     "protocol"};

}  // namespace

std::string_view word(Outcome outcome) {
    return kOutcomes[static_cast<std::size_t>(outcome)];
}
std::string_view word(FailureKind kind) {
    return kKinds[static_cast<std::size_t>(kind)];
}

}  // namespace weir::resilience
