#pragma once

#include <cstdint>
#include <limits>

namespace weir {

// Seeded chance for balancing, jitter and ids: xoshiro256** (Blackman and Vigna, 2018), seeded by
// splitmix64. Not for secrets. A UniformRandomBitGenerator. Thread: its owner's.
class Random {
  public:
    using result_type = std::uint64_t;

    explicit Random(std::uint64_t seed);

    // From the system's entropy.
    [[nodiscard]] static Random from_system();

    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

    result_type operator()() {
        const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = rotate(state_[3], 45);
        return result;
    }

    // Uniform in [0, bound); bound > 0. The bias of the multiplication (Lemire) is below 2^-32.
    std::uint32_t below(std::uint32_t bound) {
        return static_cast<std::uint32_t>(((operator()() >> 32) * bound) >> 32);
    }

    // Uniform in [0, 1).
    double uniform() { return static_cast<double>(operator()() >> 11) * 0x1.0p-53; }

  private:
    static std::uint64_t rotate(std::uint64_t value, int bits) {
        return (value << bits) | (value >> (64 - bits));
    }

    std::uint64_t state_[4];
};

}  // namespace weir
