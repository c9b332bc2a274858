#include "weir/simulate/trace.hpp"

#include <gtest/gtest.h>

namespace weir::simulate {
namespace {

using namespace std::chrono_literals;
using resilience::State;

std::string attempt(
    int at, const char* endpoint, const char* outcome, const char* kind, bool is_probe = false) {
    return "{\"t_ms\":" + std::to_string(at) + ",\"cluster\":\"app\",\"endpoint\":\"" + endpoint +
           "\",\"outcome\":\"" + outcome + "\",\"kind\":\"" + kind +
           "\",\"latency_ms\":2,\"replay_safe\":true,\"probe\":" + (is_probe ? "true" : "false") +
           "}\n";
}

constexpr const char* kHeader =
    "{\"weir_trace\":1,\"start\":\"2026-01-01T00:00:00Z\",\"dropped\":0}\n";

TEST(Trace, ReadsAnExport) {
    const Trace trace =
        read_trace(std::string(kHeader) + attempt(20, "b", "failure", "status_503") +
                   attempt(10, "a", "ok", "none") + "no line\n");
    ASSERT_EQ(trace.entries.size(), 2U);
    EXPECT_EQ(trace.skipped, 1U);
    EXPECT_EQ(trace.entries[0].endpoint, "a");
    EXPECT_EQ(trace.entries[1].verdict.kind, resilience::FailureKind::status_503);
}

TEST(Trace, ReadsAnAccessLog) {
    const Trace trace = read_trace(
        "{\"time\":\"2026-01-02T00:00:01.500Z\",\"cluster\":\"app\",\"endpoint\":\"a\",\"method\":"
        "\"POST\","
        "\"status\":503,\"duration_ms\":20,\"upstream_ms\":10}\n"
        "{\"time\":\"2026-01-02T00:00:01.600Z\",\"cluster\":\"app\",\"endpoint\":\"b\",\"method\":"
        "\"GET\","
        "\"status\":503,\"reason\":\"upstream_connect_refused\",\"duration_ms\":1}\n");
    ASSERT_EQ(trace.entries.size(), 2U);
    EXPECT_EQ(trace.entries[1].at - trace.entries[0].at, 109ms);
    EXPECT_EQ(trace.entries[0].verdict.outcome, resilience::Outcome::failure);
    EXPECT_FALSE(trace.entries[0].is_replay_safe);
    EXPECT_EQ(trace.entries[1].verdict.outcome, resilience::Outcome::local_failure);
}

TEST(Trace, SaysThatItIsNone) {
    EXPECT_FALSE(read_trace("hello\n").error.empty());
    EXPECT_FALSE(read_trace("").error.empty());
}

TEST(Replay, TheRecordedAttemptsMakeTheSameTransitions) {
    std::string text = kHeader;
    for (int i = 0; i < 10; ++i) {
        text += attempt(i * 20, "a", "failure", "status_503");
        text += attempt(i * 20 + 5, "b", "ok", "none");
    }
    text += attempt(1500, "a", "failure", "status_503", true);
    text += attempt(4000, "a", "ok", "none", true);
    text += attempt(4100, "a", "ok", "none", true);
    const auto changes = replay(read_trace(text), {}, "app", 1);
    const std::vector<std::string_view> expected = {"consecutive", "elapsed", "probe_failed",
                                                    "elapsed", "probe_ok"};
    ASSERT_EQ(changes.size(), expected.size());
    for (std::size_t i = 0; i < changes.size(); ++i) {
        EXPECT_EQ(changes[i].reason, expected[i]);
        EXPECT_EQ(changes[i].endpoint, "a");
    }
    EXPECT_EQ(changes.back().to, State::closed);
}

TEST(Replay, OtherClustersDoNotCount) {
    std::string text = kHeader;
    for (int i = 0; i < 30; ++i)
        text += attempt(i * 20, "a", "failure", "status_503");
    EXPECT_TRUE(replay(read_trace(text), {}, "other", 1).empty());
}

}  // namespace
}  // namespace weir::simulate
