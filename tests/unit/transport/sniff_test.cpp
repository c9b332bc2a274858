#include "weir/transport/sniff.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::transport {
namespace {

using namespace std::string_view_literals;

struct Row {
    std::string_view bytes;
    FirstBytes is;
};

constexpr Row kRows[] = {
    {"", FirstBytes::undecided},
    {"\x16", FirstBytes::undecided},
    {"\x16\x03", FirstBytes::tls},
    {"\x16\x03\x01\x02", FirstBytes::tls},
    {"\x16\x02", FirstBytes::opaque},
    {"\x80\x2e\x01\x03\x01", FirstBytes::opaque},  // a hello of SSL 2
    {"P", FirstBytes::undecided},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", FirstBytes::undecided},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", FirstBytes::h2},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0"sv, FirstBytes::h2},
    {"PRI * HTTP/1.1\r\n", FirstBytes::http1},
    {"PRINT 1\r\n", FirstBytes::opaque},
    {"GET", FirstBytes::undecided},
    {"GET ", FirstBytes::undecided},
    {"GET /", FirstBytes::http1},
    {"\r\nGET /", FirstBytes::http1},
    {"DELETE /x", FirstBytes::http1},
    {"GET key\r\n", FirstBytes::opaque},
    {"GET http://a/ HTTP/1.1\r\n", FirstBytes::http1},
    {"CONNECT a:443 HTTP/1.1\r\n", FirstBytes::http1},
    {"CONNECT a:443", FirstBytes::undecided},
    {"PROPFIND / HTTP/1.1\r\n", FirstBytes::http1},
    {"PROPFIND /", FirstBytes::undecided},
    {"EHLO client.example\r\n", FirstBytes::opaque},
    {"PING\r\n", FirstBytes::opaque},
    {"*1\r\n$4\r\nPING\r\n", FirstBytes::opaque},
    {"set k 0 0 1\r\n", FirstBytes::opaque},
    {"SSH-2.0-OpenSSH_9.2\r\n", FirstBytes::opaque},
    {"\0\0\0\x08\x04\xd2\x16\x2f"sv, FirstBytes::opaque},  // PostgreSQL asks for TLS
    {" GET / HTTP/1.1", FirstBytes::opaque},
    {"ANYTHING_LONGER_THAN_A_METHOD_MAY_BE", FirstBytes::opaque},
};

TEST(Sniff, TellsProtocolsByTheirFirstBytes) {
    for (const Row& row : kRows)
        EXPECT_EQ(static_cast<int>(sniff(row.bytes)), static_cast<int>(row.is)) << row.bytes;
}

TEST(Sniff, IsOfOneMindWhateverComesBehind) {
    for (const Row& row : kRows) {
        for (std::size_t size = 0; size < row.bytes.size(); ++size) {
            const FirstBytes early = sniff(row.bytes.substr(0, size));
            if (early == FirstBytes::undecided) continue;
            EXPECT_EQ(static_cast<int>(early), static_cast<int>(sniff(row.bytes))) << row.bytes;
        }
    }
}

TEST(Sniff, DecidesInTheEnd) {
    EXPECT_EQ(sniff("PROPFIND " + std::string(kMostSniffed, 'x')), FirstBytes::opaque);
    EXPECT_EQ(sniff("GET " + std::string(kMostSniffed, 'x')), FirstBytes::opaque);
}

// ---- ClientHello

std::string number(std::size_t value, std::size_t size) {
    std::string out;
    for (std::size_t i = size; i-- > 0;)
        out.push_back(static_cast<char>(value >> (8 * i) & 0xFFU));
    return out;
}
std::string vector(std::string_view content, std::size_t size) {
    return number(content.size(), size) + std::string(content);
}
std::string name_extension(std::string_view name) {
    return number(0, 2) + vector(vector(number(0, 1) + vector(name, 2), 2), 2);
}
std::string hello(std::string_view extensions) {
    const std::string body = std::string("\x03\x03") + std::string(32, 'r') +
                             vector(std::string(32, 's'), 1) + vector("\x13\x01", 2) +
                             vector(std::string_view("\0", 1), 1) + vector(extensions, 2);
    return number(1, 1) + vector(body, 3);
}
std::string record(std::string_view content) {
    return "\x16\x03\x01" + vector(content, 2);
}
const std::string kOther = number(43, 2) + vector("\x02\x03\x04", 2);

TEST(ClientHello, NamesTheServer) {
    const ClientHello named =
        parse_client_hello(record(hello(kOther + name_extension("Shop.Example") + kOther)));
    EXPECT_EQ(named.state, ClientHello::State::done);
    EXPECT_EQ(named.server_name, "shop.example");
    EXPECT_EQ(parse_client_hello(record(hello(name_extension("a.example.")))).server_name,
              "a.example");
    const ClientHello nameless = parse_client_hello(record(hello(kOther)));
    EXPECT_EQ(nameless.state, ClientHello::State::done);
    EXPECT_EQ(nameless.server_name, "");
}

TEST(ClientHello, WaitsForEveryByte) {
    const std::string whole = record(hello(kOther + name_extension("shop.example")));
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_EQ(parse_client_hello(whole.substr(0, size)).state, ClientHello::State::need_more)
            << size;
    EXPECT_EQ(parse_client_hello(whole + "what follows").server_name, "shop.example");
}

TEST(ClientHello, MayBeCutIntoRecords) {
    const std::string message = hello(name_extension("shop.example"));
    for (std::size_t cut = 1; cut < message.size(); ++cut) {
        const std::string bytes = record(message.substr(0, cut)) + record(message.substr(cut));
        EXPECT_EQ(parse_client_hello(bytes).server_name, "shop.example") << cut;
    }
}

TEST(ClientHello, RefusesWhatIsNone) {
    const std::string twice = name_extension("a.example") + name_extension("b.example");
    const std::string good = record(hello(name_extension("shop.example")));
    std::string wrong_kind = good;
    wrong_kind[5] = 2;  // a ServerHello
    const std::string of_kind_one =
        number(0, 2) + vector(vector(number(1, 1) + vector("shop", 2), 2), 2);
    for (const std::string& bytes : {
             std::string("GET / HTTP/1.1\r\n"),
             wrong_kind,
             record(""),
             record(hello(twice)),
             record(hello(name_extension(""))),
             record(hello(name_extension("a b"))),
             record(hello(name_extension(".a"))),
             record(hello(name_extension(std::string_view("a\0.example", 10)))),
             record(hello(name_extension(std::string(256, 'a')))),
             record(hello(of_kind_one)),
             record(hello(kOther.substr(0, kOther.size() - 1))),
             record(number(1, 1) + number(kMostClientHello, 3)),
             "\x16\x03\x01\xff\xff" + std::string(10, 'x'),
             record(hello(kOther) + "x").substr(0, 5) + number(1, 1) + vector("short", 3),
         }) {
        EXPECT_EQ(static_cast<int>(parse_client_hello(bytes).state),
                  static_cast<int>(ClientHello::State::failed))
            << bytes;
    }
}

}  // namespace
}  // namespace weir::transport
