#pragma once

#include "weir/quota/algorithm.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::quota {

// How answers tell what is left.
enum class HeaderStyle : std::uint8_t {
    draft,   // RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-09 and later)
    legacy,  // X-RateLimit-Limit, -Remaining, -Reset
    none
};

// What one rule said of a request.
struct Standing {
    std::string_view rule;
    Promise promise;
    Decision decision;
};

// Of two, the one nearer to a refusal: what headers tell.
[[nodiscard]] bool is_tighter(const Standing& a, const Standing& b);

// Whole seconds, rounded up.
[[nodiscard]] std::uint64_t whole_seconds(Duration duration);

// Appends the lines, "name: value\r\n". What has no window (concurrency) has no reset either.
void append_headers(std::string& out, HeaderStyle style, const Standing& standing);

}  // namespace weir::quota
