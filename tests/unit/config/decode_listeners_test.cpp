#include "support.hpp"

namespace weir::config {
namespace {

using namespace std::chrono_literals;
using test::codes;
using test::good;

std::string listener(const std::string& keys, const std::string& rest = {}) {
    return "version: 1\nlisteners:\n  - {listen: \":8080\", " + keys + "}\n" + rest;
}

TEST(ConfigListeners, ReadWhatIsOpaque) {
    const Listener made =
        good(listener("protocol: tcp, detect_timeout: 300ms, to: \"a:1\"")).listeners[0];
    EXPECT_EQ(made.protocol, Protocol::tcp);
    EXPECT_EQ(made.detect_timeout, 300ms);
    const Listener named =
        good(listener("protocol: tcp, routes: [{host: A.Example, to: \"a:1\"}, {to: \"b:1\"}]"))
            .listeners[0];
    EXPECT_EQ(named.routes[0].hosts, std::vector<std::string>{"a.example"});
}

TEST(ConfigListeners, RefuseHttpWhereThereIsNone) {
    for (const char* key : {"path: /a", "method: GET", "header: {x: y}", "query: {x: y}",
                            "rewrite: {path: /}", "max_body: 1KiB"}) {
        EXPECT_EQ(
            codes(listener("protocol: tcp, routes: [{to: \"a:1\", " + std::string(key) + "}]")),
            "115")
            << key;
    }
    EXPECT_EQ(codes(listener("protocol: tcp, routes: [{respond: {status: 200}}]")), "115");
}

TEST(ConfigListeners, RefuseUdpInWords) {
    EXPECT_EQ(codes(listener("protocol: udp, to: \"a:1\"")), "105");
    EXPECT_EQ(codes(listener("protocol: tcp, to: \"udp:10.0.0.1:53\"")), "113");
    EXPECT_EQ(codes("version: 1\nlisteners: [{listen: \"udp:10.0.0.1:53\", to: \"a:1\"}]\n"),
              "113");
}

TEST(ConfigListeners, TakeTheProxyProtocolFromSomebodyOnly) {
    EXPECT_EQ(codes(listener("proxy_protocol: true, to: \"a:1\"")), "115");
    EXPECT_TRUE(good(listener("proxy_protocol: true, trusted_proxies: [10.0.0.0/8], to: \"a:1\""))
                    .listeners[0]
                    .proxy_protocol);
    const std::string cluster = "clusters: {c: {endpoints: [\"a:1\"], proxy_protocol: v2}}\n";
    EXPECT_EQ(good(listener("protocol: tcp, to: c", cluster)).clusters.at("c").proxy_protocol,
              ProxyProtocol::v2);
    EXPECT_EQ(codes(listener("to: c", cluster)), "115");
}

TEST(ConfigListeners, MayGoWhereTheirClientsMeant) {
    const Config config = good(listener("transparent: true, mode: outbound",
                                        "defaults: {timeout: {connect: 7ms}, retry: 1}\n"));
    EXPECT_TRUE(config.listeners[0].transparent);
    EXPECT_TRUE(config.listeners[0].may_pass_through);
    EXPECT_TRUE(config.listeners[0].routes.empty());
    EXPECT_EQ(config.passthrough.timeout.connect, 7ms);
    EXPECT_EQ(config.passthrough_target.timeout.connect, 7ms);
    EXPECT_EQ(config.passthrough_target.retry.attempts, 1U);
    EXPECT_EQ(codes(listener("transparent: true, mode: outbound, passthrough: deny")), "114");
    EXPECT_EQ(codes(listener("transparent: true, mode: gateway")), "114");
    EXPECT_EQ(codes(listener("transparent: true, mode: inbound, passthrough: deny")), "114");
    const Config inbound =
        good(listener("transparent: true, mode: inbound, opaque_ports: [\"25\", \"5000-5010\"]"));
    EXPECT_TRUE(inbound.listeners[0].routes.empty());
    EXPECT_EQ(inbound.listeners[0].opaque_ports, (std::vector<PortRange>{{25, 25}, {5000, 5010}}));
    for (const char* ports : {"0", "65536", "a", "9-5", "1-"})
        EXPECT_EQ(codes(listener("transparent: true, mode: inbound, opaque_ports: [\"" +
                                 std::string(ports) + "\"]")),
                  "111")
            << ports;
}

}  // namespace
}  // namespace weir::config
