#include "weir/crypto/signature.hpp"

#include "weir/crypto/digest.hpp"

#include "crypto/openssl.hpp"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include <array>
#include <vector>

namespace weir::crypto {
namespace {

enum class Scheme : std::uint8_t { rsa, pss, ec, eddsa, mac };

struct AlgorithmInfo {
    std::string_view name;
    Scheme scheme;
    const char* digest;
    std::size_t size;  // of a number of an EC signature; of a digest, for a MAC
};
constexpr std::array<AlgorithmInfo, kAlgorithmCount> kAlgorithms{{
    {"RS256", Scheme::rsa, "SHA256", 0},
    {"RS384", Scheme::rsa, "SHA384", 0},
    {"RS512", Scheme::rsa, "SHA512", 0},
    {"PS256", Scheme::pss, "SHA256", 0},
    {"PS384", Scheme::pss, "SHA384", 0},
    {"PS512", Scheme::pss, "SHA512", 0},
    {"ES256", Scheme::ec, "SHA256", 32},
    {"ES384", Scheme::ec, "SHA384", 48},
    {"ES512", Scheme::ec, "SHA512", 66},
    {"EdDSA", Scheme::eddsa, nullptr, 0},
    {"HS256", Scheme::mac, "SHA256", 32},
    {"HS384", Scheme::mac, "SHA384", 48},
    {"HS512", Scheme::mac, "SHA512", 64},
}};

const AlgorithmInfo& info(Algorithm algorithm) {
    return kAlgorithms[static_cast<std::size_t>(algorithm)];
}

Algorithms of_schemes(Scheme first, Scheme second) {
    Algorithms set;
    for (std::size_t i = 0; i < kAlgorithms.size(); ++i) {
        if (kAlgorithms[i].scheme == first || kAlgorithms[i].scheme == second)
            set.add(static_cast<Algorithm>(i));
    }
    return set;
}

ossl::BigNumber number_of(std::string_view bytes) {
    return ossl::BigNumber(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()), nullptr));
}

// A verification made ready, to be copied for each signature: looking the algorithm up again costs
// microseconds.
ossl::MdContext prepared(EVP_PKEY* key, Algorithm algorithm) {
    const AlgorithmInfo& about = info(algorithm);
    ossl::MdContext context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* of_key = nullptr;
    if (EVP_DigestVerifyInit_ex(context.get(), &of_key, about.digest, nullptr, nullptr, key,
                                nullptr) != 1) {
        return nullptr;
    }
    // The salt is as long as the digest (RFC 7518, 3.5), and MGF1 has the same digest.
    if (about.scheme == Scheme::pss &&
        (EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, RSA_PSS_SALTLEN_DIGEST) != 1)) {
        return nullptr;
    }
    return context;
}

// r and s, each as long as the order of the curve, to what OpenSSL reads.
std::vector<unsigned char> to_der(std::string_view signature) {
    const std::size_t half = signature.size() / 2;
    ossl::BigNumber r = number_of(signature.substr(0, half));
    ossl::BigNumber s = number_of(signature.substr(half));
    const ossl::EcSignature both(ECDSA_SIG_new());
    if (!r || !s || !both) return {};
    ECDSA_SIG_set0(both.get(), r.release(), s.release());
    const int size = i2d_ECDSA_SIG(both.get(), nullptr);
    if (size <= 0) return {};
    std::vector<unsigned char> der(static_cast<std::size_t>(size));
    unsigned char* at = der.data();
    i2d_ECDSA_SIG(both.get(), &at);
    return der;
}

class PublicKey final : public VerifyingKey {
  public:
    PublicKey(ossl::Key key, Algorithms algorithms)
        : VerifyingKey(algorithms), key_(std::move(key)) {
        for (std::size_t i = 0; i < kAlgorithmCount; ++i) {
            const auto each = static_cast<Algorithm>(i);
            if (algorithms.has(each)) prepared_[i] = prepared(key_.get(), each);
        }
    }

    bool verify(Algorithm algorithm,
                std::string_view message,
                std::string_view signature) const override {
        const auto& ready = prepared_[static_cast<std::size_t>(algorithm)];
        if (!ready) return false;
        const AlgorithmInfo& about = info(algorithm);
        if (about.scheme != Scheme::ec) return verify_bytes(*ready, message, signature);
        if (signature.size() != 2 * about.size) return false;
        const std::vector<unsigned char> der = to_der(signature);
        return !der.empty() &&
               verify_bytes(*ready, message,
                            {reinterpret_cast<const char*>(der.data()), der.size()});
    }

  private:
    static bool verify_bytes(const EVP_MD_CTX& ready,
                             std::string_view message,
                             std::string_view signature) {
        const ossl::MdContext context(EVP_MD_CTX_new());
        if (EVP_MD_CTX_copy_ex(context.get(), &ready) != 1) return false;
        const bool is_good =
            EVP_DigestVerify(
                context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                signature.size(), reinterpret_cast<const unsigned char*>(message.data()),
                message.size()) == 1;
        if (!is_good) ERR_clear_error();
        return is_good;
    }

