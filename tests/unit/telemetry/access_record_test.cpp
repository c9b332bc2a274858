#include "telemetry/access_record.hpp"

#include "weir/core/random.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <deque>

namespace weir::telemetry {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// 2026-11-23 12:01:07.114 UTC
const WallTime kNoon = WallTime{} + std::chrono::seconds{1795435267} + milliseconds{114};

// Policies live as long as the test program, as records only point to them.
const AccessPolicy& policy(std::string_view cluster = "legacy",
                           const config::AccessLog& config = {},
                           std::string_view listener = ":8080",
                           std::string_view route = "orders") {
    static std::deque<AccessPolicy> made;
    return made.emplace_back(config, listener, route, cluster);
}

AccessRecord example() {
    AccessRecord record;
    record.time = kNoon;
    record.policy = &policy();
    record.endpoint = "127.0.0.1:9000";
    record.method = "GET";
    record.host = "shop.example";
    record.path = "/orders/1";
    record.protocol = "HTTP/1.1";
    record.request_id = "7f3a";
    record.client = "10.0.0.1:4242";
    record.status = 200;
    record.duration = microseconds{3114};
    record.upstream = microseconds{2900};
    record.request_bytes = 81;
    record.response_bytes = 1200;
    record.attempts = 1;
    return record;
}

std::string json(const AccessRecord& record) {
    std::string line(most_bytes(record, record.path), '\0');
    AccessTime time;
    std::string scratch;
    const char* const end = write_json(line.data(), record, record.path, time, scratch);
    line.resize(static_cast<std::size_t>(end - line.data()));
    return line;
}

std::string text(const AccessRecord& record) {
    std::string line(most_bytes(record, record.path), '\0');
    AccessTime time;
    const char* const end = write_text(line.data(), record, record.path, time);
    line.resize(static_cast<std::size_t>(end - line.data()));
    return line;
}

class AccessRecordText : public testing::Test {
  protected:
    void SetUp() override {
        ::setenv("TZ", "UTC", 1);
        ::tzset();
    }
};

TEST(AccessRecordJson, HoldsAllFieldsOfTheReference) {
    EXPECT_EQ(
        json(example()),
        "{\"time\":\"2026-11-23T12:01:07.114Z\",\"listener\":\":8080\",\"route\":\"orders\","
        "\"cluster\":\"legacy\",\"endpoint\":\"127.0.0.1:9000\",\"method\":\"GET\","
        "\"host\":\"shop.example\",\"path\":\"/orders/1\",\"protocol\":\"HTTP/1.1\",\"status\":200,"
        "\"reason\":\"none\",\"flags\":\"\",\"duration_ms\":3.114,\"upstream_ms\":2.900,"
        "\"request_bytes\":81,\"response_bytes\":1200,\"attempts\":1,\"request_id\":\"7f3a\","
        "\"trace_id\":\"\",\"client\":\"10.0.0.1:4242\",\"peer\":\"\"}\n");
}

TEST(AccessRecordJson, NamesReasonAndFlags) {
    auto record = example();
    record.status = 503;
    record.reason = Reason::upstream_connect_refused;
    record.flags =
        static_cast<std::uint8_t>(Flag::retried) | static_cast<std::uint8_t>(Flag::upgraded);
    const auto parsed = boost::json::parse(json(record)).as_object();
    EXPECT_EQ(parsed.at("reason"), "upstream_connect_refused");
    EXPECT_EQ(parsed.at("flags"), "retried,upgraded");
    EXPECT_EQ(parsed.at("status"), 503);
    record.flags = 255;
    EXPECT_EQ(boost::json::parse(json(record)).at("flags"),
              "retried,none_ready,probe,stale_reuse,shadow,upgraded,hedged,fallback");
}

TEST(AccessRecordJson, KeepsTheTimeOfEachSecond) {
    auto record = example();
    std::string line(4096, '\0');
    AccessTime time;
    std::string scratch;
    const auto time_of = [&](WallTime at) {
        record.time = at;
        write_json(line.data(), record, record.path, time, scratch);
        return line.substr(9, 24);
    };
    EXPECT_EQ(time_of(kNoon), "2026-11-23T12:01:07.114Z");
    EXPECT_EQ(time_of(kNoon + milliseconds{885}), "2026-11-23T12:01:07.999Z");
    EXPECT_EQ(time_of(kNoon + milliseconds{886}), "2026-11-23T12:01:08.000Z");
    EXPECT_EQ(time_of(kNoon), "2026-11-23T12:01:07.114Z");
    EXPECT_EQ(time_of(WallTime{}), "1970-01-01T00:00:00.000Z");
}

TEST(AccessRecordJson, ReadsBackWhateverARequestHolds) {
    static constexpr std::string_view kNasty = "\"\\\n\r\t\x01\x1f\x7f\x80\xc3\xa9\xff/{}a";
    Random random(11);
    for (int round = 0; round < 20'000; ++round) {
        std::string field;
        for (std::uint32_t i = random.below(40); i > 0; --i) {
            const std::uint32_t kind = random.below(8);
            field += kind == 0   ? kNasty[random.below(static_cast<std::uint32_t>(kNasty.size()))]
                     : kind == 1 ? static_cast<char>(random.below(256))
                                 : static_cast<char>('a' + random.below(26));
        }
        auto record = example();
        record.path = field;
        record.host = std::string_view(field).substr(field.size() / 2);
        boost::json::error_code error;
        const auto parsed = boost::json::parse(json(record), error);
        ASSERT_FALSE(error) << "round " << round << ": " << json(record);
        const bool is_ascii =
            std::all_of(field.begin(), field.end(), [](char c) { return c >= 0; });
        if (is_ascii) {
            ASSERT_EQ(parsed.at("path").as_string(), field);
        }
        ASSERT_EQ(parsed.at("cluster"), "legacy");
    }
}

TEST(AccessRecordJson, ReadsBackWhateverAConfigurationHolds) {
    const std::string nasty = "a\"b\\c\n\x01\xff\x7f";
    auto record = example();
    config::AccessLog config;
    config.fields = {{nasty, config::LogField::Source::text, nasty}};
    record.policy = &policy(nasty, config, nasty, nasty);
    const auto parsed = boost::json::parse(json(record)).as_object();
    const std::string read = "a\"b\\c\n\x01\xef\xbf\xbd\x7f";
    for (const char* const key : {"listener", "route", "cluster"})
        EXPECT_EQ(parsed.at(key).as_string(), read) << key;
    EXPECT_EQ(parsed.at(read).as_string(), read);
}

TEST(AccessRecordJson, AddsConfiguredFieldsAtItsEnd) {
    using Source = config::LogField::Source;
    config::AccessLog config;
    config.fields = {{"stage", Source::text, "test"},
                     {"agent", Source::header, "user-agent"},
                     {"type", Source::response_header, "content-type"}};
    auto record = example();
    record.policy = &policy("legacy", config);
    EXPECT_TRUE(
        json(record).ends_with("\"peer\":\"\",\"stage\":\"test\",\"agent\":\"\",\"type\":\"\"}\n"));
    AccessFields fields;
    fields.set(1, "curl \"8\"");
    record.fields = &fields;
    EXPECT_TRUE(json(record).ends_with(
        ",\"stage\":\"test\",\"agent\":\"curl \\\"8\\\"\",\"type\":\"\"}\n"));
}

// The bytes that need an escape, at every place of texts of every length: the copy looks at eight
// bytes at a time, and with overlap at the end.
TEST(AccessRecordJson, FindsWhatToEscapeAtEveryPlace) {
    for (std::size_t size = 1; size <= 20; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const char bad : {'"', '\\', '\x00', '\x1f', '\x7f', '\n'}) {
                std::string field(size, '~');
                field[at] = bad;
                auto record = example();
                record.path = field;
                ASSERT_EQ(boost::json::parse(json(record)).at("path").as_string(), field)
                    << size << " " << at;
            }
        }
        auto record = example();
        const std::string plain(size, ' ');
        record.path = plain;
        ASSERT_NE(json(record).find("\"path\":\"" + plain + "\""), std::string::npos) << size;
    }
}

