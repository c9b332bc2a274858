#include "config/addresses.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <optional>
#include <utility>

namespace weir::config {
namespace {

constexpr unsigned kMostPort = 65535;

std::string quoted(std::string_view text) {
    return "'" + std::string(text) + "'";
}

bool is_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Complaint no_address(std::string what, std::string note) {
    return {.code = 113, .what = std::move(what), .note = std::move(note)};
}

struct HostPort {
    std::string_view host;  // without brackets
    std::uint16_t port = 0;
    bool is_bracketed = false;
};

// Spellings that people bring from elsewhere.
std::optional<Complaint> check_form(std::string_view text) {
    if (const auto scheme = text.find("://"); scheme != std::string_view::npos) {
        const auto rest = text.substr(scheme + 3);
        const auto host = rest.substr(0, rest.find('/'));
        const bool has_port = host.find(':') != std::string_view::npos;
        const auto* port = text.starts_with("https") ? ":443" : ":80";
        return no_address(quoted(text) + " is a URL, not an address",
                          "write " + std::string(host) + (has_port ? "" : port));
    }
    if (!text.starts_with('[') && std::count(text.begin(), text.end(), ':') > 1) {
        return no_address(quoted(text) + " is no address",
                          "an IPv6 address needs brackets: \"[::1]:8080\"");
    }
    return std::nullopt;
}

// Splits at the port and checks it. The port of "x:99999" is where a complaint points.
Read<HostPort> split(std::string_view text, unsigned least_port) {
    if (auto complaint = check_form(text)) return std::move(*complaint);
    const auto colon = text.rfind(':');
    const bool is_bracketed = text.starts_with('[');
    const auto close = text.find(']');
    if (is_bracketed && (close == std::string_view::npos || close + 1 != colon)) {
        return no_address(quoted(text) + " is no address", "write \"[::1]:8080\"");
    }
    const auto port_text = text.substr(colon + 1);
    unsigned port = 0;
    const auto [end, ec] =
        std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
    if (!is_digits(port_text)) {
        return no_address(quoted(port_text) + " is no port",
                          "write " + std::string(text.substr(0, colon)) + ":8080");
    }
    if (ec != std::errc{} || port > kMostPort || port < least_port) {
        return Complaint{.code = 111,
                         .what = "port " + std::string(port_text) + " is out of range 1-65535",
                         .at = colon + 1,
                         .size = port_text.size()};
    }
    const auto host = is_bracketed ? text.substr(1, close - 1) : text.substr(0, colon);
    return HostPort{host, static_cast<std::uint16_t>(port), is_bracketed};
}

Read<Endpoint> read_unix(std::string_view text) {
    auto address = Address::parse(text);
    if (!address) return no_address(quoted(text) + " is no Unix socket", "write unix:/run/x.sock");
    Endpoint endpoint;
    endpoint.text = text;
    endpoint.host = text.substr(5);
    endpoint.address = std::move(address);
    return endpoint;
}

constexpr std::uint8_t kMappedBits = 96;
constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

std::uint8_t mask_of(unsigned prefix, std::size_t byte) {
    const auto bits = prefix <= byte * 8 ? 0U : prefix - static_cast<unsigned>(byte) * 8;
    return bits >= 8 ? std::uint8_t{0xFF} : static_cast<std::uint8_t>(0xFF00U >> bits);
}

}  // namespace

bool is_host_name(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.empty() || text.size() > 253 || text.starts_with('-')) return false;
    std::size_t label = 0;
    bool has_letter = false;
    for (const char c : text) {
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool is_part = is_letter || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (c == '.' ? label == 0 : !is_part) return false;
        label = c == '.' ? 0 : label + 1;
        has_letter = has_letter || is_letter || c == '_' || c == '-';
        if (label > 63) return false;
    }
    return has_letter && label > 0;
}

