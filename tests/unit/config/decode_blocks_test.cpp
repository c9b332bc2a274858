#include "support.hpp"

namespace weir::config {
namespace {

using namespace std::chrono_literals;
using test::codes;
using test::good;
using test::with_cluster;

// A cluster with this block, and defaults.
std::string layered(const std::string& cluster, const std::string& defaults) {
    return with_cluster(cluster.empty() ? "" : "    " + cluster + "\n") +
           (defaults.empty() ? "" : "defaults: {" + defaults + "}\n");
}

TEST(ConfigContradictions, AreErrorsByTheCode) {
    const struct {
        const char* cluster;
        const char* defaults;
        const char* codes;
    } cases[] = {
        // parts of a request that last as long as it
        {"retry: {per_try_timeout: 60s}", "", "140"},
        {"retry: {per_try_timeout: 59s}", "", ""},
        {"retry: {per_try_timeout: 60s, attempts: 0}", "", ""},
        {"retry: {per_try_timeout: 5s}", "timeout: 3s", "140"},
        {"timeout: 3s", "retry: {per_try_timeout: 5s}", "140"},
        {"timeout: never", "retry: {per_try_timeout: 5h}", ""},
        {"timeout: {response_header: 60s}", "", "140"},
        {"timeout: {response_header: 3s, request: 3s}", "", "140"},
        {"timeout: {response_header: 2s, request: 3s}", "", ""},
        {"timeout: {connect: 60s}", "", "140"},
        {"timeout: {connect: 3s, request: 2s}", "", "140"},
        {"timeout: {connect: 3s}", "timeout: 2s", "140"},
        // a shorter request of its own is no contradiction
        {"timeout: 500ms", "", ""},
        {"timeout: 500ms", "timeout: {connect: 2s, response_header: 3s}", ""},
        {"", "timeout: {connect: 2s, request: 1s}", "140"},
        {"timeout: {total: 1s, request: 2s}", "", "140"},
        {"timeout: {total: 2s, request: 2s}", "", ""},
        {"timeout: {total: 1s}", "timeout: 2s", ""},
        {"limits: {queue_timeout: 60s}", "", "140"},
        {"limits: {queue_timeout: 59s}", "", ""},
        // the longest below the first
        {"retry: {backoff: 2s, max_backoff: 1s}", "", "141"},
        {"retry: {backoff: 2s}", "", ""},
        {"retry: {backoff: 2s}", "retry: {max_backoff: 1s}", "141"},
        {"breaker: {open_for: 2s, max_open_for: 1s}", "", "141"},
        {"breaker: {open_for: 2s}", "", ""},
        {"breaker: {max_open_for: 100ms}", "", "141"},
        {"outlier: {eject_for: 2s, max_eject_for: 1s}", "", "141"},
        {"outlier: {eject_for: 2s}", "outlier: {max_eject_for: 1s}", "141"},
        {"limits: {max_connecting: 9, max_connections: 8}", "", "141"},
        {"limits: {idle_connections: 9, max_connections: 8}", "", "141"},
        {"limits: {max_connections: 8}", "", ""},
        {"limits: {max_connecting: unlimited, max_connections: 8}", "", ""},
        // what has no effect
        {"outlier: {min_ready: 1}", "", "202"},
        {"outlier: {min_ready: 0}", "", ""},
    };
    for (const auto& [cluster, defaults, expected] : cases)
        EXPECT_EQ(codes(layered(cluster, defaults)), expected) << cluster << " | " << defaults;
}

TEST(ConfigContradictions, NameTheOtherPlace) {
    const auto result = test::load(layered("timeout: {connect: 3s}", "timeout: 2s"));
    ASSERT_EQ(result.report.errors(), 1U);
    EXPECT_EQ(result.report.sorted()[0].what,
              "timeout.connect (3s) is not below timeout.request (2s, from defaults at line 8)");
}

TEST(ConfigContradictions, AreNotMadeOfValuesThatWereRefused) {
    EXPECT_EQ(codes(with_cluster("    timeout: 5\n    retry: {per_try_timeout: 4s}\n")), "103");
}

TEST(ConfigAccessLog, ReadsWhatItKeepsAndAdds) {
    const auto log = good(test::kListener +
                          "clusters: {a: {endpoints: [\"h:1\"]}}\n"
                          "access_log:\n"
                          "  only: [errors, slow>500ms, sampled]\n"
                          "  sample: 5%\n"
                          "  fields: {tenant: \"header:X-Tenant\", v: \"response_header:X-V\", "
                          "q: \"query:Q\", sid: \"cookie:SID\", site: fra}\n"
                          "  redact: [X-Key, token]\n"
                          "  buffer: 1MiB\n")
                         .access_log;
    EXPECT_TRUE(log.only.errors);
    EXPECT_TRUE(log.only.sampled);
    EXPECT_EQ(log.only.slower_than, 500ms);
    EXPECT_DOUBLE_EQ(log.sample, 0.05);
    ASSERT_EQ(log.fields.size(), 5U);
    EXPECT_EQ(log.fields[0], (LogField{"tenant", LogField::Source::header, "x-tenant"}));
    EXPECT_EQ(log.fields[1], (LogField{"v", LogField::Source::response_header, "x-v"}));
    EXPECT_EQ(log.fields[2], (LogField{"q", LogField::Source::query, "Q"}));
    EXPECT_EQ(log.fields[3], (LogField{"sid", LogField::Source::cookie, "SID"}));
    EXPECT_EQ(log.fields[4], (LogField{"site", LogField::Source::text, "fra"}));
    EXPECT_EQ(log.redact, (std::vector<std::string>{"x-key", "token"}));
    EXPECT_EQ(log.buffer, 1024U * 1024U);
}

TEST(ConfigAccessLog, IsMergedFromTheTopToTheRoute) {
    const auto config = good(
        "version: 1\n"
        "access_log: {format: json, sample: 50%, redact: [a]}\n"
        "defaults: {access_log: {sample: 40%}}\n"
        "listeners:\n"
        "  - listen: :80\n"
        "    access_log: {only: [errors]}\n"
        "    routes:\n"
        "      - {path: /quiet, access_log: off, to: \"h:1\"}\n"
        "      - {path: /slow, access_log: {only: [slow>1s]}, to: \"h:1\"}\n"
        "      - {to: \"h:1\"}\n"
        "  - {listen: \":81\", access_log: off, to: \"h:1\"}\n"
        "  - {listen: \":82\", to: \"h:1\"}\n");
    EXPECT_DOUBLE_EQ(config.access_log.sample, 0.4);
    const auto& routes = config.listeners[0].routes;
    EXPECT_TRUE(routes[0].access_log.is_off());
    EXPECT_EQ(routes[1].access_log.only.slower_than, 1s);
    EXPECT_FALSE(routes[1].access_log.only.errors);
    EXPECT_TRUE(routes[2].access_log.only.errors);
    EXPECT_EQ(routes[2].access_log.redact, std::vector<std::string>{"a"});
    EXPECT_DOUBLE_EQ(routes[2].access_log.sample, 0.4);
    EXPECT_TRUE(config.listeners[0].access_log.only.errors);
    EXPECT_TRUE(config.listeners[1].access_log.is_off());
    EXPECT_TRUE(config.listeners[1].routes[0].access_log.is_off());
    EXPECT_EQ(config.listeners[2].routes[0].access_log, config.access_log);
}

TEST(ConfigAccessLog, RefusesWhatItCannotBe) {
    const struct {
        const char* text;
        const char* codes;
    } cases[] = {{"{only: [fast]}", "105"},
                 {"{only: [slow>5]}", "103"},
                 {"{only: errors}", ""},
                 {"{sample: 0.5}", "106"},
                 {"{sample: 101%}", "117"},
                 {"{fields: [a]}", "108"},
                 {"{fields: {status: x}}", "131"},
                 {"{fields: {\"a b\": x}}", "118"},
                 {"{fields: {a: \"header:\"}}", "104"},
                 {"{fields: {a: [x]}}", "108"},
                 {"{redact: {}}", "108"},
                 {"{buffer: 1B}", "117"},
                 {"{sample: 5%, only: [errors]}", "202"},
                 {"{only: [sampled]}", "202"},
                 {"{only: [sampled], sample: 5%}", ""}};
    for (const auto& [text, expected] : cases) {
        const auto file =
            test::kListener + "clusters: {a: {endpoints: [\"h:1\"]}}\naccess_log: " + text + "\n";
        EXPECT_EQ(codes(file), expected) << text;
    }
    const auto of_route = [](const std::string& log) {
        return codes(test::with_route("{to: a, access_log: " + log + "}"));
    };
    EXPECT_EQ(of_route("{to: other.log}"), "109");
    EXPECT_EQ(of_route("{format: json}"), "109");
    EXPECT_EQ(of_route("{to: stdout}"), "") << "which is where it goes";
}

TEST(ConfigTelemetry, TakesBucketsThatAscend) {
    const auto with = [](const std::string& buckets) {
        return test::kListener +
               "clusters: {a: {endpoints: [\"h:1\"]}}\ntelemetry: {buckets: " + buckets + "}\n";
    };
    EXPECT_EQ(good(with("[1ms, 2500us, 1s]")).telemetry.buckets,
              (std::vector<Duration>{1ms, 2500us, 1s}));
    EXPECT_EQ(good(with("1s")).telemetry.buckets, std::vector<Duration>{1s});
    EXPECT_EQ(Telemetry().buckets.size(), 14U);
    EXPECT_EQ(codes(with("[1ms, 1ms]")), "141");
    EXPECT_EQ(codes(with("[2ms, 1ms]")), "141");
    EXPECT_EQ(codes(with("[0.001, 1]")), "103 103");
    EXPECT_EQ(codes(with("[]")), "117");
    std::string many;
    for (int i = 1; i <= 31; ++i)
        many += std::to_string(i) + "ms, ";
    EXPECT_EQ(codes(with("[" + many + "]")), "117");
}

TEST(ConfigErrors, TellByModeUnlessSaid) {
    const std::string listeners =
        "version: 1\nlisteners:\n  - {listen: \":80\", to: \"h:1\"}\n"
        "  - {listen: \":81\", mode: inbound, to: \"h:1\"}\n"
        "  - {listen: \":82\", mode: outbound, to: \"h:1\"}\n";
    const auto by_mode = good(listeners).listeners;
    EXPECT_EQ(by_mode[0].detail, ErrorDetail::public_only);
    EXPECT_EQ(by_mode[1].detail, ErrorDetail::internal);
    EXPECT_EQ(by_mode[2].detail, ErrorDetail::internal);
    for (const auto& listener : good(listeners + "errors: {detail: public}\n").listeners)
        EXPECT_EQ(listener.detail, ErrorDetail::public_only);
    for (const auto& listener : good(listeners + "errors: {detail: internal}\n").listeners)
        EXPECT_EQ(listener.detail, ErrorDetail::internal);
    EXPECT_EQ(codes(listeners + "errors: {detail: full}\n"), "105");
}

}  // namespace
}  // namespace weir::config