TEST(AccessRecordJson, WritesOddNumbers) {
    auto record = example();
    record.status = 0;
    record.duration = milliseconds{-3};
    record.upstream = std::chrono::hours{30};
    record.request_bytes = ~std::uint64_t{0};
    const auto parsed = boost::json::parse(json(record)).as_object();
    EXPECT_EQ(parsed.at("status"), 0);
    EXPECT_EQ(parsed.at("duration_ms"), 0.0);
    EXPECT_EQ(parsed.at("upstream_ms"), 108'000'000.0);
    EXPECT_EQ(parsed.at("request_bytes"), ~std::uint64_t{0});
}

TEST(AccessRecordJson, NeverNeedsMoreThanItSays) {
    const std::string worst(20'000, '\x01');
    auto record = example();
    for (auto* field :
         {&record.endpoint, &record.method, &record.host, &record.path, &record.protocol,
          &record.request_id, &record.trace_id, &record.client, &record.peer}) {
        *field = worst;
    }
    config::AccessLog config;
    config.fields = {{worst, config::LogField::Source::text, worst},
                     {"x", config::LogField::Source::header, "x"}};
    record.policy = &policy(worst, config, worst, worst);
    AccessFields fields;
    fields.set(1, worst);
    record.fields = &fields;
    record.flags = 255;
    record.request_bytes = record.response_bytes = ~std::uint64_t{0};
    EXPECT_LE(json(record).size(), most_bytes(record, record.path));
    EXPECT_LE(text(record).size(), most_bytes(record, record.path));
    EXPECT_EQ(boost::json::parse(json(record)).at("path").as_string().size(), kLongestPath);
}

TEST_F(AccessRecordText, LooksAsTheStartScreenShowsIt) {
    EXPECT_EQ(text(example()),
              "12:01:07.114  GET  /orders/1    200   3.1ms  → legacy 127.0.0.1:9000\n");
    auto record = example();
    record.time = kNoon + milliseconds{87};
    record.path = "/orders/2";
    record.status = 503;
    record.duration = microseconds{420};
    record.reason = Reason::upstream_connect_refused;
    EXPECT_EQ(text(record),
              "12:01:07.201  GET  /orders/2    503   0.4ms  ✗ upstream_connect_refused  legacy "
              "127.0.0.1:9000\n");
}

TEST_F(AccessRecordText, LeavesOutWhatIsNotThere) {
    auto record = example();
    record.policy = &policy("");
    record.endpoint = {};
    EXPECT_EQ(text(record), "12:01:07.114  GET  /orders/1    200   3.1ms\n");
    record.status = 404;
    record.reason = Reason::no_route;
    EXPECT_EQ(text(record), "12:01:07.114  GET  /orders/1    404   3.1ms  ✗ no_route\n");
    record.policy = &policy("legacy");
    record.flags = static_cast<std::uint8_t>(Flag::retried);
    EXPECT_EQ(text(record),
              "12:01:07.114  GET  /orders/1    404   3.1ms  ✗ no_route  legacy  (retried)\n");
}

TEST_F(AccessRecordText, LetsNoRequestSteerTheTerminal) {
    auto record = example();
    record.path = "/\x1b[2J\r\n\x7f\xc2\x9b";
    EXPECT_EQ(text(record),
              "12:01:07.114  GET  /\\x1b[2J\\x0d\\x0a\\x7f\\xc2\\x9b  200   3.1ms  → legacy "
              "127.0.0.1:9000\n");
}

TEST_F(AccessRecordText, AddsConfiguredFields) {
    using Source = config::LogField::Source;
    config::AccessLog config;
    config.fields = {{"stage", Source::text, "t\x1b"}, {"agent", Source::header, "user-agent"}};
    auto record = example();
    record.policy = &policy("legacy", config);
    AccessFields fields;
    fields.set(1, "c\nurl");
    record.fields = &fields;
    EXPECT_EQ(text(record),
              "12:01:07.114  GET  /orders/1    200   3.1ms  → legacy 127.0.0.1:9000  stage=t\\x1b  "
              "agent=c\\x0aurl\n");
}

// No byte but printable ASCII, and our own arrows, whatever comes in: a line is a line.
TEST_F(AccessRecordText, IsOneLineOfVisibleBytesWhateverARequestHolds) {
    Random random(12);
    for (int round = 0; round < 5000; ++round) {
        std::string bytes;
        for (std::uint32_t i = random.below(60); i > 0; --i)
            bytes += static_cast<char>(random.below(256));
        auto record = example();
        record.path = bytes;
        record.method = std::string_view(bytes).substr(bytes.size() / 3);
        record.endpoint = std::string_view(bytes).substr(bytes.size() / 2);
        std::string line = text(record);
        ASSERT_TRUE(line.ends_with('\n'));
        line.pop_back();
        if (const auto arrow = line.find("→"); arrow != std::string::npos) line.erase(arrow, 3);
        for (const char c : line)
            ASSERT_TRUE(c >= 0x20 && c < 0x7f) << "round " << round << ": " << line;
    }
}

TEST_F(AccessRecordText, KeepsLongPathsAndTimesWhole) {
    auto record = example();
    record.method = "OPTIONS";
    record.path = "/a/rather/long/path";
    record.duration = std::chrono::seconds{100};
    EXPECT_EQ(
        text(record),
        "12:01:07.114  OPTIONS /a/rather/long/path  200100000.0ms  → legacy 127.0.0.1:9000\n");
}

}  // namespace
}  // namespace weir::telemetry
