#pragma once

#include "weir/config/actions.hpp"
#include "weir/config/auth.hpp"
#include "weir/config/balancing.hpp"
#include "weir/config/cidr.hpp"
#include "weir/config/place.hpp"
#include "weir/config/rate_limit.hpp"
#include "weir/config/resilience.hpp"
#include "weir/config/secret.hpp"
#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"
#include "weir/core/log.hpp"

#include <bitset>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

// The checked configuration: plain values, complete. Defaults are merged (built-in < defaults <
// cluster < route), names resolved, shorthands written out; nobody right of `config` decodes or
// checks syntax again. A snapshot shares it as shared_ptr<const Config>; sections compare with ==,
// which is how a reload finds what changed. Every initial value here is the default of the
// reference (a test compares them with the key table). Rates and shares are fractions: 0.5 is 50%.
// Thread: any (immutable once loaded).
namespace weir::config {

// timeout.client_* and timeout.handshake: before a route is known, hence one for all.
struct ClientTimeouts {
    Duration header = std::chrono::seconds{10};
    Duration idle = std::chrono::seconds{75};
    Duration handshake = std::chrono::seconds{10};

    bool operator==(const ClientTimeouts&) const = default;
};

struct Limits {
    std::optional<std::uint32_t> connections;  // none: auto, 0.8 of RLIMIT_NOFILE
    std::uint64_t header_size = 32 * 1024;
    std::uint32_t headers = 128;
    std::uint64_t url = 8 * 1024;
    std::optional<std::uint64_t> body;                     // none: unlimited
    std::uint32_t streams = 100;                           // of an HTTP/2 connection
    double resets = 33;                                    // of its streams, a second
    std::optional<std::uint32_t> requests_per_connection;  // none: no limit
    std::uint32_t passthrough_addresses = 4096;            // each with a breaker of its own
    // What is above them is counted, and goes on.
    struct LogOnly {
        bool resets = false;
        bool glitches = false;  // frames of HTTP/2 that move nothing
        bool headers = false;   // its header blocks that go on and on: refused all the same
        bool operator==(const LogOnly&) const = default;
    };
    LogOnly log_only;

    bool operator==(const Limits&) const = default;
};

// ---- TLS

// A file of certificates that the configuration names; what is wrong with it is for
// transport/certificates to say.
struct TrustFile {
    std::string text;  // as written
    std::string path;  // absolute, or relative to the working directory; empty: none
    Span at;

    bool operator==(const TrustFile&) const = default;
};

// A certificate and its key, likewise.
struct CertificateFiles {
    std::string subject;  // which one it is, for people: "listeners[0].tls"
    std::string cert;     // as written
    std::string key;
    std::string cert_path;  // absolute, or relative to the working directory
    std::string key_path;
    Span cert_at;
    Span key_at;
    TrustFile ocsp;  // the response to staple; none: nothing is stapled

    bool operator==(const CertificateFiles&) const = default;
};

// One side's TLS: of a listener towards its clients, of a cluster towards its endpoints. Defaults
// of the side are filled in.
struct Tls {
    enum class ClientAuth : std::uint8_t { none, optional, require };
    // full: chain and name. ca: the chain alone.
    enum class Verify : std::uint8_t { full, ca, none };
    enum class Mode : std::uint8_t { permissive, strict };
    enum class Version : std::uint8_t { tls_1_2, tls_1_3 };

    bool is_mesh = false;                 // made from the word, out of `identity`
    std::vector<CertificateFiles> certs;  // a listener has at least one, a cluster at most one
    TrustFile ca;   // who vouches for the peer: client_ca or ca; none: nobody, or the system's
    TrustFile crl;  // revoked certificates; none: not looked at
    ClientAuth client_auth = ClientAuth::none;  // of a listener
    Verify verify = Verify::full;               // of a cluster
    Mode mode = Mode::strict;                   // of a listener; permissive: plaintext, too
    Version min_version = Version::tls_1_2;
    std::string server_name;                          // of a cluster; empty: the endpoint's host
    std::vector<std::string> alpn{"h2", "http/1.1"};  // in the order of preference
    std::vector<std::string> allow;                   // who the peer may be; empty: anyone verified
    std::string contents;                             // a hash of all its files, as they were read
    Place place;

