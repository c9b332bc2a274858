// What it costs to know who asks, through the filters of a route, beside the bare check of a
// signature by OpenSSL.
#include "weir/core/json.hpp"
#include "weir/crypto/base64.hpp"
#include "weir/crypto/digest.hpp"
#include "weir/decode/load.hpp"
#include "weir/filter/make.hpp"
#include "weir/filter/pass.hpp"

#include "crypto/openssl.hpp"
#include <openssl/core_names.h>

#include <benchmark/benchmark.h>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace weir;
namespace ossl = crypto::ossl;

// More than a worker remembers, so that none of them is found when it comes again.
constexpr std::size_t kTokens = 8192;

std::string_view text_of(const std::vector<unsigned char>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

// An issuer by ES256, and tokens of a usual size.
class Issuer {
  public:
    struct Token {
        std::string text;
        std::size_t signed_size = 0;
        std::vector<unsigned char> der;  // the signature as OpenSSL takes it
    };

    Issuer() : key_(EVP_EC_gen("P-256")) {}

    [[nodiscard]] std::string jwks() const {
        std::vector<unsigned char> point(65);
        std::size_t size = 0;
        EVP_PKEY_get_octet_string_param(key_.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                        point.size(), &size);
        const std::string_view all = text_of(point);
        return R"({"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":")" +
               crypto::encode_base64url(all.substr(1, 32)) + R"(","y":")" +
               crypto::encode_base64url(all.substr(33)) + R"("}]})";
    }

    [[nodiscard]] Token token(std::size_t number) const {
        Token made;
        made.text = crypto::encode_base64url(R"({"alg":"ES256","typ":"JWT","kid":"1"})") + "." +
                    crypto::encode_base64url(
                        R"({"iss":"https://id.example.com/","aud":["shop","stock"],"sub":"user-)" +
                        std::to_string(number) +
                        R"(","iat":1700000000,"exp":4100000000,"jti":"5f2b4a7e-9a51-4f0e-8a0c",)"
                        R"("scope":"openid profile orders:read orders:write","name":"Jo Example",)"
                        R"("email":"jo@example.com","roles":["customer","admin"]})");
        made.signed_size = made.text.size();
        sign(made);
        return made;
    }

    [[nodiscard]] bool verify(const Token& token) const {
        const ossl::MdContext ctx(EVP_MD_CTX_new());
        EVP_DigestVerifyInit(ctx.get(), nullptr, EVP_sha256(), nullptr, key_.get());
        return EVP_DigestVerify(ctx.get(), token.der.data(), token.der.size(), bytes_of(token.text),
                                token.signed_size) == 1;
    }

  private:
    void sign(Token& token) const {
        const ossl::MdContext ctx(EVP_MD_CTX_new());
        std::size_t size = 80;
        token.der.resize(size);
        EVP_DigestSignInit(ctx.get(), nullptr, EVP_sha256(), nullptr, key_.get());
        EVP_DigestSign(ctx.get(), token.der.data(), &size, bytes_of(token.text), token.signed_size);
        token.der.resize(size);
        const unsigned char* at = token.der.data();
        const ossl::EcSignature parts(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
        std::vector<unsigned char> raw(64);
        BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), raw.data(), 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), raw.data() + 32, 32);
        token.text += "." + crypto::encode_base64url(text_of(raw));
    }

    const ossl::Key key_;
};

// A route that asks for a token, and the requests of one worker.
class Gate final : private filter::PassOwner {
  public:
    explicit Gate(const Issuer& issuer)
        : loaded_(config::load_text(
              "version: 1\nlisteners:\n  - {listen: ':80', auth: users, to: '127.0.0.1:9'}\n"
              "auth:\n  users:\n    type: jwt\n    issuer: https://id.example.com/\n"
              "    audience: shop\n    forward_claims: {sub: x-user-id}\n    jwks: '" +
                  issuer.jwks() + "'\n",
              "bench")),
          listener_(loaded_.config->listeners.at(0)),
          filters_(filter::make_filters({.config = *loaded_.config,
                                         .listener = listener_,
                                         .route = &listener_.routes.at(0),
                                         .clusters = {},
                                         .registry = registry_,
                                         .stores = filter::make_stores()})) {}

    bool passes(std::string_view authorization) {
        head_.headers.clear();
        head_.headers.add("host", "shop.example.com", http::HeaderId::host);
        head_.headers.add("user-agent", "curl/8.0", http::HeaderId::other);
        head_.headers.add("accept", "*/*", http::HeaderId::accept);
        head_.headers.add("accept-encoding", "gzip", http::HeaderId::other);
        head_.headers.add("authorization", authorization, http::HeaderId::other);
        const bool passes = pass_.begin({.filters = filters_,
                                         .clusters = {},
                                         .listener = "public",
                                         .route = "all",
                                         .caller = {.ip = "192.0.2.77", .peer = {}}},
                                        head_) == filter::Step::proceed;
        pass_.reset();
        return passes;
    }

  private:
    void on_passed(filter::Step /*step*/) override {}

    const config::LoadResult loaded_;
    const config::Listener& listener_;
    telemetry::Registry registry_;
    const std::vector<filter::FilterPtr> filters_;
    transport::EventLoop loop_;
    upstream::LocalContext context_{
        .loop = loop_, .shard = registry_.make_shard(), .random = Random(1)};
    filter::Pass pass_{context_, static_cast<filter::PassOwner&>(*this)};
    http::RequestHead head_;
};

void jwt_cached(benchmark::State& state) {
    const Issuer issuer;
    Gate gate(issuer);
    const std::string value = "Bearer " + issuer.token(1).text;
    for (auto _ : state) {
        if (!gate.passes(value)) state.SkipWithError("refused");
    }
}

void jwt_es256(benchmark::State& state) {
    const Issuer issuer;
    Gate gate(issuer);
    std::vector<std::string> values;
    for (std::size_t i = 0; i < kTokens; ++i)
        values.push_back("Bearer " + issuer.token(i).text);
    std::size_t next = 0;
    for (auto _ : state) {
        if (!gate.passes(values[next++ % kTokens])) state.SkipWithError("refused");
    }
}

void es256_bare(benchmark::State& state) {
    const Issuer issuer;
    std::vector<Issuer::Token> tokens;
    for (std::size_t i = 0; i < kTokens; ++i)
        tokens.push_back(issuer.token(i));
    std::size_t next = 0;
    for (auto _ : state) {
        if (!issuer.verify(tokens[next++ % kTokens])) state.SkipWithError("refused");
    }
}

BENCHMARK(jwt_cached);
BENCHMARK(jwt_es256);
BENCHMARK(es256_bare);

}  // namespace
