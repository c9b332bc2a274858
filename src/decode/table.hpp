#pragma once

#include "weir/config/config.hpp"

#include "config/tree.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weir::config {

// The key table. Each block (an object of the language) is a struct and the rows of its keys; a row
// names the member it fills, so decoding, defaults, reference and schema cannot drift apart.
//
// A row's type is written as the reference prints it and is what the decoder goes by: the words of
// an "enum:a,b" in the order of the enumerators; the word after '|' is the value that is "none" of
// an optional member. `fallback` is the default as it would be written.

struct Context;  // decode.hpp

template <typename T>
using SetWord = void (*)(T& into, std::size_t index);
template <typename T>
using ReadNode = void (*)(Context& ctx, const Node& node, const std::string& path, T& into);

// What a row fills. A `const Node*` member is a section or list that other code decodes.
template <typename T>
using Field = std::variant<bool T::*,
                           std::uint16_t T::*,
                           std::uint32_t T::*,
                           std::optional<std::uint32_t> T::*,
                           std::uint64_t T::*,
                           std::optional<std::uint64_t> T::*,
                           Duration T::*,
                           std::optional<Duration> T::*,
                           double T::*,
                           std::optional<double> T::*,
                           StallAfter T::*,
                           std::string T::*,
                           std::optional<std::string> T::*,
                           std::optional<Secret> T::*,
                           const Node * T::*,
                           SetWord<T>,
                           ReadNode<T>>;

inline constexpr double kNoMost = std::numeric_limits<double>::infinity();

// Fills an enum member by the index of the word.
template <auto Member, typename T>
constexpr SetWord<T> word() {
    return [](T& into, std::size_t index) {
        using Enum = std::remove_cvref_t<decltype(into.*Member)>;
        into.*Member = static_cast<Enum>(index);
    };
}

template <typename T>
struct Key {
    std::string_view name;
    std::string_view type;
    std::string_view fallback;
    std::string_view doc;
    Field<T> field;
    double least = 0;  // durations in seconds, shares as fractions
    double most = kNoMost;
    std::string_view noun{};  // "'x' is no <noun>", else from the name
};

template <typename T>
struct Block {
    std::string_view path;       // "breaker", "routes[]"; empty at the top
    std::string_view shorthand;  // the key a bare value stands for; empty for none
    void (*off)(T& into);        // what `off` in place of the object does; null if it may not
    std::span<const Key<T>> rows;
};
template <typename T>
const Block<T>& block();

// ---- blocks that are no struct of config.hpp: what is decoded later stays a node

