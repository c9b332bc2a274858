#pragma once

#include "weir/auth/jwt.hpp"
#include "weir/config/config.hpp"
#include "weir/config/report.hpp"

namespace weir::auth {

// Adds what is wrong with keys, files and rules: a file or a set that cannot be used (W121), a
// secret that is too short (W123), a rule that is none (W119); as warnings, keys that are left out
// (W202) and rules that nobody can fulfil (W201). Thread: main.
void check(const config::Config& config, config::Report& report, WallTime now);

// What the section says of tokens. Of one that check() found nothing wrong with.
[[nodiscard]] JwtPolicy policy_of(const config::Auth& section);
// The keys it names, but for those that are fetched: null if there are none.
[[nodiscard]] crypto::JwksText keys_of(const config::Auth& section);

}  // namespace weir::auth