    bool operator==(const Tls&) const = default;
    // But for what its files say.
    [[nodiscard]] bool has_same_settings(const Tls& other) const {
        Tls copy = other;
        copy.contents = contents;
        return *this == copy;
    }
};

// ---- clusters

// What a cluster's endpoints speak. automatic: by ALPN under TLS, in clear HTTP/1; h2 is over TLS,
// h2c in clear, with prior knowledge.
enum class ClusterProtocol : std::uint8_t { automatic, http1, h2, h2c };

struct Endpoint {
    std::string text;                // as written, "orders:80"; the label "endpoint"
    std::string host;                // without brackets; the path of a Unix socket
    std::uint16_t port = 0;          // 0 for a Unix socket
    std::optional<Address> address;  // none: host is a name, to be resolved
    std::uint32_t weight = 100;      // at least 1
    Place place;

    bool operator==(const Endpoint&) const = default;
};

struct Discovery {
    // static_list: Cluster::endpoints are all addresses and stay.
    // file: `path` holds them; read and watch it (parse_endpoints() of weir/decode/load.hpp).
    // dns: resolve each of Cluster::endpoints that has no address; never empty. Chosen by itself
    //      when an endpoint is a host name; `name` and `port` became the one endpoint.
    // The others look up `name` (empty: the cluster's) where their module says.
    enum class Type : std::uint8_t {
        static_list,
        file,
        dns,
        kubernetes,
        dns_srv,
        plugin,
        registry,
        etcd,
        consul,
    };
    // Whom to ask: "consul:8500", "https://10.96.0.1:443".
    struct Source {
        Endpoint endpoint;
        std::optional<bool> uses_tls;  // none: no scheme is written

        bool operator==(const Source&) const = default;
    };

    Type type = Type::static_list;
    std::string name;
    std::uint16_t port = 0;
    std::string port_name;            // in place of the number, where ports have names
    std::vector<Address> servers;     // resolvers; empty: the system's; port 53 unless given
    std::vector<Source> sources;      // `servers` of what is no DNS
    std::string path;                 // absolute, or relative to the working directory
    std::optional<Duration> refresh;  // none: the answer's TTL (dns), a second (file); at least 1 s
    bool keep_last = true;
    Duration empty_hold = std::chrono::seconds{10};
    Duration keep_last_max_age = std::chrono::minutes{15};
    std::map<std::string, std::string> options;  // the module's own
    std::string zone;                            // node.zone, where the module knows of zones

    bool operator==(const Discovery&) const = default;
};

struct ClusterLimits {
    Enforcement mode = Enforcement::enforce;  // never off
    // none: unlimited
    std::optional<std::uint32_t> max_connections = 1024;  // per endpoint
    std::optional<std::uint32_t> max_connecting = 64;     // per endpoint
    std::optional<std::uint32_t> max_requests;
    std::uint32_t max_pending = 1024;
    Duration queue_timeout = std::chrono::seconds{1};
    bool adaptive = false;
    std::uint32_t idle_connections = 64;  // per endpoint and worker

    // Where each was written, for those it refuses.
    struct Places {
        Place max_connections, max_connecting, max_requests, max_pending, queue_timeout, adaptive;
        bool operator==(const Places&) const = default;
    };
    Places places;

    bool operator==(const ClusterLimits&) const = default;
};

// Active checks of every endpoint of a cluster.
struct Health {
    enum class Type : std::uint8_t { http, tcp, grpc };

