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
// The number of the lowest bit; there is one.
[[nodiscard]] inline std::ptrdiff_t first(unsigned bits) {
    return static_cast<unsigned>(__builtin_ctz(bits));
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

#if defined(__SSE2__)
// Sixteen bytes at a time; the last block may begin before `at`, but not before `floor`. `find`
// gives a bit for each byte that ends the stretch, `is_end` says the same of one byte.
template <typename Find, typename IsEnd>
[[nodiscard]] inline const char* to_first(
    const char* at, const char* end, const char* floor, Find find, IsEnd is_end) {
    for (; end - at >= kBlock; at += kBlock) {
        const unsigned found = find(load(at));
        if (found != 0) return at + first(found);
    }
    if (at != end && end - floor >= kBlock) {
        const unsigned found = find(load(end - kBlock)) >> (kBlock - (end - at));
        return found != 0 ? at + first(found) : end;
    }
    while (at != end && !is_end(*at))
        ++at;
    return at;
}
#else
template <typename IsEnd>
[[nodiscard]] inline const char* to_first(const char* at, const char* end, IsEnd is_end) {
    while (at != end && !is_end(*at))
        ++at;
    return at;
}
#endif

// The first byte that is a control (HTAB too): where a field value ends, or is broken. The bytes
// from `floor` on are readable.
[[nodiscard]] inline const char* to_control(const char* at,
                                            const char* end,
                                            [[maybe_unused]] const char* floor) {
    const auto is_end = [](char byte) { return is_control(byte); };
#if defined(__SSE2__)
    const auto find = [](__m128i bytes) {
        return mask(_mm_or_si128(at_most(bytes, 0x1f), equal(bytes, 0x7f)));
    };
    return to_first(at, end, floor, find, is_end);
#else
    return to_first(at, end, is_end);
#endif
}

// The first byte that is not visible ASCII: where a request target ends, or is broken.
[[nodiscard]] inline const char* to_invisible(const char* at,
                                              const char* end,
                                              [[maybe_unused]] const char* floor) {
    const auto is_end = [](char byte) { return !is_visible(byte); };
#if defined(__SSE2__)
    const auto find = [](__m128i bytes) { return mask(not_visible(bytes)); };
    return to_first(at, end, floor, find, is_end);
#else
    return to_first(at, end, is_end);
#endif
}

// The first byte that is not a registered name's. The blocks know no '_' and '~', which so take
// longer.
[[nodiscard]] inline const char* to_host_end(const char* at, const char* end) {
#if defined(__SSE2__)
    for (; end - at >= kBlock; at += kBlock) {
        const __m128i bytes = load(at);
        const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        const __m128i letters = at_most(_mm_sub_epi8(lower, _mm_set1_epi8('a')), 25);
        const __m128i digits = at_most(_mm_sub_epi8(bytes, _mm_set1_epi8('0')), 9);
        const __m128i marks = _mm_or_si128(equal(bytes, '-'), equal(bytes, '.'));
        if (mask(_mm_or_si128(_mm_or_si128(letters, digits), marks)) != 0xffffU) break;
    }
#endif
    while (at != end && is(*at, host))
        ++at;
    return at;
}

#if defined(__SSE2__)
// What a block says of a path: bits of the bytes that cannot be left alone or that end it, of the
// slashes, and of what must not follow a slash.
struct PathBlock {
    unsigned refused;
    unsigned slashes;
    unsigned marks;

    // Bits of the bytes at fault: refused, or a mark after a slash.
    [[nodiscard]] unsigned faults(bool after_slash) const {
        return refused | (marks & (slashes << 1 | (after_slash ? 1U : 0U)));
    }
};
[[nodiscard]] inline PathBlock path_block(__m128i bytes, bool merge_slashes) {
    const __m128i escapes = _mm_or_si128(equal(bytes, '%'), equal(bytes, '\\'));
    const __m128i others = _mm_or_si128(equal(bytes, '#'), equal(bytes, '?'));
    const __m128i refused = _mm_or_si128(_mm_or_si128(escapes, others), not_visible(bytes));
    const unsigned slashes = mask(equal(bytes, '/'));
    const unsigned dots = mask(equal(bytes, '.'));
    return {mask(refused), slashes, merge_slashes ? dots | slashes : dots};
}

// How many letters and '-' the block begins with.
[[nodiscard]] inline std::ptrdiff_t name_size(__m128i bytes) {
    const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    const __m128i letters = at_most(_mm_sub_epi8(lower, _mm_set1_epi8('a')), 25);
    return first(~mask(_mm_or_si128(letters, equal(bytes, '-'))));
}

// Bits of the bytes that are not 0x20 to 0x7e: all that may end a value, and some that may not.
[[nodiscard]] inline unsigned unprintable(__m128i bytes) {
    const __m128i next = _mm_add_epi8(bytes, _mm_set1_epi8(1));  // 0x7f and above become negative
    return mask(_mm_cmpgt_epi8(next, _mm_set1_epi8(0x20))) ^ 0xffffU;
}
#endif

// The first byte that is not a token's. The block knows letters and '-', which are all of nearly
// every field name; others take longer.
[[nodiscard]] inline const char* to_token_end(const char* at,
                                              const char* end,
                                              bool& has_underscore) {
#if defined(__SSE2__)
    if (end - at >= kBlock) {
        const char* const begin = at;
        at += name_size(load(at));
        if (at - begin < kBlock && *at == ':') return at;
    }
#endif
    for (; at != end && is(*at, token); ++at) {
        if (*at == '_') has_underscore = true;
    }
    return at;
}

}  // namespace weir::http::scan
