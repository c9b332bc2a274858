#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Where a stretch of plain bytes ends: the inner loops of the HTTP/1 parser, sixteen bytes at a
// time where the machine can (a head costs about one instruction a byte by it instead of five).
namespace weir::http::scan {

enum Class : std::uint8_t {
    token = 1,        // RFC 9110, 5.6.2
    host = 2,         // a registered name or an IPv4 address
    path = 4,         // visible, and with no meaning to normalise_path but '.' and '/'
    hex = 8,          // either case
    unreserved = 16,  // RFC 3986, 2.3
    digit = 32,
};

consteval std::array<std::uint8_t, 256> make_classes() {
    std::array<std::uint8_t, 256> classes{};
    const auto add = [&classes](std::string_view bytes, unsigned which) {
        for (const char byte : bytes) {
            auto& entry = classes[static_cast<unsigned char>(byte)];
            entry = static_cast<std::uint8_t>(entry | which);
        }
    };
    constexpr std::string_view kDigits = "0123456789";
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    add(kLetters, token | host | unreserved);
    add(kDigits, token | host | unreserved | hex | digit);
    add("abcdefABCDEF", hex);
    add("!#$%&'*+-.^_`|~", token);
    add("-._~", host | unreserved);
    for (unsigned byte = 0x21; byte < 0x7f; ++byte) {
        classes[byte] = static_cast<std::uint8_t>(classes[byte] | path);
    }
    for (const char byte : std::string_view("%\\#?")) {
        auto& entry = classes[static_cast<unsigned char>(byte)];
        entry = static_cast<std::uint8_t>(entry & ~unsigned{path});
    }
    return classes;
}
inline constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

[[nodiscard]] inline bool is(char byte, Class which) {
    return (kClasses[static_cast<unsigned char>(byte)] & which) != 0;
}

[[nodiscard]] inline bool is_control(char byte) {
    const auto code = static_cast<unsigned char>(byte);
    return code < 0x20 || code == 0x7f;
}

// 0x21 to 0x7e.
[[nodiscard]] inline bool is_visible(char byte) {
    const auto code = static_cast<unsigned char>(byte);
    return code > 0x20 && code < 0x7f;
}

#if defined(__SSE2__)
inline constexpr std::ptrdiff_t kBlock = 16;

[[nodiscard]] inline __m128i load(const char* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
[[nodiscard]] inline unsigned mask(__m128i bytes) {
    return static_cast<unsigned>(_mm_movemask_epi8(bytes));
}
[[nodiscard]] inline __m128i at_most(__m128i bytes, char limit) {  // unsigned
    return _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(limit)), bytes);
}
[[nodiscard]] inline __m128i equal(__m128i bytes, char byte) {
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte));
}
[[nodiscard]] inline __m128i not_visible(__m128i bytes) {  // 0x80 and above are negative
    return _mm_or_si128(_mm_cmpgt_epi8(_mm_set1_epi8(0x21), bytes), equal(bytes, 0x7f));
}
#endif

// The first byte that is a control (HTAB too): where a field value ends, or is broken.
[[nodiscard]] inline const char* to_control(const char* at, const char* end) {
#if defined(__SSE2__)
    for (; end - at >= kBlock; at += kBlock) {
        const __m128i bytes = load(at);
        const unsigned found = mask(_mm_or_si128(at_most(bytes, 0x1f), equal(bytes, 0x7f)));
        if (found != 0) return at + __builtin_ctz(found);
    }
#endif
    while (at != end && !is_control(*at))
        ++at;
    return at;
}

// The first byte that is not visible ASCII: where a request target ends, or is broken.
[[nodiscard]] inline const char* to_invisible(const char* at, const char* end) {
#if defined(__SSE2__)
    for (; end - at >= kBlock; at += kBlock) {
        const unsigned found = mask(not_visible(load(at)));
        if (found != 0) return at + __builtin_ctz(found);
    }
#endif
    while (at != end && is_visible(*at))
        ++at;
    return at;
}

// The first byte that is not a token's. The blocks know letters, digits and '-', which are all of
// nearly every field name.
[[nodiscard]] inline const char* to_token_end(const char* at, const char* end) {
#if defined(__SSE2__)
    for (; end - at >= kBlock; at += kBlock) {
        const __m128i bytes = load(at);
        const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        const __m128i letters = at_most(_mm_sub_epi8(lower, _mm_set1_epi8('a')), 25);
        const __m128i digits = at_most(_mm_sub_epi8(bytes, _mm_set1_epi8('0')), 9);
        const __m128i known = _mm_or_si128(_mm_or_si128(letters, digits), equal(bytes, '-'));
        const unsigned others = mask(known) ^ 0xffffU;
        if (others == 0) continue;
        at += __builtin_ctz(others);
        break;
    }
#endif
    while (at != end && is(*at, token))
        ++at;
    return at;
}

}  // namespace weir::http::scan
