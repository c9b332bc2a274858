#include "support.hpp"

namespace weir::config {
namespace {

using namespace std::chrono_literals;
using test::codes;
using test::good;
using test::with_cluster;

Cluster cluster(const std::string& lines) {
    return good(with_cluster(lines)).clusters.at("a");
}

TEST(ConfigClusters, InheritFromDefaultsKeyByKey) {
    const auto config =
        good(with_cluster("    timeout: {request: 7s}\n    breaker: {min_requests: 3}\n") +
             "  b: {endpoints: [\"10.0.0.2:80\"]}\n"
             "defaults:\n  timeout: {connect: 2s, request: 9s, client_idle: 11s}\n  retry: 1\n"
             "  breaker: {window: 20s, min_requests: 9}\n  outlier: off\n  lb: random\n");
    const auto& a = config.clusters.at("a");
    EXPECT_EQ(a.timeout.request, Duration(7s));
    EXPECT_EQ(a.timeout.connect, 2s);
    EXPECT_EQ(a.timeout.idle, Timeouts().idle);
    EXPECT_EQ(a.breaker.min_requests, 3U);
    EXPECT_EQ(a.breaker.window, 20s);
    EXPECT_EQ(a.retry.attempts, 1U);
    EXPECT_EQ(a.outlier.mode, Enforcement::off);
    EXPECT_EQ(a.policy, Policy::random);
    const auto& b = config.clusters.at("b");
    EXPECT_EQ(b.timeout.request, Duration(9s));
    EXPECT_EQ(b.breaker.min_requests, 9U);
    EXPECT_EQ(config.client_timeout.idle, 11s);
    EXPECT_EQ(config.client_timeout.header, ClientTimeouts().header);
}

TEST(ConfigClusters, ReplaceInheritedLists) {
    const auto config = good(with_cluster("    retry: {on: [reset]}\n") +
                             "defaults: {retry: {on: [502], methods: [GET]}}\n");
    const auto& retry = config.clusters.at("a").retry;
    EXPECT_TRUE(retry.on.reset);
    EXPECT_FALSE(retry.on.status_502);
    EXPECT_FALSE(retry.on.connect);
    EXPECT_EQ(retry.methods, std::vector<std::string>{"GET"});
}

TEST(ConfigClusters, ReadEachShorthand) {
    EXPECT_EQ(cluster("    timeout: 5s\n").timeout.request, Duration(5s));
    EXPECT_EQ(cluster("    timeout: never\n").timeout.request, std::nullopt);
    EXPECT_EQ(cluster("    retry: 3\n").retry.attempts, 3U);
    EXPECT_EQ(cluster("    retry: off\n").retry.attempts, 0U);
    EXPECT_EQ(cluster("    lb: least_request\n").policy, Policy::least_request);
    EXPECT_EQ(cluster("    breaker: off\n").breaker.mode, Enforcement::off);
    EXPECT_EQ(cluster("    discovery: dns\n").discovery.type, Discovery::Type::dns);
    EXPECT_EQ(cluster("    limits: {max_connections: unlimited}\n").limits.max_connections,
              std::nullopt);
}

TEST(ConfigClusters, LongestWaitsFollowTheFirstUnlessWritten) {
    EXPECT_EQ(cluster("    breaker: {open_for: 5s}\n").breaker.max_open_for, 5s);
    EXPECT_EQ(cluster("    outlier: {eject_for: 5s}\n").outlier.max_eject_for, 5s);
    EXPECT_EQ(cluster("    retry: {backoff: 5s}\n").retry.max_backoff, 5s);
    EXPECT_EQ(cluster("    breaker: {open_for: 5s, max_open_for: 9s}\n").breaker.max_open_for, 9s);
    EXPECT_EQ(codes(with_cluster("    breaker: {open_for: 5s, max_open_for: 1s}\n")), "141");
    EXPECT_EQ(codes(with_cluster("    outlier: {eject_for: 5s, max_eject_for: 1s}\n")), "141");
    EXPECT_EQ(codes(with_cluster("    retry: {backoff: 5s, max_backoff: 1s}\n")), "141");
    EXPECT_EQ(codes(with_cluster("    breaker: {open_for: 5s}\n") +
                    "defaults: {breaker: {max_open_for: 1s}}\n"),
              "141");
}

TEST(ConfigClusters, ATryMustBeShorterThanTheRequest) {
    EXPECT_EQ(codes(with_cluster("    retry: {per_try_timeout: 60s}\n")), "140");
    EXPECT_EQ(codes(with_cluster("    retry: {per_try_timeout: 59s}\n")), "");
    EXPECT_EQ(codes(with_cluster("    retry: {per_try_timeout: 2m}\n    timeout: never\n")), "");
    EXPECT_EQ(codes(with_cluster("    retry: {per_try_timeout: 2m, attempts: 0}\n")), "");
    EXPECT_EQ(
        codes(with_cluster("    timeout: 1s\n") + "defaults: {retry: {per_try_timeout: 5s}}\n"),
        "140");
}

TEST(ConfigClusters, ChooseDiscoveryFromTheirEndpoints) {
    const auto fixed =
        good(test::kListener +
             "clusters: {a: {endpoints: [\"10.0.0.1:80\", {address: \"[::1]:80\", weight: 3}]}}\n")
            .clusters.at("a");
    EXPECT_EQ(fixed.discovery.type, Discovery::Type::static_list);
    ASSERT_EQ(fixed.endpoints.size(), 2U);
    EXPECT_EQ(fixed.endpoints[0].weight, 100U);
    EXPECT_EQ(fixed.endpoints[1].weight, 3U);
    EXPECT_EQ(fixed.endpoints[1].text, "[::1]:80");
    const auto named =
        good(test::kListener + "clusters: {a: {endpoints: [\"10.0.0.1:80\", \"b:80\"]}}\n")
            .clusters.at("a");
    EXPECT_EQ(named.discovery.type, Discovery::Type::dns);
}

TEST(ConfigClusters, DiscoveryByDnsAlwaysHasEndpoints) {
    const auto by_name =
        good(
            test::kListener +
            "clusters: {a: {discovery: {type: dns, port: 80, servers: [10.0.0.2], refresh: 5s}}}\n")
            .clusters.at("a");
    ASSERT_EQ(by_name.endpoints.size(), 1U);
    EXPECT_EQ(by_name.endpoints[0].text, "a:80");
    EXPECT_EQ(by_name.discovery.servers.at(0).to_string(), "10.0.0.2:53");
    EXPECT_EQ(by_name.discovery.refresh, Duration(5s));
}

TEST(ConfigClusters, DiscoveryByFileStartsAtTheFolderOfTheConfiguration) {
    const auto text =
        test::kListener + "clusters: {a: {discovery: {type: file, path: eps.yaml}}}\n";
    const auto result = load_text(text, "/etc/weir/weir.yaml", test::environment());
    ASSERT_TRUE(result) << test::messages(result);
    EXPECT_EQ(result.config->clusters.at("a").discovery.path, "/etc/weir/eps.yaml");
    EXPECT_EQ(good(text).clusters.at("a").discovery.path, "eps.yaml");
}

TEST(ConfigClusters, KubernetesKnowsItsOptions) {
    const auto config = good(
        "version: 1\nnode: {zone: z}\nlisteners: [{listen: \":8080\", to: a}]\n"
        "clusters: {a: {discovery: {type: kubernetes, name: shop/orders, port: http, "
        "servers: [\"https://k8s:6443\", \"10.0.0.2:443\", \"http://127.0.0.1:8001/\"], "
        "keep_last_max_age: 1h, options: {node: n1, watch_timeout: 60s}}}}\n");
    const Discovery& discovery = config.clusters.at("a").discovery;
    EXPECT_EQ(discovery.type, Discovery::Type::kubernetes);
    EXPECT_EQ(discovery.port_name, "http");
    EXPECT_EQ(discovery.port, 0);
    EXPECT_EQ(discovery.zone, "z");
    EXPECT_EQ(discovery.keep_last_max_age, Duration(std::chrono::hours(1)));
    EXPECT_EQ(discovery.options.at("node"), "n1");
    ASSERT_EQ(discovery.sources.size(), 3U);
    EXPECT_EQ(discovery.sources[0].endpoint.host, "k8s");
    EXPECT_EQ(discovery.sources[0].uses_tls, true);
    EXPECT_FALSE(discovery.sources[1].uses_tls);
    EXPECT_EQ(discovery.sources[2].uses_tls, false);
    EXPECT_EQ(discovery.sources[2].endpoint.port, 8001);
}

TEST(ConfigClusters, SourcesHaveTheirServersAndOptions) {
    const auto etcd =
        good(test::kListener +
             "clusters: {a: {discovery: {type: etcd, name: /x, servers: [\"https://e1:2379\", "
             "\"10.0.0.1:2379\"], options: {user: me, password_file: /p}}}}\n")
            .clusters.at("a")
            .discovery;
    EXPECT_EQ(etcd.type, Discovery::Type::etcd);
    ASSERT_EQ(etcd.sources.size(), 2U);
    EXPECT_EQ(etcd.sources[0].uses_tls, true);
    EXPECT_EQ(etcd.sources[1].endpoint.text, "10.0.0.1:2379");
    EXPECT_EQ(etcd.options.at("user"), "me");
    const auto plugin =
        good(test::kListener +
             "clusters: {a: {discovery: {type: plugin, path: ./x.so, options: {any: thing}}}}\n")
            .clusters.at("a")
            .discovery;
    EXPECT_EQ(plugin.type, Discovery::Type::plugin);
    EXPECT_EQ(plugin.options.at("any"), "thing");
    for (const auto& [word, type] : {std::pair{"registry", Discovery::Type::registry},
                                     std::pair{"consul", Discovery::Type::consul},
                                     std::pair{"dns-srv", Discovery::Type::dns_srv}}) {
        const auto text = test::kListener + "clusters: {a: {discovery: " + word + "}}\n";
        EXPECT_EQ(good(text).clusters.at("a").discovery.type, type);
    }
}

TEST(ConfigClusters, OfferWhatTheyMaySpeak) {
    const struct {
        const char* protocol;
        std::vector<std::string> offered;
    } cases[] = {{"auto", {"h2", "http/1.1"}}, {"http1", {"http/1.1"}}, {"h2", {"h2"}}};
    for (const auto& each : cases) {
        const auto lines =
            "    protocol: " + std::string(each.protocol) + "\n    tls: {verify: none}\n";
        EXPECT_EQ(cluster(lines).tls->alpn, each.offered) << each.protocol;
    }
}

TEST(ConfigClusters, RefuseWhatContradicts) {
    const struct {
        const char* body;
        const char* codes;
    } cases[] = {
        {"{}", "114"},
        {"{lb: random}", "114"},
        {"{endpoints: []}", ""},
        {"{endpoints: 10.0.0.1:80}", "108"},
        {"{endpoints: [[x]]}", "108"},
        {"{endpoints: [{weight: 1}]}", "114"},
        {"{endpoints: [\"a:80\", \"a:80\"]}", "131"},
        {"{endpoints: [\"a:80\"], discovery: static}", "115"},
        {"{endpoints: [\"a:80\"], discovery: {type: dns, port: 80}}", "115"},
        {"{endpoints: [\"a:80\"], discovery: {type: dns, path: x}}", "115"},
        {"{endpoints: [\"a:80\"], discovery: {type: file, path: x}}", "115"},
        {"{discovery: {type: file}}", "114"},
        {"{discovery: dns}", "114"},
        {"{discovery: {port: 80}}", "114"},
        {"{discovery: {type: dns, port: 80, refresh: 10ms}}", "117"},
        {"{discovery: {type: dns, port: http}}", "104"},
        {"{discovery: {type: dns, port: 80, name: \"a b\"}}", "113"},
        {"{discovery: {type: dns, port: 80, servers: [x]}}", "113"},
        {"{discovery: zookeeper}", "105"},
        {"{discovery: {type: kubernetes, port: 0}}", "117"},
        {"{discovery: {type: kubernetes, port: 70000}}", "117"},
        {"{discovery: {type: kubernetes, port: \"a b\"}}", "104"},
        {"{discovery: {type: kubernetes, servers: [x]}}", "113"},
        {"{discovery: {type: kubernetes, options: {token: x}}}", "115"},
        {"{discovery: {type: kubernetes, options: {node: [x]}}}", "108"},
        {"{discovery: {type: kubernetes, options: {watch_timeout: soon}}}", "104"},
        {"{discovery: {type: kubernetes, refresh: 5s}}", "115"},
        {"{endpoints: [\"10.0.0.1:80\"], discovery: kubernetes}", "115"},
        {"{discovery: {type: dns, port: 80, keep_last_max_age: 1h}}", "115"},
        {"{discovery: plugin}", "114"},
        {"{discovery: {type: plugin, path: x.so, servers: [\"10.0.0.1:1\"]}}", "115"},
        {"{discovery: {type: dns-srv, name: \"a b\"}}", "113"},
        {"{discovery: {type: dns-srv, port: 80}}", "115"},
        {"{discovery: {type: dns-srv, servers: [x]}}", "113"},
        {"{discovery: {type: registry, refresh: 5s}}", "115"},
        {"{discovery: {type: registry, options: {color: red}}}", "115"},
        {"{discovery: {type: etcd, path: x}}", "115"},
        {"{discovery: {type: etcd, options: {pasword_file: x}}}", "115"},
        {"{discovery: {type: etcd, servers: [\"a b:80\"]}}", "113"},
        {"{discovery: {type: consul, options: {health: well}}}", "115"},
        {"{discovery: {type: consul, options: {wait: soon}}}", "104"},
        {"{endpoints: [\"10.0.0.1:80\"], discovery: consul}", "115"},
        {"{endpoints: [\"a:80\"], timeout: {client_idle: 5s}}", "115"},
        {"{endpoints: [\"a:80\"], timeout: 0}", "117"},
        {"{endpoints: [\"a:80\"], timeout: }", "108"},
        {"{endpoints: [\"a:80\"], breaker: on}", "108"},
        {"{endpoints: [\"a:80\"], breaker: {failure_rate: 101%}}", "117"},
        {"{endpoints: [\"a:80\"], breaker: {mode: dry}}", "105"},
        {"{endpoints: [\"a:80\"], retry: {methods: [get]}}", "104"},
        {"{endpoints: [\"a:80\"], limits: {max_connections: 0}}", "117"},
        {"{endpoints: [\"a:80\"], limits: {max_connections: 4294967296}}", "117"},
        {"{endpoints: [\"a:80\"], limits: {max_pending: unlimited}}", "104"},
        {"{endpoints: [\"a:80\"], protocol: h2}", "115"},
        {"{endpoints: [\"a:80\"], protocol: h2, tls: off}", "115"},
        {"{endpoints: [\"a:80\"], protocol: h2, tls: {verify: none}}", "203"},
        {"{endpoints: [\"a:80\"], protocol: h2c, tls: {verify: none}}", "115 203"},
        {"{endpoints: [\"a:80\"], protocol: h3}", "105"},
        {"{endpoints: [\"a:80\"], protocol: h2c, health: {type: grpc, path: /a.B}}", ""},
        {"{endpoints: [\"a:80\"], protocol: h2c, health: {type: grpc, expect: \"200\"}}", "115"},
        {"{endpoints: [\"a:80\"], protocol: http1, health: {type: grpc}}", "115"},
        {"x", "108"}};
    for (const auto& [body, expected] : cases) {
        EXPECT_EQ(codes(test::kListener + "clusters:\n  a: " + body + "\n"), expected) << body;
    }
}

}  // namespace
}  // namespace weir::config
