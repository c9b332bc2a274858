#include "decode/table.hpp"

#include "weir/decode/keys.hpp"

#include "support.hpp"

#include <set>
#include <vector>

namespace weir::config {
namespace {

// A block of `auth` that may have this key, and what else it must have.
std::string auth_with(const std::string& key) {
    const std::set<std::string> kAsking{"cache", "path", "timeout"};
    const auto unless = [&key](const char* name, const std::string& value) {
        return key == name ? std::string() : std::string(name) + ": " + value + ", ";
    };
    if (key == "type") return "";
    if (key == "client_id") return "type: introspection, to: a, secret: {env: TOKEN}, ";
    if (kAsking.contains(key)) return "type: introspection, to: a, ";
    if (key == "to" || key == "forward_headers" || key == "fail_open")
        return "type: external, " + unless("to", "a");
    if (key == "allow") return "type: mtls, ";
    if (key == "keys") return "type: api_key, ";
    if (key == "secret") return "type: jwt, algorithms: [HS256], ";
    if (key == "jwks_cluster") return "type: jwt, jwks: \"https://id.example/keys\", ";
    return "type: jwt, " +
           unless(
               "jwks",
               R"('{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}')");
}

// A configuration in which only the key at this path of the table is written, and all that it
// needs.
std::string text_with(const std::string& path, const std::string& value) {
    auto where = path;
    std::string listener = "listen: \":8080\"";
    std::string route = "to: a";
    std::string cluster = "endpoints: [\"10.0.0.1:80\"]";
    std::string root;
    const auto take = [&](std::string_view prefix) {
        if (!where.starts_with(prefix)) return false;
        where.erase(0, prefix.size());
        return true;
    };
    // "a.b.c" with a value is {a: {b: {c: value}}}.
    const auto nested = [&] {
        std::string open;
        std::string close;
        for (auto dot = where.find('.'); dot != std::string::npos; dot = where.find('.')) {
            open += where.substr(0, dot) + ": {";
            close += "}";
            where.erase(0, dot + 1);
        }
        return open + where + ": " + value + close;
    };
    // The two that belong together, but for the one that is asked for.
    const auto pair = [](const std::string& but) {
        return std::string(but == "cert" ? "" : "cert: a.crt, ") +
               (but == "key" ? "" : "key: a.key, ");
    };
    if (take("routes[].respond.")) {
        route = "respond: {body: \"x\", " + nested() + "}";
        if (where == "body") route = "respond: {" + where + ": " + value + "}";
    } else if (take("routes[].fault.")) {
        route += std::string(", fault: {") + (where == "abort" ? "delay: 1s, " : "abort: 503, ") +
                 nested() + "}";
    } else if (where.starts_with("routes[].cors.") && where != "routes[].cors.origins") {
        take("routes[].cors.");
        route += ", cors: {origins: [\"https://x.example\"], " + nested() + "}";
    } else if (where == "routes[].mirror_percent") {
        route += ", mirror: a, mirror_percent: " + value;
    } else if (where == "routes[].auth" || where == "routes[].require") {
        take("routes[].");
        root = "auth: {m: {type: mtls}}\n";
        route += ", " + nested();
    } else if (where == "listeners[].auth") {
        take("listeners[].");
        root = "auth: {m: {type: mtls}}\n";
        listener += ", " + nested();
    } else if (where == "clusters{}.lb.policy" && value == "ring_hash") {
        cluster += ", lb: {policy: ring_hash, key: client_ip}";
    } else if (where == "clusters{}.lb.key") {
        cluster += ", lb: {policy: maglev, key: " + value + "}";
    } else if (take("auth{}.")) {
        root = "auth: {x: {" + auth_with(where) + nested() + "}}\n";
    } else if (take("routes[].")) {
        route = (where == "to" || where == "respond" || where == "redirect" ? "" : route + ", ") +
                nested();
    } else if (take("listeners[].")) {
        listener = (where == "listen" ? "" : listener + ", ") + nested();
    } else if (take("tls.certs[].")) {
        listener += ", tls: {certs: [{" + pair(where) + nested() + "}]}";
    } else if (where == "tls.ca" || where == "tls.server_name" || where == "tls.verify") {
        cluster += ", " + nested();
    } else if (take("tls.")) {
        const bool asks = where == "client_auth" || where == "allow" || where == "crl";
        listener += ", tls: {" + pair(where) + (asks ? "client_ca: a.pem, " : "") + nested() + "}";
    } else if (take("identity.")) {
        root =
            "identity: {" + pair(where) + (where == "ca" ? "" : "ca: a.pem, ") + nested() + "}\n";
    } else if (take("rate_limits{}.")) {
        root = "rate_limits: {x: {" +
               std::string(where == "rate"  ? ""
                           : where == "max" ? "algorithm: concurrency, "
                                            : "rate: 50/s, ") +
               nested() + "}}\nredis: {cache: {address: \"127.0.0.1:6379\"}}\n";
    } else if (take("redis{}.")) {
        root = "redis: {x: {" +
               std::string(where == "address" ? "" : "address: \"127.0.0.1:6379\", ") + nested() +
               "}}\n";
    } else if (take("clusters{}.endpoints[].")) {
        cluster = "endpoints: [{" +
                  (where == "address" ? std::string() : "address: \"10.0.0.1:80\", ") + nested() +
                  "}]";
    } else if (take("clusters{}.discovery.")) {
        const bool is_port = where == "port";
        const bool is_path = where == "path";
        const bool is_kubernetes = where == "keep_last_max_age" || where.starts_with("options");
        cluster = is_path         ? "discovery: {type: file, " + nested() + "}"
                  : is_kubernetes ? "discovery: {type: kubernetes, " + nested() + "}"
                                  : "discovery: {type: dns, " +
                                        std::string(is_port ? "" : "port: 80, ") + nested() + "}";
        if (where == "type")
            cluster = "endpoints: [\"10.0.0.1:80\"], discovery: {type: " + value + "}";
    } else if (take("clusters{}.")) {
        cluster = (where == "endpoints" ? "" : cluster + ", ") + nested();
    } else if (where.starts_with("timeout.") || where.starts_with("retry.") ||
               where.starts_with("breaker.") || where.starts_with("outlier.")) {
        root = "defaults: {" + nested() + "}\n";
    } else if (where != "version" && where != "listeners" && where != "clusters") {
        root = nested() + "\n";
    }
    return "version: 1\nlisteners: [{" + listener + ", routes: [{" + route +
           "}]}]\nclusters: {a: {" + cluster + "}}\n" + root;
}

// The listener's `to` cannot stand beside routes, and some rows are the objects of other rows.
bool is_plain(const KeyInfo& key) {
    static const std::set<std::string_view> kNone{"",
                                                  "-",
                                                  "required",
                                                  "inherits",
                                                  "generated",
                                                  "any",
                                                  "hostname",
                                                  "listen address",
                                                  "by mode",
                                                  "keep",
                                                  "cluster name",
                                                  "from endpoints",
                                                  "on",
                                                  "system",
                                                  "endpoint's",
                                                  "{}",
                                                  "host",
                                                  "by client_ca",
                                                  "by rate"};
    return !kNone.contains(key.fallback) && key.type != "secret" && key.type != "path";
}

TEST(KeyTable, StatesTheDefaultThatHolds) {
    std::size_t compared = 0;
    for (const auto& key : keys()) {
        if (!is_plain(key)) continue;
        // What the key's parents bring with them is in both texts.
        std::string base = text_with(key.path, "BASE");
        const auto at = base.find("BASE");
        ASSERT_NE(at, std::string::npos) << key.path;
        const auto name = key.path.substr(key.path.rfind('.') + 1) + ": ";
        base.erase(at - name.size(), name.size() + 4);
        for (const auto* gap : {", ,", ", }", "{, "}) {
            const auto found = base.find(gap);
            if (found != std::string::npos) base.erase(found + (gap[0] == '{' ? 1 : 0), 2);
        }
        const auto without = test::load(base);
        const auto with = test::load(text_with(key.path, std::string(key.fallback)));
        ASSERT_TRUE(with) << key.path << "\n" << test::messages(with);
        ASSERT_TRUE(without) << key.path << "\n" << test::messages(without);
        EXPECT_EQ(*with.config, *without.config) << key.path << ": " << key.fallback;
        ++compared;
    }
    EXPECT_GE(compared, 105U);
}

// A value of this row's type that is not its default.
std::string other_value(const KeyInfo& key) {
    static const std::map<std::string, std::string> kSpecial{
        {"node.name", "other"},
        {"admin.listen", "127.0.0.1:1"},
        {"telemetry.listen", "off"},
        {"access_log.to", "stderr"},
        {"log.to", "stdout"},
        {"retry.on", "[reset]"},
        {"retry.methods", "[GET]"},
        {"breaker.failure_on", "[500]"},
        {"breaker.fallback", "{status: 418}"},
        {"breaker.fallback.status", "418"},
        {"breaker.fallback.body", "y"},
        {"breaker.fallback.to", "127.0.0.1:1"},
        {"outlier.latency_factor", "3x"},
        {"clusters{}.health", "/x"},
        {"clusters{}.health.path", "/x"},
        {"clusters{}.health.timeout", "2s"},
        {"clusters{}.health.expect", "204"},
        {"routes[].name", "x"},
        {"routes[].host", "x.example"},
        {"routes[].path", "/x"},
        {"routes[].method", "GET"},
        {"routes[].header", "{x: y}"},
        {"routes[].query", "{x: y}"},
        {"routes[].respond", "{status: 201}"},
        {"routes[].respond.status", "418"},
        {"routes[].respond.body", "y"},
        {"routes[].redirect", "/x"},
        {"routes[].rewrite", "{path: /x}"},
        {"routes[].rewrite.path", "/x"},
        {"routes[].rewrite.host", "x"},
        {"routes[].to", "127.0.0.1:1"},
        {"listeners[].name", "x"},
        {"listeners[].listen", ":81"},
        {"listeners[].underscores", "reject"},
        {"listeners[].trusted_proxies", "[10.0.0.0/8]"},
        {"listeners[].limits", "{headers: 1}"},
        {"clusters{}.endpoints", "[\"10.0.0.2:80\"]"},
        {"clusters{}.endpoints[].address", "\"10.0.0.2:80\""},
        {"clusters{}.discovery", "dns"},
        {"clusters{}.discovery.type", "dns"},
        {"clusters{}.discovery.name", "x.example"},
        {"clusters{}.discovery.port", "81"},
        {"clusters{}.discovery.servers", "[10.0.0.2]"},
        {"clusters{}.discovery.path", "x.yaml"},
        {"node.zone", "z"},
        {"clusters{}.discovery.options", "{node: n1}"},
        {"clusters{}.limits", "{max_pending: 1}"},
        {"limits.log_only", "[resets]"},
        {"clusters{}.lb", "random"},
        {"defaults.lb", "random"},
        {"clusters{}.retry", "off"},
        {"clusters{}.timeout", "7s"},
        {"clusters{}.breaker", "off"},
        {"clusters{}.outlier", "off"},
        {"listeners[].tls", "{cert: a.crt, key: a.key}"},
        {"clusters{}.tls", "{}"},
        {"clusters{}.health.type", "tcp"},
        {"tls.certs", "[{cert: b.crt, key: b.key}]"},
        {"tls.server_name", "x.example"},
        {"tls.alpn", "[h2]"},
        {"tls.allow", "[\"spiffe://x/y\"]"},
        {"auth", "{x: {type: mtls}}"},
        {"listeners[].auth", "m"},
        {"routes[].auth", "m"},
        {"routes[].require", "\"claims.role == 'x'\""},
        {"auth{}.type", "mtls"},
        {"auth{}.issuer", "x"},
        {"auth{}.audience", "x"},
        {"auth{}.jwks", R"('{"keys": []}')"},
        {"auth{}.jwks_cluster", "a"},
        {"auth{}.algorithms", "[ES256]"},
        {"auth{}.secret", "{env: TOKEN}"},
        {"auth{}.client_id", "x"},
        {"auth{}.from", "\"header:x\""},
        {"auth{}.forward_claims", "{sub: x-user}"},
        {"auth{}.require", "{a: b}"},
        {"auth{}.keys", "{env: KEYS}"},
        {"auth{}.allow", "[x.example]"},
        {"auth{}.to", "a"},
        {"auth{}.path", "/x"},
        {"auth{}.forward_headers", "[x-user]"},
        {"routes[].grpc", "a.B"},
        {"routes[].headers", "{remove: [x]}"},
        {"routes[].headers.set", "{x: y}"},
        {"routes[].headers.remove", "[x]"},
        {"routes[].response_headers", "{remove: [x]}"},
        {"routes[].response_headers.set", "{x: y}"},
        {"routes[].response_headers.remove", "[x]"},
        {"routes[].mirror", "127.0.0.1:1"},
        {"routes[].fault", "{abort: 503}"},
        {"routes[].fault.abort", "503"},
        {"routes[].cors", "{origins: [\"https://x.example\"]}"},
        {"routes[].cors.origins", "[\"https://x.example\"]"},
        {"routes[].cors.methods", "[PATCH]"},
        {"routes[].cors.headers", "[x]"},
        {"routes[].cors.expose", "[x]"},
        {"routes[].compress", "[gzip]"},
        {"clusters{}.lb.key", "client_ip"},
        {"rate_limits", "{x: {rate: 1/s}}"},
        {"redis", "{x: {address: \"127.0.0.1:6379\"}}"},
        {"listeners[].rate_limit", "{rate: 1/s}"},
        {"routes[].rate_limit", "{rate: 1/s}"},
        {"rate_limits{}.key", "client_ip"},
        {"rate_limits{}.store", "{redis: cache}"},
        {"rate_limits{}.status", "503"},
        {"rate_limits{}.algorithm", "sliding_window"},
        {"redis{}.address", "\"127.0.0.1:1\""},
        {"redis{}.password", "{env: TOKEN}"},
        {"redis{}.user", "x"},
        {"redis{}.tls", "{}"},
        {"threads", "3"},
        {"admin.token", "{env: TOKEN}"},
        {"admin.hosts", "[weir.example]"},
        {"telemetry.buckets", "[1ms, 1s]"},
        {"access_log.only", "[errors, slow>1s]"},
        {"access_log.fields", "{tenant: \"header:X-Tenant\"}"},
        {"access_log.redact", "[x-key]"},
        {"telemetry.max_series", "777"},
        {"telemetry.probes", "{app/liveness: {port: 80}}"},
        {"telemetry.probes{}.headers", "{x-probe: \"1\"}"},
        {"telemetry.probes{}.path", "/alive"},
        {"listeners[].opaque_ports", "[3306]"},
        {"errors.detail", "internal"}};
    if (const auto found = kSpecial.find(key.path); found != kSpecial.end()) return found->second;
    const auto words = words_of(key.type);
    if (key.type.starts_with("enum:"))
        return std::string(key.fallback == words.back() ? words.front() : words.back());
    if (key.type == "bool") return key.fallback == "true" ? "false" : "true";
    if (key.type.starts_with("duration")) return "7s";
    if (key.type.starts_with("percent")) return "7%";
    if (key.type.starts_with("rate")) return "7/s";
    if (key.type.starts_with("size")) return "4097B";
    if (key.type.starts_with("int")) return "7";
    if (key.type == "object|off") return "off";
    if (key.type == "path") return "x.pem";
    return {};
}

TEST(KeyTable, HasNoRowWithoutEffect) {
    const auto plain = test::good(text_with("version", ""));
    const std::set<std::string> kElsewhere{
        "version",
        "include",
        "node",
        "listeners",
        "clusters",
        "defaults",
        "limits",
        "log",
        "admin",
        "telemetry",
        "listeners[].to",
        "listeners[].routes",
        "errors",
        "identity",
        "listeners[].proxy_protocol",
        "clusters{}.proxy_protocol"};  // nothing without trusted_proxies
    for (const auto& key : keys()) {
        if (kElsewhere.contains(key.path)) continue;
        const auto value = other_value(key);
        ASSERT_NE(value, "") << key.path;
        const auto result = load_text(
            text_with(key.path, value), "weir.yaml",
            test::environment({{"TOKEN", "secret"}, {"KEYS", "x:" + std::string(64, 'a')}}));
        ASSERT_TRUE(result) << key.path << "\n"
                            << text_with(key.path, value) << test::messages(result);
        EXPECT_FALSE(*result.config == plain) << key.path << ": " << value;
    }
}

TEST(KeyTable, NamesEachKeyOnceAndTypesEach) {
    std::set<std::string> seen;
    for (const auto& key : keys()) {
        EXPECT_TRUE(seen.insert(key.path).second) << key.path;
        EXPECT_FALSE(key.type.empty()) << key.path;
    }
    EXPECT_TRUE(seen.contains("listeners[].listen"));
    EXPECT_TRUE(seen.contains("routes[].rewrite.path"));
    EXPECT_TRUE(seen.contains("clusters{}.limits.max_pending"));
    EXPECT_TRUE(seen.contains("breaker.open_for"));
}

TEST(KeyTable, RefusesTheKeysOfLaterVersionsByName) {
    const struct {
        const char* block;
        std::string path;
    } blocks[] = {{"", ""},
                  {"listeners[].routes[]", "routes[]."},
                  {"clusters{}.endpoints[]", "clusters{}.endpoints[]."},
                  {"clusters{}.lb", "clusters{}.lb."},
                  {"admin", "admin."},
                  {"telemetry", "telemetry."},
                  {"limits", "limits."}};
    std::size_t refused = 0;
    for (const auto& [block, path] : blocks) {
        ASSERT_FALSE(later_words(block).empty()) << block;
        for (const auto word : later_words(block)) {
            EXPECT_EQ(test::codes(text_with(path + std::string(word), "x")), "109") << path << word;
            ++refused;
        }
    }
    EXPECT_GT(refused, 0U);
    EXPECT_EQ(test::codes(text_with("clusters{}.discovery.type", "xds")), "109");
}

}  // namespace
}  // namespace weir::config
