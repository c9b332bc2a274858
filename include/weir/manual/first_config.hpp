#pragma once

#include <string>
#include <string_view>

namespace weir::manual {

struct FirstConfig {
    std::string from = ":8080";
    std::string to = "127.0.0.1:9000";
    std::string mode = "gateway";  // or inbound, outbound
};

// What `weir init` writes: a small configuration with comments that say what to change first.
[[nodiscard]] std::string first_config(const FirstConfig& wishes);

}  // namespace weir::manual
