#include "discovery/servers.hpp"

#include "discovery/dns_query.hpp"

#include <utility>

namespace weir::discovery {

transport::Task<std::optional<control::HttpServer>> Servers::current(transport::TaskScope& scope,
                                                                     std::string& error) {
    if (sources_.empty()) {
        error = "there is no server to ask";
        co_return std::nullopt;
    }
    const config::Discovery::Source& source = sources_[turn_ % sources_.size()];
    const config::Endpoint& endpoint = source.endpoint;
    control::HttpServer server;
    server.authority = endpoint.text;
    server.server_name = endpoint.host;
    server.uses_tls = source.uses_tls.value_or(uses_tls_);
    if (endpoint.address) {
        server.address = *endpoint.address;
        co_return server;
    }
    DnsQuestion question{endpoint.host, endpoint.port, {}};
    const DnsAnswer answer = co_await ask_dns(scope, std::move(question));
    for (const DnsRecords* records : {&answer.v4, &answer.v6}) {
        if (records->addresses.empty()) continue;
        // Of several, each in its turn, too.
        server.address = records->addresses[(turn_ / sources_.size()) % records->addresses.size()];
        co_return server;
    }
    const std::string& why = answer.v4.error.empty() ? answer.v6.error : answer.v4.error;
    error = endpoint.host + ": " + (why.empty() ? "has no address" : why);
    advance();
    co_return std::nullopt;
}

}  // namespace weir::discovery
