#include "weir/transport/proxy_protocol.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weir::transport {
namespace {

using namespace std::string_literals;
using State = ProxyHeader::State;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string v2(char command, char family, const std::string& body) {
    std::string out = kSignature + command + family;
    out.push_back(static_cast<char>(body.size() >> 8U));
    out.push_back(static_cast<char>(body.size() & 0xFFU));
    return out + body;
}
const std::string kBody4 = "\x0a\x01\x02\x03\x0a\x00\x00\x01\x9c\x40\x01\xbb"s;
const std::string kBody6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" +
                           "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x02" +
                           "\x9c\x40\x01\xbb"s;
const std::string kTlv = "\x04\x00\x03xyz"s;

TEST(ProxyProtocol, ReadsBothVersions) {
    struct Row {
        std::string bytes, source, destination;
    };
    const Row rows[] = {
        {"PROXY TCP4 10.1.2.3 10.0.0.1 40000 443\r\n", "10.1.2.3:40000", "10.0.0.1:443"},
        {"PROXY TCP6 2001:db8::1 2001:db8::2 40000 0\r\n", "[2001:db8::1]:40000",
         "[2001:db8::2]:0"},
        {v2(0x21, 0x11, kBody4), "10.1.2.3:40000", "10.0.0.1:443"},
        {v2(0x21, 0x11, kBody4 + kTlv + kTlv), "10.1.2.3:40000", "10.0.0.1:443"},
        {v2(0x21, 0x21, kBody6), "[2001:db8::1]:40000", "[2001:db8::2]:443"},
    };
    for (const Row& row : rows) {
        const ProxyHeader header = parse_proxy_header(row.bytes + "GET /");
        EXPECT_EQ(header.state, State::done) << row.bytes;
        EXPECT_EQ(header.size, row.bytes.size());
        EXPECT_TRUE(header.is_relayed);
        EXPECT_EQ(header.source.to_string(), row.source);
        EXPECT_EQ(header.destination.to_string(), row.destination);
        for (std::size_t size = 0; size < row.bytes.size(); ++size)
            EXPECT_EQ(parse_proxy_header(row.bytes.substr(0, size)).state, State::need_more)
                << size << " of " << row.bytes;
    }
}

TEST(ProxyProtocol, TakesTheConnectionsOwnAddressesWhereNoneAreSaid) {
    for (const std::string& bytes :
         {"PROXY UNKNOWN\r\n"s, "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"s, v2(0x20, 0x00, ""),
          v2(0x20, 0x11, kBody4), v2(0x21, 0x00, ""), v2(0x21, 0x00, kTlv),
          v2(0x21, 0x31, std::string(216, 'u')), v2(0x20, 0x00, "any bytes")}) {
        const ProxyHeader header = parse_proxy_header(bytes);
        EXPECT_EQ(header.state, State::done) << bytes;
        EXPECT_FALSE(header.is_relayed) << bytes;
        EXPECT_EQ(header.size, bytes.size());
    }
}

TEST(ProxyProtocol, RefusesWhatTheSpecificationDoesNotAllow) {
    for (const std::string& bytes : {
             "GET / HTTP/1.1\r\n"s,
             "PROXY\r\n"s,
             "PROXY TCP5 10.1.2.3 10.0.0.1 1 2\r\n"s,
             "PROXY TCP4 10.1.2.3 10.0.0.1 1\r\n"s,
             "PROXY TCP4 10.1.2.3 10.0.0.1 1 2 3\r\n"s,
             "PROXY TCP4 10.1.2.3 10.0.0.1 1 2 \r\n"s,
             "PROXY  TCP4 10.1.2.3 10.0.0.1 1 2\r\n"s,
             "PROXY TCP4 10.1.2.3  10.0.0.1 1 2\r\n"s,
             "PROXY TCP4 10.1.2.3 10.0.0.1 1 2\n"s,
             "PROXY TCP4 10.1.2.3 10.0.0.1 1 65536\r\n"s,
             "PROXY TCP4 10.1.2.3 10.0.0.1 01 2\r\n"s,
             "PROXY TCP4 10.1.2.3 10.0.0.1 -1 2\r\n"s,
             "PROXY TCP4 10.1.2.300 10.0.0.1 1 2\r\n"s,
             "PROXY TCP4 ::1 ::2 1 2\r\n"s,
             "PROXY TCP6 10.1.2.3 10.0.0.1 1 2\r\n"s,
             "PROXY UDP4 10.1.2.3 10.0.0.1 1 2\r\n"s,
             "PROXY TCP4 "s + std::string(100, '1'),
             "proxy TCP4 10.1.2.3 10.0.0.1 1 2\r\n"s,
             v2(0x11, 0x11, kBody4),                       // version 1 in binary
             v2(0x22, 0x11, kBody4),                       // no command
             v2(0x21, 0x12, kBody4),                       // datagrams
             v2(0x21, 0x41, kBody4),                       // no family
             v2(0x21, 0x11, kBody4.substr(1)),             // too short
             v2(0x21, 0x21, kBody4),                       // too short for its family
             v2(0x21, 0x11, kBody4 + "\x04\x00\x09xyz"s),  // a value longer than the rest
             v2(0x21, 0x11, kBody4 + "\x04\x00"s),
             v2(0x21, 0x00, std::string(kMostProxyHeader, 'x')),
         }) {
        EXPECT_EQ(static_cast<int>(parse_proxy_header(bytes).state),
                  static_cast<int>(State::failed))
            << bytes;
    }
}

TEST(ProxyProtocol, WritesWhatItReads) {
    const Address four = *Address::parse("10.1.2.3:40000");
    const Address other = *Address::parse("10.0.0.1:443");
    const Address six = *Address::parse("[2001:db8::1]:40000");
    const Address mapped = *Address::from_ip("::ffff:10.1.2.3", 40000);
    for (const ProxyVersion version : {ProxyVersion::v1, ProxyVersion::v2}) {
        for (const auto& [source, destination] :
             {std::pair(four, other), std::pair(six, six), std::pair(mapped, other)}) {
            std::string out;
            append_proxy_header(out, version, source, destination);
            const ProxyHeader header = parse_proxy_header(out);
            EXPECT_EQ(header.state, State::done) << out;
            EXPECT_EQ(header.size, out.size());
            EXPECT_EQ(header.source.to_string(), source.to_string());
            EXPECT_EQ(header.destination.to_string(), destination.to_string());
        }
        std::string out;
        append_proxy_header(out, version, *Address::parse("unix:/x"), other);
        EXPECT_EQ(parse_proxy_header(out).state, State::done);
        EXPECT_FALSE(parse_proxy_header(out).is_relayed);
    }
    std::string line;
    append_proxy_header(line, ProxyVersion::v1, four, other);
    EXPECT_EQ(line, "PROXY TCP4 10.1.2.3 10.0.0.1 40000 443\r\n");
}

}  // namespace
}  // namespace weir::transport
