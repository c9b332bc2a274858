#pragma once

#include "weir/config/place.hpp"
#include "weir/config/secret.hpp"
#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// How often (gateway.md). Values of the checked configuration, as config.hpp says.
namespace weir::config {

struct RateLimit {
    enum class Algorithm : std::uint8_t { gcra, sliding_window, concurrency };
    enum class Headers : std::uint8_t { draft, legacy, none };
    enum class OnStoreFailure : std::uint8_t { local, allow, deny };
    struct Store {
        enum class Kind : std::uint8_t { local, redis, rls };
        Kind kind = Kind::local;
        std::string name;  // a key of Config::redis, or of Config::clusters

        bool operator==(const Store&) const = default;
    };

    std::string name;
    double rate = 0;          // a second
    Duration period{};        // the unit it was written in: 600/m is a minute
    std::uint32_t burst = 0;  // effective: one second of rate, at least 1
    std::vector<std::string> key = {"route"};
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
    Place place;

    bool operator==(const RateLimit&) const = default;
};

struct Redis {
    std::string name;
    std::string address;  // host:port or unix:/path, as written
    std::optional<Secret> password;
    std::string user;
    bool is_tls = false;
    std::string tls_ca;
    std::string tls_server_name;
    Duration timeout = std::chrono::milliseconds{20};
    Place place;

    bool operator==(const Redis&) const = default;
};

// Of a route, its listener's included: all must admit.
struct RouteLimits {
    std::vector<std::string> names;  // keys of Config::rate_limits; inline ones have made names

    bool operator==(const RouteLimits&) const = default;
};

}  // namespace weir::config
