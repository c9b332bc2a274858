#pragma once

#include "weir/config/rate_limit.hpp"
#include "weir/core/json.hpp"
#include "weir/http/message.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weir::quota {

using KeyPart = config::RateKey;

// One request, as keys see it. What is not there is empty: all requests without it share a key.
struct KeyInput {
    const http::RequestHead& head;
    std::string_view client;  // its address; what is none (of a Unix socket) is taken as it is
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
