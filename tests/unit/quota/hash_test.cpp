#include "weir/quota/hash.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weir::quota {
namespace {

// SipHash-1-3 with the key 00 01 … 0f, of 00 01 … (n - 1).
TEST(KeyedHash, IsSipHash13) {
    const HashKey key{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
    const auto of_size = [&](int size) {
        std::string text;
        for (int i = 0; i < size; ++i)
            text += static_cast<char>(i);
        return keyed_hash(key, text);
    };
    EXPECT_EQ(of_size(0), 0xabac0158050fc4dcU);
    EXPECT_EQ(of_size(1), 0xc9f49bf37d57ca93U);
    EXPECT_EQ(of_size(8), 0x369095118d299a8eU);
    EXPECT_EQ(of_size(15), 0xd320d86d2a519956U);
}

TEST(KeyedHash, DiffersWithTheKeyAndWithEachByte) {
    std::set<std::uint64_t> seen;
    for (std::uint64_t key = 0; key < 100; ++key) {
        for (const char* text : {"", "a", "b", "ab", "10.0.0.1|8", "10.0.0.2|8"})
            EXPECT_TRUE(seen.insert(keyed_hash({key, ~key}, text)).second);
    }
}

}  // namespace
}  // namespace weir::quota
