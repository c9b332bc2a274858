#include "weir/crypto/base64.hpp"

#include <array>
#include <cstdint>

namespace weir::crypto {
namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kNone = 0xff;

using Values = std::array<std::uint8_t, 256>;

constexpr Values values_of(std::string_view alphabet) {
    Values values{};
    values.fill(kNone);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return values;
}
constexpr Values kStandardValues = values_of(kStandard);
constexpr Values kUrlValues = values_of(kUrl);

std::optional<std::string> decode(std::string_view text, const Values& values) {
    if (text.size() % 4 == 1) return std::nullopt;
    std::string bytes;
    bytes.reserve(text.size() * 3 / 4);
    std::uint32_t group = 0;
    unsigned bits = 0;
    for (const char c : text) {
        const std::uint8_t value = values[static_cast<unsigned char>(c)];
        if (value == kNone) return std::nullopt;
        group = (group << 6U) | value;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes.push_back(static_cast<char>((group >> bits) & 0xffU));
    }
    // What is left over says nothing: only zeros make the text the one of these bytes.
    const bool is_canonical = (group & ((1U << bits) - 1U)) == 0;
    return is_canonical ? std::optional(std::move(bytes)) : std::nullopt;
}

std::string encode(std::string_view bytes, std::string_view alphabet) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    std::uint32_t group = 0;
    unsigned bits = 0;
    for (const char c : bytes) {
        group = (group << 8U) | static_cast<unsigned char>(c);
        for (bits += 8; bits >= 6; bits -= 6)
            text += alphabet[(group >> (bits - 6)) & 63U];
    }
    if (bits > 0) text += alphabet[(group << (6 - bits)) & 63U];
    return text;
}

}  // namespace

std::optional<std::string> decode_base64url(std::string_view text) {
    return decode(text, kUrlValues);
}

std::string encode_base64url(std::string_view bytes) {
    return encode(bytes, kUrl);
}

std::optional<std::string> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    for (int padding = 0; padding < 2 && text.ends_with('='); ++padding)
        text.remove_suffix(1);
    return decode(text, kStandardValues);
}

std::string encode_base64(std::string_view bytes) {
    std::string text = encode(bytes, kStandard);
    text.resize((text.size() + 3) / 4 * 4, '=');
    return text;
}

}  // namespace weir::crypto
