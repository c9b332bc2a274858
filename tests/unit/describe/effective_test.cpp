#include "weir/describe/effective.hpp"

#include "support.hpp"
#include "texts.hpp"
#include <gmock/gmock.h>

namespace weir::describe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

// "value @layer" of each of a chain.
std::vector<std::string> chain(const config::LoadResult& loaded, std::string_view path) {
    const auto explained = explain(*loaded.document, path);
    std::vector<std::string> out;
    if (!explained) return {"nothing"};
    for (const auto& setting : explained->chain)
        out.push_back(setting.value + " @" + setting.layer);
    return out;
}

TEST(Settings, AreWhatIsWrittenByName) {
    const auto said = test::values(test::good(test::kShorthands));
    EXPECT_EQ(said.at("listeners.public.listen"), "[\":8080\", 127.0.0.1:8081]");
    EXPECT_EQ(said.at("listeners.public.routes.default.to"), "orders");
    EXPECT_EQ(said.at("listeners.:8082.routes.default.to"), "[10.0.0.1:80, 10.0.0.2:80]");
    EXPECT_EQ(said.at("clusters.10.0.0.1:80, 10.0.0.2:80.endpoints"), "[10.0.0.1:80, 10.0.0.2:80]");
    EXPECT_EQ(said.at("clusters.orders.timeout.request"), "5s");
    EXPECT_EQ(said.at("clusters.orders.retry.attempts"), "2");
    EXPECT_EQ(said.at("clusters.orders.breaker.mode"), "off");
    EXPECT_EQ(said.at("clusters.orders.discovery.type"), "dns");
    EXPECT_EQ(said.at("clusters.orders.lb.policy"), "least_request");
    EXPECT_EQ(said.count("clusters.orders.timeout.connect"), 0U);
}

TEST(Settings, InheritAsTheDecoderDoes) {
    const auto loaded = test::good(test::kLayers);
    EXPECT_THAT(chain(loaded, "clusters.orders.timeout.request"),
                ElementsAre("never @clusters.orders", "3s @defaults", "1m @built-in"));
    EXPECT_THAT(chain(loaded, "clusters.orders.timeout.idle"), ElementsAre("1m @built-in"));
    EXPECT_THAT(chain(loaded, "listeners.in.routes.orders.timeout.request"),
                ElementsAre("10s @listeners.in.routes.orders", "never @clusters.orders",
                            "3s @defaults", "1m @built-in"));
    EXPECT_THAT(chain(loaded, "listeners.in.limits.header_size"),
                ElementsAre("16KiB @limits", "32KiB @built-in"));
    EXPECT_THAT(chain(loaded, "listeners.in.routes.orders.max_body"),
                ElementsAre("1MiB @limits", "unlimited @built-in"));
    EXPECT_THAT(chain(loaded, "listeners.in.routes.route-2.retry.attempts"),
                ElementsAre("0 @listeners.in.routes.route-2", "1 @defaults", "2 @built-in"));
}

TEST(Settings, ResolveComputedDefaults) {
    const auto loaded = test::good(test::kLayers);
    const auto all = test::values(loaded, true);
    EXPECT_EQ(all.at("listeners.in.underscores"), "allow");
    EXPECT_EQ(all.at("clusters.orders.breaker.max_open_for"), "10s");
    EXPECT_EQ(all.at("clusters.orders.outlier.max_eject_for"), "2s");
    EXPECT_EQ(all.at("clusters.orders.retry.max_backoff"), "1s");
    EXPECT_EQ(all.at("clusters.orders.discovery.type"), "static");
    EXPECT_EQ(all.at("clusters.slow.v2.discovery.type"), "dns");
    EXPECT_EQ(all.at("clusters.slow.v2.breaker.max_open_for"), "1m");
    EXPECT_EQ(all.at("node.name"), "edge");
    EXPECT_EQ(test::values(test::good(test::kAnswersOnly), true).at("node.name"), "hostname");
    EXPECT_EQ(test::values(test::good(test::kShorthands), true).at("listeners.public.underscores"),
              "drop");
}