struct RootBlock {
    std::optional<std::uint32_t> threads;
    Duration drain = Config().drain;
    const Node* version = nullptr;
    const Node* include = nullptr;
    const Node* node = nullptr;
    const Node* listeners = nullptr;
    const Node* clusters = nullptr;
    const Node* defaults = nullptr;
    const Node* limits = nullptr;
    const Node* access_log = nullptr;
    const Node* log = nullptr;
    const Node* admin = nullptr;
    const Node* telemetry = nullptr;
    const Node* errors = nullptr;
    const Node* identity = nullptr;
    const Node* auth = nullptr;
    const Node* rate_limits = nullptr;
    const Node* redis = nullptr;
};
struct NodeBlock {
    std::string name;
    std::string zone;
};
struct AddressBlock {  // admin, telemetry
    const Node* listen = nullptr;
};
struct AdminBlock : AddressBlock {
    std::optional<Secret> token;
    const Node* hosts = nullptr;
};
struct TelemetryBlock : AddressBlock, Telemetry {};
struct ProbeBlock : Probe {
    const Node* headers_node = nullptr;
};
struct ErrorsBlock {
    std::optional<ErrorDetail> detail;
};
struct DefaultsBlock {
    const Node* timeout = nullptr;
    const Node* retry = nullptr;
    const Node* breaker = nullptr;
    const Node* outlier = nullptr;
    const Node* lb = nullptr;
    const Node* access_log = nullptr;
};
struct ListenerBlock {
    std::string name;
    Mode mode = Mode::gateway;
    Protocol protocol = Protocol::automatic;
    Duration detect_timeout = Listener().detect_timeout;
    bool proxy_protocol = false;
    bool transparent = false;
    bool may_pass_through = true;
    std::uint32_t trusted_hops = 0;
    ClientCert forward_client_cert = ClientCert::off;
    std::optional<Underscores> underscores;
    const Node* listen = nullptr;
    const Node* to = nullptr;
    const Node* routes = nullptr;
    const Node* trusted_proxies = nullptr;
    const Node* tls = nullptr;
    const Node* limits = nullptr;
    const Node* access_log = nullptr;
    const Node* auth = nullptr;
    const Node* rate_limit = nullptr;
    std::vector<PortRange> opaque_ports;
};
struct RouteBlock {
    std::string name;
    std::optional<std::uint64_t> max_body;
    std::optional<std::string> redirect;
    const Node* host = nullptr;
    const Node* path = nullptr;
    const Node* method = nullptr;
    const Node* header = nullptr;
    const Node* query = nullptr;
    const Node* to = nullptr;
    const Node* respond = nullptr;
    const Node* rewrite = nullptr;
    const Node* timeout = nullptr;
    const Node* retry = nullptr;
    const Node* breaker = nullptr;
    const Node* access_log = nullptr;
    const Node* grpc = nullptr;
    const Node* headers = nullptr;
    const Node* response_headers = nullptr;
    const Node* mirror = nullptr;
    double mirror_percent = 1;
    const Node* fault = nullptr;
    const Node* cors = nullptr;
    const Node* compress = nullptr;
    bool websocket = true;
    bool merge_slashes = true;
    bool allow_encoded_slash = false;
    const Node* auth = nullptr;
    std::string require;
    const Node* rate_limit = nullptr;
};
struct HeadersBlock {
    const Node* set = nullptr;
    const Node* remove = nullptr;
};
struct ResponseHeadersBlock : HeadersBlock {};
struct FaultBlock {
    std::optional<Duration> delay;
    std::optional<std::uint32_t> abort;
    double percent = 1;
};
struct CorsBlock {
    const Node* origins = nullptr;
    const Node* methods = nullptr;
    const Node* headers = nullptr;
    const Node* expose = nullptr;
    Duration max_age = Cors().max_age;
    bool credentials = false;
};
struct RewriteBlock {
    std::optional<std::string> path;
    std::optional<std::string> host;
};
struct ClusterBlock {
    ProxyProtocol proxy_protocol = ProxyProtocol::off;
    bool metrics_per_endpoint = false;
    ClusterProtocol protocol = ClusterProtocol::automatic;
    const Node* endpoints = nullptr;
    const Node* discovery = nullptr;
    const Node* lb = nullptr;
    const Node* breaker = nullptr;
    const Node* outlier = nullptr;
    const Node* retry = nullptr;
    const Node* timeout = nullptr;
    const Node* health = nullptr;
    const Node* tls = nullptr;
    const Node* limits = nullptr;
};
struct EndpointBlock {
    std::uint32_t weight = 100;
    const Node* address = nullptr;
};
struct DiscoveryBlock {
    Discovery::Type type = Discovery::Type::static_list;
    std::string name;
    std::uint16_t port = 0;
    std::string port_name;
    const Node* servers = nullptr;
    std::string path;
    std::optional<Duration> refresh;
    bool keep_last = true;
    Duration empty_hold = Discovery().empty_hold;
    Duration keep_last_max_age = Discovery().keep_last_max_age;
    const Node* options = nullptr;
};
struct LbBlock {
    Policy policy = Policy::p2c_ewma;
    std::optional<HashKey> key;
    NoneReady when_none_ready = NoneReady::least_bad;
};
struct TlsCertBlock {
    const Node* cert = nullptr;
    const Node* key = nullptr;
    const Node* ocsp = nullptr;
};
struct TlsBlock : TlsCertBlock {
    const Node* certs = nullptr;
    const Node* client_ca = nullptr;
    const Node* ca = nullptr;
    const Node* crl = nullptr;
    const Node* alpn = nullptr;
    const Node* allow = nullptr;
    std::string server_name;
    std::optional<Tls::ClientAuth> client_auth;
    Tls::Verify verify = Tls::Verify::full;
    Tls::Mode mode = Tls::Mode::strict;
    Tls::Version min_version = Tls::Version::tls_1_2;
};
struct RedisBlock {
    const Node* address = nullptr;
    std::optional<Secret> password;
    std::string user;
    const Node* tls = nullptr;
    Duration timeout = Redis().timeout;
};
struct IdentityBlock {
    const Node* cert = nullptr;
    const Node* key = nullptr;
    const Node* ca = nullptr;
};
struct AuthBlock {
    Auth::Type type = Auth::Type::jwt;
    std::string issuer;
    const Node* audience = nullptr;
    const Node* jwks = nullptr;
    const Node* jwks_cluster = nullptr;
    const Node* algorithms = nullptr;
    std::optional<Secret> secret;
    std::string client_id;
    Duration leeway = Auth().leeway;
    Duration max_stale = Auth().max_stale;
    Duration min_refetch = Auth().min_refetch;
    std::optional<Duration> max_lifetime;
    std::string from = Auth().from;
    const Node* forward_claims = nullptr;
    const Node* require = nullptr;
    std::optional<Secret> keys;
    const Node* allow = nullptr;
    const Node* to = nullptr;
    std::string path = Auth().path;
    const Node* forward_headers = nullptr;
    Duration timeout = Auth().timeout;
    Duration cache = Auth().cache;
    bool fail_open = false;
};
struct TimeoutBlock : Timeouts, ClientTimeouts {};

