#include "weir/transport/proxy_protocol.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

namespace weir::transport {
namespace {

using State = ProxyHeader::State;
using namespace std::string_view_literals;

constexpr std::string_view kV1 = "PROXY ";
constexpr std::size_t kLongestV1 = 107;
constexpr std::string_view kV2 = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t kV2Head = 16;
constexpr std::uint8_t kLocal = 0x20;
constexpr std::uint8_t kProxy = 0x21;

enum Family : std::uint8_t { unspecified = 0x00, tcp4 = 0x11, tcp6 = 0x21, unix_stream = 0x31 };

ProxyHeader need_more() {
    ProxyHeader header;
    header.state = State::need_more;
    return header;
}

// Not yet sound.
ProxyHeader of_size(std::size_t size) {
    ProxyHeader header;
    header.size = size;
    return header;
}

// ---- version 1

std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, port);
    const bool is_plain = !text.empty() && (text.front() != '0' || text.size() == 1);
    return is_plain && error == std::errc() && at == end ? std::optional(port) : std::nullopt;
}

std::string_view next_word(std::string_view& rest) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return word;
}

ProxyHeader parse_line(std::string_view line) {
    ProxyHeader header = of_size(kV1.size() + line.size() + 2);
    const bool ends_in_blank = line.ends_with(' ');
    const std::string_view family = next_word(line);
    if (family == "UNKNOWN") {
        header.state = State::done;
        header.is_relayed = false;
        return header;
    }
    const bool is_v4 = family == "TCP4";
    if ((!is_v4 && family != "TCP6") || ends_in_blank) return header;
    const std::string_view source = next_word(line);
    const std::string_view destination = next_word(line);
    const auto source_port = port_of(next_word(line));
    const auto destination_port = port_of(next_word(line));
    if (!source_port || !destination_port || !line.empty()) return header;
    const auto from = Address::from_ip(source, *source_port);
    const auto to = Address::from_ip(destination, *destination_port);
    if (!from || !to || from->is_v6() == is_v4 || to->is_v6() == is_v4) return header;
    header.state = State::done;
    header.source = *from;
    header.destination = *to;
    return header;
}

ProxyHeader parse_v1(std::string_view bytes) {
    const std::string_view most = bytes.substr(0, kLongestV1);
    const std::size_t end = most.find('\n');
    if (end == std::string_view::npos)
        return bytes.size() < kLongestV1 ? need_more() : ProxyHeader{};
    if (end < kV1.size() + 1 || most[end - 1] != '\r') return {};
    return parse_line(most.substr(kV1.size(), end - 1 - kV1.size()));
}

// ---- version 2

std::uint16_t number(std::string_view two) {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(two[0]) << 8U |
                                      static_cast<unsigned char>(two[1]));
}

Address address_v4(std::string_view ip, std::string_view port) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, ip.data(), sizeof v4.sin_addr);
    v4.sin_port = htons(number(port));
    return Address::from_socket(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
}

Address address_v6(std::string_view ip, std::string_view port) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_addr, ip.data(), sizeof v6.sin6_addr);
    v6.sin6_port = htons(number(port));
    return Address::from_socket(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
}

// Type-length-values, which must fill the rest.
bool are_sound(std::string_view values) {
    while (!values.empty()) {
        if (values.size() < 3) return false;
        const std::size_t size = std::size_t{3} + number(values.substr(1));
        if (size > values.size()) return false;
        values.remove_prefix(size);
    }
    return true;
}

ProxyHeader parse_v2(std::string_view bytes) {
    if (bytes.size() < kV2Head) return need_more();
    const auto command = static_cast<std::uint8_t>(bytes[12]);
    const auto family = static_cast<std::uint8_t>(bytes[13]);
    const std::size_t length = number(bytes.substr(14));
    ProxyHeader header = of_size(kV2Head + length);
    if ((command != kLocal && command != kProxy) || header.size > kMostProxyHeader) return {};
    std::size_t addresses = 0;
    switch (family) {
        case unspecified:
            break;
        case tcp4:
            addresses = 12;
            break;
        case tcp6:
            addresses = 36;
            break;
        case unix_stream:
            addresses = 216;
            break;
        default:
            return {};  // datagrams among them
    }
    if (command == kProxy && length < addresses) return {};
    if (bytes.size() < header.size) return need_more();
    header.state = State::done;
    header.is_relayed = command == kProxy && (family == tcp4 || family == tcp6);
    // What stands behind LOCAL, or an address that is not given, is not looked at.
    if (command == kLocal || family == unspecified) return header;
    const std::string_view body = bytes.substr(kV2Head, length);
    if (!are_sound(body.substr(addresses))) return {};
    if (family == tcp4) {
        header.source = address_v4(body, body.substr(8));
        header.destination = address_v4(body.substr(4), body.substr(10));
    } else if (family == tcp6) {
        header.source = address_v6(body, body.substr(32));
        header.destination = address_v6(body.substr(16), body.substr(34));
    }
    return header;
}

// ---- writing

void append_number(std::string& out, std::uint16_t value) {
    out.push_back(static_cast<char>(value >> 8U));
    out.push_back(static_cast<char>(value & 0xFFU));
}

// Of an IPv4 address mapped into IPv6 the former.
void append_ip(std::string& out, const Address& address, bool is_v4) {
    std::array<char, sizeof(in6_addr)> bytes{};
    const Address plain = *Address::from_ip(address.ip(), 0);
    sockaddr_storage storage;
    plain.to_socket(storage);
    if (is_v4) {
        std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, 4);
    } else {
        std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr, 16);
    }
    out.append(bytes.data(), is_v4 ? 4 : 16);
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view bytes) {
    const auto begins = [&](std::string_view signature) {
        const std::size_t size = std::min(bytes.size(), signature.size());
        return bytes.substr(0, size) == signature.substr(0, size);
    };
    const bool may_be_v1 = begins(kV1);
    if (!may_be_v1 && !begins(kV2)) return {};
    if (bytes.size() < kV1.size()) return need_more();
    return may_be_v1 ? parse_v1(bytes) : parse_v2(bytes);
}

void append_proxy_header(std::string& out,
                         ProxyVersion version,
                         const Address& source,
                         const Address& destination) {
    const auto from = Address::from_ip(source.ip(), 0);
    const auto to = Address::from_ip(destination.ip(), 0);
    const bool is_known = from && to && from->is_v6() == to->is_v6();
    const bool is_v4 = is_known && !from->is_v6();
    if (version == ProxyVersion::v1) {
        if (!is_known) {
            out.append("PROXY UNKNOWN\r\n");
            return;
        }
        out.append(is_v4 ? "PROXY TCP4 " : "PROXY TCP6 ");
        out.append(source.ip()).append(" ").append(destination.ip()).append(" ");
        out.append(std::to_string(source.port())).append(" ");
        out.append(std::to_string(destination.port())).append("\r\n");
        return;
    }
    out.append(kV2);
    out.push_back(static_cast<char>(kProxy));
    out.push_back(static_cast<char>(!is_known ? unspecified : is_v4 ? tcp4 : tcp6));
    append_number(out, static_cast<std::uint16_t>(!is_known ? 0 : is_v4 ? 12 : 36));
    if (!is_known) return;
    append_ip(out, source, is_v4);
    append_ip(out, destination, is_v4);
    append_number(out, source.port());
    append_number(out, destination.port());
}

}  // namespace weir::transport
