#include "weir/telemetry/attempt_trace.hpp"

#include "weir/core/json.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <thread>

namespace weir::telemetry {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};

TracedAttempt attempt(std::uint64_t request, Duration began = 5ms) {
    return {.cluster = "shop",
            .route = "web",
            .endpoint = "10.0.0.1:80",
            .method = "GET",
            .began = kStart + began,
            .ended = kStart + began + 1500us,
            .headers = 1200us,
            .verdict = {},
            .request = request,
            .attempt = 1,
            .status = 200,
            .is_replay_safe = true,
            .is_probe = false};
}

std::vector<JsonValue> lines(const std::string& text) {
    std::vector<JsonValue> all;
    std::size_t begin = 0;
    for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
        const auto value = JsonValue::parse(std::string_view(text).substr(begin, end - begin));
        EXPECT_TRUE(value) << text;
        all.push_back(value.value_or(JsonValue{}));
    }
    return all;
}

TEST(AttemptTrace, IsOnWhileSomebodyReads) {
    AttemptTrace trace(4);
    EXPECT_FALSE(trace.is_on());
    std::optional<AttemptTrace::Reader> a(std::in_place, trace, "", kStart, WallTime{});
    std::optional<AttemptTrace::Reader> b(std::in_place, trace, "", kStart, WallTime{});
    EXPECT_TRUE(trace.is_on());
    a.reset();
    EXPECT_TRUE(trace.is_on());
    b.reset();
    EXPECT_FALSE(trace.is_on());
    trace.add(attempt(1));  // its worker had not seen that yet
}

TEST(AttemptTrace, WritesALineForEachAttempt) {
    AttemptTrace trace(16);
    AttemptTrace::Reader reader(trace, "", kStart, WallTime{1500ms});
    TracedAttempt failed = attempt(7);
    failed.status = 503;
    failed.verdict = {.outcome = resilience::Outcome::failure,
                      .kind = resilience::FailureKind::status_503,
                      .is_slow = true,
                      .hint = 2s};
    failed.headers.reset();
    trace.add(attempt(7));
    trace.add(failed);
    EXPECT_EQ(reader.head(),
              "{\"weir_trace\":1,\"start\":\"1970-01-01T00:00:01.500Z\",\"dropped\":0}\n");
    const std::string text = reader.next(100);
    const auto all = lines(text);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(text.substr(0, text.find('\n')),
              "{\"t_ms\":5,\"cluster\":\"shop\",\"route\":\"web\",\"endpoint\":\"10.0.0.1:80\","
              "\"outcome\":\"ok\",\"kind\":\"none\",\"slow\":false,\"latency_ms\":1.5,"
              "\"status\":200,\"method\":\"GET\",\"replay_safe\":true,\"attempt\":1,"
              "\"probe\":false,\"request\":7,\"hint_ms\":0,\"headers_ms\":1.2}");
    EXPECT_EQ(all[1]["outcome"].text(), "failure");
    EXPECT_EQ(all[1]["kind"].text(), "status_503");
    EXPECT_EQ(all[1]["hint_ms"].text(), "2000");
    EXPECT_EQ(all[1]["slow"].boolean(), true);
    EXPECT_TRUE(all[1]["headers_ms"].is_null());
    EXPECT_EQ(reader.next(100), "");
}

TEST(AttemptTrace, GivesSoManyAtOnceAndGoesOn) {
    AttemptTrace trace(16);
    AttemptTrace::Reader reader(trace, "", kStart, WallTime{});
    for (std::uint64_t i = 0; i < 5; ++i)
        trace.add(attempt(i));
    EXPECT_EQ(lines(reader.next(3)).size(), 3U);
    const auto rest = lines(reader.next(3));
    ASSERT_EQ(rest.size(), 2U);
    EXPECT_EQ(rest[1]["request"].text(), "4");
}

TEST(AttemptTrace, CountsWhatASlowReaderMissed) {
    AttemptTrace trace(4);
    AttemptTrace::Reader reader(trace, "", kStart, WallTime{});
    for (std::uint64_t i = 0; i < 10; ++i)
        trace.add(attempt(i));
    const auto rest = lines(reader.next(100));
    ASSERT_EQ(rest.size(), 4U);
    EXPECT_EQ(rest.front()["request"].text(), "6");
    EXPECT_EQ(reader.dropped(), 6U);
    EXPECT_NE(reader.head().find("\"dropped\":6"), std::string::npos);
}

TEST(AttemptTrace, LeavesOutOtherClustersAndWhatBeganBefore) {
    AttemptTrace trace(16);
    AttemptTrace::Reader reader(trace, "shop", kStart, WallTime{});
    trace.add(attempt(1, -1ms));
    TracedAttempt other = attempt(2);
    other.cluster = "pay";
    trace.add(other);
    trace.add(attempt(3));
    const auto all = lines(reader.next(100));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0]["request"].text(), "3");
    EXPECT_EQ(reader.dropped(), 0U);
}

TEST(AttemptTrace, CountsOrKeepsEachAttemptOfManyThreads) {
    constexpr std::uint64_t kEach = 5000;
    AttemptTrace trace;
    AttemptTrace::Reader reader(trace, "", kStart, WallTime{});
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (std::uint64_t n = 0; n < kEach; ++n)
                trace.add(attempt(n));
        });
    }
    std::uint64_t seen = 0;
    for (int i = 0; i < 20; ++i)
        seen += lines(reader.next(100)).size();
    for (std::thread& thread : threads)
        thread.join();
    seen += lines(reader.next(100'000)).size();
    EXPECT_EQ(seen + reader.dropped(), 4 * kEach);
}

}  // namespace
}  // namespace weir::telemetry
