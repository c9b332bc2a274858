#pragma once

#include "weir/auth/failure.hpp"
#include "weir/core/clock.hpp"
#include "weir/core/json.hpp"
#include "weir/crypto/jwk.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// JSON Web Tokens (RFC 7519), verified as RFC 8725 advises. Pure. Thread: any.
namespace weir::auth {

inline constexpr std::size_t kMostTokenBytes = 8192;
inline constexpr std::size_t kMostKeysTried = 4;  // of those a token may mean
// No later date is believed, so that sums of times never overflow: the year 9999.
inline constexpr double kLastDate = 253'402'300'799.0;

// A claim and the values one of which it must have: itself, as an item of its list, or, of `scope`
// and `scp`, as one of its words.
struct RequiredClaim {
    std::string path;  // find_claim
    std::vector<std::string> values;

    bool operator==(const RequiredClaim&) const = default;
};

struct JwtPolicy {
    std::string issuer;                  // exact; empty: any
    std::vector<std::string> audiences;  // one of them; empty: any
    crypto::Algorithms algorithms;
    Duration leeway = std::chrono::seconds{30};
    std::optional<Duration> max_lifetime;  // from its issue, else from now, to its end
    bool needs_expiry = true;
    std::vector<RequiredClaim> required;

    bool operator==(const JwtPolicy&) const = default;
};

enum class JwtFault : std::uint8_t {
    none,
    too_long,
    not_three_parts,
    encoding,           // a part is no canonical base64url
    header,             // no JSON object, or a member given twice
    algorithm_unknown,  // `none` among them
    algorithm_refused,  // not in the policy
    critical,           // `crit` names what is not understood; `b64`
    key_id,             // `kid` is no string
    unknown_key,        // no key of this id: a newer set may have it
    key_mismatch,       // keys of this id are not for this algorithm
    signature,
    payload,  // no JSON object, or a member given twice
    claim_type,
    no_expiry,
    expired,
    not_yet_valid,
    issued_later,
    lifetime,
    issuer,
    audience,
    claim,  // a required one: the token is good, but it does not suffice
};
inline constexpr std::size_t kJwtFaultCount = static_cast<std::size_t>(JwtFault::claim) + 1;

struct JwtFaultInfo {
    Failure failure;
    const char* detail;  // a sentence of ours, for error_description and logs: never of the token
};
[[nodiscard]] const JwtFaultInfo& info(JwtFault fault);

struct JwtVerdict {
    JwtFault fault = JwtFault::none;
    std::string key_id;  // what an unknown_key asked for
    bool has_key_id = false;
    JsonValue claims;    // of a good token
    WallTime expires{};  // of a good token; the far future if it never does
};

// Everything but the required claims is checked before anything of the payload is believed, and
// the signature before the payload is read at all.
[[nodiscard]] JwtVerdict verify_jwt(std::string_view token,
                                    const JwtPolicy& policy,
                                    const crypto::JwkSet& keys,
                                    WallTime now);

// Of claims that are known to be genuine, an object; `expires` as in JwtVerdict.
[[nodiscard]] JwtFault check_claims(const JsonValue& claims,
                                    const JwtPolicy& policy,
                                    WallTime now,
                                    WallTime& expires);

// The claim of that name; if there is none, that at the path of names between dots. Null if there
// is neither.
[[nodiscard]] const JsonValue& find_claim(const JsonValue& claims, std::string_view path);

// Whether a claim has one of the values, as RequiredClaim says.
[[nodiscard]] bool has_value(const JsonValue& claims, const RequiredClaim& required);

// The claim as the value of a header: text, number, boolean, or a list of these by commas. Nothing
// if it is something else, or has a control character, or an item with a comma.
[[nodiscard]] std::optional<std::string> header_value(const JsonValue& claim);

}  // namespace weir::auth
