#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::http {

inline constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

inline void append_base64(std::string& out, std::string_view data) {
    const auto byte = [&data](std::size_t at) -> std::uint32_t {
        return at < data.size() ? static_cast<unsigned char>(data[at]) : 0U;
    };
    out.reserve(out.size() + (data.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < data.size(); at += 3) {
        const std::uint32_t group = byte(at) << 16U | byte(at + 1) << 8U | byte(at + 2);
        const std::size_t there = std::min<std::size_t>(data.size() - at, 3);
        out.push_back(kBase64Digits[group >> 18U]);
        out.push_back(kBase64Digits[group >> 12U & 63U]);
        out.push_back(there > 1 ? kBase64Digits[group >> 6U & 63U] : '=');
        out.push_back(there > 2 ? kBase64Digits[group & 63U] : '=');
    }
}

}  // namespace weir::http
