#include "weir/crypto/signature.hpp"

#include "weir/crypto/base64.hpp"
#include "weir/crypto/jwk.hpp"

#include <gtest/gtest.h>

#include <array>
#include <utility>

namespace weir::crypto {
namespace {

using Curve = VerifyingKey::Curve;

std::string raw(std::string_view text) {
    return decode_base64url(text).value();
}

// ---- RFC 7515, appendix A; RFC 8037, appendix A.4

constexpr std::string_view kPayload =
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlf"
    "Q";
constexpr std::string_view kRfcModulus =
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
    "4qPCJrcS2mJPMEzP1Pt0Bm4d4Q"
    "lL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"
    "bSf63kpaSHSXndS5z5rexMdbBY"
    "UsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-"
    "DWNm"
    "oudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
constexpr std::string_view kRfcRs256 =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
    "O8W2Fp5juj"
    "Gbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
    "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe"
    "7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
    "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8"
    "np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
constexpr std::string_view kRfcX256 = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
constexpr std::string_view kRfcY256 = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
constexpr std::string_view kRfcEs256 =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
constexpr std::string_view kRfcX521 =
    "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk";
constexpr std::string_view kRfcY521 =
    "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2";
constexpr std::string_view kRfcEs512 =
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_"
    "7XdtAG8GaSw"
    "FKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
constexpr std::string_view kRfcEd = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
constexpr std::string_view kRfcEdSignature =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

std::string payload_of(std::string_view header) {
    return std::string(header).append(kPayload);
}

TEST(Signature, VerifiesTheHmacOfRfc7515) {
    const auto key = VerifyingKey::make_secret(raw(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"));
    ASSERT_TRUE(key);
    const auto mac = raw("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    const auto message = payload_of("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9");
    EXPECT_TRUE(key->verify(Algorithm::hs256, message, mac));
    EXPECT_FALSE(key->verify(Algorithm::hs384, message, mac));
    EXPECT_FALSE(key->verify(Algorithm::hs256, message + "A", mac));
    EXPECT_FALSE(key->verify(Algorithm::hs256, message, mac.substr(0, 31)));
    EXPECT_FALSE(key->verify(Algorithm::hs256, message, ""));
}

TEST(Signature, VerifiesTheRsaSignatureOfRfc7515) {
    const auto key = VerifyingKey::make_rsa(raw(kRfcModulus), raw("AQAB"));
    ASSERT_TRUE(key);
    EXPECT_TRUE(key->verify(Algorithm::rs256, payload_of("eyJhbGciOiJSUzI1NiJ9"), raw(kRfcRs256)));
    EXPECT_FALSE(key->verify(Algorithm::ps256, payload_of("eyJhbGciOiJSUzI1NiJ9"), raw(kRfcRs256)));
}

TEST(Signature, VerifiesTheEcSignaturesOfRfc7515) {
    const auto p256 = VerifyingKey::make_ec(Curve::p256, raw(kRfcX256), raw(kRfcY256));
    ASSERT_TRUE(p256);
    EXPECT_TRUE(p256->verify(Algorithm::es256, payload_of("eyJhbGciOiJFUzI1NiJ9"), raw(kRfcEs256)));
    const auto p521 = VerifyingKey::make_ec(Curve::p521, raw(kRfcX521), raw(kRfcY521));
    ASSERT_TRUE(p521);
    EXPECT_TRUE(p521->verify(Algorithm::es512, "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA", raw(kRfcEs512)));
    EXPECT_FALSE(p521->verify(Algorithm::es512, "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZB", raw(kRfcEs512)));
}

TEST(Signature, VerifiesTheEd25519SignatureOfRfc8037) {
    const auto key = VerifyingKey::make_ed25519(raw(kRfcEd));
    ASSERT_TRUE(key);
    const std::string_view message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    EXPECT_TRUE(key->verify(Algorithm::eddsa, message, raw(kRfcEdSignature)));
    EXPECT_FALSE(key->verify(Algorithm::eddsa, message.substr(1), raw(kRfcEdSignature)));
    EXPECT_FALSE(key->verify(Algorithm::es256, message, raw(kRfcEdSignature)));
}

// ---- the others: made by another implementation

constexpr std::string_view kMessage = "eyJhbGciOiJ0ZXN0In0.UGF5bG9hZA";
constexpr std::string_view kModulus =
    "rIJ7kNBQcm3VVofpYVUoz1IeMlqWesJJirBui8ryYYtYWtGWoVQwOyThIf7-rzHXqEIwPpv9WMXo2O3b"
    "LogqtrGEDhO49Nxjgu4L1yIRAXtWiC1YyYbCr01WLIPPexTr-UgJmBRIWi2BQwlc3m-BhArQ40lSqaHk"
    "ruAbbfRhEzEG2OsB2jsSON4ZBxYxgSdG4BcQ1khyG6VkVInx2S0XVIeg72IZVQHXWiiyA97JgskkfmZs"
    "Elmst4gLKGGQDX_qJUL3_pinr2z--qDMiV-OyO_QEFRJ5QEvObfZk6T8aFwQOoCY_yt_On72t4Fqzocc"
    "cQQrlxQoAVssyAtkOCvAaw";
constexpr std::string_view kWeakModulus =
    "rQXf6JJYoVv2mHBQA3vtb9b7BUfJHAqoGhsBr6JZ4EQgCu1K59-mf19VWqp3aCzwsX46zSzwcqu_0I5o"
    "mBGm3lF-YFIvYIhTbuALmE5_KS1lZhcBqUUMuz1znxv2-lIgpa8GB0Tdu-jPmiYDe6ZXxAA6DTlTfutA"
    "UOu8EVNgQ8E";
constexpr std::string_view kRs256 =
    "U4ZYd7oA6XhoHbTYeEi0uUAoVTTdaBodt3taqGamo8qz2qJgWrCzHaN9wkMRFZBne-X2M_8qOTaAf8wU"
    "fJUlaOlMnroQZFNROrd2Yw1_fufRlAxoXu710ooZftVK7YNZVqDzlnWlzH0ZqGAZV2uRZFeg0CfogWck"
    "81Ys-vaXOmBNAgOAAusmfhysjDWJxEj8o-NaM3BTZm0aJbDxqw1UwHk3qbuMg2VsfovCSg-myXl5KbAP"
    "SRS86idvzx8kYAz9tBoiS4WdlpgYRVBS9JC-YHUxlotL-OXAjjmFjChOSejaL0AZBzPnsOSSUfT4jJYb"
    "47PsiXxTWsr-uWDhcCizhw";
constexpr std::string_view kRs384 =
    "IfcsSnWGoQ_hQd7R4did89n8zSSpdicv8KUTIHrNEhE4HyRbNUNV79Wgy_7X6IrfJUEbGynlrxpDxHGn"
    "HnDDE_Uh3idrBN10igXy4GXtwv0AFl_VCGnkEnfuiB_66bTvu2GYjCK1qVzKwp_tHvU1XfyhWlWCEobP"
    "RipjJ4HNGJURaFcmloKCjCAfg1TIB7OfswDP-7v8g_aAobG52L4NaGvA8fY4hCLN5bLT1lhLFIvupfdN"
    "elVElUGBbn7ciYc37nKEGaZXiCiq1QQl5UYu40fyHsZcxRLHRV5FPeMkf9IrkJ3HcFZCHttevOMQMYgU"
    "vlh8y-WvfURiT7LyUO5Zgw";
constexpr std::string_view kRs512 =
    "B-Vz37uVSAmHgjGjnPBkeu5vypvN9X53XRjVtAOV9yrZE2tpNYfqCA3tBTDd9o16EhsQdjIdf0kGtoAF"
    "m4_5SaebOAC6c56WKj76umk5x7LMNqSm0jJeQdST6gRIKYA19kuLX-IicCi9A9bGIAuN86Rrjl0ydRQ7"
    "ounRek20eDQ2anPh8ezHPsp3mfMdZyRh1g6zKj7SN_ZeWsFJdplfSC7ZP9yl1NNMO7CEboQF1e4MBlUA"
    "-iReCwmmtyWO-GKfEnumExCjVlSUZKGcB15z805gaew26ouYPyGmKornC5eUDippD0P45GPiGU7v_A8F"
    "N4JzuySmzczridZaHBNPSw";
constexpr std::string_view kPs256 =
    "bRGS34guD1AsQATtc9K1y3lFmcAAnC41zDaxq2WY133IIcnWXthq6ssKTQFW5uVwVP-8v-JmeFxTx8hc"
    "9noPqoXKGEfp4LmGyiShu14wbmoJ6qcac2461K9AbJfw7Fs_rZsRAMryKN19mhd38Dao4-Qxx4Ldar5p"
    "BRjTuYmA1aRbkzPvBfLk5zLCm3x50redN9kCIA6jBuGnRzR4As8wdfsvMHH9fWI9G7j9PDa3HgsTKWrT"
    "flZUenAZvlE0yI_le2kUUBY2ml6XtA6XBDhzWhvCv0CIvMkxS8jus5Ajppap5oLQ0pUaEmr21ay0n6D5"
    "HEw5H0UbGbpkzvvvEcKL_Q";
constexpr std::string_view kPs384 =
    "ExSLx8lQXSvdvSQyAoIYOP_oPjHY4sQuRsCs1At6CNJipW9yD9R2k7uAxBfEUhJehOebtMHZ2VNMhaOT"
    "FghE0j7Jbm5uCbu2xp3_z_h32gZkIVasMYHN3AngD9Rlfan1QgTajGGI2x6u2VPItFKb1N__zxZoAWzx"
    "HdE7gXJ-f2e1JzWGdxYTawIfHZP0TPmGTpN2fBA-4tb3RWbSSIpuyzNR6utrfopRPnvnBZmPak8OG6C2"
    "MBG0j6kFOX8UTJwE7FDf8ekarIY1fRxtUbfFAK5a633X7WVKqNu4n1bHba752JZyPsPfktTsyEABQiZv"
    "HjJyZMC3fy6xSNWO24kD_w";
constexpr std::string_view kPs512 =
    "EavaX3NhAfx6QkJsmLEA3zaexYMUPadajD9T-mQnrM4itKg6mYZMAqctDMcbmTQ8y6JqOKqsb6PH0fc3"
    "_QDotDPgMC-V4-dIlTAKn6PJGgfQ1pck3U9I5Loyq5iz7qqdw2uyCgXpOC3nMBetO9br3bHdCxdh1cRB"
    "77HmfF4SwoQFGY2ZG2IRIw-Bwvyt38RnC85Eemqals17RkQX7ScKNrlzR2VjRW9roaYF2zHjZ_ZcOXCR"
    "JKDk4jENWdLcEJDzQ8x0DUdFwRhloLnnWXaD-tBEWrrPsq_3dyik8JUP5EV5E5jFPFdO7uLEP5xc6kuw"
    "LZgfEnpzLrlMXcrlbN-lNw";
constexpr std::string_view kLongSalt =
    "dpuE_sqwWDAxz454JBtvww8RoL70i3LFnFkpkN-XPHWl7g1nuF177HfIIIefwZ_eRVSc5CVqcbU1I2ou"
    "F_sU0ZQRYOHyXk3w9cgClVD3v3FJlJqJg2ZyZv6HwhLQQDl_SYk3GFZkn4Awcw2O9-JWFHNnDEZL5O1C"
    "GGEDb0nGH7eVQCupyT8cTOA5rWgfjJnhgu6mSjggZy1mqE7nX2bhIVU0xTJLnhuY9CYIMf-ZYTx0Ob3q"
    "G1FGZGZk3T7ZvTUdsoLiTk03qhKozyk_lrxHEMgmCzh_pVTyPYB58Z2-BMwKjuPZzHTDjagwVHEXvYE7"
    "mT3vvO10s-g1ahp6OYvxQw";
constexpr std::string_view kX384 =
    "-2g7v2YIIlHR8ZlEtMvx76eOGH3-u7jvdljfPF3ZDZYuIR6Pmg5h9_FCvy_bte5j";
constexpr std::string_view kY384 =
    "1pnlWMsEZ8N9qiCVsdl7RtOdZr55piIkH_KTaWPCTsnJ-dN65zXFeszb4TEimWyG";
constexpr std::string_view kEs384 =
    "mAK5l_D11ZTrdmPhrzE-kxw2HmDQWZ6xLWRImpjeJx7b8eT1Mxv0DeMQZaCtSeE2lRro69hAJ2qRVsqm"
    "IEm8KdQoEwLaTbxnLg1jyckkAbrslSmvYTkuvZU0q_QalNRO";

TEST(Signature, VerifiesEachRsaAlgorithmByItselfAlone) {
    const auto key = VerifyingKey::make_rsa(raw(kModulus), raw("AQAB"));
    ASSERT_TRUE(key);
    const std::array<std::pair<Algorithm, std::string_view>, 6> signatures{
        {{Algorithm::rs256, kRs256},
         {Algorithm::rs384, kRs384},
         {Algorithm::rs512, kRs512},
         {Algorithm::ps256, kPs256},
         {Algorithm::ps384, kPs384},
         {Algorithm::ps512, kPs512}}};
    for (const auto& [of, signature] : signatures) {
        for (const auto& [by, other] : signatures) {
            EXPECT_EQ(key->verify(by, kMessage, raw(signature)), of == by)
                << name_of(of) << " by " << name_of(by);
        }
    }
}

TEST(Signature, TakesASaltOfTheDigestsLengthOnly) {
    const auto key = VerifyingKey::make_rsa(raw(kModulus), raw("AQAB"));
    EXPECT_FALSE(key->verify(Algorithm::ps256, kMessage, raw(kLongSalt)));
}

TEST(Signature, VerifiesP384) {
    const auto key = VerifyingKey::make_ec(Curve::p384, raw(kX384), raw(kY384));
    ASSERT_TRUE(key);
    EXPECT_TRUE(key->verify(Algorithm::es384, kMessage, raw(kEs384)));
}

TEST(Signature, RefusesEcSignaturesOfAnotherLength) {
    const auto key = VerifyingKey::make_ec(Curve::p384, raw(kX384), raw(kY384));
    std::string signature = raw(kEs384);
    for (std::size_t size = 0; size < signature.size(); ++size)
        EXPECT_FALSE(key->verify(Algorithm::es384, kMessage, signature.substr(0, size)));
    EXPECT_FALSE(key->verify(Algorithm::es384, kMessage, signature + '\0'));
    EXPECT_FALSE(key->verify(Algorithm::es384, kMessage, std::string(96, '\0')));
}

TEST(Signature, RefusesASignatureThatIsAltered) {
    const auto key = VerifyingKey::make_ec(Curve::p384, raw(kX384), raw(kY384));
    const std::string signature = raw(kEs384);
    for (std::size_t at = 0; at < signature.size(); ++at) {
        std::string altered = signature;
        altered[at] = static_cast<char>(altered[at] ^ 1);
        EXPECT_FALSE(key->verify(Algorithm::es384, kMessage, altered)) << at;
    }
}

TEST(Signature, MakesNoWeakOrBrokenKey) {
    EXPECT_FALSE(VerifyingKey::make_rsa(raw(kWeakModulus), raw("AQAB")));
    EXPECT_FALSE(VerifyingKey::make_rsa(raw(kModulus), raw("AQ")));    // 1: any message is its own
    EXPECT_FALSE(VerifyingKey::make_rsa(raw(kModulus), raw("AQAA")));  // even
    EXPECT_FALSE(VerifyingKey::make_rsa(raw(kModulus), raw("")));
    EXPECT_FALSE(VerifyingKey::make_rsa(raw(kModulus), raw(kModulus)));
    EXPECT_FALSE(VerifyingKey::make_rsa("", raw("AQAB")));
    EXPECT_FALSE(VerifyingKey::make_rsa(std::string(256, '\xfe'), raw("AQAB")));  // even
    EXPECT_FALSE(VerifyingKey::make_ec(Curve::p256, raw(kRfcX256), raw(kRfcX256)));
    EXPECT_FALSE(VerifyingKey::make_ec(Curve::p384, raw(kRfcX256), raw(kRfcY256)));
    EXPECT_FALSE(VerifyingKey::make_ec(Curve::p256, std::string(32, '\0'), std::string(32, '\0')));
    EXPECT_FALSE(VerifyingKey::make_ed25519("short"));
    EXPECT_FALSE(VerifyingKey::make_secret(std::string(31, 'k')));
}

TEST(Signature, ASecretIsGoodForDigestsNoLongerThanItself) {
    const auto key = VerifyingKey::make_secret(std::string(48, 'k'));
    ASSERT_TRUE(key);
    EXPECT_TRUE(key->algorithms().has(Algorithm::hs256));
    EXPECT_TRUE(key->algorithms().has(Algorithm::hs384));
    EXPECT_FALSE(key->algorithms().has(Algorithm::hs512));
    EXPECT_FALSE(key->algorithms().has(Algorithm::rs256));
}

TEST(Signature, KnowsAlgorithmsInTheirCaseOnly) {
    for (std::size_t i = 0; i < kAlgorithmCount; ++i) {
        const auto each = static_cast<Algorithm>(i);
        EXPECT_EQ(algorithm_from(name_of(each)), each);
    }
    for (const auto* const name :
         {"none", "None", "NONE", "rs256", "hS256", "", "RS256 ", "ES256K"})
        EXPECT_FALSE(algorithm_from(name)) << name;
}

// ---- JWK

std::string set_of(std::string_view key) {
    return "{\"keys\":[" + std::string(key) + "]}";
}
std::string ec_key(std::string_view more) {
    return R"({"kty":"EC","crv":"P-256","x":")" + std::string(kRfcX256) + R"(","y":")" +
           std::string(kRfcY256) + "\"" + std::string(more) + "}";
}

TEST(Jwk, ReadsKeysOfEveryKind) {
    const std::string text = R"({"keys":[{"kty":"RSA","kid":"r","n":")" + std::string(kModulus) +
                             R"(","e":"AQAB"},{"kty":"OKP","kid":"o","crv":"Ed25519","x":")" +
                             std::string(kRfcEd) +
                             R"("},{"kty":"EC","kid":"e","crv":"P-521","x":")" +
                             std::string(kRfcX521) + R"(","y":")" + std::string(kRfcY521) + "\"}]}";
    const auto parsed = parse_jwks(text, false);
    ASSERT_TRUE(parsed.set) << parsed.problem;
    ASSERT_EQ(parsed.set->keys.size(), 3U);
    EXPECT_TRUE(parsed.set->has("o"));
    EXPECT_FALSE(parsed.set->has("x"));
    EXPECT_TRUE(parsed.set->keys[0].algorithms.has(Algorithm::ps256));
    EXPECT_TRUE(parsed.set->keys[2].algorithms.has(Algorithm::es512));
}

TEST(Jwk, NarrowsAKeyToItsAlg) {
    const auto parsed = parse_jwks(
        R"({"kty":"RSA","alg":"PS384","e":"AQAB","n":")" + std::string(kModulus) + "\"}", false);
    ASSERT_TRUE(parsed.set) << parsed.problem;
    EXPECT_TRUE(parsed.set->keys[0].algorithms.has(Algorithm::ps384));
    EXPECT_FALSE(parsed.set->keys[0].algorithms.has(Algorithm::rs256));
}

TEST(Jwk, LeavesOutWhatDoesNotVerify) {
    EXPECT_TRUE(parse_jwks(set_of(ec_key(R"(,"use":"sig","key_ops":["verify"])")), false).set);
    for (const auto* const more :
         {R"(,"use":"enc")", R"(,"key_ops":["sign"])", R"(,"key_ops":[])", R"(,"key_ops":"verify")",
          R"(,"alg":"ES384")", R"(,"alg":"HS256")", R"(,"alg":"none")", R"(,"alg":7)",
          R"(,"kid":7)", R"(,"use":7)"}) {
        EXPECT_FALSE(parse_jwks(set_of(ec_key(more)), false).set) << more;
    }
}

TEST(Jwk, TakesSecretsOnlyWhereTheyAreWanted) {
    const std::string text =
        R"({"kty":"oct","k":")" + encode_base64url(std::string(32, 'k')) + "\"}";
    EXPECT_FALSE(parse_jwks(text, false).set);
    ASSERT_TRUE(parse_jwks(text, true).set);
    EXPECT_TRUE(parse_jwks(text, true).set->keys[0].is_secret());
}

TEST(Jwk, RefusesWhatIsNoSet) {
    for (const auto* const text :
         {"", "{}", "[]", R"({"keys":{}})", R"({"keys":[]})", R"({"keys":[7]})", R"({"keys":[{}]})",
          R"({"keys":[],"keys":[]})", "<html>"}) {
        EXPECT_FALSE(parse_jwks(text, true).set) << text;
        EXPECT_FALSE(parse_jwks(text, true).problem.empty());
    }
    EXPECT_FALSE(parse_jwks(set_of(ec_key(R"(,"kid":"a","kid":"b")")), false).set);
    EXPECT_FALSE(parse_jwks(std::string(kMostJwksBytes + 1, ' '), false).set);
}

}  // namespace
}  // namespace weir::crypto
