#pragma once

#include "weir/core/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The messages of envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit, as far as they are
// used here, in protobuf's encoding.
namespace weir::quota::rls {

inline constexpr std::string_view kPath =
    "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

struct Entry {
    std::string key;
    std::string value;
};
// One descriptor: the entries together are what is limited.
struct Request {
    std::string domain;
    std::vector<Entry> entries;
    std::uint32_t hits_addend = 1;
};
[[nodiscard]] std::string encode(const Request& request);
// As a message of gRPC: not compressed, its size before it.
[[nodiscard]] std::string framed(std::string_view message);

struct Header {
    std::string name;
    std::string value;
};
struct Answer {
    bool is_over_limit = false;
    // Of the descriptor's status, if its limit was told.
    bool has_limit = false;
    std::uint64_t limit = 0;
    Duration unit{0};
    std::uint64_t remaining = 0;
    std::optional<Duration> until_reset;
    std::vector<Header> response_headers;
    std::vector<Header> request_headers;
};
// Nothing for what is no such message, has no overall code, or has more than 64 headers. A header
// whose name or value cannot be one is left out.
[[nodiscard]] std::optional<Answer> decode(std::string_view bytes);
// Of the one message that is the body of a call's answer.
[[nodiscard]] std::optional<Answer> decode_body(std::string_view body);

// Appends those that a service may add, as lines: none by which messages are framed or connections
// kept.
void append_lines(std::string& out, const std::vector<Header>& headers);

}  // namespace weir::quota::rls
