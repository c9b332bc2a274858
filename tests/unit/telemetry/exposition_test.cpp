#include "weir/core/random.hpp"

#include "telemetry/model.hpp"
#include <gtest/gtest.h>
#include <prometheus/collectable.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <map>
#include <set>
#include <sstream>

namespace weir::telemetry {
namespace {

std::vector<Series>& of(Scrape& scrape, Family family) {
    return scrape[static_cast<std::size_t>(family)];
}

TEST(Exposition, WritesTheSampleOfTheDocumentation) {
    Scrape scrape;
    of(scrape, Family::requests) = {
        {{"public", "orders", "orders", "200", "ok", "none"}, 1027, {}},
        {{"public", "orders", "orders", "503", "failure", "breaker_open"}, 3, {}}};
    of(scrape, Family::config_last_reload_success) = {{{}, 1, {}}};
    EXPECT_EQ(
        write_exposition(scrape, Exposition::text),
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
    Scrape scrape;
    of(scrape, Family::breaker_rejected) = {{{"c"}, 2, {}}};
    of(scrape, Family::requests_active) = {{{"l"}, 1, {}}};
    EXPECT_EQ(write_exposition(scrape, Exposition::openmetrics),
              "# HELP weir_requests_active Requests in progress.\n"
              "# TYPE weir_requests_active gauge\n"
              "weir_requests_active{listener=\"l\"} 1\n"
              "# HELP weir_breaker_rejected Requests refused because a breaker was open.\n"
              "# TYPE weir_breaker_rejected counter\n"
              "weir_breaker_rejected_total{cluster=\"c\"} 2\n"
              "# EOF\n");
}

TEST(Exposition, EscapesLabelValues) {
    Scrape scrape;
    of(scrape, Family::requests_active) = {{{"a\"b\\c\nd"}, 1, {}}};
    EXPECT_NE(write_exposition(scrape, Exposition::text).find("{listener=\"a\\\"b\\\\c\\nd\"} 1\n"),
              std::string::npos);
}

TEST(Exposition, WritesNumbersThatReadBackTheSame) {
    const double values[] = {0, 1, -1, 0.1, 1e-9, 1234567.25, 9007199254740991.0, 1e20, -1e300};
    for (const double value : values) {
        Scrape scrape;
        of(scrape, Family::endpoint_ewma) = {{{"c", "e"}, value, {}}};
        const std::string text = write_exposition(scrape, Exposition::text);
        EXPECT_EQ(std::stod(text.substr(text.rfind(' ') + 1)), value) << text;
    }
    Scrape scrape;
    of(scrape, Family::endpoint_ewma) = {
        {{"c", "1"}, std::numeric_limits<double>::infinity(), {}},
        {{"c", "2"}, -std::numeric_limits<double>::infinity(), {}},
        {{"c", "3"}, std::numeric_limits<double>::quiet_NaN(), {}}};
    const std::string text = write_exposition(scrape, Exposition::text);
    EXPECT_NE(text.find("\"1\"} +Inf\n"), std::string::npos);
    EXPECT_NE(text.find("\"2\"} -Inf\n"), std::string::npos);
    EXPECT_NE(text.find("\"3\"} NaN\n"), std::string::npos);
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

prometheus::ClientMetric to_metric(const FamilyInfo& family, const Series& series) {
    prometheus::ClientMetric metric;
    for (std::size_t i = 0; i < family.labels.size(); ++i) {
        metric.label.push_back({std::string(family.labels[i]), series.labels[i]});
    }
    metric.counter.value = series.value;
    metric.gauge.value = series.value;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < series.buckets.size(); ++i) {
        total += series.buckets[i];
        const bool is_last = i + 1 == series.buckets.size();
        metric.histogram.bucket.push_back(
            {total, is_last ? std::numeric_limits<double>::infinity()
                            : static_cast<double>(family.buckets->nanoseconds[i]) * 1e-9});
    }
    metric.histogram.sample_count = total;
    metric.histogram.sample_sum = series.value;
    return metric;
}

class ScrapeCollectable final : public prometheus::Collectable {
  public:
    explicit ScrapeCollectable(const Scrape& scrape) : scrape_(scrape) {}

    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
        std::vector<prometheus::MetricFamily> all;
        for (const FamilyInfo& family : families()) {
            const auto& series = scrape_[static_cast<std::size_t>(family.family)];
            if (series.empty()) continue;
            auto& collected = all.emplace_back();
            collected.name = family.name;
            collected.help = family.help;
            collected.type = family.type == Type::counter ? prometheus::MetricType::Counter
                             : family.type == Type::gauge ? prometheus::MetricType::Gauge
                                                          : prometheus::MetricType::Histogram;
            for (const Series& one : series)
                collected.metric.push_back(to_metric(family, one));
        }
        return all;
    }

  private:
    const Scrape& scrape_;
};

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
        if (const std::size_t le = name.find("le=\""); le != std::string::npos) {
            const std::size_t end = name.find('"', le + 4);
            name.replace(le + 4, end - le - 4,
                         std::to_string(std::stod(name.substr(le + 4, end - le - 4))));
        }
        std::ostringstream normal;
        normal.precision(12);
        normal << name << ' ' << std::stod(line.substr(blank + 1));
        found[family].insert(normal.str());
    }
    return found;
}

Series any_series(const FamilyInfo& family, Random& random, std::uint32_t number) {
    static const char* const kWords[] = {"orders", "a \"quoted\" name", "back\\slash",
                                         "line\nbreak", ""};
    Series series;
    for (std::size_t i = 0; i < family.labels.size(); ++i) {
        series.labels.push_back(kWords[random.below(5)] + std::to_string(number));
    }
    series.value =
        family.type == Type::counter ? random.below(1'000'000) : random.uniform() * 1000 - 500;
    if (family.type == Type::histogram) {
        series.value = random.uniform() * 100;
        for (std::size_t i = 0; i <= family.buckets->text.size(); ++i)
            series.buckets.push_back(random.below(50));
    }
    return series;
}

TEST(Exposition, EqualsTheLibrarysFamilyByFamily) {
    Random random(7);
    Scrape scrape;
    for (const FamilyInfo& family : families()) {
        const std::uint32_t several = family.labels.empty() ? 1 : 4;
        for (std::uint32_t i = 0; i < several; ++i) {
            of(scrape, family.family).push_back(any_series(family, random, i));
        }
    }
    std::ostringstream expected_text;
    prometheus::TextSerializer().Serialize(expected_text, ScrapeCollectable(scrape).Collect());
    const auto expected = parse(expected_text.str());
    const auto actual = parse(write_exposition(scrape, Exposition::text));
    EXPECT_EQ(expected.size(), kFamilyCount);
    ASSERT_EQ(actual.size(), expected.size());
    for (const auto& [family, lines] : expected)
        EXPECT_EQ(actual.at(family), lines) << family;
}

}  // namespace
}  // namespace weir::telemetry
