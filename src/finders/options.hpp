#pragma once

#include "weir/config/config.hpp"
#include "weir/control/http_client.hpp"

#include <string>
#include <vector>

// What modules read from their cluster's `discovery`. Pure.
namespace weir::finders {

// The option, or empty.
[[nodiscard]] inline std::string option(const config::Discovery& discovery,
                                        const std::string& key) {
    const auto found = discovery.options.find(key);
    return found == discovery.options.end() ? std::string() : found->second;
}

[[nodiscard]] inline control::HttpTls tls_of(const config::Discovery& discovery) {
    return {.ca_file = option(discovery, "ca_file"),
            .cert_file = option(discovery, "cert_file"),
            .key_file = option(discovery, "key_file")};
}

// The servers, or that port of this host.
[[nodiscard]] inline std::vector<config::Discovery::Source> sources_of(
    const config::Discovery& discovery, std::uint16_t port) {
    if (!discovery.sources.empty()) return discovery.sources;
    config::Discovery::Source source;
    source.endpoint.host = "127.0.0.1";
    source.endpoint.port = port;
    source.endpoint.address = Address::from_ip(source.endpoint.host, port);
    source.endpoint.text = source.endpoint.address->to_string();
    return {source};
}

[[nodiscard]] inline std::string looked_up(const config::Cluster& cluster) {
    return cluster.discovery.name.empty() ? cluster.name : cluster.discovery.name;
}

}  // namespace weir::finders
