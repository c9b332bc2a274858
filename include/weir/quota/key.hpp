#pragma once

#include "weir/core/address.hpp"
#include "weir/core/json.hpp"
#include "weir/http/message.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::quota {

// What requests are told apart by: one item of a rule's `key`. A value.
struct KeyPart {
    enum class Kind : std::uint8_t {
        client_ip,
        header,
        cookie,
        jwt,
        api_key,
        spiffe,
        method,
        route,
        global
    };
    Kind kind = Kind::global;
    std::string name{};  // of the header (lower case), cookie or claim
    // Of client_ip, as one IPv4 address alone may be many clients and one client has billions of
    // IPv6's: /N is of IPv4, and of IPv6 twice that. Above /32 it is of IPv6 alone.
    std::uint8_t v4_bits = 32;
    std::uint8_t v6_bits = 64;
    std::string text{};  // as written

    // Known only once authentication has spoken.
    [[nodiscard]] bool needs_identity() const { return kind == Kind::jwt || kind == Kind::api_key; }
    bool operator==(const KeyPart&) const = default;
};

// "client_ip", "client_ip/24", "header:x", "cookie:x", "jwt:sub", "api_key", "spiffe", "method",
// "route", "global"; nothing for another text.
[[nodiscard]] std::optional<KeyPart> parse_key_part(std::string_view text);

// One request, as keys see it. What is not there is empty: all requests without it share a key.
struct KeyInput {
    const http::RequestHead& head;
    const Address& client;
    std::string_view listener;
    std::string_view route;
    std::string_view principal;         // of an API key
    const JsonValue* claims = nullptr;  // of a token
    std::string_view spiffe;            // of the client's certificate
};

// Appends what this part says of the request. A header that comes several times is its values in
// their order, joined by commas: a split makes no other key than the list does. A cookie is the
// first of its name.
void append_value(std::string& out, const KeyPart& part, const KeyInput& input);

// Appends all parts, so that no two different lists of values give one text.
void append_key(std::string& out, const std::vector<KeyPart>& parts, const KeyInput& input);

}  // namespace weir::quota
