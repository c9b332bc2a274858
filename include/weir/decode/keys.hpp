#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace weir::config {

// A row of the key table, which drives the decoder: a key that is not here is refused, a key that
// is here works. The reference, the schema and completion are made from it.
struct KeyInfo {
    std::string path;       // "listeners[].routes[].path", "clusters{}.lb.policy", "breaker.mode"
    std::string_view type;  // "duration", "size|unlimited", "enum:enforce,shadow,off"
    std::string_view fallback;  // the default as it would be written; "required", "-" and such
    std::string_view doc;       // one line, or empty
    bool is_shorthand = false;  // a bare value in place of its object stands for this key
    double least = 0;           // of numbers; durations in seconds, shares as fractions
    double most = std::numeric_limits<double>::infinity();
};

// In the order of the reference. Built at each call.
[[nodiscard]] std::vector<KeyInfo> keys();

}  // namespace weir::config
