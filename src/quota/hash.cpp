#include "weir/quota/hash.hpp"

#include <bit>
#include <cstring>

namespace weir::quota {
namespace {

struct State {
    std::uint64_t a, b, c, d;

    void round() {
        a += b;
        b = std::rotl(b, 13) ^ a;
        a = std::rotl(a, 32);
        c += d;
        d = std::rotl(d, 16) ^ c;
        a += d;
        d = std::rotl(d, 21) ^ a;
        c += b;
        b = std::rotl(b, 17) ^ c;
        c = std::rotl(c, 32);
    }
};

std::uint64_t little_endian(const char* bytes, std::size_t size) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < size; ++i)
        word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    return word;
}

}  // namespace

std::uint64_t keyed_hash(const HashKey& key, std::string_view text) {
    State state{key.low ^ 0x736f6d6570736575U, key.high ^ 0x646f72616e646f6dU,
                key.low ^ 0x6c7967656e657261U, key.high ^ 0x7465646279746573U};
    const std::uint64_t size = text.size();
    for (; text.size() >= 8; text.remove_prefix(8)) {
        const std::uint64_t word = little_endian(text.data(), 8);
        state.d ^= word;
        state.round();
        state.a ^= word;
    }
    const std::uint64_t last = size << 56 | little_endian(text.data(), text.size());
    state.d ^= last;
    state.round();
    state.a ^= last;
    state.c ^= 0xFF;
    for (int i = 0; i < 3; ++i)
        state.round();
    return state.a ^ state.b ^ state.c ^ state.d;
}

}  // namespace weir::quota
