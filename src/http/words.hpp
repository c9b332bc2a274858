#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir::http {

template <typename Word>
[[nodiscard]] inline Word load_lower(const char* at) {
    Word word;
    std::memcpy(&word, at, sizeof word);
    return word | static_cast<Word>(0x2020202020202020ULL);
}

// Whether the N - 1 bytes at `name` are `known` (lower case letters and '-') in any case, compared
// a word at a time with words that may overlap. Only for bytes without controls: the 0x20 bit tells
// no letter from another, but a '-' not from CR.
template <std::size_t N>
[[nodiscard]] inline bool same(const char* name, const char (&known)[N]) {
    constexpr std::size_t kSize = N - 1;
    if constexpr (kSize >= 8) {
        std::uint64_t differs = 0;
        for (std::size_t at = 0; at + 8 <= kSize; at += 8) {
            differs |= load_lower<std::uint64_t>(name + at) ^ load_lower<std::uint64_t>(known + at);
        }
        constexpr std::size_t kLast = kSize - 8;
        differs |=
            load_lower<std::uint64_t>(name + kLast) ^ load_lower<std::uint64_t>(known + kLast);
        return differs == 0;
    } else if constexpr (kSize >= 4) {
        constexpr std::size_t kLast = kSize - 4;
        const auto head = load_lower<std::uint32_t>(name) ^ load_lower<std::uint32_t>(known);
        const auto tail =
            load_lower<std::uint32_t>(name + kLast) ^ load_lower<std::uint32_t>(known + kLast);
        return (head | tail) == 0;
    } else {
        for (std::size_t at = 0; at < kSize; ++at) {
            if ((name[at] | 0x20) != known[at]) return false;
        }
        return true;
    }
}

// The same with the size compared first.
template <std::size_t N>
[[nodiscard]] inline bool is_word(std::string_view text, const char (&known)[N]) {
    return text.size() == N - 1 && same(text.data(), known);
}

}  // namespace weir::http
