#include "weir/auth/key_file.hpp"

#include <gtest/gtest.h>

namespace weir::auth {
namespace {

const WallTime kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 23);

std::string hex_of(std::string_view key) {
    return crypto::to_hex(crypto::bytes_of(crypto::sha256(key)));
}

TEST(ApiKeys, KnowsWhoseAKeyIs) {
    const auto parsed =
        ApiKeys::parse("# partners\n\nacme:" + hex_of("k1") + "\r\n  shop: " + hex_of("k2") +
                           "  \nacme:" + hex_of("k3"),
                       kNow);
    ASSERT_TRUE(parsed.keys);
    EXPECT_EQ(parsed.keys->size(), 3U);
    EXPECT_EQ(*parsed.keys->find("k1", kNow).name, "acme");
    EXPECT_EQ(*parsed.keys->find("k2", kNow).name, "shop");
    EXPECT_EQ(*parsed.keys->find("k3", kNow).name, "acme");
    EXPECT_EQ(parsed.keys->find("k4", kNow).name, nullptr);
    EXPECT_EQ(parsed.keys->find("", kNow).name, nullptr);
    EXPECT_EQ(parsed.keys->find(hex_of("k1"), kNow).name, nullptr);
    EXPECT_EQ(parsed.keys->find(std::string(2000, 'k'), kNow).name, nullptr);
}

TEST(ApiKeys, EndWhenTheyExpire) {
    const auto parsed =
        ApiKeys::parse("a:" + hex_of("day") + " expires=2026-11-24\nb:" + hex_of("second") +
                           " expires=2026-11-24T00:00:00Z",
                       kNow);
    ASSERT_TRUE(parsed.keys);
    const WallTime midnight = kNow + std::chrono::hours{24};
    const auto second = std::chrono::seconds{1};
    EXPECT_FALSE(parsed.keys->find("second", midnight - second).is_expired);
    EXPECT_TRUE(parsed.keys->find("second", midnight).is_expired);
    EXPECT_FALSE(parsed.keys->find("day", midnight + std::chrono::hours{24} - second).is_expired);
    EXPECT_TRUE(parsed.keys->find("day", midnight + std::chrono::hours{24}).is_expired);
}

TEST(ApiKeys, ANameHasTwoThatAreActive) {
    const std::string two = "a:" + hex_of("1") + "\na:" + hex_of("2") + "\n";
    EXPECT_TRUE(ApiKeys::parse(two, kNow).keys);
    EXPECT_FALSE(ApiKeys::parse(two + "a:" + hex_of("3"), kNow).keys);
    EXPECT_TRUE(ApiKeys::parse(two + "a:" + hex_of("3") + " expires=2026-01-01", kNow).keys);
}

TEST(ApiKeys, SaysWhatIsWrongButNotWhatItSays) {
    const std::string good = hex_of("k");
    for (const std::string& line :
         {std::string("acme"), "acme:" + good.substr(1), "acme:" + good + "0", ":" + good,
          std::string("acme:plain-text-key"), "a b:" + good,
          std::string("sixty-five-characters-are-more-than-a-name-of-a-client-may-have-00:") + good,
          "acme:" + good + " expires=soon", "acme:" + good + " until=2027-01-01",
          "acme:" + good + " expires=2026-02-30", "acme:" + good + " expires=2026-02-03T25:00:00Z",
          "acme:" + good + " expires=2026-02-03T10:00:00", "acme:" + good + "\nb:" + good}) {
        const auto parsed = ApiKeys::parse("# one\n" + line, kNow);
        EXPECT_FALSE(parsed.keys) << line;
        ASSERT_EQ(parsed.problems.size(), 1U) << line;
        EXPECT_EQ(parsed.problems[0].line, line.find('\n') == std::string::npos ? 2U : 3U);
        EXPECT_EQ(parsed.problems[0].what.find("plain-text-key"), std::string::npos);
        EXPECT_EQ(parsed.problems[0].what.find(good), std::string::npos);
    }
    std::string many;
    for (int i = 0; i < 1000; ++i)
        many += "x\n";
    EXPECT_EQ(ApiKeys::parse(many, kNow).problems.size(), 20U);
}

// crypt(5) of "secret", by libcrypt.
constexpr std::string_view kBcrypt = "$2b$05$weirweirweirweirweirweC6psXbt/7XKa8brcUZBk2gLL4Kgptv6";
constexpr std::string_view kSha512 =
    "$6$rounds=1000$weirweir$.Qn8gG1S0V0JEAyOuQIZBp3tu.QBPGSvpSpAGqrt7RYqS2"
    "CAxgS6fpaRveqraCPHBHo4L85PKfSq/J0NXsNfj0";
constexpr std::string_view kYescrypt =
    "$y$j7T$weirweirweirweir$qshMx4tDS5xbekRWjfrqmkmLTePXErQl0u/s2J5PAs7";

TEST(Passwords, MatchTheirHashes) {
    for (const auto hash : {kBcrypt, kSha512, kYescrypt}) {
        EXPECT_TRUE(matches_hash("secret", hash)) << hash;
        EXPECT_FALSE(matches_hash("Secret", hash)) << hash;
        EXPECT_FALSE(matches_hash("", hash)) << hash;
        EXPECT_FALSE(matches_hash(std::string_view("secret\0x", 8), hash)) << hash;
    }
    EXPECT_FALSE(matches_hash("secret", ""));
    EXPECT_FALSE(matches_hash("secret", "*0"));
    EXPECT_FALSE(matches_hash("secret", "secret"));
    EXPECT_FALSE(matches_hash(std::string(300, 'x'), kSha512));
}

TEST(Passwords, AnUnknownUserCostsAsMuch) {
    const auto parsed =
        Passwords::parse("ann:" + std::string(kYescrypt) + "\nbob:" + std::string(kBcrypt) +
                         "\neve:" + std::string(kBcrypt));
    ASSERT_TRUE(parsed.passwords);
    EXPECT_EQ(parsed.passwords->hash_of("ann").text, kYescrypt);
    EXPECT_TRUE(parsed.passwords->hash_of("ann").is_known);
    const auto unknown = parsed.passwords->hash_of("mallory");
    EXPECT_FALSE(unknown.is_known);
    EXPECT_EQ(unknown.text, kBcrypt);
    EXPECT_FALSE(parsed.passwords->hash_of("").is_known);
}

TEST(Passwords, TakeNoHashThatIsWeakOrTooDear) {
    const std::string bcrypt(kBcrypt);
    for (const std::string& hash :
         {std::string("secret"), std::string("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),
          std::string("$apr1$x$0000000000000000000000"), std::string("$1$x$0000000000000000000000"),
          std::string("ab5Z.zYzzzzzz"), bcrypt.substr(1), bcrypt + "x", bcrypt.substr(0, 30),
          "$2b$16$" + bcrypt.substr(7), "$2b$04$" + bcrypt.substr(7), "$2b$xx$" + bcrypt.substr(7),
          std::string("$6$rounds=5000000$x$") + std::string(86, 'x'), std::string("$6$x$short"),
          "$y$jDT$x$" + std::string(43, 'x'), "$y$x9T$x$" + std::string(43, 'x'),
          std::string("$y$"), std::string()}) {
        const auto parsed = Passwords::parse("ann:" + hash);
        EXPECT_FALSE(parsed.passwords) << hash;
        ASSERT_EQ(parsed.problems.size(), 1U) << hash;
    }
    EXPECT_FALSE(Passwords::parse("ann:" + bcrypt + "\nann:" + bcrypt).passwords);
    EXPECT_TRUE(Passwords::parse("").passwords);
}

}  // namespace
}  // namespace weir::auth
