#pragma once

#include "weir/auth/jwt.hpp"
#include "weir/crypto/base64.hpp"
#include "weir/crypto/digest.hpp"

#include <string>
#include <string_view>

// Tokens signed with a shared secret, for tests of everything but signatures.
namespace weir::auth::tokens {

inline const std::string kSecret(32, 's');
inline constexpr std::string_view kHeader = R"({"alg":"HS256","kid":"one"})";
inline constexpr std::string_view kClaims = R"({"sub":"7","exp":2000,"iat":900,"nbf":900})";
inline const WallTime kNow{std::chrono::seconds{1000}};

inline std::string sign(std::string_view text, std::string_view secret = kSecret) {
    const auto mac = crypto::hmac_sha256(secret, text);
    return std::string(text) + "." + crypto::encode_base64url(crypto::bytes_of(mac));
}

inline std::string make(std::string_view header,
                        std::string_view claims,
                        std::string_view secret = kSecret) {
    return sign(crypto::encode_base64url(header) + "." + crypto::encode_base64url(claims), secret);
}

inline crypto::JwkSet keys(std::string id = "one", std::string_view secret = kSecret) {
    crypto::Jwk key;
    key.id = std::move(id);
    key.has_id = !key.id.empty();
    key.key = crypto::VerifyingKey::make_secret(secret);
    key.algorithms = key.key->algorithms();
    crypto::JwkSet set;
    set.keys.push_back(std::move(key));
    return set;
}

inline JwtPolicy policy() {
    JwtPolicy made;
    made.algorithms.add(crypto::Algorithm::hs256);
    return made;
}

}  // namespace weir::auth::tokens
