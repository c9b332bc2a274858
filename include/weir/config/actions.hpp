#pragma once

#include "weir/config/place.hpp"
#include "weir/core/clock.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// What a route does to requests and answers besides forwarding them (gateway.md). Values of the
// checked configuration, as config.hpp says.
namespace weir::config {

struct HeaderEdits {
    std::vector<std::pair<std::string, std::string>> set;  // names in lower case
    std::vector<std::string> remove;                       // likewise

    bool operator==(const HeaderEdits&) const = default;
    [[nodiscard]] bool is_none() const { return set.empty() && remove.empty(); }
};

struct Mirror {
    std::string cluster;  // a key of Config::clusters
    double percent = 1;

    bool operator==(const Mirror&) const = default;
};

struct Fault {
    std::optional<Duration> delay;
    std::optional<std::uint16_t> abort;
    double percent = 1;

    bool operator==(const Fault&) const = default;
};

struct Cors {
    std::vector<std::string> origins;  // "*", or exact, or https://*.example.com
    std::vector<std::string> methods;
    std::vector<std::string> headers;  // in lower case; "*": any
    std::vector<std::string> expose;   // likewise
    Duration max_age = std::chrono::seconds{5};
    bool credentials = false;

    bool operator==(const Cors&) const = default;
};

enum class Coding : std::uint8_t { zstd, br, gzip };

struct RouteActions {
    HeaderEdits request;
    HeaderEdits response;
    std::optional<Mirror> mirror;
    std::optional<Fault> fault;
    std::optional<Cors> cors;
    std::vector<Coding> compress;  // empty: off
    bool websocket = true;
    bool merge_slashes = true;
    bool allow_encoded_slash = false;
    std::string grpc_service;  // of the matcher `grpc`; empty: any
    std::string grpc_method;   // empty: all of the service

    bool operator==(const RouteActions&) const = default;
};

}  // namespace weir::config
