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

// A word of another proxy and the key that does its work, by its path in the reference.
struct Synonym {
    std::string_view word;
    std::string_view path;
};
[[nodiscard]] std::span<const Synonym> synonyms();

// The key that a word of nginx, Envoy, Traefik, HAProxy or Caddy stands for.
struct Meant {
    std::string_view path;  // from this object on, "outlier.consecutive_failures"; else whole
    bool is_here = false;   // this object has it
};
// `block` is the path of the object in the table, `keys` what it takes. No path: no such word.
[[nodiscard]] Meant synonym(std::string_view word,
                            std::string_view block,
                            std::span<const std::string_view> keys);

// "a, b, c"
[[nodiscard]] std::string joined(std::span<const std::string_view> words);

}  // namespace weir::config