TEST(Settings, TellTheBuiltInsOnlyIfAsked) {
    for (const auto text : test::kTexts) {
        const auto loaded = test::good(text);
        for (const auto& setting : settings(*loaded.document, false))
            EXPECT_NE(setting.layer, "built-in") << setting.path;
        EXPECT_GT(settings(*loaded.document, true).size(),
                  settings(*loaded.document, false).size());
    }
}

// Of each kind of value, what the decoder made of it is what is told.
TEST(Settings, AgreeWithTheDecodedConfiguration) {
    const auto loaded = test::good(test::kLayers);
    const auto all = test::values(loaded, true);
    for (const auto& [name, cluster] : loaded.config->clusters) {
        const auto at = [&](const std::string& key) { return all.at("clusters." + name + key); };
        EXPECT_EQ(at(".retry.attempts"), std::to_string(cluster.retry.attempts)) << name;
        EXPECT_EQ(at(".limits.max_pending"), std::to_string(cluster.limits.max_pending)) << name;
        EXPECT_EQ(at(".timeout.request") == "never", !cluster.timeout.request.has_value()) << name;
        EXPECT_EQ(at(".breaker.mode"),
                  cluster.breaker.mode == config::Enforcement::shadow ? "shadow" : "enforce")
            << name;
    }
}

TEST(Explain, KnowsEveryPathThatSettingsLists) {
    std::vector<config::LoadResult> all;
    for (const auto text : test::kTexts)
        all.push_back(test::good(text));
    for (const auto& file : test::valid_files())
        all.push_back(config::load_file(file, test::environment()));
    for (const auto& loaded : all) {
        for (const auto& setting : settings(*loaded.document, true)) {
            const auto explained = explain(*loaded.document, setting.path);
            ASSERT_TRUE(explained.has_value()) << setting.path;
            ASSERT_FALSE(explained->chain.empty()) << setting.path;
            EXPECT_EQ(explained->chain.front().path, setting.path);
            EXPECT_EQ(explained->chain.front().value, setting.value) << setting.path;
            EXPECT_EQ(explained->chain.front().layer, setting.layer) << setting.path;
        }
    }
}

TEST(Explain, SaysFileAndLine) {
    const auto loaded = test::good(test::kShorthands);
    const auto explained = explain(*loaded.document, "clusters.orders.timeout.request");
    ASSERT_TRUE(explained.has_value());
    EXPECT_EQ(explained->chain.front().key, "timeout.request");
    EXPECT_EQ(origin_text(*loaded.document, explained->chain.front()), "weir.yaml:11");
    EXPECT_EQ(origin_text(*loaded.document, explained->chain.back()), "built-in");
    EXPECT_THAT(std::string(explained->chain.front().doc), HasSubstr("response headers"));
}

TEST(Explain, TakesIndexesAndShorthands) {
    const auto loaded = test::good(test::kLayers);
    const auto path = [&](std::string_view asked) {
        const auto explained = explain(*loaded.document, asked);
        return explained ? explained->chain.front().path : std::string("nothing");
    };
    EXPECT_EQ(path("listeners[0].mode"), "listeners.in.mode");
    EXPECT_EQ(path("listeners[0].routes[1].retry"), "listeners.in.routes.route-2.retry.attempts");
    EXPECT_EQ(path("listeners.in.routes[0].to"), "listeners.in.routes.orders.to");
    EXPECT_EQ(path("listeners[1].trusted_hops"), "listeners.127.0.0.1:15001.trusted_hops");
    EXPECT_EQ(path("clusters.slow.v2.timeout"), "clusters.slow.v2.timeout.request");
    EXPECT_EQ(path("listeners[2].mode"), "nothing");
    EXPECT_EQ(path("listeners[x].mode"), "nothing");
    EXPECT_EQ(path("clusters.orders.breaker"), "nothing");
    EXPECT_EQ(path(""), "nothing");
    const auto single = test::good(test::kShorthands);
    EXPECT_EQ(explain(*single.document, "listeners.public.to")->chain.front().path,
              "listeners.public.routes.default.to");
}

