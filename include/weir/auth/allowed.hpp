#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weir::auth {

// Whether a name of a certificate is the one an entry of `allow` means: itself,
// "spiffe://shop/ns/web/*" what is below, "*.shop" one label more.
[[nodiscard]] bool is_allowed(std::string_view entry, std::string_view name);

// Whether any of the names is, by any of the entries.
[[nodiscard]] bool has_allowed(const std::vector<std::string>& entries,
                               const std::vector<std::string>& names);

}  // namespace weir::auth
