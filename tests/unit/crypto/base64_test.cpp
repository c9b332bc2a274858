#include "weir/crypto/base64.hpp"

#include "weir/crypto/digest.hpp"

#include <gtest/gtest.h>

namespace weir::crypto {
namespace {

TEST(Base64, EncodesTheVectorsOfRfc4648) {
    EXPECT_EQ(encode_base64(""), "");
    EXPECT_EQ(encode_base64("f"), "Zg==");
    EXPECT_EQ(encode_base64("fo"), "Zm8=");
    EXPECT_EQ(encode_base64("foo"), "Zm9v");
    EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
    EXPECT_EQ(encode_base64url("\xfb\xff"), "-_8");
    EXPECT_EQ(decode_base64("+/8="), "\xfb\xff");
}

TEST(Base64, IsItsOwnInverse) {
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        EXPECT_EQ(decode_base64url(encode_base64url(bytes)), bytes);
        EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
        bytes.push_back(static_cast<char>(i * 7));
    }
}

TEST(Base64, HasOneTextForBytes) {
    EXPECT_EQ(decode_base64url("Zg"), "f");
    for (const auto* const text :
         {"Zh", "Zg==", "Z", "Zg=", "Z g", "Zg\n", "Zm9v+", "Zm9v/", "Zm9=", "Zm9v====", "Zm8="}) {
        EXPECT_FALSE(decode_base64url(text)) << text;
    }
    for (const auto* const text : {"Zg", "Zh==", "Zg=", "=", "====", "Z===", "Zm9v-", "Zm=v"})
        EXPECT_FALSE(decode_base64(text)) << text;
    EXPECT_FALSE(decode_base64url(std::string_view("Zg\0A", 4)));
}

TEST(Digest, AgreesWithFips180AndRfc4231) {
    EXPECT_EQ(to_hex(bytes_of(sha256("abc"))),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(to_hex(bytes_of(hmac_sha256("Jefe", "what do ya want for nothing?"))),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Digest, ReadsHexOfItsLengthOnly) {
    const Digest digest = sha256("abc");
    EXPECT_EQ(digest_from_hex(to_hex(bytes_of(digest))), digest);
    EXPECT_FALSE(digest_from_hex(std::string(63, '0')));
    EXPECT_FALSE(digest_from_hex("g" + std::string(63, '0')));
    EXPECT_FALSE(digest_from_hex(std::string(66, '0')));
}

TEST(Digest, ComparesAllOfIt) {
    EXPECT_TRUE(equal_in_constant_time("secret", "secret"));
    EXPECT_FALSE(equal_in_constant_time("secret", "secreT"));
    EXPECT_FALSE(equal_in_constant_time("secret", "secre"));
    EXPECT_TRUE(equal_in_constant_time("", ""));
    EXPECT_NE(random_bytes(32), random_bytes(32));
}

}  // namespace
}  // namespace weir::crypto
