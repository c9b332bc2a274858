#include "weir/auth/jwt.hpp"

#include "weir/crypto/base64.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace weir::auth {
namespace {

constexpr std::array<std::string_view, kFailureCount> kWords{"none",    "missing",   "malformed",
                                                             "expired", "signature", "unknown_key",
                                                             "claims",  "rejected",  "unavailable"};

constexpr std::array<JwtFaultInfo, kJwtFaultCount> kFaults{{
    {Failure::none, ""},
    {Failure::malformed, "the token is longer than 8 KiB"},
    {Failure::malformed, "the token has not three parts"},
    {Failure::malformed, "a part of the token is not base64url"},
    {Failure::malformed, "the header of the token is not a JSON object with each member once"},
    {Failure::signature, "the algorithm of the token is not taken"},
    {Failure::signature, "the algorithm of the token is not allowed here"},
    {Failure::malformed, "the token needs an extension that is not understood"},
    {Failure::malformed, "the kid of the token is not a string"},
    {Failure::unknown_key, "the key of the token is not known"},
    {Failure::signature, "the algorithm of the token is not that of its key"},
    {Failure::signature, "the signature of the token is not valid"},
    {Failure::malformed, "the claims of the token are not a JSON object with each member once"},
    {Failure::malformed, "a claim of the token has the wrong type"},
    {Failure::expired, "the token never expires"},
    {Failure::expired, "the token is expired"},
    {Failure::expired, "the token is not valid yet"},
    {Failure::expired, "the token was issued in the future"},
    {Failure::expired, "the token is valid for too long"},
    {Failure::claims, "the issuer of the token is not the one expected"},
    {Failure::claims, "the token is for another audience"},
    {Failure::claims, "the token lacks a claim that is required"},
}};

struct Parts {
    std::string_view header, payload, signature;
    std::string_view signed_text;  // header and payload, as they came
};

std::optional<Parts> split(std::string_view token) {
    const auto first = token.find('.');
    if (first == std::string_view::npos) return std::nullopt;
    const auto second = token.find('.', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
    return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
                 token.substr(second + 1), token.substr(0, second)};
}

// ---- the header

struct Header {
    JwtFault fault = JwtFault::none;
    crypto::Algorithm algorithm{};
    std::optional<std::string> key_id;
};

Header read_header(std::string_view part, const JwtPolicy& policy) {
    const auto bytes = crypto::decode_base64url(part);
    if (!bytes) return {JwtFault::encoding, {}, {}};
    const auto json = JsonValue::parse_unique(*bytes);
    if (!json || !json->is_object()) return {JwtFault::header, {}, {}};
    const JsonValue& name = (*json)["alg"];
    const auto algorithm =
        name.is_string() ? crypto::algorithm_from(name.text()) : std::optional<crypto::Algorithm>();
    if (!algorithm) return {JwtFault::algorithm_unknown, {}, {}};
    if (!policy.algorithms.has(*algorithm)) return {JwtFault::algorithm_refused, {}, {}};
    // No extension is understood, so that none can be critical (RFC 7515, 4.1.11), and a payload
    // that is not encoded (RFC 7797) is none. A null is a value as well.
    for (const auto& [member, value] : json->members()) {
        const bool is_plain = member == "b64" && value.boolean() == true;
        if (member == "crit" || (member == "b64" && !is_plain)) return {JwtFault::critical, {}, {}};
        if (member == "kid" && !value.is_string()) return {JwtFault::key_id, {}, {}};
    }
    Header header{JwtFault::none, *algorithm, {}};
    if (const JsonValue& id = (*json)["kid"]; id.is_string()) header.key_id = id.text();
    return header;
}

// ---- keys

// Those the token may mean: of its id, or without one. A token without an id may mean any.
struct Candidates {
    std::array<const crypto::Jwk*, kMostKeysTried> keys{};
    std::size_t size = 0;
    bool has_named = false;  // some key is meant, whatever its algorithm
};

Candidates candidates(const crypto::JwkSet& set, const Header& header) {
    Candidates found;
    for (const crypto::Jwk& key : set.keys) {
        const bool is_meant = !header.key_id || !key.has_id || key.id == *header.key_id;
        if (!is_meant) continue;
        found.has_named = true;
        if (!key.algorithms.has(header.algorithm)) continue;
        found.keys[found.size++] = &key;
        if (found.size == found.keys.size()) break;
    }
    return found;
}

JwtFault check_signature(const Parts& parts, const Header& header, const crypto::JwkSet& keys) {
    const Candidates found = candidates(keys, header);
    if (!found.has_named) return JwtFault::unknown_key;
    if (found.size == 0) return JwtFault::key_mismatch;
    const auto signature = crypto::decode_base64url(parts.signature);
    if (!signature) return JwtFault::encoding;
    for (std::size_t i = 0; i < found.size; ++i) {
        if (found.keys[i]->key->verify(header.algorithm, parts.signed_text, *signature))
            return JwtFault::none;
    }
    return JwtFault::signature;
}

// ---- claims

// Seconds since 1970. `is_bad` if the claim is there and is no date.
std::optional<double> date_of(const JsonValue& claims, std::string_view name, bool& is_bad) {
    for (const auto& [member, value] : claims.members()) {
        if (member != name) continue;
        const auto seconds = value.number();
        const bool is_date =
            seconds && std::isfinite(*seconds) && *seconds >= 0 && *seconds <= kLastDate;
        is_bad = is_bad || !is_date;
        return is_date ? seconds : std::nullopt;
    }
    return std::nullopt;
}

double seconds_of(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

JwtFault check_times(const JsonValue& claims,
                     const JwtPolicy& policy,
                     WallTime now,
                     WallTime& expires) {
    bool is_bad = false;
    const auto end = date_of(claims, "exp", is_bad);
    const auto begin = date_of(claims, "nbf", is_bad);
    const auto issued = date_of(claims, "iat", is_bad);
    if (is_bad) return JwtFault::claim_type;
    const double today = std::chrono::duration<double>(now.time_since_epoch()).count();
    const double leeway = seconds_of(policy.leeway);
    expires = WallTime::max();
    if (!end && (policy.needs_expiry || policy.max_lifetime)) return JwtFault::no_expiry;
    if (end && today >= *end + leeway) return JwtFault::expired;
    if (begin && today + leeway < *begin) return JwtFault::not_yet_valid;
    if (issued && today + leeway < *issued) return JwtFault::issued_later;
    if (!end) return JwtFault::none;
    if (policy.max_lifetime) {
        const double most = seconds_of(*policy.max_lifetime) + (issued ? 0 : leeway);
        if (*end - issued.value_or(today) > most) return JwtFault::lifetime;
    }
    // Kept as system_clock counts: nanoseconds, which end in 2262.
    constexpr double kLast = 9.2e9;
    if (*end + leeway < kLast) {
        expires = WallTime(std::chrono::duration_cast<WallTime::duration>(
            std::chrono::duration<double>(*end + leeway)));
    }
    return JwtFault::none;
}

JwtFault check_audience(const JsonValue& audience, const JwtPolicy& policy) {
    const auto is_ours = [&](const JsonValue& each) {
        return std::find(policy.audiences.begin(), policy.audiences.end(), each.text()) !=
               policy.audiences.end();
    };
    if (audience.is_null()) return policy.audiences.empty() ? JwtFault::none : JwtFault::audience;
    const auto& items = audience.items();
    const bool are_texts = std::all_of(items.begin(), items.end(),
                                       [](const JsonValue& each) { return each.is_string(); });
    if (!audience.is_string() && !(audience.is_array() && are_texts)) return JwtFault::claim_type;
    if (policy.audiences.empty()) return JwtFault::none;
    const bool has_ours =
        audience.is_string() ? is_ours(audience) : std::any_of(items.begin(), items.end(), is_ours);
    return has_ours ? JwtFault::none : JwtFault::audience;
}

bool is_word_of(std::string_view words, std::string_view word) {
    while (!words.empty()) {
        const auto end = std::min(words.find(' '), words.size());
        if (words.substr(0, end) == word) return true;
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return false;
}

bool is_scalar(const JsonValue& value) {
    return value.is_string() || value.kind() == JsonValue::Kind::number ||
           value.kind() == JsonValue::Kind::boolean;
}

}  // namespace

std::string_view word(Failure failure) {
    return kWords[static_cast<std::size_t>(failure)];
}

const JwtFaultInfo& info(JwtFault fault) {
    return kFaults[static_cast<std::size_t>(fault)];
}

JwtFault check_claims(const JsonValue& claims,
                      const JwtPolicy& policy,
                      WallTime now,
                      WallTime& expires) {
    for (const auto& [member, value] : claims.members()) {
        if ((member == "iss" || member == "sub") && !value.is_string()) return JwtFault::claim_type;
        // A null would be taken for none.
        if (member == "aud" && value.is_null()) return JwtFault::claim_type;
    }
    if (const JwtFault fault = check_times(claims, policy, now, expires); fault != JwtFault::none)
        return fault;
    if (!policy.issuer.empty() && claims["iss"].text() != policy.issuer) return JwtFault::issuer;
    if (const JwtFault fault = check_audience(claims["aud"], policy); fault != JwtFault::none)
        return fault;
    const bool has_all =
        std::all_of(policy.required.begin(), policy.required.end(),
                    [&](const RequiredClaim& required) { return has_value(claims, required); });
    return has_all ? JwtFault::none : JwtFault::claim;
}

JwtVerdict verify_jwt(std::string_view token,
                      const JwtPolicy& policy,
                      const crypto::JwkSet& keys,
                      WallTime now) {
    JwtVerdict verdict;
    const auto refuse = [&](JwtFault fault) {
        verdict.fault = fault;
        return std::move(verdict);
    };
    if (token.size() > kMostTokenBytes) return refuse(JwtFault::too_long);
    const auto parts = split(token);
    if (!parts) return refuse(JwtFault::not_three_parts);
    const Header header = read_header(parts->header, policy);
    if (header.fault != JwtFault::none) return refuse(header.fault);
    const JwtFault fault = check_signature(*parts, header, keys);
    if (fault == JwtFault::unknown_key) {
        verdict.key_id = header.key_id.value_or("");
        verdict.has_key_id = header.key_id.has_value();
    }
    if (fault != JwtFault::none) return refuse(fault);
    const auto payload = crypto::decode_base64url(parts->payload);
    if (!payload) return refuse(JwtFault::encoding);
    auto claims = JsonValue::parse_unique(*payload);
    if (!claims || !claims->is_object()) return refuse(JwtFault::payload);
    const JwtFault claimed = check_claims(*claims, policy, now, verdict.expires);
    if (claimed != JwtFault::none) return refuse(claimed);
    verdict.claims = std::move(*claims);
    return verdict;
}

const JsonValue& find_claim(const JsonValue& claims, std::string_view path) {
    const JsonValue* at = &claims;
    if (!(*at)[path].is_null()) return (*at)[path];
    while (at->is_object()) {
        const auto dot = path.find('.');
        at = &(*at)[path.substr(0, dot)];
        if (dot == std::string_view::npos) return *at;
        path.remove_prefix(dot + 1);
    }
    static const JsonValue kNone;
    return kNone;
}

bool has_value(const JsonValue& claims, const RequiredClaim& required) {
    const JsonValue& claim = find_claim(claims, required.path);
    const bool has_words =
        claim.is_string() && (required.path == "scope" || required.path == "scp");
    const auto is = [&](const JsonValue& value, const std::string& wanted) {
        return is_scalar(value) && value.text() == wanted;
    };
    return std::any_of(
        required.values.begin(), required.values.end(), [&](const std::string& wanted) {
            if (has_words) return is_word_of(claim.text(), wanted);
            if (!claim.is_array()) return is(claim, wanted);
            return std::any_of(claim.items().begin(), claim.items().end(),
                               [&](const JsonValue& each) { return is(each, wanted); });
        });
}

std::optional<std::string> header_value(const JsonValue& claim) {
    std::string value;
    const auto add = [&](const JsonValue& each) {
        if (!is_scalar(each)) return false;
        const std::string& text = each.text();
        const bool has_control = std::any_of(text.begin(), text.end(), [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        });
        const bool has_blank_ends = text.starts_with(' ') || text.ends_with(' ');
        if (has_control || has_blank_ends) return false;
        value += text;
        return true;
    };
    if (!claim.is_array()) return add(claim) ? std::optional(std::move(value)) : std::nullopt;
    for (const JsonValue& each : claim.items()) {
        if (each.text().find(',') != std::string::npos) return std::nullopt;
        if (!value.empty()) value += ',';
        if (!add(each)) return std::nullopt;
    }
    return value;
}

}  // namespace weir::auth
