#include "weir/core/address.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <sys/un.h>

namespace weir {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t kMaxUnixPath = sizeof(sockaddr_un::sun_path) - 1;

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (ec != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
    return port;
}

bool is_v4_mapped(const in6_addr& ip) {
    return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), ip.s6_addr);
}

}  // namespace

std::optional<Address> Address::parse(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) return std::nullopt;
    if (text.starts_with("unix:")) {
        const std::string_view path = text.substr(5);
        if (path.empty() || path == "@" || path.size() > kMaxUnixPath) return std::nullopt;
        Address address;
        address.family_ = AF_UNIX;
        address.path_ = path;
        return address;
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    // Port 0 is for listeners of tests: the kernel chooses.
    const std::string_view port_text = text.substr(colon + 1);
    const auto port = port_text == "0" ? std::optional<std::uint16_t>{0} : parse_port(port_text);
    if (!port) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    if (host.empty()) {
        Address address;
        address.family_ = AF_INET6;
        address.port_ = *port;
        return address;
    }
    const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (is_bracketed) host = host.substr(1, host.size() - 2);
    if (is_bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
    return from_ip(host, *port);
}

std::optional<Address> Address::from_ip(std::string_view ip, std::uint16_t port) {
    // inet_pton() would stop there and take the rest for nothing.
    if (ip.find('\0') != std::string_view::npos) return std::nullopt;
    const std::string text(ip);
    Address address;
    address.port_ = port;
    in_addr v4{};
    if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
        address.family_ = AF_INET;
        std::memcpy(address.ip_.s6_addr + 12, &v4, sizeof v4);
        return address;
    }
    if (inet_pton(AF_INET6, text.c_str(), &address.ip_) == 1) {
        address.family_ = AF_INET6;
        return address;
    }
    return std::nullopt;
}

Address Address::from_socket(const sockaddr* address, socklen_t size) {
    Address result;
    result.family_ = address->sa_family;
    if (address->sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, address, sizeof v4);
        std::memcpy(result.ip_.s6_addr + 12, &v4.sin_addr, sizeof v4.sin_addr);
        result.port_ = ntohs(v4.sin_port);
    } else if (address->sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, address, sizeof v6);
        result.ip_ = v6.sin6_addr;
        result.port_ = ntohs(v6.sin6_port);
    } else if (address->sa_family == AF_UNIX) {
        sockaddr_un un{};
        std::memcpy(&un, address, std::min<std::size_t>(size, sizeof un));
        const std::size_t path_size =
            size - std::min<std::size_t>(size, offsetof(sockaddr_un, sun_path));
        if (path_size > 0 && un.sun_path[0] == '\0') {
            result.path_ = "@" + std::string(un.sun_path + 1, path_size - 1);
        } else {
            result.path_ = std::string(un.sun_path, strnlen(un.sun_path, path_size));
        }
    }
    return result;
}

std::uint16_t Address::port() const {
    return port_;
}

bool Address::is_loopback() const {
    if (family_ == AF_UNIX) return true;
    if (family_ == AF_INET) return ip_.s6_addr[12] == 127;
    if (family_ != AF_INET6) return false;
    return IN6_IS_ADDR_LOOPBACK(&ip_) || (is_v4_mapped(ip_) && ip_.s6_addr[12] == 127);
}

std::string Address::ip() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (family_ == AF_INET || (family_ == AF_INET6 && is_v4_mapped(ip_))) {
        inet_ntop(AF_INET, ip_.s6_addr + 12, text.data(), text.size());
        return text.data();
    }
    if (family_ == AF_INET6) {
        inet_ntop(AF_INET6, &ip_, text.data(), text.size());
        return text.data();
    }
    return family_ == AF_UNIX ? "unix:" : "";
}

std::string Address::to_string() const {
    if (family_ == AF_UNIX) return "unix:" + path_;
    if (family_ == AF_UNSPEC) return "";
    const std::string port = ":" + std::to_string(port_);
    if (family_ == AF_INET6 && !is_v4_mapped(ip_)) return "[" + ip() + "]" + port;
    return ip() + port;
}

socklen_t Address::to_socket(sockaddr_storage& storage) const {
    std::memset(&storage, 0, sizeof storage);
    if (family_ == AF_INET) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port_);
        std::memcpy(&v4.sin_addr, ip_.s6_addr + 12, sizeof v4.sin_addr);
        std::memcpy(&storage, &v4, sizeof v4);
        return sizeof v4;
    }
    if (family_ == AF_UNIX) {
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        path_.copy(un.sun_path, kMaxUnixPath);
        const bool is_abstract = un.sun_path[0] == '@';
        if (is_abstract) un.sun_path[0] = '\0';
        std::memcpy(&storage, &un, sizeof un);
        return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size() +
                                      (is_abstract ? 0 : 1));
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port_);
    v6.sin6_addr = ip_;
    std::memcpy(&storage, &v6, sizeof v6);
    return sizeof v6;
}

bool operator==(const Address& a, const Address& b) {
    return a.family_ == b.family_ && a.port_ == b.port_ && a.path_ == b.path_ &&
           std::memcmp(&a.ip_, &b.ip_, sizeof a.ip_) == 0;
}

}  // namespace weir