    Type type = Type::http;
    std::string path = "/";  // of grpc: "/" and a service, "/" alone for the server
    std::uint16_t port = 0;  // 0: the endpoint's
    Duration interval = std::chrono::seconds{5};
    Duration timeout = std::chrono::seconds{1};
    std::uint32_t healthy_after = 2;
    std::uint32_t unhealthy_after = 3;
    std::bitset<600> expect = statuses(200, 299);

    bool operator==(const Health&) const = default;
    [[nodiscard]] static std::bitset<600> statuses(unsigned first, unsigned last);
};

// What goes before the bytes of a connection: the PROXY protocol, or nothing.
enum class ProxyProtocol : std::uint8_t { off, v1, v2 };

struct Cluster {
    std::string name;        // of an inline target: its text, "127.0.0.1:9000" or "a:80, b:80"
    bool is_inline = false;  // made from a target host:port
    std::vector<Endpoint> endpoints;
    Discovery discovery;
    Policy policy = Policy::p2c_ewma;
    std::optional<HashKey> hash_key;  // there exactly for the policies that hash
    NoneReady when_none_ready = NoneReady::least_bad;
    Breaker breaker;
    Outlier outlier;
    Retry retry;       // of requests without a route's say; the exchange takes its target's
    Timeouts timeout;  // likewise; the pool takes connect and idle from here
    ClusterLimits limits;
    std::optional<Health> health;  // none: off
    std::optional<Tls> tls;        // none: in clear
    ClusterProtocol protocol = ClusterProtocol::automatic;
    ProxyProtocol proxy_protocol = ProxyProtocol::off;  // other: no route of HTTP leads to it
    Place proxy_protocol_at;
    bool metrics_per_endpoint = false;
    Place place;

    bool operator==(const Cluster&) const = default;
};

struct Redis {
    std::string name;
    Endpoint endpoint;
    std::optional<Secret> password;
    std::string user;
    std::optional<Tls> tls;  // none: in clear
    Duration timeout = std::chrono::milliseconds{20};
    Place place;

    bool operator==(const Redis&) const = default;
};

// ---- the access log

enum class LogFormat : std::uint8_t { automatic, text, json };  // automatic: text on a terminal

// A field of the access log that people add.
struct LogField {
    enum class Source : std::uint8_t { text, header, response_header, query, cookie };
    std::string name;  // of the field
    Source source = Source::text;
    std::string of;  // the text itself, or what to look up; of a header: in lower case

    bool operator==(const LogField&) const = default;
};

// Which records are kept: without `only` every one, of which the share `sample` is, and each error
// (an answer of ours, or a status of 500 and above). With `only`, those of which any named
// condition holds; `sampled` is then the share `sample` of all. `to`, `format` and `buffer` are one
// for the process: Config::access_log has them. In a route `to` is the same, or off.
struct AccessLog {
    struct Only {
        bool errors = false;
        std::optional<Duration> slower_than;
        bool sampled = false;

        bool operator==(const Only&) const = default;
        [[nodiscard]] bool is_all() const { return !errors && !slower_than && !sampled; }
    };

    std::string to = "stdout";  // stdout, stderr, off or a path
    LogFormat format = LogFormat::automatic;
    Only only;
    double sample = 1;
    std::vector<LogField> fields;  // each name once, none of a built-in field
    // Names, in lower case, of headers, parameters and cookies whose values are never written.
    std::vector<std::string> redact = {"authorization", "cookie", "set-cookie"};
    std::uint64_t buffer = 256 * 1024;  // full: drop and count

    bool operator==(const AccessLog&) const = default;
    [[nodiscard]] bool is_off() const { return to == "off"; }
};

// ---- routes

// Paths are compared after normalisation.
struct PathPattern {
    enum class Kind : std::uint8_t {
        exact,   // "/a"
        prefix,  // "/a/" (written "/a/" or "/a/*"): text ends in '/'; "/a" is not in it; "/" is all
        templated,  // "/u/{id}": {name} is one segment, not empty; ends in '/': what is below, too
        regex,      // written "~ ^/re$": RE2, to match whole
    };
    Kind kind = Kind::prefix;
    std::string text = "/";

