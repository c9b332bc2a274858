#pragma once

#include <cstdint>
#include <string_view>

namespace weir::auth {

// Why somebody was not let in, in the words of weir_auth_failures_total and of the access log.
enum class Failure : std::uint8_t {
    none,
    missing,      // no credentials
    malformed,    // credentials that cannot be read, or are there twice
    expired,      // not valid any more, or not yet
    signature,    // signed by somebody else, or altered
    unknown_key,  // of a key, user or certificate that nobody here knows
    claims,       // genuine, but not for this: issuer, audience, a claim, a rule
    rejected,     // a wrong password, or who was asked said no
    unavailable,  // who is to be asked could not be
};
inline constexpr std::size_t kFailureCount = static_cast<std::size_t>(Failure::unavailable) + 1;

// "unknown_key"
[[nodiscard]] std::string_view word(Failure failure);

}  // namespace weir::auth