TEST(Explain, SuggestsWhatIsNear) {
    const auto loaded = test::good(test::kShorthands);
    const auto near = [&](std::string_view path) {
        std::vector<std::string> nearest;
        EXPECT_FALSE(explain(*loaded.document, path, &nearest).has_value()) << path;
        return nearest;
    };
    EXPECT_EQ(near("clusters.orders.timeout.requst").front(), "clusters.orders.timeout.request");
    EXPECT_THAT(near("timeout.request"), testing::Contains("clusters.orders.timeout.request"));
    EXPECT_EQ(near("clusters.orders.breaker").front(), "clusters.orders.breaker.mode");
    EXPECT_THAT(near("nothing.like.this.at.all"), IsEmpty());
}

// ---- differences

std::vector<std::string> changes(const config::LoadResult& from, const config::LoadResult& to) {
    std::vector<std::string> out;
    for (const auto& change : difference(*from.document, *to.document))
        out.push_back(change.path + ": " + change.from + " -> " + change.to);
    return out;
}

TEST(Difference, OfAConfigurationAndItselfIsEmpty) {
    for (const auto text : test::kTexts)
        EXPECT_THAT(changes(test::good(text), test::good(text)), IsEmpty());
    for (const auto& file : test::valid_files()) {
        const auto loaded = config::load_file(file, test::environment());
        EXPECT_THAT(changes(loaded, loaded), IsEmpty()) << file;
        const auto again = test::load(dump(*loaded.document, {.has_defaults = true}), file);
        EXPECT_THAT(changes(loaded, again), IsEmpty()) << file;
    }
}

std::string with(const std::string& cluster, const std::string& more = {}) {
    return "version: 1\nlisteners: [{name: l, listen: \":8080\", to: a}]\nclusters:\n  a: "
           "{endpoints: [\"10.0.0.1:80\"]" +
           cluster + "}\n" + more;
}
std::string routed(const std::string& routes, const std::string& more = {}) {
    return "version: 1\nlisteners:\n  - {name: l, listen: \":8080\", routes: [" + routes +
           "]}\nclusters: {a: {endpoints: [\"10.0.0.1:80\"]}, b: {endpoints: "
           "[\"10.0.0.2:80\"]}}\n" +
           more;
}

TEST(Difference, NamesWhatChanged) {
    EXPECT_THAT(changes(test::good(with("")), test::good(with(", timeout: 5s"))),
                ElementsAre("clusters.a.timeout.request: 1m -> 5s"));
    EXPECT_THAT(changes(test::good(with(", breaker: {open_for: 10s}")), test::good(with(""))),
                ElementsAre("clusters.a.breaker.max_open_for: 10s -> 750ms",
                            "clusters.a.breaker.open_for: 10s -> 500ms"));
    EXPECT_THAT(changes(test::good(with("")), test::good(with("", "defaults: {retry: 1}\n"))),
                ElementsAre("clusters.a.retry.attempts: 2 -> 1"));
    EXPECT_THAT(changes(test::good(routed("{name: x, path: /x, to: a}")),
                        test::good(routed("{name: x, path: /x, to: a}, {name: y, to: b}"))),
                ElementsAre("listeners.l.routes.y.name:  -> y", "listeners.l.routes.y.to:  -> b"));
    EXPECT_THAT(
        changes(test::good(routed("{name: x, path: /x, to: a}, {name: y, path: /y, to: b}")),
                test::good(routed("{name: y, path: /y, to: b}, {name: x, path: /x, to: a}"))),
        ElementsAre("listeners.l.routes: [x, y] -> [y, x]"));
}

