#pragma once

#include "weir/core/address.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::config {

// A block of IP addresses, "10.0.0.0/8", "fd00::/8" or one address. IPv4 also matches its form
// mapped into IPv6. A value.
class Cidr {
  public:
    [[nodiscard]] static std::optional<Cidr> parse(std::string_view text);

    // False for Unix sockets. A few instructions, no allocation.
    [[nodiscard]] bool contains(const Address& address) const;

    [[nodiscard]] const std::string& text() const { return text_; }

    bool operator==(const Cidr&) const = default;

  private:
    using Bits = std::array<std::uint8_t, 16>;

    std::string text_;
    Bits network_{};           // IPv4 mapped into IPv6
    std::uint8_t prefix_ = 0;  // of 128
};

}  // namespace weir::config
