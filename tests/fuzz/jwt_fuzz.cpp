#include "weir/auth/jwt.hpp"
#include "weir/auth/rule.hpp"

#include "unit/auth/tokens.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

// No bytes make a token that was not signed; what is signed is judged, whatever it says; no text of
// keys or of a rule does harm.
namespace {

using namespace weir;        // NOLINT(google-build-using-namespace)
using namespace weir::auth;  // NOLINT(google-build-using-namespace)

void require(bool holds) {
    if (!holds) __builtin_trap();
}

void check_unsigned(std::string_view bytes) {
    static const crypto::JwkSet keys = tokens::keys();
    static const JwtPolicy policy = tokens::policy();
    require(verify_jwt(bytes, policy, keys, tokens::kNow).fault != JwtFault::none);
}

// The first half as a header, the rest as claims.
void check_signed(std::string_view bytes) {
    static const crypto::JwkSet keys = tokens::keys("");
    JwtPolicy policy = tokens::policy();
    policy.audiences = {"a"};
    policy.required = {{"b.c", {"d"}}};
    const auto verdict =
        verify_jwt(tokens::make(tokens::kHeader, bytes), policy, keys, tokens::kNow);
    if (verdict.fault == JwtFault::none) {
        require(verdict.claims.is_object() && verdict.expires > tokens::kNow);
        for (const auto& [name, claim] : verdict.claims.members()) {
            const auto value = header_value(claim);
            require(!value || value->find_first_of("\r\n\t") == std::string::npos);
        }
    }
    const auto headed =
        verify_jwt(tokens::make(bytes, tokens::kClaims), tokens::policy(), keys, tokens::kNow);
    require(headed.fault != JwtFault::signature);
}

void check_rule(std::string_view text) {
    const auto parsed = Rule::parse(text);
    require(parsed.rule.has_value() == parsed.problem.what.empty());
    if (!parsed.rule) return;
    const bool holds = parsed.rule->holds({});
    require(!holds || parsed.rule->can_hold({}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    check_unsigned(bytes);
    check_signed(bytes);
    check_rule(bytes);
    (void)crypto::parse_jwks(bytes, true);
    return 0;
}
