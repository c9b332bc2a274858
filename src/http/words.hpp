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

// Whether the `size` bytes at `name` are `known` (lower case letters and '-') in any case, compared
// a word at a time with words that may overlap. Only for bytes without controls: the 0x20 bit tells
// no letter from another, but a '-' not from CR.
[[nodiscard]] inline bool same(const char* name, const char* known, std::size_t size) {
    const auto differ = [=]<typename Word>(Word /*of this type*/, std::size_t at) {
        return load_lower<Word>(name + at) ^ load_lower<Word>(known + at);
    };
    if (size >= 8) {
        std::uint64_t differs = differ(std::uint64_t{}, size - 8);
        for (std::size_t at = 0; at + 8 < size; at += 8)
            differs |= differ(std::uint64_t{}, at);
        return differs == 0;
    }
    if (size >= 4) return (differ(std::uint32_t{}, 0) | differ(std::uint32_t{}, size - 4)) == 0;
    for (std::size_t at = 0; at < size; ++at) {
        if ((name[at] | 0x20) != known[at]) return false;
    }
    return true;
}

// `name` begins with that word.
template <std::size_t N>
[[nodiscard]] inline bool same(const char* name, const char (&known)[N]) {
    return same(name, known, N - 1);
}

// The same with the size compared first.
template <std::size_t N>
[[nodiscard]] inline bool is_word(std::string_view text, const char (&known)[N]) {
    return text.size() == N - 1 && same(text.data(), known);
}

}  // namespace weir::http
