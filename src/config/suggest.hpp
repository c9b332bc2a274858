#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::config {

// Damerau-Levenshtein (adjacent transpositions): how many slips make one word the other.
[[nodiscard]] std::size_t distance(std::string_view a, std::string_view b);

// The candidate within max(1, length / 3) slips of the word, the nearest first; empty for none.
[[nodiscard]] std::string_view nearest(std::string_view word,
                                       std::span<const std::string_view> candidates);

// The key of this object which a word of Envoy, nginx, HAProxy, Traefik and others stands for,
// perhaps with a key below it ("outlier.consecutive_failures"); empty for none.
[[nodiscard]] std::string_view synonym(std::string_view word,
                                       std::span<const std::string_view> keys);

// "a, b, c"
[[nodiscard]] std::string joined(std::span<const std::string_view> words);

}  // namespace weir::config
