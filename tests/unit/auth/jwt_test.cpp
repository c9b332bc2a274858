#include "weir/auth/jwt.hpp"

#include "unit/auth/tokens.hpp"
#include <gtest/gtest.h>

#include <array>
#include <utility>

namespace weir::auth {
namespace {

using tokens::kClaims;
using tokens::kHeader;
using tokens::kNow;

JwtVerdict verify(std::string_view token, const JwtPolicy& policy = tokens::policy()) {
    return verify_jwt(token, policy, tokens::keys(), kNow);
}
JwtFault with_header(std::string_view header) {
    return verify(tokens::make(header, kClaims)).fault;
}
JwtFault with_claims(std::string_view claims, const JwtPolicy& policy = tokens::policy()) {
    return verify(tokens::make(kHeader, claims), policy).fault;
}

TEST(Jwt, AGoodTokenSaysWhoItIs) {
    const auto verdict = verify(tokens::make(kHeader, kClaims));
    EXPECT_EQ(verdict.fault, JwtFault::none);
    EXPECT_EQ(verdict.claims["sub"].text(), "7");
    EXPECT_EQ(verdict.expires, WallTime(std::chrono::seconds{2030}));
}

TEST(Jwt, HasThreeParts) {
    const std::string token = tokens::make(kHeader, kClaims);
    for (const std::string& bad :
         {std::string(), std::string("."), std::string("a.b"), token + ".", token + ".x",
          "." + token, std::string("eyJhbGciOiJIUzI1NiJ9")}) {
        EXPECT_EQ(verify(bad).fault, JwtFault::not_three_parts) << bad;
    }
    EXPECT_EQ(verify("..").fault, JwtFault::header);
}

TEST(Jwt, IsAtMost8KiB) {
    const std::string claims = R"({"exp":2000,"x":")" + std::string(6500, 'x') + "\"}";
    EXPECT_EQ(with_claims(claims), JwtFault::too_long);
    EXPECT_EQ(with_claims(R"({"exp":2000,"x":")" + std::string(5900, 'x') + "\"}"), JwtFault::none);
    EXPECT_EQ(verify(std::string(1 << 20, '.')).fault, JwtFault::too_long);
}

TEST(Jwt, EveryPartIsCanonicalBase64url) {
    const std::string token = tokens::make(kHeader, kClaims);
    EXPECT_EQ(verify(token + "=").fault, JwtFault::encoding);
    EXPECT_EQ(verify(token + "\n").fault, JwtFault::encoding);
    EXPECT_EQ(verify(" " + token).fault, JwtFault::encoding);
    // The last character of a MAC of 32 bytes has four bits that say nothing: two must be zero.
    std::string other = token;
    other.back() = static_cast<char>(other.back() + 1);
    EXPECT_NE(verify(other).fault, JwtFault::none);
    const std::string padded = tokens::sign(crypto::encode_base64url(kHeader) + ".e30=");
    EXPECT_EQ(verify(padded).fault, JwtFault::encoding);
}

TEST(Jwt, TheHeaderIsAnObjectWithEachMemberOnce) {
    for (const auto* const header :
         {"", "7", "null", "[]", "\"HS256\"", "{", R"({"alg":"HS256",})", R"({"alg":"HS256"}{})",
          R"({"alg":"none","alg":"HS256"})", R"({"alg":"HS256","kid":"a","kid":"one"})",
          R"({"alg":"HS256","\u0061lg":"none"})", R"({"alg":"HS256","x":{"y":1,"y":2}})",
          "{\"alg\":\"HS256\",\"x\":\"\xff\"}"}) {
        EXPECT_EQ(with_header(header), JwtFault::header) << header;
    }
    EXPECT_EQ(with_header(std::string("{\"alg\":\"HS256\",\"x\":") + std::string(40, '[') +
                          std::string(40, ']') + "}"),
              JwtFault::header);
}

TEST(Jwt, TakesNoAlgorithmButThoseAllowed) {
    for (const auto* const name :
         {R"("none")", R"("None")", R"("NONE")", R"("nOnE")", R"("")", R"("hs256")", R"("HS256 ")",
          "7", "null", R"(["HS256"])", R"("ES256K")", R"("HS256\u0000")"}) {
        EXPECT_EQ(with_header(std::string(R"({"alg":)") + name + "}"), JwtFault::algorithm_unknown)
            << name;
    }
    EXPECT_EQ(with_header(R"({"kid":"one"})"), JwtFault::algorithm_unknown);
    for (const auto* const name : {"RS256", "ES256", "EdDSA", "HS384", "PS512"}) {
        EXPECT_EQ(with_header(std::string(R"({"alg":")") + name + "\"}"),
                  JwtFault::algorithm_refused)
            << name;
    }
}