    bool operator==(const PathPattern&) const = default;
};

// Of a header or a query parameter.
struct Matcher {
    enum class Kind : std::uint8_t { exact, present, regex };
    std::string name;  // of a header: in lower case
    Kind kind = Kind::exact;
    std::string value;  // regex: its text (RE2, to match whole); present: empty
    Place place;

    bool operator==(const Matcher&) const = default;
};

struct Target {
    std::string cluster;       // a key of Config::clusters
    std::uint32_t weight = 1;  // share of the sum of the route's targets; 0: none
    Timeouts timeout;          // effective for this route into this cluster
    Retry retry;
    // Of the route, over its cluster's: stands beside the cluster's. none: the route has none.
    std::optional<Breaker> breaker;

    bool operator==(const Target&) const = default;
};
struct Forward {
    std::vector<Target> targets;  // at least one, and one of a weight above 0

    bool operator==(const Forward&) const = default;
};
struct Respond {
    std::uint16_t status = 200;
    std::string body;

    bool operator==(const Respond&) const = default;
};
// 308 to this; {name} stands for a segment of the path template, a trailing * for the rest.
struct Redirect {
    std::string location;

    bool operator==(const Redirect&) const = default;
};
using Action = std::variant<Forward, Respond, Redirect>;

struct Route {
    std::string name;                // unique in its listener; generated: "default" or "route-1"
    std::vector<std::string> hosts;  // lower case, no port; "*.x" is one or more labels; empty: any
    PathPattern path;
    std::vector<std::string> methods;  // empty: any
    std::vector<Matcher> headers;      // all must match
    std::vector<Matcher> query;        // all must match
    Action action;
    // rewrite.path: {name} is a segment of the path template, a trailing * the rest of a prefix.
    std::optional<std::string> rewrite_path;
    std::optional<std::string> rewrite_host;  // none: keep
    std::optional<std::uint64_t> max_body;    // effective; none: unlimited
    AccessLog access_log;                     // effective
    RouteAuth auth;
    RouteLimits rate_limits;
    RouteActions actions;
    Place place;
    Span path_at;

    bool operator==(const Route&) const = default;
};

// ---- listeners

enum class Mode : std::uint8_t { gateway, inbound, outbound };
enum class Underscores : std::uint8_t { allow, drop, reject };
// What a listener speaks; automatic: the connection's first bytes say it. tcp: bytes of any
// protocol, whose routes know a host only (of TLS, the server name).
enum class Protocol : std::uint8_t { automatic, http1, h2c, tcp };
// X-Forwarded-Client-Cert: off, what a trusted client says; set, what its own certificate says;
// append, that behind what a trusted one says.
enum class ClientCert : std::uint8_t { off, set, append };
// What the answers that are our own tell: the words anyone may read, or clusters and addresses too.
enum class ErrorDetail : std::uint8_t { public_only, internal };

struct ListenAddress {
    std::string text;  // as written, ":8080"
    Address address;
    Place place;

    bool operator==(const ListenAddress&) const = default;
};

// Ports, from the first to the last.
struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;

    bool operator==(const PortRange&) const = default;
};