template <>
const Block<RateLimit>& block();
template <>
const Block<RedisBlock>& block();
template <>
const Block<TlsBlock>& block();
template <>
const Block<TlsCertBlock>& block();
template <>
const Block<IdentityBlock>& block();
template <>
const Block<AuthBlock>& block();
template <>
const Block<RootBlock>& block();
template <>
const Block<NodeBlock>& block();
template <>
const Block<AdminBlock>& block();
template <>
const Block<TelemetryBlock>& block();
template <>
const Block<ProbeBlock>& block();
template <>
const Block<ErrorsBlock>& block();
template <>
const Block<DefaultsBlock>& block();
template <>
const Block<ListenerBlock>& block();
template <>
const Block<RouteBlock>& block();
template <>
const Block<Respond>& block();
template <>
const Block<RewriteBlock>& block();
template <>
const Block<HeadersBlock>& block();
template <>
const Block<ResponseHeadersBlock>& block();
template <>
const Block<FaultBlock>& block();
template <>
const Block<CorsBlock>& block();
template <>
const Block<ClusterBlock>& block();
template <>
const Block<EndpointBlock>& block();
template <>
const Block<DiscoveryBlock>& block();
template <>
const Block<LbBlock>& block();
template <>
const Block<Health>& block();
template <>
const Block<Fallback>& block();
template <>
const Block<ClusterLimits>& block();
template <>
const Block<Breaker>& block();
template <>
const Block<Outlier>& block();
template <>
const Block<Retry>& block();
template <>
const Block<TimeoutBlock>& block();
template <>
const Block<Limits>& block();
template <>
const Block<AccessLog>& block();
template <>
const Block<Log>& block();

// Words of config.md that this version refuses: keys of a block, or values of a key.
[[nodiscard]] std::span<const std::string_view> later_words(std::string_view path);

// Whether a key means something to that type of discovery, spelt as in the file.
[[nodiscard]] bool is_key_of_discovery(std::string_view type, std::string_view key);

// The words of "enum:a,b,c", or those after each '|'.
[[nodiscard]] std::vector<std::string_view> words_of(std::string_view type);

// The rows for lists of words, decoded in decode_blocks.cpp and decode_resilience.cpp.
void read_failure_on(Context& ctx, const Node& node, const std::string& path, Breaker& into);
void read_fallback(Context& ctx, const Node& node, const std::string& path, Breaker& into);
void read_fallback_to(Context& ctx, const Node& node, const std::string& path, Fallback& into);
void read_latency_factor(Context& ctx, const Node& node, const std::string& path, Outlier& into);
void read_hash_key(Context& ctx, const Node& node, const std::string& path, LbBlock& into);
void read_discovery_port(Context& ctx,
                         const Node& node,
                         const std::string& path,
                         DiscoveryBlock& into);
void read_expect(Context& ctx, const Node& node, const std::string& path, Health& into);
void read_health_path(Context& ctx, const Node& node, const std::string& path, Health& into);
void read_retry_on(Context& ctx, const Node& node, const std::string& path, Retry& into);
void read_retry_methods(Context& ctx, const Node& node, const std::string& path, Retry& into);
void read_buckets(Context& ctx, const Node& node, const std::string& path, TelemetryBlock& into);
void read_probes(Context& ctx, const Node& node, const std::string& path, TelemetryBlock& into);
void read_opaque_ports(Context& ctx,
                       const Node& node,
                       const std::string& path,
                       ListenerBlock& into);
void read_log_only(Context& ctx, const Node& node, const std::string& path, Limits& into);
void read_only(Context& ctx, const Node& node, const std::string& path, AccessLog& into);
void read_fields(Context& ctx, const Node& node, const std::string& path, AccessLog& into);
void read_redact(Context& ctx, const Node& node, const std::string& path, AccessLog& into);

}  // namespace weir::config
