#pragma once

#include "weir/config/config.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::proxy {

// Which limit refused, what it is, and where that was said: "limits.max_requests is 100
// (weir.yaml:31)", "limits.max_pending is 1024 by default". `limit` is the detail of the refusal;
// any other text comes back as it is. `adaptive`: what limits.adaptive admits now.
[[nodiscard]] std::string limit_text(std::string_view limit,
                                     const config::Config& config,
                                     const config::Cluster& cluster,
                                     std::uint32_t adaptive);

}  // namespace weir::proxy