TEST(Jwt, AnUnsignedTokenIsNone) {
    const std::string text = crypto::encode_base64url(R"({"alg":"none"})") + "." +
                             crypto::encode_base64url(kClaims) + ".";
    EXPECT_EQ(verify(text).fault, JwtFault::algorithm_unknown);
    const std::string stripped =
        crypto::encode_base64url(kHeader) + "." + crypto::encode_base64url(kClaims) + ".";
    EXPECT_EQ(verify(stripped).fault, JwtFault::signature);
}

// The public key's bytes as a shared secret: the algorithm is the key's, not the token's.
TEST(Jwt, APublicKeyIsNoSecret) {
    const std::string modulus(
        crypto::decode_base64url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").value());
    crypto::Jwk key;
    key.id = "one";
    key.has_id = true;
    key.key = crypto::VerifyingKey::make_ed25519(modulus);
    key.algorithms = key.key->algorithms();
    crypto::JwkSet set;
    set.keys.push_back(key);
    JwtPolicy policy = tokens::policy();
    policy.algorithms.add(crypto::Algorithm::eddsa);
    const auto verdict = verify_jwt(tokens::make(kHeader, kClaims, modulus), policy, set, kNow);
    EXPECT_EQ(verdict.fault, JwtFault::key_mismatch);
}

TEST(Jwt, UnderstandsNoExtension) {
    for (const auto* const more :
         {R"("crit":["exp"])", R"("crit":[])", R"("crit":null)", R"("crit":"exp")",
          R"("b64":false,"crit":["b64"])", R"("b64":false)", R"("b64":"true")", R"("b64":null)"}) {
        EXPECT_EQ(with_header(std::string(R"({"alg":"HS256",)") + more + "}"), JwtFault::critical)
            << more;
    }
    EXPECT_EQ(with_header(R"({"alg":"HS256","kid":"one","b64":true})"), JwtFault::none);
}

TEST(Jwt, FollowsNoKeyOfTheTokensOwn) {
    for (const auto* const more :
         {R"("jku":"https://evil.example/jwks")", R"("x5u":"https://evil.example/x")",
          R"("jwk":{"kty":"oct","k":"AA"})", R"("x5c":["AA=="])"}) {
        const std::string header = std::string(R"({"alg":"HS256","kid":"one",)") + more + "}";
        EXPECT_EQ(verify(tokens::make(header, kClaims, std::string(32, 'e'))).fault,
                  JwtFault::signature)
            << more;
    }
}

TEST(Jwt, AnUnknownKeyIsAskedForByItsId) {
    const auto verdict = verify(tokens::make(R"({"alg":"HS256","kid":"two"})", kClaims));
    EXPECT_EQ(verdict.fault, JwtFault::unknown_key);
    EXPECT_EQ(verdict.key_id, "two");
    for (const auto* const id :
         {R"("../../dev/null")", R"("' OR 1=1 --")", R"("")", R"("one\u0000")", R"("ONE")"}) {
        EXPECT_EQ(with_header(std::string(R"({"alg":"HS256","kid":)") + id + "}"),
                  JwtFault::unknown_key)
            << id;
    }
    for (const auto* const id : {"7", "null", "[]", R"({"one":1})"}) {
        EXPECT_EQ(with_header(std::string(R"({"alg":"HS256","kid":)") + id + "}"), JwtFault::key_id)
            << id;
    }
}

TEST(Jwt, WithoutAnIdAtMostFourKeysAreTried) {
    const std::string token = tokens::make(R"({"alg":"HS256"})", kClaims);
    crypto::JwkSet set;
    for (int i = 0; i < 3; ++i)
        set.keys.push_back(tokens::keys("other", std::string(32, 'o')).keys.front());
    set.keys.push_back(tokens::keys().keys.front());
    EXPECT_EQ(verify_jwt(token, tokens::policy(), set, kNow).fault, JwtFault::none);
    set.keys.insert(set.keys.begin(), set.keys.front());
    EXPECT_EQ(verify_jwt(token, tokens::policy(), set, kNow).fault, JwtFault::signature);
}

TEST(Jwt, AKeyWithoutAnIdMayBeMeantByAnyId) {
    const auto verdict =
        verify_jwt(tokens::make(kHeader, kClaims), tokens::policy(), tokens::keys(""), kNow);
    EXPECT_EQ(verdict.fault, JwtFault::none);
}

TEST(Jwt, ASignatureBySomebodyElseIsNone) {
    EXPECT_EQ(verify(tokens::make(kHeader, kClaims, std::string(32, 't'))).fault,
              JwtFault::signature);
    std::string token = tokens::make(kHeader, kClaims);
    token[token.find('.') + 5] ^= 1;
    EXPECT_EQ(verify(token).fault, JwtFault::signature);
}

TEST(Jwt, ClaimsAreAnObjectWithEachMemberOnce) {
    for (const auto* const claims :
         {"", "[]", "null", "7", R"({"exp":2000,"sub":"a","sub":"b"})", R"({"exp":1,"exp":2000})",
          R"({"exp":2000}x)", R"({"exp":2000,"a":[{"b":1,"b":1}]})"}) {
        EXPECT_EQ(with_claims(claims), JwtFault::payload) << claims;
    }
}

TEST(Jwt, TimesAreHeldToTheLeeway) {
    const std::array<std::pair<std::string_view, JwtFault>, 12> table{{
        {R"({"exp":971})", JwtFault::none},
        {R"({"exp":970})", JwtFault::expired},
        {R"({"exp":970.5})", JwtFault::none},
        {R"({"exp":0})", JwtFault::expired},
        {R"({"exp":2000,"nbf":1030})", JwtFault::none},
        {R"({"exp":2000,"nbf":1031})", JwtFault::not_yet_valid},
        {R"({"exp":2000,"iat":1030})", JwtFault::none},
        {R"({"exp":2000,"iat":1031})", JwtFault::issued_later},
        {R"({"sub":"7"})", JwtFault::no_expiry},
        {R"({"exp":253402300799})", JwtFault::none},
        {R"({"exp":2e3})", JwtFault::none},
        {R"({"exp":2000,"iat":0})", JwtFault::none},
    }};
    for (const auto& [claims, fault] : table)
        EXPECT_EQ(with_claims(claims), fault) << claims;
}

TEST(Jwt, ADateThatIsNoneIsRefused) {
    for (const auto* const claims :
         {R"({"exp":"2000"})", R"({"exp":null})", R"({"exp":true})", R"({"exp":-1})",
          R"({"exp":1e300})", R"({"exp":253402300800})", R"({"exp":[2000]})",
          R"({"exp":2000,"nbf":"0"})", R"({"exp":2000,"iat":{}})", R"({"exp":2000,"nbf":null})"}) {
        EXPECT_EQ(with_claims(claims), JwtFault::claim_type) << claims;
    }
}

TEST(Jwt, NeedsNoExpiryWhereThatIsSaid) {
    JwtPolicy policy = tokens::policy();
    policy.needs_expiry = false;
    EXPECT_EQ(with_claims(R"({"sub":"7"})", policy), JwtFault::none);
    EXPECT_EQ(with_claims(R"({"exp":5})", policy), JwtFault::expired);
    policy.max_lifetime = std::chrono::hours{1};
    EXPECT_EQ(with_claims(R"({"sub":"7"})", policy), JwtFault::no_expiry);
}

TEST(Jwt, ALifetimeCountsFromTheIssueElseFromNow) {
    JwtPolicy policy = tokens::policy();
    policy.max_lifetime = std::chrono::seconds{600};
    EXPECT_EQ(with_claims(R"({"iat":900,"exp":1500})", policy), JwtFault::none);
    EXPECT_EQ(with_claims(R"({"iat":900,"exp":1501})", policy), JwtFault::lifetime);
    EXPECT_EQ(with_claims(R"({"exp":1630})", policy), JwtFault::none);
    EXPECT_EQ(with_claims(R"({"exp":1631})", policy), JwtFault::lifetime);
}

TEST(Jwt, TheIssuerIsExact) {
    JwtPolicy policy = tokens::policy();
    policy.issuer = "https://issuer.example/";
    EXPECT_EQ(with_claims(R"({"exp":2000,"iss":"https://issuer.example/"})", policy),
              JwtFault::none);
    for (const auto* const claims :
         {R"({"exp":2000})", R"({"exp":2000,"iss":"https://issuer.example"})",
          R"({"exp":2000,"iss":"HTTPS://issuer.example/"})",
          R"({"exp":2000,"iss":"https://issuer.example/\u0000"})", R"({"exp":2000,"iss":""})"}) {
        EXPECT_EQ(with_claims(claims, policy), JwtFault::issuer) << claims;
    }
    for (const auto* const claims :
         {R"({"exp":2000,"iss":["https://issuer.example/"]})", R"({"exp":2000,"iss":7})",
          R"({"exp":2000,"sub":7})", R"({"exp":2000,"sub":{}})"}) {
        EXPECT_EQ(with_claims(claims, policy), JwtFault::claim_type) << claims;
    }
}

TEST(Jwt, TheAudienceIsOneOfThem) {
    JwtPolicy policy = tokens::policy();
    EXPECT_EQ(with_claims(R"({"exp":2000,"aud":"any"})", policy), JwtFault::none);
    policy.audiences = {"orders", "stock"};
    EXPECT_EQ(with_claims(R"({"exp":2000,"aud":"stock"})", policy), JwtFault::none);
    EXPECT_EQ(with_claims(R"({"exp":2000,"aud":["x","orders"]})", policy), JwtFault::none);
    for (const auto* const claims :
         {R"({"exp":2000})", R"({"exp":2000,"aud":"order"})", R"({"exp":2000,"aud":"orders,x"})",
          R"({"exp":2000,"aud":[]})", R"({"exp":2000,"aud":["x"]})", R"({"exp":2000,"aud":""})"}) {
        EXPECT_EQ(with_claims(claims, policy), JwtFault::audience) << claims;
    }
    for (const auto* const claims :
         {R"({"exp":2000,"aud":7})", R"({"exp":2000,"aud":null})", R"({"exp":2000,"aud":{}})",
          R"({"exp":2000,"aud":["orders",7]})", R"({"exp":2000,"aud":[["orders"]]})"}) {
        EXPECT_EQ(with_claims(claims, policy), JwtFault::claim_type) << claims;
    }
}

TEST(Jwt, ARequiredClaimHasOneOfItsValues) {
    JwtPolicy policy = tokens::policy();
    policy.required = {{"scope", {"orders:read", "admin"}}, {"org.id", {"5"}}};
    EXPECT_EQ(with_claims(R"({"exp":2000,"scope":"a orders:read","org":{"id":5}})", policy),
              JwtFault::none);
    EXPECT_EQ(with_claims(R"({"exp":2000,"scope":["admin"],"org.id":"5"})", policy),
              JwtFault::none);
    for (const auto* const claims :
         {R"({"exp":2000,"scope":"orders:rea","org":{"id":5}})",
          R"({"exp":2000,"scope":"orders:read2 xadmin","org":{"id":5}})",
          R"({"exp":2000,"scope":"admin"})", R"({"exp":2000,"scope":"admin","org":{"id":{}}})",
          R"({"exp":2000,"scope":"admin","org":{"id":[[5]]}})",
          R"({"exp":2000,"scope":{"admin":1},"org":{"id":5}})"}) {
        EXPECT_EQ(with_claims(claims, policy), JwtFault::claim) << claims;
    }
}

TEST(Jwt, EveryFaultHasAWordAndASentence) {
    for (std::size_t i = 1; i < kJwtFaultCount; ++i) {
        const JwtFaultInfo& about = info(static_cast<JwtFault>(i));
        EXPECT_NE(about.failure, Failure::none) << i;
        EXPECT_FALSE(std::string_view(about.detail).empty()) << i;
        // It stands in quotes in a header.
        EXPECT_EQ(std::string_view(about.detail).find_first_of("\"\\"), std::string_view::npos);
    }
    EXPECT_EQ(word(Failure::unknown_key), "unknown_key");
}

TEST(Claims, BecomeHeadersIfTheyCan) {
    const auto claims = JsonValue::parse(
        R"({"s":"a b","n":7,"b":true,"l":["x",2],"o":{},"e":[],"c":"a\nb","z":"\u0000",)"
        R"("bad":["a,b"],"deep":[["a"]],"u":"é","blank":" a"})");
    ASSERT_TRUE(claims);
    const auto value = [&](std::string_view name) { return header_value((*claims)[name]); };
    EXPECT_EQ(value("s"), "a b");
    EXPECT_EQ(value("n"), "7");
    EXPECT_EQ(value("b"), "true");
    EXPECT_EQ(value("l"), "x,2");
    EXPECT_EQ(value("e"), "");
    EXPECT_EQ(value("u"), "é");
    for (const auto* const name : {"o", "c", "z", "bad", "deep", "missing", "blank"})
        EXPECT_FALSE(value(name)) << name;
}

}  // namespace
}  // namespace weir::auth
