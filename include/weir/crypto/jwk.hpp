#pragma once

#include "weir/core/json.hpp"
#include "weir/crypto/signature.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

// Keys as JSON (RFC 7517, 7518, 8037).
namespace weir::crypto {

struct Jwk {
    std::string id;  // `kid`; empty: none
    bool has_id = false;
    Algorithms algorithms;  // what it may verify: its kind's, narrowed by `alg`
    std::shared_ptr<const VerifyingKey> key;

    // Whether it is a shared secret, which whoever verifies could sign with.
    [[nodiscard]] bool is_secret() const {
        return algorithms.has(Algorithm::hs256) || algorithms.has(Algorithm::hs384) ||
               algorithms.has(Algorithm::hs512);
    }
};

// A set of them. Immutable once made; shared by all who verify with it. Thread: any.
struct JwkSet {
    std::vector<Jwk> keys;
    std::vector<std::string> ignored;  // a sentence for each key that is not in it

    // True if some key has this id.
    [[nodiscard]] bool has(std::string_view id) const;
};

struct JwksText {
    std::shared_ptr<const JwkSet> set;  // null if the text is no set of keys
    std::string problem;                // then, a sentence
};

inline constexpr std::size_t kMostKeys = 100;
inline constexpr std::size_t kMostJwksBytes = std::size_t{256} * 1024;

// A set: {"keys":[...]}, or one key. Keys of unknown kinds, for encryption, too weak or wrong are
// left out, as RFC 7517 wants it; a set that has none left is none. Members given twice are
// refused. Secrets (`oct`) are left out unless `takes_secrets`.
[[nodiscard]] JwksText parse_jwks(std::string_view text, bool takes_secrets);

}  // namespace weir::crypto
