#include "weir/decode/keys.hpp"

#include "decode/table.hpp"

#include <algorithm>
#include <string>

// The rows of the table, for those who show them.
namespace weir::config {
namespace {

template <typename T>
void append(std::vector<KeyInfo>& out, const Block<T>& from) {
    for (const auto& row : from.rows) {
        std::string path(from.path);
        // The blocks of the reference that are named by themselves: routes[].path, not
        // listeners[].routes[].path.
        if (const auto at = path.find("routes[]"); at != std::string::npos) path.erase(0, at);
        if (!path.empty()) path += '.';
        out.push_back({path + std::string(row.name), row.type, row.fallback, row.doc,
                       row.name == from.shorthand, row.least, row.most});
    }
}

}  // namespace

std::vector<std::string_view> words_of(std::string_view type) {
    std::vector<std::string_view> words;
    const bool is_enum = type.starts_with("enum:");
    const char separator = is_enum ? ',' : '|';
    type.remove_prefix(std::min(
        is_enum ? std::size_t{5} : std::min(type.find('|'), type.size() - 1) + 1, type.size()));
    while (!type.empty()) {
        const auto end = std::min(type.find(separator), type.size());
        words.push_back(type.substr(0, end));
        type.remove_prefix(std::min(end + 1, type.size()));
    }
    return words;
}

std::vector<KeyInfo> keys() {
    std::vector<KeyInfo> out;
    append(out, block<RootBlock>());
    append(out, block<NodeBlock>());
    append(out, block<DefaultsBlock>());
    append(out, block<ListenerBlock>());
    append(out, block<RouteBlock>());
    append(out, block<Respond>());
    append(out, block<RewriteBlock>());
    append(out, block<HeadersBlock>());
    append(out, block<ResponseHeadersBlock>());
    append(out, block<FaultBlock>());
    append(out, block<CorsBlock>());
    append(out, block<ClusterBlock>());
    append(out, block<EndpointBlock>());
    append(out, block<DiscoveryBlock>());
    append(out, block<LbBlock>());
    append(out, block<Health>());
    append(out, block<ClusterLimits>());
    append(out, block<Breaker>());
    append(out, block<Fallback>());
    append(out, block<Outlier>());
    append(out, block<Retry>());
    append(out, block<TimeoutBlock>());
    append(out, block<TlsBlock>());
    append(out, block<TlsCertBlock>());
    append(out, block<IdentityBlock>());
    append(out, block<AuthBlock>());
    append(out, block<RateLimit>());
    append(out, block<RedisBlock>());
    append(out, block<AdminBlock>());
    append(out, block<TelemetryBlock>());
    append(out, block<ProbeBlock>());
    append(out, block<ErrorsBlock>());
    append(out, block<AccessLog>());
    append(out, block<Log>());
    append(out, block<Limits>());
    return out;
}

}  // namespace weir::config
