#pragma once

#include "weir/http/message.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

// The handshake of WebSocket: of HTTP/1 (RFC 6455, 4), whose key and its answer HTTP/2 does without
// (RFC 8441).
namespace weir::http {

inline constexpr std::string_view kWebSocket = "websocket";
inline constexpr std::string_view kWebSocketKey = "sec-websocket-key";
inline constexpr std::string_view kWebSocketAccept = "sec-websocket-accept";

// An upgrade to it that a stream of HTTP/2 can carry.
[[nodiscard]] bool is_websocket(const RequestHead& head);

// A key out of 16 bytes by chance, and what a server answers to a key.
[[nodiscard]] std::string websocket_key(const std::array<std::uint64_t, 2>& chance);
[[nodiscard]] std::string websocket_accept(std::string_view key);

// The key in the lines of a request; empty if there is none.
[[nodiscard]] std::string_view find_websocket_key(std::string_view lines);

}  // namespace weir::http
