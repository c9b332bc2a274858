#pragma once

#include <cstdint>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace weir {

// Where a socket listens or connects to: an IP address and port, or a Unix socket. A value.
class Address {
  public:
    Address() = default;

    // "127.0.0.1:80", "[::1]:80", ":80" (all addresses, IPv4 and IPv6), "unix:/path",
    // "unix:@abstract". Nothing for anything else: host names are the resolver's matter.
    [[nodiscard]] static std::optional<Address> parse(std::string_view text);
    [[nodiscard]] static std::optional<Address> from_ip(std::string_view ip, std::uint16_t port);
    [[nodiscard]] static Address from_socket(const sockaddr* address, socklen_t size);

    [[nodiscard]] bool is_unix() const { return family_ == AF_UNIX; }
    [[nodiscard]] bool is_v6() const { return family_ == AF_INET6; }
    [[nodiscard]] int family() const { return family_; }
    [[nodiscard]] std::uint16_t port() const;
    [[nodiscard]] bool is_loopback() const;

    // As parse() takes it; an IPv4 address mapped into IPv6 is written as IPv4.
    [[nodiscard]] std::string to_string() const;
    // The address without its port: "127.0.0.1", "::1"; "unix:" for a Unix socket.
    [[nodiscard]] std::string ip() const;

    // For bind() and connect(): writes into storage, returns the size.
    socklen_t to_socket(sockaddr_storage& storage) const;

    friend bool operator==(const Address& a, const Address& b);

  private:
    int family_ = AF_UNSPEC;
    in6_addr ip_{};  // IPv4 in the last four bytes
    std::uint16_t port_ = 0;
    std::string path_;
};

}  // namespace weir