// Sections that are written alike are not resolved; what they inherit may still differ.
TEST(Difference, SeesWhatUnchangedSectionsInherit) {
    const auto text = [](const std::string& timeout, const std::string& defaults) {
        return "version: 1\n" + defaults +
               "listeners: [{name: l, listen: \":8080\", routes: [{name: r, to: b}]}]\n"
               "clusters:\n  a: {endpoints: [\"10.0.0.1:80\"], timeout: " +
               timeout + "}\n  b: {endpoints: [\"10.0.0.2:80\"]}\n";
    };
    EXPECT_THAT(changes(test::good(text("5s", "")), test::good(text("6s", ""))),
                ElementsAre("clusters.a.timeout.request: 5s -> 6s"));
    EXPECT_THAT(
        changes(test::good(text("5s", "")), test::good(text("5s", "defaults: {timeout: 7s}\n"))),
        ElementsAre("clusters.b.timeout.request: 1m -> 7s"));
    EXPECT_THAT(changes(test::good(text("5s", "")), test::good(text("5s", "drain: 1s\n"))),
                ElementsAre("drain: 30s -> 1s"));
}

TEST(Difference, SeesAnotherSecretWithoutTellingIt) {
    const auto token = [](const std::string& file) {
        return test::load("version: 1\nadmin: {token: {file: " + file +
                          "}}\nlisteners: [{listen: \":8080\", to: \"a:80\"}]\n");
    };
    EXPECT_THAT(changes(token("one"), token("two")), ElementsAre("admin.token: *** -> ***"));
    EXPECT_THAT(changes(token("one"), token("one")), IsEmpty());
}

