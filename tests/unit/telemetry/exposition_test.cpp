#include "weir/core/random.hpp"
#include "weir/telemetry/handles.hpp"

#include "telemetry/model.hpp"
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <map>
#include <set>
#include <sstream>

namespace weir::telemetry {
namespace {

using Labels = std::vector<std::string>;

prometheus::ClientMetric metric(Family family, const Labels& labels, double value) {
    prometheus::ClientMetric made;
    made.label = to_labels(info(family), labels);
    made.counter.value = value;
    made.gauge.value = value;
    return made;
}

prometheus::MetricFamily family(Family which,
                                const std::vector<std::pair<Labels, double>>& series) {
    auto made = empty_family(info(which));
    for (const auto& [labels, value] : series)
        made.metric.push_back(metric(which, labels, value));
    return made;
}

TEST(Exposition, WritesTheSampleOfTheDocumentation) {
    const Page page{family(Family::requests,
                           {{{"public", "orders", "orders", "200", "ok", "none"}, 1027},
                            {{"public", "orders", "orders", "503", "failure", "breaker_open"}, 3}}),
                    family(Family::config_last_reload_success, {{{}, 1}})};
    EXPECT_EQ(
        write_exposition(page, Exposition::text),
        "# HELP weir_requests_total Requests completed, by route, upstream and outcome.\n"
        "# TYPE weir_requests_total counter\n"
        "weir_requests_total{listener=\"public\",route=\"orders\",cluster=\"orders\",code=\"200\","
        "outcome=\"ok\",reason=\"none\"} 1027\n"
        "weir_requests_total{listener=\"public\",route=\"orders\",cluster=\"orders\",code=\"503\","
        "outcome=\"failure\",reason=\"breaker_open\"} 3\n"
        "# HELP weir_config_last_reload_success 1 if the last reload was accepted.\n"
        "# TYPE weir_config_last_reload_success gauge\n"
        "weir_config_last_reload_success 1\n");
}

TEST(Exposition, NamesCountersWithoutTheirSuffixInOpenMetrics) {
    const Page page{family(Family::requests_active, {{{"l"}, 1}}),
                    family(Family::breaker_rejected, {{{"c"}, 2}}),
                    family(Family::target_info, {{{"n"}, 1}})};
    EXPECT_EQ(write_exposition(page, Exposition::openmetrics),
              "# HELP weir_requests_active Requests in progress.\n"
              "# TYPE weir_requests_active gauge\n"
              "weir_requests_active{listener=\"l\"} 1\n"
              "# HELP weir_breaker_rejected Requests refused because a breaker was open.\n"
              "# TYPE weir_breaker_rejected counter\n"
              "weir_breaker_rejected_total{cluster=\"c\"} 2\n"
              "# HELP target The node this program runs on, as configured.\n"
              "# TYPE target info\n"
              "target_info{node=\"n\"} 1\n"
              "# EOF\n");
    EXPECT_TRUE(write_exposition(page, Exposition::text)
                    .ends_with("# TYPE target_info gauge\n"
                               "target_info{node=\"n\"} 1\n"));
}

TEST(Exposition, EscapesLabelValues) {
    const Page page{family(Family::requests_active, {{{"a\"b\\c\nd"}, 1}})};
    EXPECT_NE(write_exposition(page, Exposition::text).find("{listener=\"a\\\"b\\\\c\\nd\"} 1\n"),
              std::string::npos);
}

TEST(Exposition, WritesNumbersThatReadBackTheSame) {
    const double values[] = {0, 1, -1, 0.1, 1e-9, 1234567.25, 9007199254740991.0, 1e20, -1e300};
    for (const double value : values) {
        const Page page{family(Family::endpoint_ewma, {{{"c", "e"}, value}})};
        const std::string text = write_exposition(page, Exposition::text);
        EXPECT_EQ(std::stod(text.substr(text.rfind(' ') + 1)), value) << text;
    }
    const Page page{
        family(Family::endpoint_ewma, {{{"c", "1"}, std::numeric_limits<double>::infinity()},
                                       {{"c", "2"}, -std::numeric_limits<double>::infinity()},
                                       {{"c", "3"}, std::numeric_limits<double>::quiet_NaN()}})};
    const std::string text = write_exposition(page, Exposition::text);
    EXPECT_NE(text.find("\"1\"} +Inf\n"), std::string::npos);
    EXPECT_NE(text.find("\"2\"} -Inf\n"), std::string::npos);
    EXPECT_NE(text.find("\"3\"} NaN\n"), std::string::npos);
}

TEST(Exposition, WritesBoundsAsFloatsInBothFormats) {
    const std::pair<double, const char*> bounds[] = {
        {0.000001, "0.000001"}, {0.0001, "0.0001"}, {0.0025, "0.0025"}, {0.5, "0.5"}, {1, "1.0"},
        {2.5, "2.5"},           {60, "60.0"},       {3600, "3600.0"}};
    auto made = empty_family(info(Family::event_loop_lag));
    prometheus::ClientMetric one;
    for (const auto& [bound, text] : bounds)
        one.histogram.bucket.push_back({1, bound});
    one.histogram.bucket.push_back({1, std::numeric_limits<double>::infinity()});
    made.metric.push_back(one);
    for (const auto format : {Exposition::text, Exposition::openmetrics}) {
        const std::string page = write_exposition({made}, format);
        for (const auto& [bound, text] : bounds)
            EXPECT_NE(page.find(std::string("{le=\"") + text + "\"} 1\n"), std::string::npos)
                << text;
        EXPECT_NE(page.find("{le=\"+Inf\"} 1\n"), std::string::npos);
    }
}

TEST(Exposition, WritesHistogramsOfDifferentBoundsBesideEachOther) {
    auto made = empty_family(info(Family::upstream_request_duration));
    for (const auto& [name, bound] : {std::pair{"a", 1.0}, {"b", 2.0}, {"c", 2.0}}) {
        prometheus::ClientMetric one;
        one.label = to_labels(info(Family::upstream_request_duration), Labels{name});
        one.histogram.bucket = {{1, bound}, {2, std::numeric_limits<double>::infinity()}};
        made.metric.push_back(one);
    }
    const std::string text = write_exposition({made}, Exposition::text);
    for (const char* const part :
         {"\"a\",le=\"1.0\"} 1\n", "\"b\",le=\"2.0\"} 1\n", "\"c\",le=\"2.0\"} 1\n"})
        EXPECT_NE(text.find(part), std::string::npos) << part;
}

TEST(Exposition, ReplacesWhatIsNoUtf8) {
    const std::string bad = "\xef\xbf\xbd";
    EXPECT_EQ(valid_utf8("caf\xc3\xa9 \xe2\x86\x92 \xf0\x9f\x98\x80"),
              "caf\xc3\xa9 \xe2\x86\x92 \xf0\x9f\x98\x80");
    EXPECT_EQ(valid_utf8("a\xff"
                         "b"),
              "a" + bad + "b");
    EXPECT_EQ(valid_utf8("\xc3"), bad) << "cut off";
    EXPECT_EQ(valid_utf8("\xc0\x80"), bad + bad) << "overlong";
    EXPECT_EQ(valid_utf8("\xe0\x80\x80"), bad + bad + bad) << "overlong";
    EXPECT_EQ(valid_utf8("\xed\xa0\x80"), bad + bad + bad) << "a surrogate";
    EXPECT_EQ(valid_utf8("\xf4\x90\x80\x80"), bad + bad + bad + bad) << "above U+10FFFF";
}

// ---- compared with prometheus-cpp's own writer

// The lines of each family, numbers read, so that "1.0" and "1" and the order of `_sum` are one.
std::map<std::string, std::multiset<std::string>> parse(const std::string& text) {
    std::map<std::string, std::multiset<std::string>> found;
    std::string family;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# HELP ")) family = line.substr(7, line.find(' ', 7) - 7);
        if (line.starts_with("# ")) {
            found[family].insert(line);
            continue;
        }
        const std::size_t blank = line.rfind(' ');
        std::string name = line.substr(0, blank);
        const std::size_t first = name.find("{le=\"");
        const std::size_t le = first != std::string::npos ? first : name.find(",le=\"");
        if (le != std::string::npos) {
            const std::size_t end = name.find('"', le + 5);
            name.replace(le + 5, end - le - 5,
                         std::to_string(std::stod(name.substr(le + 5, end - le - 5))));
        }
        std::ostringstream normal;
        normal.precision(12);
        normal << name << ' ' << std::stod(line.substr(blank + 1));
        found[family].insert(normal.str());
    }
    return found;
}

prometheus::ClientMetric any_metric(const FamilyInfo& row, Random& random, std::uint32_t number) {
    static const char* const kWords[] = {"orders", "a \"quoted\" name", "back\\slash",
                                         "line\nbreak", ""};
    Labels labels;
    for (std::size_t i = 0; i < row.labels.size(); ++i) {
        labels.push_back(kWords[random.below(5)] + std::to_string(number));
    }
    prometheus::ClientMetric made;
    made.label = to_labels(row, labels);
    made.counter.value = random.below(1'000'000);
    made.gauge.value = random.uniform() * 1000 - 500;
    if (row.type != Type::histogram) return made;
    std::uint64_t total = 0;
    for (const std::int64_t bound : row.buckets->nanoseconds) {
        total += random.below(50);
        made.histogram.bucket.push_back({total, static_cast<double>(bound) / 1e9});
    }
    total += random.below(50);
    made.histogram.bucket.push_back({total, std::numeric_limits<double>::infinity()});
    made.histogram.sample_count = total;
    made.histogram.sample_sum = random.uniform() * 100;
    return made;
}

void expect_as_the_library(const Page& page) {
    std::ostringstream expected_text;
    prometheus::TextSerializer().Serialize(expected_text, page);
    const auto expected = parse(expected_text.str());
    const auto actual = parse(write_exposition(page, Exposition::text));
    ASSERT_EQ(actual.size(), expected.size());
    for (const auto& [name, lines] : expected)
        EXPECT_EQ(actual.at(name), lines) << name;
}

TEST(Exposition, EqualsTheLibrarysFamilyByFamily) {
    Random random(7);
    Page page;
    for (const FamilyInfo& row : families()) {
        page.push_back(empty_family(row));
        const std::uint32_t several = row.labels.empty() ? 1 : 4;
        for (std::uint32_t i = 0; i < several; ++i)
            page.back().metric.push_back(any_metric(row, random, i));
    }
    EXPECT_EQ(page.size(), kFamilyCount);
    expect_as_the_library(page);
}

TEST(Exposition, EqualsTheLibrarysForALiveRegistry) {
    Registry registry;
    Shard& shard = registry.make_shard();
    const auto token = registry.add_collector([](Collector& collector) {
        collector.gauge(Family::breaker_state, {"shop", kAll, "open"}, 1);
    });
    const RequestMetrics requests(registry, "in", "orders", "shop");
    const ClusterMetrics cluster(registry, "shop");
    for (std::uint16_t status = 200; status < 300; ++status)
        requests.record(shard, {.status = status, .duration = std::chrono::milliseconds{status}});
    shard.observe(cluster.connect_duration, std::chrono::microseconds{300});
    registry.count(Family::outlier_ejections, {"shop", "consecutive"});
    registry.set_info(Family::build_info, {"1", "2"});
    auto page = RegistryAccess::scrape(registry);
    EXPECT_GT(page.size(), 12U);
    expect_as_the_library(page);
}

}  // namespace
}  // namespace weir::telemetry
