#pragma once

#include "weir/config/place.hpp"
#include "weir/config/secret.hpp"
#include "weir/core/clock.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Who may ask (gateway.md). Values of the checked configuration, as config.hpp says.
namespace weir::config {

// One way to say who one is: a block of `auth{}`.
struct Auth {
    enum class Type : std::uint8_t { jwt, api_key, basic, mtls, external, introspection };

    std::string name;
    Type type = Type::jwt;
    std::string issuer;                  // empty: any
    std::vector<std::string> audiences;  // empty: any
    // A path, a URL (then jwks_cluster), or the set itself; of the first and the last, jwks_text.
    std::string jwks;
    std::string jwks_text;
    Span jwks_at;
    std::string jwks_cluster;             // a key of Config::clusters
    std::vector<std::string> algorithms;  // effective
    std::optional<Secret> secret;         // of HMAC; of introspection: the password of client_id
    Span secret_at;
    std::string client_id;
    Duration leeway = std::chrono::seconds{30};
    Duration max_stale = std::chrono::hours{24};
    Duration min_refetch = std::chrono::seconds{10};
    std::optional<Duration> max_lifetime;
    std::string from = "header:authorization";
    std::map<std::string, std::string> forward_claims;        // claim: header, in lower case
    std::map<std::string, std::vector<std::string>> require;  // claim: one of these
    std::optional<Secret> keys;                               // the text of the file
    Span keys_at;
    std::vector<std::string> allow;
    std::string to;                             // a key of Config::clusters: who is asked
    std::string path = "/";                     // and there
    std::vector<std::string> forward_headers;   // of its answer, into the request; in lower case
    Duration cache = std::chrono::seconds{10};  // of introspection: how long an answer is believed
    Duration timeout = std::chrono::milliseconds{500};
    bool fail_open = false;
    Place place;

    bool operator==(const Auth&) const = default;
};

// Of a route: any of these, and what must hold of who was found.
struct RouteAuth {
    std::vector<std::string> any_of;  // keys of Config::auth; effective; empty: anybody
    std::string require;              // a rule; empty: none
    Place require_at;

    bool operator==(const RouteAuth&) const = default;
    [[nodiscard]] bool is_none() const { return any_of.empty() && require.empty(); }
};

}  // namespace weir::config