// Two texts are the same configuration exactly if nothing differs.
TEST(Difference, IsEmptyExactlyForEqualConfigurations) {
    const std::string base = with("");
    const std::vector<std::string> texts{
        base,
        with(", timeout: 60s"),
        with(", timeout: {request: 1m}"),
        with(", timeout: {request: 60000ms, connect: 1s}"),
        with(", timeout: {request: never}"),
        with(", retry: 2"),
        with(", retry: off"),
        with(", retry: {attempts: 0}"),
        with(", retry: {on: [503, connect, reused]}"),
        with(", retry: {on: [\"grpc:unavailable\", 503, connect, reused, refused]}"),
        with(", health: off"),
        with(", health: {}"),
        with(", health: /"),
        with(", health: {path: /, expect: \"200 - 250,251-299\"}"),
        with(", health: {expect: \"200,301\"}"),
        with(", health: {type: tcp}"),
        with(", breaker: {fallback: none}"),
        with(", breaker: {fallback: {}}"),
        with(", breaker: {fallback: {status: 503}}"),
        with(", breaker: {fallback: {body: x}}"),
        with(", breaker: {fallback: {to: \"10.0.0.9:80\"}}"),
        with(", breaker: {stall_after: auto}"),
        with(", breaker: {stall_after: off}"),
        with(", breaker: {failure_on: [503, 500]}"),
        with(", breaker: {failure_on: [500, 503]}"),
        with(", outlier: {latency_factor: 3x}"),
        with(", outlier: {latency_factor: 3.0x}"),
        with(", outlier: {throttle_rate: off}"),
        with(", lb: {when_none_ready: least_bad}"),
        with(", lb: {when_none_ready: fail}"),
        with(", retry: {on: [503, connect]}"),
        with(", retry: {budget_min: 180/m}"),
        with(", retry: {buffer: 65536B}"),
        with(", breaker: off"),
        with(", breaker: {mode: off}"),
        with(", breaker: {failure_rate: 50.0%}"),
        with(", breaker: {open_for: 2s}"),
        with(", breaker: {open_for: 2s, max_open_for: 2000ms}"),
        with(", discovery: static"),
        with(", lb: p2c_ewma"),
        with(", lb: {policy: random}"),
        with("", "defaults: {timeout: {connect: 2s}}\n"),
        with(", timeout: {connect: 2s}"),
        with("", "defaults: {timeout: {client_idle: 2s}}\n"),
        with("", "limits: {url: 8192B}\n"),
        with("", "limits: {url: 4KiB}\n"),
        with("", "drain: 30000ms\n"),
        with("", "threads: auto\n"),
        with("", "threads: 02\n"),
        with("", "threads: 2\n"),
        with("", "admin: {listen: off}\n"),
        with("", "access_log: {to: stdout}\n"),
        with("", "log: {level: warn}\n"),
        "clusters: {a: {endpoints: [{address: \"10.0.0.1:80\"}]}}\nlisteners:\n- {to: a, listen: "
        "[\":8080\"], name: l}\nversion: 1\n",
        "clusters: {a: {endpoints: [{address: \"10.0.0.1:80\", weight: 7}]}}\nlisteners:\n- {to: "
        "a, listen: [\":8080\"], name: l}\nversion: 1\n",
    };
    const std::vector<std::string> routes{
        routed("{to: a}"),
        routed("{to: [a]}"),
        routed("{to: a, name: route-1}"),
        routed("{to: a, path: /}"),
        routed("{to: a, path: /*}"),
        routed("{to: a, path: /x/*}"),
        routed("{to: a, path: /x/}"),
        routed("{to: {a: 100%}}"),
        routed("{to: {a: 50%, b: 50%}}"),
        routed("{to: {b: 50.0%, a: 50%}}"),
        routed("{to: [a, b]}"),
        routed("{to: [b, a]}"),
        routed("{to: [\"x:80\", a, \"y:80\"]}"),
        routed("{to: [a, \"x:80\", \"y:80\"]}"),
        routed("{to: [a, \"y:80\", \"x:80\"]}"),
        routed("{to: a, breaker: {}}"),
        routed("{to: a, breaker: {mode: enforce}}"),
        routed("{to: a, breaker: {window: 10s}}"),
        routed("{to: a, breaker: {window: 5s}}"),
        routed("{to: a, breaker: off}"),
        routed("{to: a, timeout: 60s}"),
        routed("{to: a, timeout: 5s}"),
        routed("{to: [a, b], timeout: 5s}"),
        routed("{to: a, header: {X-a: \"1\"}}"),
        routed("{to: a, header: {x-A: \"1\"}}"),
        routed("{to: a, header: {x-a: present}}"),
        routed("{to: a, host: A.example}"),
        routed("{to: a, host: [a.example]}"),
        routed("{to: a, max_body: 1MiB}"),
        routed("{to: a}", "limits: {body: 1MiB}\n"),
        routed("{to: a, max_body: unlimited}", "limits: {body: 1MiB}\n"),
        routed("{to: a, rewrite: {host: keep.example}}"),
        routed("{respond: {status: 200}}"),
        routed("{respond: {body: \"\"}}"),
        routed("{respond: {body: \"a\"}}"),
    };
    for (const auto* table : {&texts, &routes}) {
        std::vector<config::LoadResult> loaded;
        for (const auto& text : *table)
            loaded.push_back(test::good(text));
        for (const auto& a : loaded) {
            for (const auto& b : loaded) {
                if (!a || !b) continue;
                const bool is_equal = *a.config == *b.config;
                const auto told = changes(a, b);
                EXPECT_EQ(told.empty(), is_equal)
                    << a.sources[0].text << b.sources[0].text << testing::PrintToString(told);
            }
        }
    }
}

TEST(Difference, ServesTextsWithErrors) {
    const auto broken = test::load(
        "version: 1\nlisteners: {a: 1}\nclusters: [x]\ndefaults: 3\nlimits: [1]\nadmin: x\n");
    ASSERT_NE(broken.document, nullptr);
    EXPECT_FALSE(difference(*broken.document, *test::good(test::kLayers).document).empty());
    EXPECT_FALSE(dump(*broken.document, {.has_defaults = true}).empty());
}

}  // namespace
}  // namespace weir::describe
