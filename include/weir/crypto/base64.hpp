#pragma once

#include <optional>
#include <string>
#include <string_view>

// Base64 as RFC 4648 has it, decoded strictly: nothing but its alphabet, and no two texts of the
// same bytes. Thread: any.
namespace weir::crypto {

// Of JOSE: the alphabet with - and _, no padding.
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);
[[nodiscard]] std::string encode_base64url(std::string_view bytes);

// The alphabet with + and /, padded.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);
[[nodiscard]] std::string encode_base64(std::string_view bytes);

}  // namespace weir::crypto
