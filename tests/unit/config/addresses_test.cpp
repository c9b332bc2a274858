#include "config/addresses.hpp"

#include <gtest/gtest.h>

namespace weir::config {
namespace {

TEST(ConfigAddresses, ReadEndpointsByAddressAndByName) {
    const auto ip = std::get<Endpoint>(read_endpoint("10.0.0.5:9000"));
    EXPECT_EQ(ip.address->to_string(), "10.0.0.5:9000");
    EXPECT_EQ(ip.port, 9000);
    const auto v6 = std::get<Endpoint>(read_endpoint("[::1]:80"));
    EXPECT_EQ(v6.host, "::1");
    EXPECT_TRUE(v6.address->is_v6());
    const auto name = std::get<Endpoint>(read_endpoint("orders.shop:80"));
    EXPECT_EQ(name.host, "orders.shop");
    EXPECT_FALSE(name.address);
    const auto socket = std::get<Endpoint>(read_endpoint("unix:/run/x.sock"));
    EXPECT_TRUE(socket.address->is_unix());
    EXPECT_EQ(socket.host, "/run/x.sock");
}

TEST(ConfigAddresses, RefuseWhatIsNoEndpoint) {
    const struct {
        const char* text;
        int code;
    } cases[] = {{"orders", 113},        {"9000", 113},    {":9000", 113},   {"http://a:80", 113},
                 {"::1", 113},           {"::1:80", 113},  {"a:0", 111},     {"a:65536", 111},
                 {"a:99999999999", 111}, {"a:http", 113},  {"a:", 113},      {"a b:80", 113},
                 {"10.0.0.256:80", 113}, {"[::1]", 113},   {"[::1:80", 113}, {"[a]:80", 113},
                 {"-a:80", 113},         {"a..b:80", 113}, {"unix:", 113},   {"", 113}};
    for (const auto& [text, code] : cases) {
        const auto read = read_endpoint(text);
        ASSERT_TRUE(std::holds_alternative<Complaint>(read)) << text;
        EXPECT_EQ(std::get<Complaint>(read).code, code) << text;
    }
}

TEST(ConfigAddresses, ReadWhatToListenOn) {
    for (const auto* text : {":8080", "127.0.0.1:8080", "[::1]:8080", "unix:/run/x.sock",
                             "unix:@abstract", "127.0.0.1:0"}) {
        const auto read = read_listen(text);
        ASSERT_TRUE(std::holds_alternative<ListenAddress>(read)) << text;
        EXPECT_EQ(std::get<ListenAddress>(read).text, text);
    }
    const struct {
        const char* text;
        int code;
    } wrong[] = {{"8080", 113},      {"localhost:8080", 113}, {"fd:http", 109},
                 {":99999", 111},    {"*:80", 113},           {"::1", 113},
                 {"127.0.0.1", 113}, {"unix:", 113}};
    for (const auto& [text, code] : wrong) {
        const auto read = read_listen(text);
        ASSERT_TRUE(std::holds_alternative<Complaint>(read)) << text;
        EXPECT_EQ(std::get<Complaint>(read).code, code) << text;
    }
}

TEST(ConfigAddresses, ReadResolversWithPort53) {
    EXPECT_EQ(std::get<Address>(read_server("10.0.0.2")).to_string(), "10.0.0.2:53");
    EXPECT_EQ(std::get<Address>(read_server("fd00::1")).to_string(), "[fd00::1]:53");
    EXPECT_EQ(std::get<Address>(read_server("10.0.0.2:5353")).to_string(), "10.0.0.2:5353");
    for (const auto* text : {"dns.example", ":53", "unix:/x", "10.0.0.2:0"}) {
        EXPECT_TRUE(std::holds_alternative<Complaint>(read_server(text))) << text;
    }
}

TEST(Cidr, ContainsTheAddressesOfItsBlock) {
    const struct {
        const char* block;
        const char* address;
        bool is_in;
    } cases[] = {{"10.0.0.0/8", "10.255.0.1:1", true},
                 {"10.0.0.0/8", "11.0.0.1:1", false},
                 {"10.1.2.3/8", "10.9.9.9:1", true},
                 {"10.0.0.1", "10.0.0.1:1", true},
                 {"10.0.0.1", "10.0.0.2:1", false},
                 {"192.168.1.128/25", "192.168.1.127:1", false},
                 {"192.168.1.128/25", "192.168.1.129:1", true},
                 {"0.0.0.0/0", "8.8.8.8:1", true},
                 {"0.0.0.0/0", "[2001:db8::1]:1", false},
                 {"::/0", "8.8.8.8:1", true},
                 {"10.0.0.0/8", "[::ffff:10.0.0.1]:1", true},
                 {"fd00::/8", "[fd12::1]:1", true},
                 {"fd00::/8", "[fe80::1]:1", false},
                 {"::/0", "unix:/x", false}};
    for (const auto& [block, address, is_in] : cases) {
        const auto cidr = Cidr::parse(block);
        ASSERT_TRUE(cidr) << block;
        EXPECT_EQ(cidr->contains(*Address::parse(address)), is_in) << block << " " << address;
    }
    for (const auto* text : {"", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1",
                             "fd00::/129", "10.0.0.0/8x", "a"}) {
        EXPECT_FALSE(Cidr::parse(text)) << text;
    }
}

}  // namespace
}  // namespace weir::config
