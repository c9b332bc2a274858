#pragma once

#include <cstdint>
#include <string_view>

namespace weir::quota {

// A secret of 128 bits: without it nobody finds two texts of the same hash.
struct HashKey {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
};

// SipHash-1-3 (Aumasson and Bernstein, 2012; the rounds as Rust's and Ruby's tables have them).
[[nodiscard]] std::uint64_t keyed_hash(const HashKey& key, std::string_view text);

}  // namespace weir::quota
