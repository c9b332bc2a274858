#pragma once

#include "weir/config/place.hpp"
#include "weir/core/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// How often (gateway.md). Values of the checked configuration, as config.hpp says.
namespace weir::config {

// What requests are told apart by: one item of `key`.
struct RateKey {
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
    Kind kind = Kind::route;
    std::string name{};  // of the header (in lower case), cookie or claim
    // Of client_ip, as one IPv4 address alone may be many clients and one client has billions of
    // IPv6's: /N is of IPv4, and of IPv6 twice that. Above /32 it is of IPv6 alone.
    std::uint8_t v4_bits = 32;
    std::uint8_t v6_bits = 64;
    std::string text = "route";  // as written

    // Known only once authentication has spoken.
    [[nodiscard]] bool needs_identity() const { return kind == Kind::jwt || kind == Kind::api_key; }
    bool operator==(const RateKey&) const = default;
};
// "client_ip", "client_ip/24", "header:x", "cookie:x", "jwt:sub", "api_key", "spiffe", "method",
// "route", "global"; nothing for another text.
[[nodiscard]] std::optional<RateKey> read_rate_key(std::string_view text);

struct RateLimit {
    enum class Algorithm : std::uint8_t { gcra, sliding_window, concurrency };
    enum class Headers : std::uint8_t { draft, legacy, none };
    enum class OnStoreFailure : std::uint8_t { local, allow, deny };
    struct Store {
        enum class Kind : std::uint8_t { local, redis, rls };
        Kind kind = Kind::local;
        std::string name;             // a key of Config::redis, or of Config::clusters
        std::string domain = "weir";  // of rls

        bool operator==(const Store&) const = default;
    };

    std::string name;
    double rate = 0;          // a second; 0: none, of concurrency and of services that know it
    Duration period{};        // the unit it was written in: 600/m is a minute
    std::uint32_t burst = 0;  // effective: one second of rate, at least 1
    std::vector<RateKey> key = {RateKey{}};
    Store store;
    std::uint16_t status = 429;
    Headers headers = Headers::draft;
    std::uint32_t max_keys = 65536;
    Algorithm algorithm = Algorithm::gcra;
    bool is_shadow = false;
    std::uint32_t cost = 1;
    bool lease = true;
    std::uint32_t max = 0;  // of concurrency
    OnStoreFailure on_store_failure = OnStoreFailure::local;
    std::optional<Duration> retry_jitter;  // at most so much is added to Retry-After, by chance
    Place place;

    bool operator==(const RateLimit&) const = default;
};

// Of a route, its listener's included: all must admit.
struct RouteLimits {
    std::vector<std::string> names;  // keys of Config::rate_limits; inline ones have made names

    bool operator==(const RouteLimits&) const = default;
};

}  // namespace weir::config
