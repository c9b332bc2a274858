#include "weir/crypto/jwk.hpp"

#include "weir/crypto/base64.hpp"

#include <algorithm>
#include <optional>

namespace weir::crypto {
namespace {

using Key = std::shared_ptr<const VerifyingKey>;

// A member that is base64url, or nothing.
std::optional<std::string> bytes_of(const JsonValue& jwk, std::string_view name) {
    const JsonValue& member = jwk[name];
    if (!member.is_string()) return std::nullopt;
    return decode_base64url(member.text());
}

std::optional<VerifyingKey::Curve> curve_of(std::string_view name) {
    if (name == "P-256") return VerifyingKey::Curve::p256;
    if (name == "P-384") return VerifyingKey::Curve::p384;
    if (name == "P-521") return VerifyingKey::Curve::p521;
    return std::nullopt;
}

// The key, or why there is none.
Key key_of(const JsonValue& jwk, bool takes_secrets, std::string& why) {
    const std::string& kind = jwk["kty"].text();
    const std::string& curve = jwk["crv"].text();
    if (!jwk["kty"].is_string()) {
        why = "it has no kty";
        return nullptr;
    }
    if (kind == "RSA") {
        const auto n = bytes_of(jwk, "n");
        const auto e = bytes_of(jwk, "e");
        why = "its n and e are no RSA key of 2048 to 8192 bits";
        return n && e ? VerifyingKey::make_rsa(*n, *e) : nullptr;
    }
    if (kind == "EC") {
        const auto x = bytes_of(jwk, "x");
        const auto y = bytes_of(jwk, "y");
        const auto known = curve_of(curve);
        why = known ? "its x and y are no point of " + curve : "its curve is not taken";
        return known && x && y ? VerifyingKey::make_ec(*known, *x, *y) : nullptr;
    }
    if (kind == "OKP") {
        const auto x = bytes_of(jwk, "x");
        const bool is_known = curve == "Ed25519";
        why = is_known ? "its x is no key of Ed25519" : "its curve is not taken";
        return is_known && x ? VerifyingKey::make_ed25519(*x) : nullptr;
    }
    if (kind != "oct") {
        why = "its kty is not taken";
        return nullptr;
    }
    const auto k = bytes_of(jwk, "k");
    why = takes_secrets ? "its k is shorter than 32 bytes" : "shared secrets are not taken here";
    return takes_secrets && k ? VerifyingKey::make_secret(*k) : nullptr;
}

// `use` and `key_ops` (RFC 7517, 4.2 and 4.3) allow to verify, if they are there.
bool may_verify(const JsonValue& jwk) {
    const JsonValue& use = jwk["use"];
    if (!use.is_null() && (!use.is_string() || use.text() != "sig")) return false;
    const JsonValue& operations = jwk["key_ops"];
    if (operations.is_null()) return true;
    return std::any_of(
        operations.items().begin(), operations.items().end(),
        [](const JsonValue& each) { return each.is_string() && each.text() == "verify"; });
}

// What of its kind `alg` leaves.
Algorithms narrowed(const JsonValue& jwk, const Algorithms& of_kind) {
    const JsonValue& alg = jwk["alg"];
    if (alg.is_null()) return of_kind;
    Algorithms one;
    const auto named = alg.is_string() ? algorithm_from(alg.text()) : std::nullopt;
    if (named && of_kind.has(*named)) one.add(*named);
    return one;
}

// Adds a key to the set, or the reason why not.
void add(const JsonValue& jwk, bool takes_secrets, JwkSet& set) {
    Jwk made;
    std::string why;
    const JsonValue& id = jwk["kid"];
    if (!jwk.is_object()) {
        why = "it is no object";
    } else if (!id.is_null() && !id.is_string()) {
        why = "its kid is no string";
    } else if (!may_verify(jwk)) {
        why = "its use or key_ops is not to verify";
    } else if (made.key = key_of(jwk, takes_secrets, why); made.key) {
        made.algorithms = narrowed(jwk, made.key->algorithms());
        why = "its alg is not of its kind";
    }
    if (made.algorithms.is_empty()) {
        set.ignored.push_back("key '" + (id.is_string() ? id.text() : std::string()) +
                              "' is not used: " + why);
        return;
    }
    made.id = id.text();
    made.has_id = id.is_string();
    set.keys.push_back(std::move(made));
}

}  // namespace

bool JwkSet::has(std::string_view id) const {
    return std::any_of(keys.begin(), keys.end(),
                       [&](const Jwk& key) { return key.has_id && key.id == id; });
}

JwksText parse_jwks(std::string_view text, bool takes_secrets) {
    if (text.size() > kMostJwksBytes) return {nullptr, "it is larger than 256 KiB"};
    const auto json = JsonValue::parse_unique(text);
    if (!json || !json->is_object())
        return {nullptr, "it is no JSON object, or has a member given twice"};
    const JsonValue& keys = (*json)["keys"];
    auto set = std::make_shared<JwkSet>();
    if (keys.is_array()) {
        if (keys.items().size() > kMostKeys) return {nullptr, "it has more than 100 keys"};
        for (const JsonValue& each : keys.items())
            add(each, takes_secrets, *set);
    } else if (!(*json)["kty"].is_null()) {
        add(*json, takes_secrets, *set);
    } else {
        return {nullptr, "it has no list 'keys'"};
    }
    if (set->keys.empty()) {
        return {nullptr, "it has no key to verify with" +
                             (set->ignored.empty() ? std::string() : ": " + set->ignored.front())};
    }
    return {std::move(set), {}};
}

}  // namespace weir::crypto
