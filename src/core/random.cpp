#include "weir/core/random.hpp"

#include <random>

namespace weir {

Random::Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
        seed += 0x9e3779b97f4a7c15ULL;
        std::uint64_t mixed = seed;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
        word = mixed ^ (mixed >> 31);
    }
}

Random Random::from_system() {
    std::random_device device;
    return Random{(std::uint64_t{device()} << 32) | device()};
}

}  // namespace weir
