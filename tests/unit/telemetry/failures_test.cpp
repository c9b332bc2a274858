#include "weir/telemetry/failures.hpp"

#include <gtest/gtest.h>

namespace weir::telemetry {
namespace {

using Texts = std::vector<std::string>;

Failure failed(const std::string& id, const std::string& cluster = "shop") {
    Failure failure;
    failure.request_id = id;
    failure.cluster = cluster;
    failure.reason = Reason::upstream_reset;
    return failure;
}

Failure tried(const std::string& id, const std::string& endpoint = "10.0.0.1:80") {
    Failure failure = failed(id);
    failure.add_attempt()->endpoint = endpoint;
    return failure;
}

void add(FailureLog& log, Failure failure) {
    log.add(failure);
}

Texts ids(const std::vector<Failure>& failures) {
    Texts all;
    for (const Failure& failure : failures)
        all.push_back(failure.request_id);
    return all;
}

TEST(FailureLog, TellsTheNewestFirst) {
    FailureLog log;
    for (const char* id : {"a", "b", "c"})
        add(log, failed(id));
    EXPECT_EQ(ids(log.recent({})), (Texts{"c", "b", "a"}));
    EXPECT_EQ(ids(log.recent({.most = 2})), (Texts{"c", "b"}));
    EXPECT_EQ(log.recent({}).front().sequence, 3U);
    EXPECT_EQ(log.total(), 3U);
}

TEST(FailureLog, KeepsTheLast256) {
    FailureLog log;
    for (int i = 0; i < 1000; ++i)
        add(log, failed(std::to_string(i)));
    const auto found = log.recent({});
    ASSERT_EQ(found.size(), 256U);
    EXPECT_EQ(found.front().request_id, "999");
    EXPECT_EQ(found.back().request_id, "744");
    EXPECT_EQ(log.recent({.most = 10'000}).size(), 256U);
}

TEST(FailureLog, RefusalsInNumbersDoNotHideWhatLedToThem) {
    FailureLog log;
    for (int i = 0; i < 100; ++i)
        add(log, tried("tried " + std::to_string(i)));
    for (int i = 0; i < 10'000; ++i)
        add(log, failed("refused"));
    EXPECT_EQ(log.recent({}).size(), 256U);
    EXPECT_EQ(ids(log.recent({.request_id = "tried 99"})), Texts{"tried 99"});
    EXPECT_EQ(log.recent({.most = 10'000}).size(), 256U + FailureLog::kTriedKept);
    EXPECT_TRUE(log.recent({.request_id = "tried 0"}).empty());
}

TEST(FailureLog, FindsByWhatIsAskedFor) {
    FailureLog log;
    add(log, failed("a", "shop"));
    add(log, failed("b", "pay"));
    Failure other = failed("c", "shop");
    other.reason = Reason::breaker_open;
    other.route = "orders";
    add(log, other);
    EXPECT_EQ(ids(log.recent({.cluster = "shop"})), (Texts{"c", "a"}));
    EXPECT_EQ(ids(log.recent({.reason = "breaker_open"})), Texts{"c"});
    EXPECT_EQ(ids(log.recent({.route = "orders"})), Texts{"c"});
    EXPECT_EQ(ids(log.recent({.cluster = "pay", .request_id = "a"})), Texts{});
}

TEST(FailureLog, LeavesAnOlderStoryForItsCapacity) {
    FailureLog log;
    for (std::size_t i = 0; i < FailureLog::kKept; ++i)
        add(log, failed("old " + std::to_string(i)));
    Failure next = failed("next");
    log.add(next);
    EXPECT_EQ(next.request_id, "old 0");
    next.clear();
    EXPECT_EQ(next.request_id, "");
    EXPECT_EQ(next.attempt_count, 0);
}

TEST(Failure, HoldsNoMoreThanItsBounds) {
    Failure failure;
    for (std::size_t i = 0; i < 100; ++i) {
        EXPECT_EQ(failure.add_attempt() != nullptr, i < Failure::kMostAttempts);
        EXPECT_EQ(failure.add_candidate() != nullptr, i < Failure::kMostCandidates);
        failure.add_timer("timeout.request", Duration{1});
    }
    EXPECT_EQ(failure.attempts_total, 100U);
    EXPECT_EQ(failure.timer_count, Failure::kMostTimers);
}

TEST(Failure, MarksTheTimerThatFired) {
    Failure failure;
    failure.add_timer("timeout.connect", Duration{1});
    failure.add_timer("timeout.response_header", std::nullopt);
    failure.add_timer("timeout.request", Duration{2});
    failure.fire("timeout.request");
    failure.fire("something else");
    ASSERT_EQ(failure.timer_count, 2);
    EXPECT_FALSE(failure.timers[0].has_fired);
    EXPECT_TRUE(failure.timers[1].has_fired);
}

TEST(Failure, CutsTextsThatAreTooLong) {
    std::string text;
    assign_cut(text, "short", 5);
    EXPECT_EQ(text, "short");
    assign_cut(text, "longer than that", 9);
    EXPECT_EQ(text, "longer...");
}

}  // namespace
}  // namespace weir::telemetry