    const ossl::Key key_;
    std::array<ossl::MdContext, kAlgorithmCount> prepared_;
};

class Secret final : public VerifyingKey {
  public:
    Secret(std::string_view bytes, Algorithms algorithms)
        : VerifyingKey(algorithms), bytes_(bytes) {}

    bool verify(Algorithm algorithm,
                std::string_view message,
                std::string_view signature) const override {
        if (!algorithms().has(algorithm)) return false;
        std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
        unsigned size = 0;
        if (HMAC(EVP_get_digestbyname(info(algorithm).digest), bytes_.data(),
                 static_cast<int>(bytes_.size()),
                 reinterpret_cast<const unsigned char*>(message.data()), message.size(), mac.data(),
                 &size) == nullptr) {
            return false;
        }
        return equal_in_constant_time({reinterpret_cast<const char*>(mac.data()), size}, signature);
    }

  private:
    const std::string bytes_;
};

std::shared_ptr<const VerifyingKey> make_public(const char* type,
                                                OSSL_PARAM_BLD* builder,
                                                Algorithms algorithms) {
    const ossl::Params params(OSSL_PARAM_BLD_to_param(builder));
    const ossl::KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* made = nullptr;
    if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
        ERR_clear_error();
        return nullptr;
    }
    ossl::Key key(made);
    const ossl::KeyContext checks(EVP_PKEY_CTX_new(key.get(), nullptr));
    if (EVP_PKEY_public_check(checks.get()) != 1) {
        ERR_clear_error();
        return nullptr;
    }
    return std::make_shared<PublicKey>(std::move(key), algorithms);
}

}  // namespace

std::optional<Algorithm> algorithm_from(std::string_view name) {
    for (std::size_t i = 0; i < kAlgorithms.size(); ++i) {
        if (kAlgorithms[i].name == name) return static_cast<Algorithm>(i);
    }
    return std::nullopt;
}

std::string_view name_of(Algorithm algorithm) {
    return info(algorithm).name;
}

std::shared_ptr<const VerifyingKey> VerifyingKey::make_rsa(std::string_view modulus,
                                                           std::string_view exponent) {
    if (modulus.size() > 2048 || exponent.size() > 2048) return nullptr;
    const ossl::BigNumber n = number_of(modulus);
    const ossl::BigNumber e = number_of(exponent);
    // An exponent of 1 would make every message its own signature.
    if (BN_num_bits(n.get()) < 2048 || BN_num_bits(n.get()) > 8192 || BN_is_odd(n.get()) == 0 ||
        BN_num_bits(e.get()) < 2 || BN_num_bits(e.get()) > 64 || BN_is_odd(e.get()) == 0) {
        return nullptr;
    }
    const ossl::ParamBuilder builder(OSSL_PARAM_BLD_new());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
    return make_public("RSA", builder.get(), of_schemes(Scheme::rsa, Scheme::pss));
}

std::shared_ptr<const VerifyingKey> VerifyingKey::make_ec(Curve curve,
                                                          std::string_view x,
                                                          std::string_view y) {
    struct About {
        const char* name;
        std::size_t size;
        Algorithm algorithm;
    };
    static constexpr std::array<About, 3> kCurves{{{"P-256", 32, Algorithm::es256},
                                                   {"P-384", 48, Algorithm::es384},
                                                   {"P-521", 66, Algorithm::es512}}};
    const About& about = kCurves[static_cast<std::size_t>(curve)];
    if (x.size() != about.size || y.size() != about.size) return nullptr;
    const std::string point = std::string("\x04").append(x).append(y);
    const ossl::ParamBuilder builder(OSSL_PARAM_BLD_new());
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, about.name, 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                     point.size());
    Algorithms algorithms;
    algorithms.add(about.algorithm);
    return make_public("EC", builder.get(), algorithms);
}

std::shared_ptr<const VerifyingKey> VerifyingKey::make_ed25519(std::string_view x) {
    ossl::Key key(EVP_PKEY_new_raw_public_key(
        EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(x.data()), x.size()));
    if (!key) {
        ERR_clear_error();
        return nullptr;
    }
    return std::make_shared<PublicKey>(std::move(key), of_schemes(Scheme::eddsa, Scheme::eddsa));
}

std::shared_ptr<const VerifyingKey> VerifyingKey::make_secret(std::string_view secret) {
    Algorithms algorithms;
    for (const auto each : {Algorithm::hs256, Algorithm::hs384, Algorithm::hs512}) {
        if (secret.size() >= info(each).size) algorithms.add(each);
    }
    if (algorithms.is_empty()) return nullptr;
    return std::make_shared<Secret>(secret, algorithms);
}

}  // namespace weir::crypto
