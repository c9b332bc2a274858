#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Digests and comparisons of what is secret. Thread: any.
namespace weir::crypto {

using Digest = std::array<std::uint8_t, 32>;

[[nodiscard]] Digest sha256(std::string_view bytes);
[[nodiscard]] Digest hmac_sha256(std::string_view key, std::string_view bytes);

[[nodiscard]] inline std::string_view bytes_of(const Digest& digest) {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// Takes as long whatever they say; how long they are is no secret.
[[nodiscard]] bool equal_in_constant_time(std::string_view a, std::string_view b);

// Of the system, for keys. Throws if it has none.
[[nodiscard]] std::string random_bytes(std::size_t size);

// 64 digits, of either case.
[[nodiscard]] std::optional<Digest> digest_from_hex(std::string_view text);
[[nodiscard]] std::string to_hex(std::string_view bytes);

}  // namespace weir::crypto
