#include "weir/core/address.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <sys/un.h>

namespace weir {
namespace {

struct Good {
    const char* text;
    int family;
    std::uint16_t port;
    const char* ip;
    bool is_loopback;
    const char* written;  // by to_string()
};

class GoodAddress : public ::testing::TestWithParam<Good> {};

TEST_P(GoodAddress, IsParsedAndWritten) {
    const auto address = Address::parse(GetParam().text);
    ASSERT_TRUE(address);
    EXPECT_EQ(address->family(), GetParam().family);
    EXPECT_EQ(address->is_unix(), GetParam().family == AF_UNIX);
    EXPECT_EQ(address->is_v6(), GetParam().family == AF_INET6);
    EXPECT_EQ(address->port(), GetParam().port);
    EXPECT_EQ(address->ip(), GetParam().ip);
    EXPECT_EQ(address->is_loopback(), GetParam().is_loopback);
    EXPECT_EQ(address->to_string(), GetParam().written);
}

TEST_P(GoodAddress, SurvivesTheSocketInterface) {
    const auto address = Address::parse(GetParam().text);
    ASSERT_TRUE(address);
    sockaddr_storage storage;
    std::memset(&storage, 0xaa, sizeof storage);
    const socklen_t size = address->to_socket(storage);
    EXPECT_EQ(storage.ss_family, GetParam().family);
    EXPECT_EQ(Address::from_socket(reinterpret_cast<const sockaddr*>(&storage), size), *address);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    GoodAddress,
    ::testing::Values(
        Good{"127.0.0.1:80", AF_INET, 80, "127.0.0.1", true, "127.0.0.1:80"},
        Good{"127.9.8.7:65535", AF_INET, 65535, "127.9.8.7", true, "127.9.8.7:65535"},
        Good{"10.0.0.1:1", AF_INET, 1, "10.0.0.1", false, "10.0.0.1:1"},
        Good{"0.0.0.0:0", AF_INET, 0, "0.0.0.0", false, "0.0.0.0:0"},
        Good{"[::1]:80", AF_INET6, 80, "::1", true, "[::1]:80"},
        Good{"[2001:DB8:0:0::1]:443", AF_INET6, 443, "2001:db8::1", false, "[2001:db8::1]:443"},
        Good{"[::ffff:127.0.0.1]:80", AF_INET6, 80, "127.0.0.1", true, "127.0.0.1:80"},
        Good{"[::ffff:10.0.0.1]:80", AF_INET6, 80, "10.0.0.1", false, "10.0.0.1:80"},
        Good{":8080", AF_INET6, 8080, "::", false, "[::]:8080"},
        Good{"unix:/run/app.sock", AF_UNIX, 0, "unix:", true, "unix:/run/app.sock"},
        Good{"unix:@abstract", AF_UNIX, 0, "unix:", true, "unix:@abstract"},
        Good{"unix:relative:with:colons", AF_UNIX, 0, "unix:", true, "unix:relative:with:colons"}));

class BadAddress : public ::testing::TestWithParam<const char*> {};

TEST_P(BadAddress, IsRefused) {
    EXPECT_EQ(Address::parse(GetParam()), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         BadAddress,
                         ::testing::Values("",
                                           ":",
                                           "80",
                                           "127.0.0.1",
                                           "127.0.0.1:",
                                           "127.0.0.1:65536",
                                           "127.0.0.1:99999999999",
                                           "127.0.0.1:-1",
                                           "127.0.0.1:+1",
                                           "127.0.0.1: 80",
                                           "127.0.0.1:80 ",
                                           " 127.0.0.1:80",
                                           "127.0.0.1:0x50",
                                           "127.0.0.1:http",
                                           "127.0.0:80",
                                           "127.0.0.256:80",
                                           "0177.0.0.1:80",
                                           "[127.0.0.1]:80",
                                           "::1:80",
                                           "[::1]",
                                           "[::1:80",
                                           "::1]:80",
                                           "[]:80",
                                           "[::g]:80",
                                           "[fe80::1%eth0]:80",
                                           "localhost:80",
                                           "orders:80",
                                           "unix:",
                                           "unix:@",
                                           "http://127.0.0.1:80"));

TEST(Address, RefusesAUnixPathThatTheKernelCannotHold) {
    const std::string longest(sizeof(sockaddr_un::sun_path) - 1, 'p');
    const auto address = Address::parse("unix:" + longest);
    ASSERT_TRUE(address);
    sockaddr_storage storage;
    const socklen_t size = address->to_socket(storage);
    EXPECT_EQ(Address::from_socket(reinterpret_cast<const sockaddr*>(&storage), size), *address);
    EXPECT_FALSE(Address::parse("unix:" + longest + "p"));
}

TEST(Address, AnAbstractNameHasNoTerminatorOnTheWire) {
    sockaddr_storage storage;
    const socklen_t size = Address::parse("unix:@ab")->to_socket(storage);
    EXPECT_EQ(size, offsetof(sockaddr_un, sun_path) + 3);
    sockaddr_un un{};
    std::memcpy(&un, &storage, sizeof un);
    EXPECT_EQ(std::string(un.sun_path, 3), std::string("\0ab", 3));
}

TEST(Address, AnUnnamedUnixSocketHasNoPath) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    const auto address = Address::from_socket(reinterpret_cast<const sockaddr*>(&un),
                                              offsetof(sockaddr_un, sun_path));
    EXPECT_TRUE(address.is_unix());
    EXPECT_EQ(address.to_string(), "unix:");
}

TEST(Address, IsMadeFromAnIpAndAPort) {
    EXPECT_EQ(Address::from_ip("10.0.0.1", 80), Address::parse("10.0.0.1:80"));
    EXPECT_EQ(Address::from_ip("::1", 80), Address::parse("[::1]:80"));
    EXPECT_EQ(Address::from_ip("[::1]", 80), std::nullopt);
    EXPECT_EQ(Address::from_ip("", 80), std::nullopt);
    EXPECT_EQ(Address::from_ip("orders", 80), std::nullopt);
}

TEST(Address, ComparesFamilyAddressPortAndPath) {
    const auto parse = [](const char* text) { return *Address::parse(text); };
    EXPECT_EQ(parse("10.0.0.1:80"), parse("10.0.0.1:80"));
    EXPECT_FALSE(parse("10.0.0.1:80") == parse("10.0.0.1:81"));
    EXPECT_FALSE(parse("10.0.0.1:80") == parse("10.0.0.2:80"));
    EXPECT_FALSE(parse("[::]:80") == parse("0.0.0.0:80"));
    EXPECT_FALSE(parse("unix:/a") == parse("unix:/b"));
    EXPECT_FALSE(parse("unix:/a") == Address{});
}

TEST(Address, ATextWithAZeroByteIsNone) {
    using namespace std::string_view_literals;
    EXPECT_EQ(Address::parse("127.0.0.1\0x:80"sv), std::nullopt);
    EXPECT_EQ(Address::parse("unix:/a\0b"sv), std::nullopt);
    EXPECT_EQ(Address::from_ip("127.0.0.1\0x"sv, 80), std::nullopt);
}

TEST(Address, TheDefaultIsNowhere) {
    EXPECT_EQ(Address{}.family(), AF_UNSPEC);
    EXPECT_EQ(Address{}.to_string(), "");
    EXPECT_EQ(Address{}.ip(), "");
    EXPECT_FALSE(Address{}.is_loopback());
}

}  // namespace
}  // namespace weir