struct Listener {
    std::string name;  // unique; the first address unless given
    Mode mode = Mode::gateway;
    Protocol protocol = Protocol::automatic;
    Duration detect_timeout = std::chrono::seconds{1};  // without a byte of the client: opaque
    bool proxy_protocol = false;                        // of trusted_proxies, and of them only
    bool transparent = false;      // connections were redirected here, from the address they name
    bool may_pass_through = true;  // to that address, where no cluster has it; not of a gateway
    std::vector<PortRange> opaque_ports;  // what was meant for these is relayed as it is
    std::vector<ListenAddress> listen;    // at least one
    std::vector<Cidr> trusted_proxies;
    std::uint32_t trusted_hops = 0;
    ClientCert forward_client_cert = ClientCert::off;
    Underscores underscores = Underscores::drop;    // effective: drop at a gateway, else allow
    ErrorDetail detail = ErrorDetail::public_only;  // effective: public at a gateway unless set
    std::optional<Tls> tls;                         // none: in clear
    Limits limits;                                  // effective
    AccessLog access_log;                           // effective, of requests no route takes
    RouteLimits rate_limits;                        // likewise
    std::vector<std::string> auth;                  // keys of Config::auth, of routes that say none
    std::vector<Route> routes;                      // first match wins; at least one
    Place place;

    bool operator==(const Listener&) const = default;
};

// ---- the process

struct Log {
    log::Level level = log::Level::info;
    LogFormat format = LogFormat::automatic;
    std::string to = "stderr";  // stderr, stdout or a path

    bool operator==(const Log&) const = default;
};

// A question of kubelet's that Weir asks the application in its place.
struct Probe {
    Health::Type type = Health::Type::http;
    std::uint16_t port = 0;  // of the address that kubelet asked Weir at
    std::string path = "/";  // of http
    bool is_tls = false;     // of http; nothing is verified, as kubelet does not
    std::string service;     // of grpc
    Duration timeout = std::chrono::seconds{1};
    std::vector<std::pair<std::string, std::string>> headers;  // of http

    bool operator==(const Probe&) const = default;
};

struct Telemetry {
    std::map<std::string, Probe, std::less<>> probes;  // by "container/kind": /probe/NAME
    std::uint32_t max_series = 10'000;
    // Of the latency histograms, ascending; the last bucket, +Inf, is not in it.
    std::vector<Duration> buckets = default_buckets();

    bool operator==(const Telemetry&) const = default;
    [[nodiscard]] static std::vector<Duration> default_buckets();
};

// Not part of what is compared: two texts that say the same are the same configuration.
struct Source {
    // [0] is the file given ("<command line>" for from_to()), then included ones, by Place::file;
    // then files of secrets.
    std::vector<std::string> files;
    // Files, and folders of files and of globs, whose change may change the configuration.
    std::vector<std::string> watched;
    std::string hash;  // of the texts, 16 hex digits: `config.hash`, weir_config_info

    bool operator==(const Source& /*other*/) const { return true; }
};

struct Config {
    Source source;
    std::string node_name;                 // the host's name unless given
    std::string node_zone;                 // empty: unknown
    std::optional<std::uint32_t> threads;  // none: auto
    Duration drain = std::chrono::seconds{30};
    std::optional<ListenAddress> admin_listen;  // none: off
    std::optional<Secret> admin_token;  // there if others than this machine reach admin_listen
    std::vector<std::string> admin_hosts = {"localhost", "127.0.0.1", "[::1]"};
    std::optional<ListenAddress> telemetry_listen;  // none: off
    Telemetry telemetry;
    Log log;
    AccessLog access_log;  // of the process, and what listeners start from
    Limits limits;
    ClientTimeouts client_timeout;
    std::vector<Listener> listeners;                       // at least one
    std::map<std::string, Cluster, std::less<>> clusters;  // inline ones included
    std::map<std::string, Auth, std::less<>> auth;
    std::map<std::string, RateLimit, std::less<>> rate_limits;  // inline ones included
    std::map<std::string, Redis, std::less<>> redis;
    // Of an address that no cluster has: the defaults, without an endpoint.
    Cluster passthrough;
    Target passthrough_target;
    std::vector<CertificateFiles> certificates;  // of every tls and identity block
    std::vector<TrustFile> trust_files;          // likewise
    std::vector<TrustFile> crl_files;            // likewise

    Config();  // admin and telemetry on their default addresses

    bool operator==(const Config&) const = default;
};

}  // namespace weir::config