Read<Endpoint> read_endpoint(std::string_view text) {
    if (text.starts_with("unix:")) return read_unix(text);
    if (text.find(':') == std::string_view::npos) {
        const bool is_port = is_digits(text);
        return no_address(quoted(text) + (is_port ? " has no host" : " has no port"),
                          is_port ? "write 127.0.0.1:" + std::string(text)
                                  : "write " + std::string(text) + ":80");
    }
    const auto parts = split(text, 1);
    if (const auto* complaint = std::get_if<Complaint>(&parts)) return *complaint;
    const auto& [host, port, is_bracketed] = std::get<HostPort>(parts);
    if (host.empty()) {
        return no_address(quoted(text) + " has no host", "write 127.0.0.1" + std::string(text));
    }
    Endpoint endpoint;
    endpoint.text = text;
    endpoint.host = host;
    endpoint.port = port;
    endpoint.address = Address::from_ip(host, port);
    const bool is_v6 = endpoint.address && endpoint.address->is_v6();
    if (endpoint.address ? is_v6 != is_bracketed : is_bracketed || !is_host_name(host)) {
        return no_address(quoted(host) + " is no address and no host name", "");
    }
    return endpoint;
}

Read<ListenAddress> read_listen(std::string_view text) {
    if (text.starts_with("fd:")) {
        return Complaint{.code = 109, .what = "'fd:' addresses are not supported by this version"};
    }
    if (is_digits(text))
        return no_address(quoted(text) + " is no address", "write :" + std::string(text));
    ListenAddress listen{.text = std::string(text), .address = {}, .place = {}};
    if (text.starts_with("unix:")) {
        const auto address = Address::parse(text);
        if (!address)
            return no_address(quoted(text) + " is no Unix socket", "write unix:/run/x.sock");
        listen.address = *address;
        return listen;
    }
    if (text.find(':') == std::string_view::npos) {
        return no_address(quoted(text) + " has no port", "write " + std::string(text) + ":8080");
    }
    const auto parts = split(text, 0);
    if (const auto* complaint = std::get_if<Complaint>(&parts)) return *complaint;
    const auto address = Address::parse(text);
    if (!address) {
        const auto host = std::get<HostPort>(parts).host;
        const auto port = std::to_string(std::get<HostPort>(parts).port);
        const auto note = "write 127.0.0.1:" + port + ", or :" + port + " for all addresses";
        return no_address(quoted(host) + " is no IP address to listen on", note);
    }
    listen.address = *address;
    return listen;
}

Read<Address> read_server(std::string_view text) {
    if (auto address = Address::from_ip(text, 53)) return *address;
    auto address = Address::parse(text);
    if (address && !address->is_unix() && address->port() != 0 && !text.starts_with(':'))
        return *address;
    return no_address(quoted(text) + " is no resolver", "write 10.0.0.2 or 10.0.0.2:53");
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
    const auto slash = text.find('/');
    const std::string ip(text.substr(0, slash));
    Cidr cidr;
    cidr.text_ = text;
    unsigned most = 128;
    if (inet_pton(AF_INET, ip.c_str(), cidr.network_.data() + kMapped.size()) == 1) {
        std::memcpy(cidr.network_.data(), kMapped.data(), kMapped.size());
        most = 32;
    } else if (inet_pton(AF_INET6, ip.c_str(), cidr.network_.data()) != 1) {
        return std::nullopt;
    }
    unsigned prefix = most;
    if (slash != std::string_view::npos) {
        const auto digits = text.substr(slash + 1);
        const auto [end, ec] =
            std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
        if (ec != std::errc{} || end != digits.data() + digits.size() || prefix > most)
            return std::nullopt;
    }
    if (most == 32) prefix += kMappedBits;
    cidr.prefix_ = static_cast<std::uint8_t>(prefix);
    for (std::size_t i = 0; i < cidr.network_.size(); ++i) {
        cidr.network_[i] = static_cast<std::uint8_t>(cidr.network_[i] & mask_of(prefix, i));
    }
    return cidr;
}

bool Cidr::contains(const Address& address) const {
    sockaddr_storage storage{};
    address.to_socket(storage);
    Bits bits{};
    if (storage.ss_family == AF_INET) {
        std::memcpy(bits.data(), kMapped.data(), kMapped.size());
        std::memcpy(bits.data() + kMapped.size(),
                    &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, 4);
    } else if (storage.ss_family == AF_INET6) {
        std::memcpy(bits.data(), &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr,
                    bits.size());
    } else {
        return false;
    }
    for (std::size_t i = 0; i < bits.size(); ++i) {
        if ((bits[i] & mask_of(prefix_, i)) != network_[i]) return false;
    }
    return true;
}

}  // namespace weir::config
